"""The sidecar: a JSON file beside the data."""

from __future__ import annotations

from rawmmap.formats.sidecar.text import (
    SUFFIX,
    VERSION,
    beside,
    dumps,
    is_sidecar,
    loads,
    read,
    read_bytes,
    sidecar_path,
)

__all__ = [
    "SUFFIX",
    "VERSION",
    "beside",
    "dumps",
    "is_sidecar",
    "loads",
    "read",
    "read_bytes",
    "sidecar_path",
]
