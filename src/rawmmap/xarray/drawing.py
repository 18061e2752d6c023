"""Pictures of the files behind datasets."""

from __future__ import annotations

from typing import Any

import numpy as np
from xarray import DataArray, Dataset

from rawmmap.array import RawArray
from rawmmap.bars import Chunks
from rawmmap.dataset import RawDataset, open_described
from rawmmap.description import Keywords
from rawmmap.drawing import Drawing
from rawmmap.mapping import mapping_of
from rawmmap.xarray.lazy import LazyArray
from rawmmap.xarray.refresh import KEY, Opening

__all__ = ["draw_dataset"]

# The keywords of the engine that say which files there are, and what of them is shown.
_OPENING = ("format", "access", "storage_options", "drop_variables", "missing", "fill_value")


def draw_dataset(ds: Dataset | DataArray) -> Drawing:
    """Return a picture of the files of a dataset that was opened by the engine, or mapped.

    Raises
    ------
    ValueError
        If it was neither.
    """
    opening = ds.encoding.get(KEY)
    if isinstance(ds, Dataset) and isinstance(opening, Opening):
        keywords = dict(opening.keywords)
        described = Keywords.take_from(keywords)
        passed = [keywords[key] for key in _OPENING]
        raw = open_described(opening.path, described, *passed)
        return raw.draw(_chunks_of(ds, raw))
    variables = ds.variables.values() if isinstance(ds, Dataset) else [ds.variable]
    for variable in variables:
        drawing = _draw_data(variable._data)
        if drawing is not None:
            return drawing
    raise ValueError(
        "this dataset does not know its files: only one that comes from "
        'xr.open_dataset(path, engine="rawmmap", ...) or rawmmap.map_dataset can be drawn'
    )


def _draw_data(data: Any) -> Drawing | None:
    """Return a picture of the file of a mapped or lazy array, or of the first that a graph has."""
    if isinstance(data, np.ndarray):
        try:
            return mapping_of(data).draw()
        except ValueError:
            return None
    layers = data.dask.layers.values() if hasattr(data, "dask") else [{"": data}]
    for layer in layers:
        # The layer of xarray's own arrays has one entry; those of tasks are not looked through.
        raw = _unwrap(next(iter(layer.values()))) if len(layer) == 1 else None
        if raw is not None:
            same = raw.shape == data.shape
            return raw.draw(data.chunks if same and hasattr(data, "chunks") else None)
    return None


def _unwrap(data: Any) -> RawArray | None:
    """Return what lies below xarray's lazy arrays."""
    while data is not None and not isinstance(data, LazyArray):
        data = getattr(data, "array", None)
    return None if data is None else data.raw


def _chunks_of(ds: Dataset, raw: RawDataset) -> dict[str, Chunks]:
    """Return the chunks of the variables that are as they lie in the files, not a part of them."""
    return {
        str(name): variable.chunks
        for name, variable in ds.variables.items()
        if variable.chunks is not None
        and name in raw.arrays
        and variable.dims == tuple(raw.dims(str(name)))
        and variable.shape == raw.arrangement(str(name)).shape
    }
