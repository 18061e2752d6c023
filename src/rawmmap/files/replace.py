"""Files that appear complete or not at all: written beside their target, then renamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from rawmmap.files.hidden import draft_path
from rawmmap.files.io import CREATING
from rawmmap.files.presence import Presence

__all__ = [
    "create_draft",
    "install",
    "rename",
    "replacing",
    "sync",
    "take_mode",
]

_CREATE = CREATING | getattr(os, "O_NOFOLLOW", 0)


def create_draft(draft: str, target: str, size: int = 0) -> None:
    """Create a file of `size` zeros that nobody can read who may not read `target`.

    A draft that exists already keeps its bytes.
    """
    fd = os.open(draft, _CREATE, 0o600 if os.path.exists(target) else 0o666)
    try:
        if os.fstat(fd).st_size != size:
            os.ftruncate(fd, size)
    finally:
        os.close(fd)


def install(draft: str, target: str, *, wait: bool = True) -> None:
    """Rename a complete draft to `target`, once all of it is on disk.

    A link keeps pointing where it did, and an existing file's permissions are kept.

    Parameters
    ----------
    draft, target : str
        Paths in the same folder.
    wait : bool
        Whether to wait until draft and name are on disk; if not, the caller sees to that.
    """
    real = os.path.realpath(target)
    take_mode(draft, real)
    if wait:
        sync(draft)
    rename(draft, real)
    if wait:
        sync(os.path.dirname(real))


def rename(draft: str, target: str) -> None:
    """Rename a draft to `target`, or say what stands in the way.

    Raises
    ------
    PermissionError
        If the system refuses it: Windows does for a target that is open or mapped anywhere.
    """
    try:
        os.replace(draft, target)
    except PermissionError as error:
        text = f"the file could not be replaced: {error.strerror}"
        if os.access(os.path.dirname(target), os.W_OK):
            text += "; drop arrays that are mapped to it, and close programs that have it open"
        raise PermissionError(error.errno, text, target) from error


def take_mode(draft: str, target: str, mask: int = 0o7777) -> None:
    """Give a draft the permissions of `target` that are in `mask`, if that exists."""
    with contextlib.suppress(FileNotFoundError):
        os.chmod(draft, os.stat(target).st_mode & mask)


def sync(path: str) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    folder = os.path.isdir(path)
    if os.name == "nt" and folder:
        return
    fd = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def replacing(target: str) -> Iterator[str]:
    """Yield the path of an empty draft; install it at the end, or remove it after a failure."""
    draft = draft_path(target)
    with Presence.enter(draft):
        try:
            create_draft(draft, target)
            yield draft
            install(draft, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)
            raise
