"""Rasters whose bands are interleaved by line, by pixel, or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy.typing as npt

from rawmmap.layout import Layout, Mosaic
from rawmmap.layout.mosaic import Cell

__all__ = ["INTERLEAVED_DIMS", "arrange_raster", "join_planes"]

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


def join_planes(layouts: Sequence[Layout], files: Sequence[int]) -> Layout | Mosaic:
    """Return bands or pages of one shape and type as one array, with a new first axis.

    It is one view where all lie in the first file and follow each other in equal steps.

    Parameters
    ----------
    layouts : sequence of Layout
        The planes.
    files : sequence of int
        The number of the file of each.
    """
    first = layouts[0]
    steps = {b.offset - a.offset for a, b in itertools.pairwise(layouts)}
    same = len({layout.strides for layout in layouts}) == 1 and len(steps) <= 1
    if same and set(files) == {0}:
        strides = (steps.pop() if steps else first.nbytes, *first.strides)
        return Layout(first.dtype, (len(layouts), *first.shape), strides, first.offset)
    cells = [Cell(layout[None], file) for layout, file in zip(layouts, files, strict=True)]
    return Mosaic.concatenate(cells)
