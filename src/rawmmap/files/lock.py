"""The lock of a file's name: one process or thread at a time changes what lies there.

A lock is a hidden file beside the target on which its holder has an exclusive ``flock``. The
system releases it when the holder dies, so a killed writer never blocks the next one; the file that
it leaves is used and removed by the next. Locks are advisory, and held for short steps only.

A forked child shares the locks of its parent, and would keep them when that is killed: it closes
their descriptors at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator

from rawmmap.files.hidden import hidden_path
from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.io import CREATING, READING, open_for_reading

if sys.platform != "win32":
    import fcntl

__all__ = ["is_at", "locked", "try_lock", "unlock"]

# The folder may not be written to, or the file system has no such locks.
_NO_FILE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# Over NFS an exclusive lock needs a file that is open for writing (EBADF).
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF})

_held: set[int] = set()


def _forget() -> None:
    """Close the descriptors of the parent's locks."""
    for fd in _held:
        with contextlib.suppress(OSError):
            os.close(fd)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


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
        # Removed while it is held: whoever waits for it notices, and creates a new one.
        with deferring_interrupts():
            if path is not None:
                with contextlib.suppress(OSError):
                    os.unlink(path)
            if fd is not None:
                unlock(fd)


def try_lock(fd: int, *, shared: bool, wait: bool = False) -> bool:
    """Lock an open file, alone or together with others, or return False.

    Parameters
    ----------
    fd : int
        Its descriptor, to be closed by `unlock`.
    shared : bool
        Whether others may have a shared lock, too.
    wait : bool
        Whether to wait for them. Then only a system without locks is a reason to return False.
    """
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(
            fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        )
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    _held.add(fd)
    return True


def unlock(fd: int) -> None:
    """Release a lock, in forked children too, and close its descriptor."""
    _held.discard(fd)
    with contextlib.suppress(OSError):
        if sys.platform != "win32":
            fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def is_at(fd: int, path: str) -> bool:
    """Return whether `path` still names the open file, which somebody may have removed."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _acquire(target: str) -> tuple[int | None, str | None]:
    """Return the descriptor that holds the lock, and the file to remove afterwards."""
    path = hidden_path(target, "lock")
    while True:
        fd, removable = _open(path, target)
        if fd is None:
            return None, None
        try:
            try_lock(fd, shared=False, wait=True)
            if removable is None or is_at(fd, path):
                return fd, removable
        except BaseException:
            unlock(fd)
            raise
        unlock(fd)


def _open(path: str, target: str) -> tuple[int | None, str | None]:
    # A lock that another user has created may be readable only, which is enough for a lock.
    for flags in (CREATING, READING):
        try:
            return os.open(path, flags, 0o666), path
        except FileNotFoundError:
            if flags == CREATING:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), target) from None
            if os.access(os.path.dirname(path), os.W_OK):
                return _open(path, target)  # removed meanwhile
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise OSError(error.errno, error.strerror, target) from None
    try:
        return open_for_reading(target), None
    except OSError:
        return None, None  # Whatever is wrong shows when the target is written.
