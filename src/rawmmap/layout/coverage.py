"""Which bytes of a file no layout covers, for any number of elements."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rawmmap.layout.byte_ranges import ByteRanges, concatenate, from_bounds, repeat
from rawmmap.layout.overlap import join_ranges
from rawmmap.layout.ranges import Ranges
from rawmmap.layout.strided import Layout

__all__ = ["find_uncovered"]

# Runs up to which ranges are computed at once.
_MOST_RUNS = 2**16


@dataclass(frozen=True, slots=True)
class _Grid:
    """Runs of `length` bytes; the axes, of (count, step), are sorted by their steps, descending."""

    first: int
    length: int
    axes: tuple[tuple[int, int], ...]

    @property
    def count(self) -> int:
        return math.prod(n for n, _ in self.axes)

    @property
    def stop(self) -> int:
        return self.first + sum((n - 1) * step for n, step in self.axes) + self.length

    @property
    def step(self) -> int:
        """Bytes of one step along the slowest axis; 0 for a single run."""
        return self.axes[0][1] if self.axes else 0

    def inner(self) -> _Grid:
        """Return the runs of the first step."""
        return replace(self, axes=self.axes[1:])

    def starts(self) -> npt.NDArray[np.int64]:
        starts = np.array([self.first], np.int64)
        for n, step in self.axes:
            starts = (starts[:, None] + np.arange(n, dtype=np.int64) * step).ravel()
        return starts


def find_uncovered(
    layouts: Iterable[Layout], size: int, records: Iterable[Ranges] = ()
) -> ByteRanges:
    """Return the ranges of a file of `size` bytes that no layout covers, in ascending order.

    Ranges that recur at equal distances, as those between the records of a file do, take no memory
    for each of them.

    Parameters
    ----------
    layouts : iterable of Layout
        They may overlap.
    size : int
        Bytes of the file.
    records : iterable of Ranges
        Ranges that are covered besides, of records of any lengths.
    """
    grids = [_as_grid(layout) for layout in layouts if layout.size]
    stop = max([size, *(grid.stop for grid in grids)])
    known = list(records)
    return _find_all(grids, 0, stop, known) if known else _find(grids, 0, stop)


def _as_grid(layout: Layout) -> _Grid:
    runs = layout.runs()
    first = runs.first
    axes = []
    for n, step in zip(runs.counts, runs.steps, strict=True):
        first += min((n - 1) * step, 0)
        if n > 1 and step:
            axes.append((n, abs(step)))
    return _Grid(first, runs.length, tuple(sorted(axes, key=lambda axis: -axis[1])))


def _find(grids: Sequence[_Grid], start: int, stop: int) -> ByteRanges:
    """Return what no grid covers between two bytes, between which all of them lie."""
    if not grids:
        return from_bounds([start], [stop]) if start < stop else from_bounds()
    if sum(grid.count for grid in grids) > _MOST_RUNS:
        step = max(grids, key=lambda grid: grid.count).step
        base = _find_base(grids, step) if step else None
        if base is not None:
            return _find_by_steps(grids, base, step, start, stop)
    return _find_all(grids, start, stop)


def _find_all(
    grids: Sequence[_Grid], start: int, stop: int, known: Sequence[Ranges] = ()
) -> ByteRanges:
    firsts = [grid.starts() for grid in grids]
    ends = [each + grid.length for each, grid in zip(firsts, grids, strict=True)]
    firsts += [ranges.starts for ranges in known]
    ends += [ranges.starts + ranges.lengths for ranges in known]
    starts, stops = join_ranges(np.concatenate(firsts), np.concatenate(ends))
    gap_starts, gap_stops = np.concatenate([[start], stops]), np.concatenate([starts, [stop]])
    gaps = gap_starts < gap_stops
    return from_bounds(gap_starts[gaps], gap_stops[gaps])


def _find_base(grids: Sequence[_Grid], step: int) -> int | None:
    """Return a byte from which steps can be counted so that no grid goes on into the next one."""
    recurring = [grid.inner() for grid in grids if grid.step == step]
    base = min(grid.first for grid in recurring)
    phases = sorted(((grid.first - base) % step, grid.stop - grid.first) for grid in recurring)
    # Where one that goes on into the next step begins, another step may begin instead.
    for phase, nbytes in (phases[0], phases[-1]):
        if nbytes <= step and all((p - phase) % step + n <= step for p, n in phases):
            return base + phase
    return None


def _find_by_steps(
    grids: Sequence[_Grid], base: int, step: int, start: int, stop: int
) -> ByteRanges:
    """Return what is uncovered in steps that all look the same, until a grid begins or ends."""
    recurring = [(grid, (grid.first - base) // step) for grid in grids if grid.step == step]
    others = [grid for grid in grids if grid.step != step]
    edges = {(start - base) // step, -((base - stop) // step)}
    for grid, number in recurring:
        edges |= {number, number + grid.axes[0][0]}
    for grid in others:
        edges |= {(grid.first - base) // step, -((base - grid.stop) // step)}
    parts = [
        _find_between(recurring, others, base, step, steps)
        for steps in itertools.pairwise(sorted(edges))
    ]
    return _clip(concatenate(parts), start, stop)


def _find_between(
    recurring: Sequence[tuple[_Grid, int]],
    others: Sequence[_Grid],
    base: int,
    step: int,
    steps: tuple[int, int],
) -> ByteRanges:
    """Return what is uncovered in some steps, in which the same grids recur."""
    low, high = steps
    start, stop = base + low * step, base + high * step
    present = [
        (grid, low - number)
        for grid, number in recurring
        if number <= low < number + grid.axes[0][0]
    ]
    here = [grid for grid in others if grid.first < stop and grid.stop > start]
    if here:
        cut = [_steps_of(grid, first, high - low) for grid, first in present]
        return _find_mixed(cut, here, start, stop)
    if not present:
        return from_bounds([start], [stop])
    one = [_steps_of(grid, first, 1) for grid, first in present]
    return repeat(_find(one, start, start + step), high - low, step)


def _steps_of(grid: _Grid, first: int, count: int) -> _Grid:
    """Return some steps of a grid along its slowest axis."""
    (_, step), *inner = grid.axes
    axes = ((count, step), *inner) if count > 1 else tuple(inner)
    return replace(grid, first=grid.first + first * step, axes=axes)


def _find_mixed(
    recurring: Sequence[_Grid], others: Sequence[_Grid], start: int, stop: int
) -> ByteRanges:
    """Return what is uncovered where grids of other steps lie between those that recur."""
    grids = [*recurring, *others]
    low, high = min(grid.first for grid in grids), max(grid.stop for grid in grids)
    inner = _find_all(grids, min(low, start), max(high, stop))
    return _clip(inner, start, stop)


def _clip(ranges: ByteRanges, start: int, stop: int) -> ByteRanges:
    """Return the parts of ranges that lie between two bytes."""
    while len(ranges) and ranges[0][0] < start:
        (_, end), ranges = ranges.split_first()
        if end > start:
            ranges = concatenate([from_bounds([start], [end]), ranges])
    while len(ranges) and ranges[-1][1] > stop:
        ranges, (first, _) = ranges.split_last()
        if first < stop:
            ranges = concatenate([ranges, from_bounds([first], [stop])])
    return ranges
