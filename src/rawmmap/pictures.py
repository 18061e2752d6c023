"""`show`, for whatever lies in files: paths, arrays, mappings and datasets."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from rawmmap.dataset import RawDataset, open
from rawmmap.drawing import Drawing, draw_file
from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe
from rawmmap.mapping import mapping_of

__all__ = ["show"]


def show(x: Any, **keywords: Any) -> Drawing:
    """Draw what lies where in a file, as a bar: header, variables, gaps, windows, pages in memory.

    Parameters
    ----------
    x : path-like, RawDataset, RawArray, Mapping, numpy.ndarray, dask.array.Array, xarray.Dataset \
            or DataArray
        A file that something describes, or by `keywords`; what was opened of one; a mapped array or
        any view of one; an array of `from_raw`, or a dataset of this engine: where these are in
        chunks, the window of each chunk is marked.
    **keywords
        As for `open`, for a path.

    Returns
    -------
    Drawing
        ``print`` shows it as text, a notebook as a picture. Each file is a bar; each row of it
        shows which parts of the file it fills. Nothing is read but the description.

    Raises
    ------
    TypeError
        If `x` is none of these.
    ValueError
        If an array is not mapped, or does not come from `from_raw`, or a dataset was not opened by
        this engine.

    Examples
    --------
    >>> import numpy as np, os, rawmmap, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(6, dtype=">i2").tofile(path)
    >>> picture = rawmmap.show(path, dtype=">i2", shape=(-1, 3), name="u")
    >>> [row.label for row in picture.bars[0].rows]
    ['u', 'memory']
    >>> folder.cleanup()
    """
    if isinstance(x, str | bytes | os.PathLike):
        return _show_path(os.fsdecode(x), keywords)
    if keywords:
        raise TypeError(f"{next(iter(keywords))}= describes a path, and x is not one")
    if isinstance(x, np.ndarray):
        return mapping_of(x).draw()
    xarray: Any = sys.modules.get("xarray")
    if xarray is not None and isinstance(x, xarray.Dataset | xarray.DataArray):
        from rawmmap.xarray.drawing import draw_dataset

        return draw_dataset(x)
    dask_array: Any = sys.modules.get("dask.array")
    if dask_array is not None and isinstance(x, dask_array.Array):
        from rawmmap.dask.drawing import draw_array

        return draw_array(x)
    if not callable(getattr(x, "draw", None)):
        raise TypeError(
            f"show takes a path, a RawDataset, RawArray or Mapping, a mapped array, an array of "
            f"Dask, or a dataset of xarray, not {type(x).__name__}"
        )
    drawing: Drawing = x.draw()
    return drawing


def _show_path(path: str, keywords: dict[str, Any]) -> Drawing:
    try:
        raw: RawDataset = open(path, **keywords)
    except DescriptionError:
        if keywords:
            raise
        # A file that nothing describes has its size, and its pages.
        probe = Probe(path)
        return Drawing((draw_file(probe.name, probe.size, {}),), "nothing describes this file")
    return raw.draw()
