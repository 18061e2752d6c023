"""The sidecar: a JSON file beside the data."""

from __future__ import annotations

from rawmmap.formats.sidecar.recognition import is_sidecar
from rawmmap.formats.sidecar.text import (
    SUFFIX,
    VERSION,
    dumps,
    loads,
    read,
    read_bytes,
    sidecar_path_of,
)

__all__ = [
    "SUFFIX",
    "VERSION",
    "dumps",
    "is_sidecar",
    "loads",
    "read",
    "read_bytes",
    "sidecar_path_of",
]
