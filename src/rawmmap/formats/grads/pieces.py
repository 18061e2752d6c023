"""Variables that lie in many files: what each file holds of the members and times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rawmmap.formats.grads.templates import Run
from rawmmap.layout import Edges, Layout, Mosaic
from rawmmap.layout.cells import Cell, Required

__all__ = ["arrange_members", "arrange_times", "with_times"]

_MOST_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class _MemberCells:
    """What lies in each cell of a grid of members and spans of time.

    Attributes
    ----------
    layout : Layout
        One time in a file; its first axis has any length.
    edges : Edges
        The spans of time.
    files : tuple of int
        Number of the file of each cell, span by span and then member by member; -1 for none.
    firsts : tuple of int
        The time in the file at which each cell begins.
    """

    layout: Layout
    edges: Edges
    files: tuple[int, ...]
    firsts: tuple[int, ...]

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return the times of one member in one span."""
        number = index[0] * len(self.edges) + index[1]
        if self.files[number] < 0:
            return Cell(None)
        start, stop = self.edges.bounds(index[1])
        first = self.layout.shifted(self.firsts[number] * self.layout.strides[0])
        return Cell(with_times(first, stop - start)[None], self.files[number])

    def required(self) -> Iterator[Required]:
        """Yield what each file needs."""
        lengths = np.tile(self.edges.lengths, len(self.files) // max(len(self.edges), 1))
        last = np.array(self.firsts) + lengths - 1
        one = self.layout[:1]
        yield Required(self.files, one.extent[1] + last * self.layout.strides[0])


def with_times(layout: Layout, count: int) -> Layout:
    """Return the layout of another number of times, its first axis."""
    return Layout(layout.dtype, (count, *layout.shape[1:]), layout.strides, layout.offset)


def arrange_times(
    layout: Layout, runs: Sequence[Run], numbers: Mapping[str, int], fill_value: Any
) -> Mosaic:
    """Return the times of one variable that lie in many files.

    Parameters
    ----------
    layout : Layout
        The variable in a file, with time as its first axis.
    runs : sequence of Run
        The files, in the order of their times.
    numbers : mapping
        The number of each existing file, by its name.
    fill_value : object
        What stands for values of missing files; None for NaN.
    """
    lengths = [run.stop - run.first for run in runs]
    files = [numbers.get(run.name, -1) for run in runs]
    return Mosaic.join(layout, lengths, 0, files, fill_value)


def arrange_members(
    layout: Layout,
    runs: Sequence[Sequence[Run]],
    times: int,
    numbers: Mapping[str, int],
    fill_value: Any,
) -> Mosaic:
    """Return the members and times of one variable that lie in many files.

    Parameters
    ----------
    layout, numbers, fill_value
        As for `arrange_times`.
    runs : sequence of sequences of Run
        The files of each member; times outside of them are missing.
    times : int
        Number of all times.

    Raises
    ------
    ValueError
        If members and spans of time make too many cells.
    """
    bounds = {0, times}
    for member in runs:
        bounds.update(run.first for run in member)
        bounds.update(run.stop for run in member)
    starts = np.array(sorted(bounds))
    edges = Edges(starts[:-1], times)
    if len(edges) * len(runs) > _MOST_CELLS:
        raise ValueError(f"{len(runs)} members of {len(edges)} spans of time are too many")
    files = np.full((len(runs), len(edges)), -1)
    firsts = np.zeros_like(files)
    for i, member in enumerate(runs):
        for run in member:
            low, high = np.searchsorted(starts, (run.first, run.stop))
            files[i, low:high] = numbers.get(run.name, -1)
            firsts[i, low:high] = starts[low:high] - run.first
    rule = _MemberCells(
        layout, edges, tuple(files.ravel().tolist()), tuple(firsts.ravel().tolist())
    )
    inner = (Edges.regular(n, n) for n in layout.shape[1:])
    return Mosaic(layout.dtype, (Edges.regular(len(runs), 1), edges, *inner), rule, fill_value)
