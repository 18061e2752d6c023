"""Files that come into being whole: written beside their target, and renamed when on disk."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator

__all__ = ["draft_path", "install", "replacing", "sync"]


def draft_path(target: str) -> str:
    """Return a new name beside `target`, which no glob on the target's suffix would find."""
    folder, name = os.path.split(os.path.realpath(target))
    return os.path.join(folder, f".{name}.{secrets.token_hex(4)}.part")


def install(draft: str, target: str) -> None:
    """Put a finished draft in the place of `target`, once all of it is on disk.

    A link keeps pointing where it did, and an existing file's permissions are kept.
    """
    real = os.path.realpath(target)
    with contextlib.suppress(FileNotFoundError):
        os.chmod(draft, os.stat(real).st_mode & 0o7777)
    sync(draft)
    os.replace(draft, real)
    sync(os.path.dirname(real))


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
    """Give the path of a draft; install it at the end, or remove it after a failure."""
    draft = draft_path(target)
    try:
        yield draft
        install(draft, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        raise
