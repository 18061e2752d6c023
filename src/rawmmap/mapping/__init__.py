"""Arrays bound to files: whole files, parts of files, and memory with no file.

The arrays are plain `numpy.ndarray`. Behind each lies one map of the system, which lives exactly as
long as the last array, memoryview or other object that shows its bytes; no file stays open for it
on Python 3.13 and later (before, the interpreter keeps one descriptor for each map).

This package is the only one that maps anything.
"""

from __future__ import annotations

from rawmmap.mapping._advice import advise, flush, resident
from rawmmap.mapping._mapping import Mapping, mapping_of
from rawmmap.mapping._mmap import anonymous, mmap
from rawmmap.mapping._page_cache import resident_shares
from rawmmap.mapping._system import GRANULARITY, PAGE
from rawmmap.mapping._window import advise_window, descriptors_in_maps, map_window

__all__ = [
    "GRANULARITY",
    "PAGE",
    "Mapping",
    "advise",
    "advise_window",
    "anonymous",
    "descriptors_in_maps",
    "flush",
    "map_window",
    "mapping_of",
    "mmap",
    "resident",
    "resident_shares",
]
