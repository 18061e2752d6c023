"""The entry ``"next"`` of a sidecar: the description of a data file that is about to be replaced.

``{"next": {"inode": N, "generation": N, "size": N, "mtime_ns": N, "sidecar": {...}}}`` applies if
the data file has this inode, and either this generation or exactly this size and modification time:
inodes are used again, and not all systems tell generations. Until then the rest of the sidecar
applies; without a rest, the file is not described.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from rawmmap.files.status import status_and_generation
from rawmmap.formats.sidecar.pretty import pretty
from rawmmap.formats.sidecar.text import VERSION, read_bytes

__all__ = ["announce", "has_next", "choose"]

_MARK = re.compile(rb'"next"\s*:')


def announce(before: bytes | None, draft: str, text: str) -> bytes:
    """Return a sidecar that also describes the data file for when `draft` has replaced it."""
    document: dict[str, Any] = {"rawmmap": VERSION} if before is None else json.loads(before)
    status, generation = status_and_generation(draft)
    document["next"] = {
        "inode": status.st_ino,
        **({} if generation is None else {"generation": generation}),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "sidecar": json.loads(text),
    }
    return (json.dumps(document, ensure_ascii=False) + "\n").encode()


def choose(text: bytes, path: str, data: os.stat_result | None) -> bytes | None:
    """Return the sidecar that describes the data file at `path`, or None if none does.

    Parameters
    ----------
    text : bytes
        What the file of the sidecar holds.
    path : str
        The data file.
    data : os.stat_result or None
        Its state; None if it does not exist.
    """
    if not _MARK.search(text):
        return text
    document = json.loads(text)
    entry = document.pop("next", None) if isinstance(document, dict) else None
    if entry is None:
        return text
    if data is not None and _matches(entry, path, data):
        document = entry["sidecar"]
    return (pretty(document) + "\n").encode() if "variables" in document else None


def has_next(path: str) -> bool:
    """Return whether the sidecar at `path` has an entry ``"next"``; never raises."""
    try:
        return bool(_MARK.search(text := read_bytes(path))) and "next" in json.loads(text)
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _matches(entry: dict[str, Any], path: str, data: os.stat_result) -> bool:
    if entry.get("inode") != data.st_ino:
        return False
    if (entry.get("size"), entry.get("mtime_ns")) == (data.st_size, data.st_mtime_ns):
        return True
    # After a writer was killed, other programs may have written to the new file.
    generation = entry.get("generation")
    if generation is None:
        return False
    try:
        status, now = status_and_generation(path)
    except OSError:
        return False
    return (status.st_ino, now) == (data.st_ino, generation)
