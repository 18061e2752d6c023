"""Rasters whose bands are interleaved by line, by pixel, or not at all."""

from __future__ import annotations

import numpy.typing as npt

from rawmmap.layout import Layout

__all__ = ["INTERLEAVED_DIMS", "arrange_raster"]

#: The dims of a raster in the order of the file, slowest first, by the name of the interleaving.
INTERLEAVED_DIMS = {
    "bil": ("y", "band", "x"),
    "bip": ("y", "x", "band"),
    "bsq": ("band", "y", "x"),
}


def arrange_raster(
    interleave: str, dtype: npt.DTypeLike, bands: int, rows: int, columns: int, offset: int = 0
) -> tuple[tuple[str, ...], Layout]:
    """Return the dims and the layout of a raster without gaps.

    Raises
    ------
    ValueError
        If the interleaving is unknown.
    """
    dims = INTERLEAVED_DIMS.get(interleave.lower())
    if dims is None:
        raise ValueError(
            f"the interleaving {interleave[:80]!r} is none of {sorted(INTERLEAVED_DIMS)}"
        )
    lengths = {"band": bands, "y": rows, "x": columns}
    return dims, Layout.dense(dtype, [lengths[dim] for dim in dims], offset=offset)
