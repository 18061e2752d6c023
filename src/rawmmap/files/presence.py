"""Who is writing drafts of a file, so that those of killed writers are recognised and removed.

Every writer holds a shared ``flock`` on one hidden file beside the target as long as it writes. The
system releases it when the writer dies. Whoever gets an exclusive lock knows that nobody else is
writing, and that all drafts of the target are leftovers. So a folder is listed only after a writer
was killed, or where several met. Where a system has no such locks, nothing is removed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Self

from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.io import CREATING, open_for_reading
from rawmmap.files.lock import is_at, try_lock, unlock

__all__ = ["Presence"]

_FLAGS = CREATING | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
_ENDING = ".part"


class Presence:
    """The mark of a process that is writing a draft; a context manager.

    Parameters
    ----------
    draft : str
        Path of the draft, as `rawmmap.files.hidden.draft_path` makes it.
    fd : int or None
        Descriptor with the lock; None where there are no locks.
    """

    __slots__ = ("_draft", "_fd", "_process")

    def __init__(self, draft: str, fd: int | None) -> None:
        self._draft = draft
        self._fd = fd
        self._process = os.getpid()

    @classmethod
    def enter(cls, draft: str, permissions: int = 0o666) -> Self:
        """Begin to write a draft; remove what killed writers have left, but not this draft.

        Parameters
        ----------
        draft : str
            Path of the draft, which need not exist.
        permissions : int
            Those of the hidden file, if it is created.
        """
        path = _path_of(draft)
        while sys.platform != "win32":
            try:
                fd, created = _open(path, permissions)
            except OSError:  # creating the draft fails, too, and explains it
                break
            presence = cls(draft, fd)
            if not created and try_lock(fd, shared=False) and is_at(fd, path):
                _remove_drafts(path, draft)
            if not try_lock(fd, shared=True, wait=True):
                presence._drop()
                with contextlib.suppress(OSError):
                    os.unlink(path)
                break
            if is_at(fd, path):
                if not created:
                    presence.note("")
                return presence
            presence._drop()
        return cls(draft, None)

    def note(self, text: str) -> None:
        """Write a line into the hidden file; if it has any, the last writer looks for leftovers."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._fd, f"{text}\n".encode())

    def has_note(self, text: str) -> bool:
        """Return whether a writer has noted `text` since this hidden file was created."""
        if self._fd is None:
            return False
        size = os.fstat(self._fd).st_size
        return text.encode() in os.pread(self._fd, size, 0).splitlines()

    def leave(self) -> None:
        """Stop writing; the last one removes the hidden file, and drafts of killed writers."""
        if self._fd is None or self._process != os.getpid():
            return  # a forked child has a copy, whose descriptor was closed
        path = _path_of(self._draft)
        try:
            if try_lock(self._fd, shared=False) and is_at(self._fd, path):
                if os.fstat(self._fd).st_size:
                    _remove_drafts(path)
                os.unlink(path)
        except OSError:
            pass  # the file of another user, who removes it
        finally:
            self._drop()

    def leave_to_others(self) -> None:
        """Stop writing; a draft that exists stays for processes that may not have entered yet."""
        if os.path.exists(self._draft):
            self._drop()
        else:
            self.leave()

    def _drop(self) -> None:
        """Release the lock."""
        fd, self._fd = self._fd, None
        if fd is not None and self._process == os.getpid():
            unlock(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with deferring_interrupts():
            self.leave()

    def __del__(self) -> None:
        self.leave()  # an interrupt may come before the caller of `enter` has this


def _open(path: str, permissions: int) -> tuple[int, bool]:
    """Open the hidden file; return whether this call has created it, too."""
    try:
        return os.open(path, _FLAGS | os.O_EXCL, permissions), True
    except FileExistsError:
        pass
    try:
        return os.open(path, _FLAGS, permissions), False
    except PermissionError:  # the file of another user, which can be locked nevertheless
        return open_for_reading(path), False


def _path_of(draft: str) -> str:
    """Return the hidden file of all drafts of one target: ``.rawmmap-<digest>.part``."""
    folder, name = os.path.split(draft)
    return os.path.join(folder, name.rsplit(".", 2)[0] + _ENDING)


def _remove_drafts(path: str, kept: str | None = None) -> None:
    folder, name = os.path.split(path)
    prefix = name.removesuffix(_ENDING) + "."
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for entry in names:
        draft = os.path.join(folder, entry)
        if entry.startswith(prefix) and entry.endswith(_ENDING) and draft not in (path, kept):
            with contextlib.suppress(OSError):
                os.unlink(draft)
