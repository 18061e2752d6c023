"""How stored bytes become values, and back."""

from __future__ import annotations

from rawmmap.layout.samples.coded import (
    NAMES,
    Coded,
    mappable_dtype,
    nearest_dtype,
    parse_dtype,
)
from rawmmap.layout.samples.protocol import ByteOrder, Samples, is_native, native

__all__ = [
    "NAMES",
    "ByteOrder",
    "Coded",
    "Samples",
    "is_native",
    "mappable_dtype",
    "native",
    "nearest_dtype",
    "parse_dtype",
]
