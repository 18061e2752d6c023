"""Opening files, and reading and writing at positions, on every system.

All functions take and return descriptors and positions in bytes. A call or a flag that a system
lacks is replaced by the nearest that it has; hints do nothing where there are none.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from itertools import repeat

from rawmmap.files import libc

__all__ = [
    "CREATING",
    "READING",
    "UNSUPPORTED",
    "WRITING",
    "create_file",
    "disable_readahead",
    "is_cached",
    "open_for_reading",
    "open_for_writing",
    "prefetch",
    "read_at",
    "read_pieces",
    "read_up_to",
    "reserve",
    "sync",
    "write_all",
    "write_at",
]

# Without O_NONBLOCK opening a pipe waits for its other end; regular files do not know the flag.
_ALWAYS = 0
for _name in ("O_BINARY", "O_NOINHERIT", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK"):
    _ALWAYS |= getattr(os, _name, 0)

#: Flags of `os.open` for each way of opening a file.
READING = os.O_RDONLY | _ALWAYS
WRITING = os.O_RDWR | _ALWAYS
CREATING = WRITING | os.O_CREAT

#: What a file system says of a call that it does not know.
UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})

# The kernel cuts a request for read-ahead to the device's own limit, often 128 KiB.
_HINT = 2**17

_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def open_for_reading(path: _Path) -> int:
    """Open an existing file to be read; return its descriptor, at once for pipes too."""
    return os.open(path, READING)


def open_for_writing(path: _Path) -> int:
    """Open an existing file to be read and written; return its descriptor."""
    return os.open(path, WRITING)


def create_file(path: _Path, permissions: int = 0o666) -> int:
    """Create a file to be read and written; return its descriptor.

    Raises
    ------
    FileExistsError
        If there is anything of this name, a dangling link included.
    """
    return os.open(path, CREATING | os.O_EXCL, permissions)


def read_at(fd: int, view: memoryview, position: int) -> int:
    """Read bytes from `position` on into `view`; return how many came, 0 past the end.

    One call transfers at most 2 GiB; see `read_up_to` for more.
    """
    if hasattr(os, "preadv"):
        return os.preadv(fd, [view], position)
    os.lseek(fd, position, os.SEEK_SET)  # descriptors are not shared between threads here
    data = os.read(fd, len(view))
    view[: len(data)] = data
    return len(data)


def read_up_to(fd: int, view: memoryview, position: int) -> int:
    """Fill `view` from `position` on; return how many bytes came before the file ended."""
    done = 0
    while done < len(view):
        n = read_at(fd, view[done:], position + done)
        if not n:
            break
        done += n
    return done


def read_pieces(fd: int, starts: Sequence[int], length: int) -> bytearray:
    """Return `length` bytes, a few KiB at most, from each of `starts`, end to end.

    The result is too short if the file ends before one of them does.
    """
    if hasattr(os, "pread"):
        # Nearly all of the time of short reads goes into Python: this is its fastest way.
        return bytearray().join(map(os.pread, repeat(fd), repeat(length), starts))
    data = bytearray(len(starts) * length)
    view = memoryview(data)
    done = 0
    for i, start in enumerate(starts):
        done += read_up_to(fd, view[i * length : (i + 1) * length], start)
    return data[:done]


def write_at(fd: int, view: memoryview, position: int) -> int:
    """Write bytes of `view` from `position` on; return how many were taken."""
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, view, position)
    os.lseek(fd, position, os.SEEK_SET)
    return os.write(fd, view)


def write_all(fd: int, view: memoryview, position: int) -> None:
    """Write all bytes of `view` from `position` on."""
    while view:
        n = write_at(fd, view, position)
        view = view[n:]
        position += n


def disable_readahead(fd: int) -> None:
    """Let reads through `fd` fetch what they ask for, and nothing behind it."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)


def prefetch(fd: int, starts: Iterable[int], length: int) -> None:
    """Ask for `length` bytes from each of `starts`, without waiting for them."""
    if not hasattr(os, "posix_fadvise"):
        return
    pieces = [(at, min(_HINT, length - at)) for at in range(0, length, _HINT)]
    for start in starts:
        for at, nbytes in pieces:
            os.posix_fadvise(fd, start + at, nbytes, os.POSIX_FADV_WILLNEED)


def is_cached(fd: int, positions: Iterable[int]) -> bool:
    """Return whether the bytes at all `positions` are in memory; False where one cannot tell."""
    if not hasattr(os, "RWF_NOWAIT"):
        return False
    byte = [bytearray(1)]
    try:
        for position in positions:
            os.preadv(fd, byte, position, os.RWF_NOWAIT)
    except OSError:  # not in memory, or a file system that cannot tell
        return False
    return True


def reserve(fd: int, start: int, stop: int) -> None:
    """Give holes in ``[start, stop)`` blocks, so that stores through a map cannot meet a full disk.

    The file's length stays. A file system that has no such call has no holes either.

    Raises
    ------
    OSError
        If the disk is full.
    """
    try:
        libc.fallocate(fd, libc.KEEP_SIZE, start, stop - start)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def sync(fd: int) -> None:
    """Wait until the file's data and length are on disk."""
    os.fsync(fd)
