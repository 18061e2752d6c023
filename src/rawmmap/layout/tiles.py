"""Mosaics of rectangles: the tiles of a model, of one size or of many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rawmmap.layout.cells import Cell, Piece, Required, required_of
from rawmmap.layout.edges import Edges

__all__ = ["Tile", "Tiles", "arrange_tiles"]


class Tile(NamedTuple):
    """A rectangle of the last two axes.

    Attributes
    ----------
    row, column : int
        Where its first element goes.
    data : Layout, BitLayout or Values
        Its elements.
    file : int
        Number of the file that a layout refers to.
    """

    row: int
    column: int
    data: Piece
    file: int = 0


@dataclass(frozen=True, slots=True)
class Tiles:
    """Tiles of any sizes, cut where the edges of any of them run on."""

    tiles: tuple[Tile, ...]
    edges: tuple[Edges, Edges]
    owners: tuple[tuple[int, ...], ...]  # number of the tile in each cell; -1 for none

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return what lies in this cell of the tile that covers it."""
        i, j = index[-2:]
        owner = self.owners[i][j]
        if owner < 0:
            return Cell(None)
        tile = self.tiles[owner]
        top, bottom = self.edges[0].bounds(i)
        left, right = self.edges[1].bounds(j)
        rows = slice(top - tile.row, bottom - tile.row)
        columns = slice(left - tile.column, right - tile.column)
        return Cell(tile.data[..., rows, columns], tile.file)

    def required(self) -> Iterator[Required]:
        """Yield what each file needs."""
        return required_of(Cell(tile.data, tile.file) for tile in self.tiles)


def arrange_tiles(tiles: Sequence[Tile], shape: tuple[int, int] | None = None) -> Tiles:
    """Return the rule for tiles, after checking that they fit together.

    Raises
    ------
    ValueError
        If two tiles overlap, differ in dtype or their other axes, or do not fit into `shape`.
    """
    if not tiles:
        raise ValueError("no tiles: give one at least")
    first = tiles[0].data
    boxes = np.array(
        [(t.row, t.row + t.data.shape[-2], t.column, t.column + t.data.shape[-1]) for t in tiles]
    )
    height, width = (int(boxes[:, 1].max()), int(boxes[:, 3].max())) if shape is None else shape
    for tile, (top, bottom, left, right) in zip(tiles, boxes.tolist(), strict=True):
        if tile.data.dtype != first.dtype or tile.data.shape[:-2] != first.shape[:-2]:
            raise ValueError(
                f"the tile of dtype {tile.data.dtype} and shape {tile.data.shape} does not fit "
                f"beside one of dtype {first.dtype} and shape {first.shape}"
            )
        if top < 0 or left < 0 or bottom > height or right > width:
            raise ValueError(
                f"the tile of rows {top} to {bottom} and columns {left} to {right} does not lie "
                f"within an array of {height} rows and {width} columns"
            )
    rows = np.unique([0, *boxes[:, 0], *boxes[:, 1], height])
    columns = np.unique([0, *boxes[:, 2], *boxes[:, 3], width])
    owners = np.full((rows.size - 1, columns.size - 1), -1)
    for number, (top, bottom, left, right) in enumerate(boxes):
        i, j = np.searchsorted(rows, (top, bottom)), np.searchsorted(columns, (left, right))
        cells = owners[i[0] : i[1], j[0] : j[1]]
        if (cells >= 0).any():
            other = tiles[int(cells.max())]
            raise ValueError(
                f"the tiles at row {top}, column {left} and at row {other.row}, column "
                f"{other.column} overlap"
            )
        cells[...] = number
    edges = Edges(rows[:-1], height), Edges(columns[:-1], width)
    return Tiles(tuple(tiles), edges, tuple(map(tuple, owners.tolist())))
