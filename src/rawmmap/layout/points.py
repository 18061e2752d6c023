"""Scattered points of a mosaic: which of them lie in the same cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rawmmap.layout.edges import Edges
from rawmmap.layout.parts import Part

__all__ = ["PointPart", "PointsInCell", "locate_points"]

Positions = npt.NDArray[np.intp]


class PointPart(NamedTuple):
    """The points of a selection that lie in one cell, and what each of them takes there.

    Attributes
    ----------
    chosen : numpy.ndarray
        Numbers of the points, in C order of their arrays.
    part : Part
        The elements; its leading axes are those that the points pick from, its index counts
        along the other axes of the result.
    points : tuple of numpy.ndarray
        Positions along the leading axes of the part.
    """

    chosen: Positions
    part: Part
    points: tuple[Positions, ...]


class PointsInCell(NamedTuple):
    """The points of a selection that lie in the same pieces along all axes that they pick from.

    Attributes
    ----------
    chosen : numpy.ndarray
        Numbers of the points.
    numbers : tuple of int
        The piece along each axis that is cut into pieces.
    inside : tuple of numpy.ndarray
        Positions within the piece along each axis.
    """

    chosen: Positions
    numbers: tuple[int, ...]
    inside: tuple[Positions, ...]


def locate_points(
    points: Sequence[Positions], axes: Sequence[tuple[range, Edges | None]]
) -> Iterator[PointsInCell]:
    """Yield points cell by cell.

    Parameters
    ----------
    points : sequence of numpy.ndarray
        Positions along each axis of a selection, one axis each.
    axes : sequence of (range, Edges or None)
        The positions that are selected along each axis, and its pieces; None for an axis that a key
        has added.
    """
    numbers, counts, inside = [], [], []
    for positions, (selected, edges) in zip(points, axes, strict=True):
        if edges is None:
            inside.append(np.zeros_like(positions))
            continue
        absolute = selected.start + positions * selected.step
        numbers.append(edges.find_all(absolute))
        counts.append(len(edges))
        inside.append(absolute - edges.start_all(numbers[-1]))
    for chosen in _group_equal(numbers, counts, points[0].size):
        pieces = tuple(int(number[chosen[0]]) for number in numbers)
        yield PointsInCell(chosen, pieces, tuple(positions[chosen] for positions in inside))


def _group_equal(
    numbers: Sequence[Positions], lengths: Sequence[int], count: int
) -> Iterator[Positions]:
    """Yield the numbers of the points that lie in the same cell, cell by cell."""
    cell = np.zeros(count, np.intp)
    for number, n in zip(numbers, lengths, strict=True):
        cell = cell * n + number
    by_cell = np.argsort(cell, kind="stable")
    starts = np.flatnonzero(np.diff(cell[by_cell])) + 1
    return iter(np.split(by_cell, starts))
