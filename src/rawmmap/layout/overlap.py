"""Which layouts share bytes, and which bytes of a file none of them covers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from rawmmap.layout.strided import Layout

__all__ = ["find_overlap", "find_uncovered", "overlaps_itself"]

# Layouts of more runs than this are not compared run by run.
_MOST_RUNS = 2**22

Ranges = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def overlaps_itself(layout: Layout) -> bool:
    """Return whether two elements of a layout share a byte."""
    if layout.size <= 1:
        return False
    axes = sorted((abs(s), n) for n, s in zip(layout.shape, layout.strides, strict=True) if n > 1)
    reach = layout.dtype.itemsize
    nested = True
    for step, n in axes:
        nested = nested and step >= reach
        reach += (n - 1) * step
    if nested:
        return False
    start, stop = layout.extent
    if layout.nbytes > stop - start or layout.size > _MOST_RUNS:
        return True
    starts = np.sort(_element_starts(layout))
    return bool((np.diff(starts) < layout.dtype.itemsize).any())


def _element_starts(layout: Layout) -> npt.NDArray[np.int64]:
    starts = np.array([layout.offset], np.int64)
    for n, step in zip(layout.shape, layout.strides, strict=True):
        starts = (starts[:, None] + np.arange(n, dtype=np.int64) * step).ravel()
    return starts


def find_overlap(layouts: Sequence[Layout]) -> tuple[int, int] | None:
    """Return the numbers of two layouts that share bytes, or None.

    Layouts of too many runs to be compared count as overlapping where their extents do, unless
    they advance by the same step, as variables that take turns do.
    """
    order = sorted(
        (i for i, layout in enumerate(layouts) if layout.size),
        key=lambda i: layouts[i].extent,
    )
    active: list[int] = []
    for i in order:
        start = layouts[i].extent[0]
        active = [j for j in active if layouts[j].extent[1] > start]
        for j in active:
            if _share_bytes(layouts[j], layouts[i]):
                return min(i, j), max(i, j)
        active.append(i)
    return None


def _share_bytes(a: Layout, b: Layout) -> bool:
    (a_start, a_stop), (b_start, b_stop) = a.extent, b.extent
    if a_stop <= b_start or b_stop <= a_start or not a.size or not b.size:
        return False
    outer = _common_step(a, b)
    if outer is not None:
        return _share_within_step(a, b, *outer)
    if a.runs().count > _MOST_RUNS or b.runs().count > _MOST_RUNS:
        return True
    firsts, stops = ranges_of(a)
    starts, ends = ranges_of(b)
    # For each range of b, the first range of a that ends behind its start.
    nearest = np.searchsorted(stops, starts, side="right")
    inside = nearest < firsts.size
    return bool((firsts[nearest[inside]] < ends[inside]).any())


def _common_step(a: Layout, b: Layout) -> tuple[int, int] | None:
    """Return the slowest axis of each, if both advance by the same step there."""
    slowest = []
    for layout in (a, b):
        steps = [s if n > 1 else 0 for n, s in zip(layout.shape, layout.strides, strict=True)]
        if not steps or max(steps) <= 0 or max(steps) < max(map(abs, steps)):
            return None
        slowest.append(steps.index(max(steps)))
    if a.strides[slowest[0]] != b.strides[slowest[1]]:
        return None
    return slowest[0], slowest[1]


def _share_within_step(a: Layout, b: Layout, a_axis: int, b_axis: int) -> bool:
    step = a.strides[a_axis]
    first = a[(slice(None),) * a_axis + (0,)]
    other = b[(slice(None),) * b_axis + (0,)]
    # `other` and its repetitions that can meet the steps of `a`.
    shift = (first.extent[0] - other.extent[0]) // step
    for k in (shift - 1, shift, shift + 1):
        # Element i of a meets element i + k of b. Both go up two steps, clear of the file's start.
        low, high = max(0, -k), min(a.shape[a_axis], b.shape[b_axis] - k)
        if low < high and _share_bytes(first.shifted(2 * step), other.shifted((k + 2) * step)):
            return True
    return False


def ranges_of(layout: Layout) -> Ranges:
    """Return the sorted, disjoint byte ranges that a layout covers: starts and stops."""
    runs = layout.runs()
    return join_ranges(runs.starts(), runs.starts() + runs.length)


def join_ranges(starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]) -> Ranges:
    """Return ranges sorted, and joined where they touch or overlap."""
    if not starts.size:
        return starts, stops
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(stops[order])
    apart = starts[1:] > reach[:-1]
    return starts[np.concatenate([[True], apart])], reach[np.concatenate([apart, [True]])]


def find_uncovered(layouts: Iterable[Layout], size: int) -> list[tuple[int, int]]:
    """Return the ranges of a file of `size` bytes that no layout covers.

    Parameters
    ----------
    layouts : iterable of Layout
        They may overlap.
    size : int
        Bytes of the file.

    Returns
    -------
    list of (int, int)
        First byte, and past the last byte, in ascending order.
    """
    pairs = [ranges_of(layout) for layout in layouts if layout.size]
    if not pairs:
        return [(0, size)] if size else []
    starts, stops = join_ranges(
        np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])
    )
    gap_starts = np.concatenate([[0], stops])
    gap_stops = np.concatenate([starts, [max(size, int(stops[-1]))]])
    gaps = gap_starts < gap_stops
    return list(zip(gap_starts[gaps].tolist(), gap_stops[gaps].tolist(), strict=True))
