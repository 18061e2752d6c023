"""Where bytes come from: one module per kind of source, behind one small interface."""

from __future__ import annotations

from rawmmap.sources.base import Access, Expected, Identity, Range, Source
from rawmmap.sources.files import Files
from rawmmap.sources.opening import local_path, name_of, open_source, split_chain, stream_of
from rawmmap.sources.tuning import TUNING, Tuning

__all__ = [
    "TUNING",
    "Access",
    "Expected",
    "Files",
    "Identity",
    "Range",
    "Source",
    "Tuning",
    "local_path",
    "name_of",
    "open_source",
    "split_chain",
    "stream_of",
]
