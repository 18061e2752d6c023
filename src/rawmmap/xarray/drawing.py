"""Pictures of the files behind datasets."""

from __future__ import annotations

import numpy as np
from xarray import DataArray, Dataset

from rawmmap.dataset import open_described
from rawmmap.description import Keywords
from rawmmap.drawing import Drawing
from rawmmap.mapping import mapping_of
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
    if isinstance(opening, Opening):
        keywords = dict(opening.keywords)
        described = Keywords.take_from(keywords)
        passed = [keywords[key] for key in _OPENING]
        return open_described(opening.path, described, *passed).draw()
    variables = ds.variables.values() if isinstance(ds, Dataset) else [ds.variable]
    for variable in variables:
        if isinstance(variable._data, np.ndarray):
            try:
                return mapping_of(variable._data).draw()
            except ValueError:
                continue
    raise ValueError(
        "this dataset does not know its files: only one that comes from "
        'xr.open_dataset(path, engine="rawmmap", ...) or rawmmap.map_dataset can be drawn'
    )
