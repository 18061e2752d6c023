"""Which JSON files are sidecars: others may have the same name, and are never taken for ours."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Callable
from typing import BinaryIO

__all__ = ["is_sidecar", "is_sidecar_text"]

# Our writer puts the mark first, but JSON objects are unordered.
_FIRST = re.compile(rb'\[?\s*\{\s*"rawmmap"\s*:\s*\d')
_MARK = re.compile(rb'"rawmmap"\s*:\s*\d')
_VARIABLES = re.compile(rb'"variables"\s*:')
_HEAD = 4096
_SEARCHED = 2**24


def is_sidecar(path: str) -> bool:
    """Return whether `path` is a sidecar, by its content; never raises."""
    try:
        if not os.path.isfile(path):
            return False  # opening a pipe would block
        with open(path, "rb") as file:
            head = file.read(_HEAD)
        return is_sidecar_text(head, lambda: open(path, "rb"))
    except (OSError, ValueError):
        return False


def is_sidecar_text(head: bytes, open_file: Callable[[], BinaryIO]) -> bool:
    """Return whether a file that starts with `head` is a sidecar, reading more of it if needed.

    A sidecar is a JSON object in which ``"rawmmap"`` is a number. The same name further inside,
    in a list of versions for instance, does not make one.
    """
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if _FIRST.match(text):
        return True
    if not text.startswith(b"{"):
        return False
    if len(head) >= _HEAD:
        with open_file() as file:
            text = file.read(_SEARCHED).removeprefix(codecs.BOM_UTF8)
    if not _MARK.search(text):
        return False
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # Whoever reads it says what is wrong with it.
        return bool(_VARIABLES.search(text))
    return type(document.get("rawmmap")) is int
