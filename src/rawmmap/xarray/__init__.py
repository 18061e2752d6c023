"""Raw files in xarray: the engine, `describe`, the writer and live datasets.

Importing this module registers the accessor ``rawmmap`` of datasets and data arrays.
"""

from __future__ import annotations

from rawmmap.xarray.description import describe
from rawmmap.xarray.engine import RawmmapEntrypoint

__all__ = ["RawmmapEntrypoint", "describe"]
