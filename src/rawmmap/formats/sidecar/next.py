"""The entry ``"next"`` of a sidecar: the description of a data file that is about to be replaced.

``{"next": {"inode": N, "size": N, "mtime_ns": N, "sidecar": {...}}}`` applies if the data file has
exactly this inode, size and modification time (inodes are used again). Until then the rest of the
sidecar applies; without a rest, the file is not described.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from rawmmap.formats.sidecar.pretty import pretty
from rawmmap.formats.sidecar.text import VERSION, read_bytes

__all__ = ["announce", "has_next", "choose"]

_MARK = re.compile(rb'"next"\s*:')


def announce(before: bytes | None, draft: os.stat_result, text: str) -> bytes:
    """Return a sidecar that also describes the data file for when `draft` has replaced it."""
    document: dict[str, Any] = {"rawmmap": VERSION} if before is None else json.loads(before)
    document["next"] = {
        "inode": draft.st_ino,
        "size": draft.st_size,
        "mtime_ns": draft.st_mtime_ns,
        "sidecar": json.loads(text),
    }
    return (json.dumps(document, ensure_ascii=False) + "\n").encode()


def choose(text: bytes, data: os.stat_result | None) -> bytes | None:
    """Return the sidecar that describes a data file in this state, or None if none does."""
    if not _MARK.search(text):
        return text
    document = json.loads(text)
    entry = document.pop("next", None) if isinstance(document, dict) else None
    if entry is None:
        return text
    if data is not None and _matches(entry, data):
        document = entry["sidecar"]
    return (pretty(document) + "\n").encode() if "variables" in document else None


def has_next(path: str) -> bool:
    """Return whether the sidecar at `path` has an entry ``"next"``; never raises."""
    try:
        return bool(_MARK.search(text := read_bytes(path))) and "next" in json.loads(text)
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _matches(entry: dict[str, Any], data: os.stat_result) -> bool:
    state = (entry.get("inode"), entry.get("size"), entry.get("mtime_ns"))
    return state == (data.st_ino, data.st_size, data.st_mtime_ns)
