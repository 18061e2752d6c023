"""Dask arrays from raw files, and into them."""

from __future__ import annotations

from rawmmap.dask.reading import as_dask, chunk_shape, from_raw
from rawmmap.dask.writing import store, to_raw

__all__ = ["as_dask", "chunk_shape", "from_raw", "store", "to_raw"]
