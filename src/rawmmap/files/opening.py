"""What callers mean by a file: a path, an open file object, or a descriptor."""

from __future__ import annotations

import contextlib
import errno
import io
import operator
import os
import stat
import sys
import weakref
from typing import IO, Any, SupportsIndex

from rawmmap.files.io import CREATING, READING, WRITING

if sys.platform != "win32":
    import fcntl

__all__ = [
    "MODES",
    "File",
    "OpenFile",
    "Source",
    "absolute_path",
    "check_regular",
    "kind_of",
    "name_of",
    "not_regular_error",
    "open_again",
    "open_file",
    "remove_if_empty",
]

# Other buffered streams (gzip, lzma, zipfile) have the descriptor of the file that they decode.
_BUFFERS = (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)
#: Whatever stands for a file.
File = str | bytes | os.PathLike[str] | os.PathLike[bytes] | IO[bytes] | SupportsIndex

#: The modes of `mmap`, and how a path is opened for each of them.
MODES = {None: READING, "r": READING, "c": READING, "r+": WRITING, "w+": CREATING}
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


#: Where an open file came from: the caller's object (a weak reference) or descriptor; None: a path.
Source = weakref.ref[Any] | int | None
#: Descriptor, whether we close it, path, mode, source, whether we created the file.
OpenFile = tuple[int, bool, str | None, str, Source, bool]


def open_file(file: File, mode: str | None) -> OpenFile:
    """Open `file` for `mode`, or take what is open already.

    Raises
    ------
    PermissionError
        If the mode asks for more than the open file allows, or it cannot be read.
    OSError
        If there is no such file, or it cannot be opened; at once for pipes, too.
    TypeError
        If `file` is not a path, a binary file or a descriptor.
    """
    if isinstance(file, (str, bytes)):
        return _open_path(file, mode)
    if hasattr(file, "fileno"):
        return _use_object(file, mode)
    if isinstance(file, os.PathLike):
        return _open_path(os.fspath(file), mode)
    try:
        fd = operator.index(file)
    except TypeError:
        raise TypeError(
            f"file must be a path, an open binary file or a descriptor, not {type(file).__name__}"
        ) from None
    return _use_descriptor(fd, mode)


def open_again(path: str | None, source: Source, like: os.stat_result) -> tuple[int, bool]:
    """Open the file that `like` describes for reading and writing once more.

    Returns
    -------
    fd : int
        Its descriptor.
    ours : bool
        Whether the caller must close it.

    Raises
    ------
    OSError
        If it was removed or replaced, and the descriptor it was mapped from is closed.
    """
    original = source() if isinstance(source, weakref.ref) else source
    for file in (original, path):
        if file is None:
            continue
        try:
            fd, ours, *_ = open_file(file, "r+")
            same = os.path.samestat(os.fstat(fd), like)
        except (OSError, ValueError):
            continue  # Closed or removed since.
        if same:
            return fd, ours
        if ours:
            os.close(fd)
    raise OSError(
        errno.ESTALE,
        "the mapped file was removed or replaced and cannot be opened for writing; map it again",
        path,
    )


def absolute_path(path: str | None) -> str | None:
    """Return `path` as an absolute one, which outlives a change of the working directory."""
    if path is None or os.path.isabs(path):
        return path
    try:
        return os.path.abspath(path)
    except OSError:
        return path  # The working directory was removed.


def remove_if_empty(fd: int, path: str | None) -> None:
    """Remove the file at `path`, which we have created as `fd`, if nobody has filled it since."""
    with contextlib.suppress(OSError):
        status = os.fstat(fd)
        if path is not None and not status.st_size and os.path.samestat(status, os.stat(path)):
            os.unlink(path)


def check_regular(file: object) -> None:
    """Refuse a path or a descriptor of anything that exists and is not a regular file."""
    try:
        status = os.stat(file)  # type: ignore[arg-type]
    except (OSError, TypeError, ValueError):
        return
    if not stat.S_ISREG(status.st_mode):
        raise not_regular_error(status, name_of(file))


def kind_of(status: os.stat_result) -> str:
    """Return what something is that is not a regular file: a pipe, for example."""
    return next((name for test, name in _KINDS if test(status.st_mode)), "not a regular file")


def not_regular_error(status: os.stat_result, path: str | None) -> OSError:
    """Return the error for anything but a regular file; nothing else can be mapped."""
    if stat.S_ISDIR(status.st_mode):
        return IsADirectoryError(errno.EISDIR, "this is a directory; map a file in it", path)
    return OSError(
        errno.ENODEV,
        f"this is {kind_of(status)}, which has no bytes that can be mapped; copy its data into a "
        "file first",
        path,
    )


def _open_path(file: str | bytes, mode: str | None) -> OpenFile:
    path = file if isinstance(file, str) else os.fsdecode(file)
    try:
        if mode == "w+":
            fd, fresh = _open_or_create(file)
            return fd, True, path, mode, None, fresh
        return os.open(file, MODES[mode]), True, path, mode or "r", None, False
    except OSError as error:
        raise _explain(error, path, mode) from None


def _open_or_create(file: str | bytes) -> tuple[int, bool]:
    try:
        return os.open(file, MODES["r+"]), False
    except FileNotFoundError:
        pass
    try:
        return os.open(file, MODES["w+"] | os.O_EXCL, 0o666), True
    except FileExistsError:
        # A link to nowhere, or somebody else was faster.
        return os.open(file, MODES["w+"], 0o666), False


def _explain(error: OSError, path: str, mode: str | None) -> OSError:
    if error.errno in (errno.ENXIO, errno.EISDIR):
        return not_regular_error(os.stat(path), path)
    if error.errno == errno.ENOENT:
        text = "there is no such file; mode='w+' creates one, in an existing folder"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        text = f"cannot open the file with mode={mode or 'r'!r}: {error.strerror}"
        text += "; mode='r' and mode='c' only read" if mode in ("r+", "w+") else ""
    else:
        text = f"cannot open the file with mode={mode or 'r'!r}: {error.strerror}"
    return OSError(error.errno, text, path)


def _use_object(file: Any, mode: str | None) -> OpenFile:
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"{file!r} is open as text; open it with 'rb' or 'r+b'")
    inner = file
    while isinstance(inner, _BUFFERS):
        inner = inner.raw
    if isinstance(inner, io.BufferedIOBase) and not isinstance(inner, io.BytesIO):
        raise _decoded_error(file, inner)
    try:
        fd = file.fileno()
    except AttributeError:
        raise _decoded_error(file, inner) from None
    except io.UnsupportedOperation as error:
        raise io.UnsupportedOperation(
            f"{file!r} has no file of the system behind it and cannot be mapped ({error})"
        ) from None
    except ValueError as error:
        raise ValueError(f"{error}; open it again, or pass its path") from None
    name = getattr(file, "name", None)
    path = os.fsdecode(name) if isinstance(name, (str, bytes)) else _name_of(fd)
    able = _access_rights(fd)
    reads = able[0] and getattr(file, "readable", _yes)()
    writes = able[1] and getattr(file, "writable", _yes)()
    return fd, False, path, _check_mode(mode, reads, writes, path), _reference(file), False


def _decoded_error(file: Any, inner: Any) -> TypeError:
    return TypeError(
        f"the bytes of {file!r} are not those of a file of the system, but the result of "
        f"{type(inner).__name__}; write them to a file first"
    )


def _use_descriptor(fd: int, mode: str | None) -> OpenFile:
    try:
        reads, writes = _access_rights(fd)
    except (OSError, ValueError, OverflowError):
        raise OSError(errno.EBADF, f"{fd} is not an open file descriptor") from None
    path = _name_of(fd)
    return fd, False, path, _check_mode(mode, reads, writes, path), fd, False


def _access_rights(fd: int) -> tuple[bool, bool]:
    """Return whether `fd` is open for reading, and for writing."""
    if sys.platform == "win32":
        return True, True
    else:  # noqa: RET505 - type checkers tell platforms apart by branches
        access = fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
        return access != os.O_WRONLY, access != os.O_RDONLY


def _check_mode(mode: str | None, reads: bool, writes: bool, path: str | None) -> str:
    if not reads:
        raise PermissionError(
            errno.EACCES,
            "the file is open for writing only, and a map is always read: open it with 'r+b'",
            path,
        )
    if mode is None:
        return "r+" if writes else "r"
    if mode in ("r+", "w+") and not writes:
        raise PermissionError(
            errno.EACCES,
            f"mode={mode!r} asks for writing, but the file is open for reading only: "
            "open it with 'r+b', or pass mode='r' or mode='c'",
            path,
        )
    return mode


def name_of(file: object) -> str | None:
    """Return the name by which the caller knows `file`, or else the system."""
    name = file if isinstance(file, (str, bytes, os.PathLike)) else getattr(file, "name", file)
    if isinstance(name, int):
        return _name_of(name)
    return os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else None


def _name_of(fd: int) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return None


def _reference(file: Any) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(file)
    except TypeError:
        return None


def _yes() -> bool:
    return True
