"""Raw files in xarray: the engine, `describe`, the writer and live datasets.

Importing this package registers the accessor ``rawmmap`` of datasets and data arrays, and nothing
else; the rest loads when it is used.
"""

from __future__ import annotations

from rawmmap.libraries import explain_missing

with explain_missing("rawmmap.xarray works"):
    from rawmmap.xarray.accessor import RawmmapAccessor

__all__ = ["RawmmapAccessor"]
