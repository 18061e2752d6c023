"""Dask arrays from raw files, and into them."""

from __future__ import annotations

from rawmmap.libraries import explain_missing

with explain_missing("rawmmap.dask works"):
    from rawmmap.dask.reading import as_dask, chunk_shape, from_raw
    from rawmmap.dask.store import store
    from rawmmap.dask.to_raw import to_raw

__all__ = ["as_dask", "chunk_shape", "from_raw", "store", "to_raw"]
