"""Pieces anywhere in an array: boxes that are listed one by one, of any number of axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rawmmap.layout.cells import Cell, Required, required_of
from rawmmap.layout.edges import Edges
from rawmmap.layout.mosaic import Mosaic

__all__ = ["Placed", "arrange_pieces"]

# Grids with more cells than this for each piece are refused: they would be slow to walk through.
_MOST_CELLS = 100


class Placed(NamedTuple):
    """A piece, and where in the array it is.

    Attributes
    ----------
    start : tuple of int
        Position of its first element along each axis.
    cell : Cell
        Its elements.
    """

    start: tuple[int, ...]
    cell: Cell


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """Pieces, cut where the edges of any of them run on."""

    pieces: tuple[Placed, ...]
    edges: tuple[Edges, ...]
    owners: Mapping[tuple[int, ...], int]

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return what lies in this cell of the piece that covers it."""
        owner = self.owners.get(index)
        if owner is None:
            return Cell(None)
        start, (data, file) = self.pieces[owner]
        assert data is not None
        key = []
        for edges, number, at in zip(self.edges, index, start, strict=True):
            low, high = edges.bounds(number)
            key.append(slice(low - at, high - at))
        return Cell(data[tuple(key)], file)

    def required(self) -> Iterator[Required]:
        """Yield what each file needs."""
        return required_of(piece.cell for piece in self.pieces)


def arrange_pieces(
    dtype: np.dtype[Any], shape: Sequence[int], pieces: Sequence[Placed], fill_value: Any = None
) -> Mosaic:
    """Return an array that is made of pieces.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of one element.
    shape : sequence of int
        Element counts of the array.
    pieces : sequence of Placed
        They must not overlap; what none of them covers is missing.
    fill_value : object, optional
        What stands for missing elements.

    Raises
    ------
    ValueError
        If pieces overlap, do not lie within the array, or make a grid of far more cells.
    """
    boxes = [list(_box(piece, dtype, shape)) for piece in pieces]
    edges = [
        np.unique([0, n, *(box[axis].start for box in boxes), *(box[axis].stop for box in boxes)])
        for axis, n in enumerate(shape)
    ]
    limit = _MOST_CELLS * (len(pieces) + 1)
    if math.prod(max(len(each) - 1, 1) for each in edges) > limit:
        raise ValueError(f"{len(pieces)} pieces make a grid of more than {limit} cells")
    owners: dict[tuple[int, ...], int] = {}
    for number, box in enumerate(boxes):
        spans = [
            range(*np.searchsorted(each, (part.start, part.stop)).tolist())
            for each, part in zip(edges, box, strict=True)
        ]
        for index in itertools.product(*spans):
            if index in owners:
                raise ValueError(f"the pieces {owners[index]} and {number} overlap")
            owners[index] = number
    grid = tuple(Edges(each[:-1], n) for each, n in zip(edges, shape, strict=True))
    return Mosaic(dtype, grid, _Boxes(tuple(pieces), grid, owners), fill_value)


def _box(piece: Placed, dtype: np.dtype[Any], shape: Sequence[int]) -> Iterator[slice]:
    """Yield the positions that a piece covers along each axis."""
    data = piece.cell.data
    if data is None or data.dtype != dtype or len(data.shape) != len(shape):
        raise ValueError(f"a piece of {dtype} with {len(shape)} axes is needed, not {data!r}")
    for start, n, length in zip(piece.start, data.shape, shape, strict=True):
        if start < 0 or start + n > length:
            raise ValueError(
                f"a piece from {piece.start} on, of shape {data.shape}, does not lie within an "
                f"array of shape {tuple(shape)}"
            )
        yield slice(start, start + n)
