"""The lock of a file's name: one process or thread at a time changes what lies there.

A lock is a hidden file beside the target on which its holder has an exclusive ``flock``. The
system drops it when the holder dies, so a killed writer never blocks the next one; the file that
it leaves is used and removed by the next. Locks are advisory, and held for short steps only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator

from rawmmap.files.replace import hidden_path

if sys.platform != "win32":
    import fcntl

__all__ = ["locked"]

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
# The folder may not be written to, or the file system has no such locks.
_NO_FILE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


@contextlib.contextmanager
def locked(target: str) -> Iterator[None]:
    """Hold the lock of `target`, a path, after waiting for whoever holds it.

    Where the folder cannot be written to, the target itself is locked.
    """
    if sys.platform == "win32":
        yield
        return
    fd, path = _acquire(target)
    try:
        yield
    finally:
        # Removed while it is held: whoever waits for it notices, and takes a new one.
        if path is not None:
            with contextlib.suppress(OSError):
                os.unlink(path)
        if fd is not None:
            os.close(fd)


def _acquire(target: str) -> tuple[int | None, str | None]:
    """Return the descriptor that holds the lock, and the file to remove afterwards."""
    path = hidden_path(target, "lock")
    while True:
        fd, removable = _open(path, target)
        if fd is None:
            return None, None
        try:
            _flock(fd)
            if removable is None or _is_at(fd, path):
                return fd, removable
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _open(path: str, target: str) -> tuple[int | None, str | None]:
    try:
        return os.open(path, _FLAGS, 0o666), path
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise OSError(error.errno, error.strerror, target) from None
    try:
        return os.open(target, os.O_RDONLY), None
    except OSError:
        return None, None  # Whatever is wrong shows when the target is written.


def _flock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_at(fd: int, path: str) -> bool:
    """Return whether `path` still names the open file, which the holder before may have removed."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False
