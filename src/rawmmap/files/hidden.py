"""Names of hidden files: drafts and locks of a target, beside it."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile

__all__ = ["draft_path", "hidden_path", "scratch_path"]


def hidden_path(target: str, ending: str, elsewhere: str | None = None) -> str:
    """Return the path of a hidden file beside `target`; no glob on the target's suffix finds it.

    The name is short, whatever the length of the target's: the system takes 255 bytes.

    Parameters
    ----------
    target : str
        The file.
    ending : str
        The last part of the name.
    elsewhere : str, optional
        Another folder, which may have hidden files for targets of the same name.
    """
    real = os.path.realpath(target)
    folder, name = (elsewhere, real) if elsewhere else os.path.split(real)
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return os.path.join(folder, f".rawmmap-{digest}.{ending}")


def draft_path(target: str, elsewhere: str | None = None) -> str:
    """Return a new hidden path beside `target`, or in another folder."""
    return hidden_path(target, f"{secrets.token_hex(6)}.part", elsewhere)


def scratch_path(target: str) -> str:
    """Return a new hidden path beside `target` or, if its folder is read-only, of the system's."""
    folder = os.path.dirname(os.path.realpath(target))
    return draft_path(target, None if os.access(folder, os.W_OK) else tempfile.gettempdir())
