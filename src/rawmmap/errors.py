"""The library's own exceptions, and the one way to put a file's name before an error.

Each exception is also the standard type that callers would expect.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "DescriptionError",
    "MissingFilesError",
    "OverlapError",
    "RawmmapError",
    "ReadOnlyShortFileError",
    "ShortFileError",
    "ShrunkFileError",
    "add_file_name",
    "name_file",
]

_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


@contextmanager
def name_file(path: _Path | None) -> Iterator[None]:
    """Put the name of a file before the text of an error that leaves this context.

    Parameters
    ----------
    path : path or None
        The file, as its caller knows it; None changes nothing.
    """
    try:
        yield
    except Exception as error:
        add_file_name(error, path)
        raise


def add_file_name(error: Exception, path: _Path | None) -> None:
    """Put the name of a file before an error's text, or into its `filename`, if it names none.

    The error stays the same object, of the same type. Errors whose text is not their one argument
    (`KeyError`, `UnicodeDecodeError` and the like) are left alone.

    Parameters
    ----------
    error : Exception
        The error that is about to be raised.
    path : path or None
        The file, as its caller knows it; None changes nothing.
    """
    if path is None:
        return
    name = os.fsdecode(path)
    if isinstance(error, OSError) and error.errno is not None:
        if error.filename is None:
            error.filename = name
        return
    # A KeyError shows its argument in quotes, as a key.
    as_key = type(error).__str__ is KeyError.__str__
    if as_key or len(error.args) != 1 or not isinstance(error.args[0], str):
        return
    text = error.args[0]
    if not (text.startswith(f"{name}: ") or f"{os.sep}{name}: " in text or repr(name) in text):
        error.args = (f"{name}: {text}",)


class RawmmapError(Exception):
    """Base of all exceptions that only this library raises."""


class DescriptionError(RawmmapError, ValueError):
    """The description of a file is missing, malformed or contradicts itself."""


class MissingFilesError(DescriptionError):
    """A series of files has gaps where a description expects files."""


class OverlapError(DescriptionError):
    """Variables, or elements of one variable, share bytes of the file though nothing allows it."""


class ShortFileError(RawmmapError, ValueError):
    """A file is too short for what it is said to hold.

    Parameters
    ----------
    path : str
        The file.
    needed, size : int
        Bytes that the description needs, and bytes that the file has.
    hint : str, optional
        What the caller can do about it.
    """

    def __init__(
        self,
        path: str,
        needed: int,
        size: int,
        hint: str = "check dtype, shape and offset, or whether the file is complete",
    ) -> None:
        super().__init__(path, needed, size, hint)
        self.path, self.needed, self.size, self.hint = path, needed, size, hint

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.needed} bytes are needed, but the file has {self.size} "
            f"({self.needed - self.size} too few): {self.hint}"
        )


class ReadOnlyShortFileError(PermissionError, ShortFileError):
    """A file is too short for a map of it, and may not be written, so that it cannot grow.

    Parameters
    ----------
    path : str or None
        The file, where its name is known.
    needed, size : int
        Bytes that the map needs, and bytes that the file has.
    hint : str
        What the caller can do about it.
    """

    def __init__(self, path: str | None, needed: int, size: int, hint: str) -> None:
        OSError.__init__(
            self, errno.EACCES, f"{needed} bytes are needed and the file has {size}; {hint}", path
        )
        self.path, self.needed, self.size = path or "the file", needed, size
        self.hint = hint

    __str__ = OSError.__str__

    def __reduce__(
        self,
    ) -> tuple[type[ReadOnlyShortFileError], tuple[str | None, int, int, str]]:
        return type(self), (self.filename, self.needed, self.size, self.hint)


class ShrunkFileError(RawmmapError, OSError):
    """A file became too short after it was opened, or a read of it came back short.

    Parameters
    ----------
    path : str
        The file.
    needed, size : int
        The byte up to which data was wanted, and the byte at which it ended.
    """

    def __init__(self, path: str, needed: int, size: int) -> None:
        super().__init__(
            errno.EIO,
            f"data up to byte {needed} was asked for, but the file now ends at byte {size}; "
            "it shrank since it was opened: open it again",
            os.fspath(path),
        )
        self.needed, self.size = needed, size

    def __reduce__(self) -> tuple[type[ShrunkFileError], tuple[str, int, int]]:
        return type(self), (self.filename, self.needed, self.size)
