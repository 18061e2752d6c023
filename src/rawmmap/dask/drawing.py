"""Pictures of the files behind Dask arrays."""

from __future__ import annotations

import dask.array as da

from rawmmap.array import RawArray
from rawmmap.drawing import Drawing

__all__ = ["draw_array"]


def draw_array(x: da.Array) -> Drawing:
    """Return a picture of the files of an array of `from_raw`, or of what was computed from one.

    Raises
    ------
    ValueError
        If the graph reads no raw file.
    """
    for name, layer in x.dask.layers.items():
        for value, _ in getattr(layer, "indices", ()):
            if isinstance(value, RawArray):
                # What was selected or computed from it has other chunks than those of its tasks.
                return value.draw(x.chunks if name == x.name else None)
    raise ValueError(
        "this Dask array does not know its file: only one that comes from rawmmap.from_raw can be "
        "drawn"
    )
