"""Who is writing drafts of a file, so that those of killed writers can be told and removed.

Every writer has a shared ``flock`` on one hidden file beside the target as long as it writes. The
system drops it when the writer dies. Whoever can have that lock alone knows that nobody is writing,
and that all drafts of the target are leftovers. So a folder is listed after a writer was killed, or
where several met, and never otherwise. Where a system has no such locks, nothing is removed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Self

from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.lock import is_at, try_lock, unlock

__all__ = ["Presence"]

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND
for _name in ("O_CLOEXEC", "O_NOFOLLOW"):
    _FLAGS |= getattr(os, _name, 0)
_ENDING = ".part"


class Presence:
    """That somebody is writing a draft; a context manager.

    Parameters
    ----------
    draft : str
        Path of the draft, as `rawmmap.files.replace.draft_path` makes it.
    fd : int or None
        Descriptor with the lock; None where there are no locks.
    """

    __slots__ = ("_draft", "_fd")

    def __init__(self, draft: str, fd: int | None) -> None:
        self._draft = draft
        self._fd = fd

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
        if sys.platform == "win32":
            return cls(draft, None)
        path = _path_of(draft)
        while True:
            try:
                fd, first = _open(path, permissions)
            except OSError:  # the draft cannot be created either, which is for it to explain
                return cls(draft, None)
            try:
                if not first and try_lock(fd, shared=False) and is_at(fd, path):
                    _remove_drafts(path, draft)
                locks = try_lock(fd, shared=True, wait=True)
                if not locks and first:
                    os.unlink(path)
                if locks and is_at(fd, path):
                    presence = cls(draft, fd)
                    if not first:
                        presence.note("")
                    return presence
            except BaseException:
                unlock(fd)
                raise
            unlock(fd)
            if not locks:
                return cls(draft, None)

    def note(self, text: str) -> None:
        """Write a line into the hidden file; its last writer looks for drafts if there is any."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._fd, f"{text}\n".encode())

    def has_note(self, text: str) -> bool:
        """Return whether somebody has noted `text` while writers were there without a break."""
        if self._fd is None:
            return False
        size = os.fstat(self._fd).st_size
        return text.encode() in os.pread(self._fd, size, 0).splitlines()

    def leave(self) -> None:
        """Stop to write; the last one removes the hidden file, and drafts of killed writers."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        path = _path_of(self._draft)
        try:
            if try_lock(fd, shared=False) and is_at(fd, path):
                if os.fstat(fd).st_size:
                    _remove_drafts(path)
                os.unlink(path)
        except OSError:
            pass  # of another user, whose turn it is then
        finally:
            unlock(fd)

    def hand_over(self) -> None:
        """Stop to write a draft that others still write to, though they may not have entered."""
        if os.path.exists(self._draft):
            fd, self._fd = self._fd, None
            if fd is not None:
                unlock(fd)
        else:
            self.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with deferring_interrupts():
            self.leave()


def _open(path: str, permissions: int) -> tuple[int, bool]:
    """Open the hidden file; return whether this call has created it, too."""
    try:
        return os.open(path, _FLAGS | os.O_EXCL, permissions), True
    except FileExistsError:
        pass
    try:
        return os.open(path, _FLAGS, permissions), False
    except PermissionError:  # another user's, which can be locked all the same
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)), False


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
