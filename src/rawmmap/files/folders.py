"""Folders that appear complete or not at all: written beside their target, then renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from rawmmap.files.hidden import draft_path
from rawmmap.files.replace import sync

__all__ = ["replacing_folder"]


@contextlib.contextmanager
def replacing_folder(target: str) -> Iterator[str]:
    """Yield the path of a folder to create; rename it at the end, or remove it after a failure.

    Parameters
    ----------
    target : str
        What the folder is named at the end. An existing folder of this name stays as it is until
        then; it is renamed to a hidden name, and removed when the new one has its place.

    Notes
    -----
    Systems do not replace a folder in one step: for an instant the name does not exist. A process
    that is killed in that instant leaves both folders, under hidden names.
    """
    draft = draft_path(target)
    try:
        yield draft
        for folder, _, names in os.walk(draft):
            for name in names:
                sync(os.path.join(folder, name))
        _install(draft, os.path.realpath(target))
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _install(draft: str, target: str) -> None:
    """Rename a folder to the place of an existing one, which comes back if that fails."""
    old = draft_path(target)
    try:
        if os.path.lexists(target):
            os.rename(target, old)
        os.rename(draft, target)
    except BaseException:
        if os.path.lexists(old) and not os.path.lexists(target):
            os.rename(old, target)
        raise
    finally:
        if os.path.lexists(target):
            shutil.rmtree(old, ignore_errors=True)
    sync(os.path.dirname(target))
