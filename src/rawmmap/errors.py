"""The library's own exceptions; each is also the standard type that callers would expect."""

from __future__ import annotations

import errno
import os

__all__ = ["DescriptionError", "RawmmapError", "ShortFileError", "ShrunkFileError"]


class RawmmapError(Exception):
    """Base of all exceptions that only this library raises."""


class DescriptionError(RawmmapError, ValueError):
    """The description of a file is missing, malformed or contradicts itself."""


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
