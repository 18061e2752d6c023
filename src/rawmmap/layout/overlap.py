"""Which layouts share bytes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rawmmap.layout.strided import Layout

__all__ = ["find_overlap", "find_self_overlap", "join_ranges", "overlaps_itself"]

# More runs than this are not compared run by run, those of all layouts together.
_MOST_RUNS = 2**22
# What a comparison of two layouts costs besides their runs, in runs; and all comparisons together.
_PAIR = 1000
_MOST_WORK = 2**25

Ranges = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def find_self_overlap(layouts: Sequence[Layout]) -> int | None:
    """Return the number of a layout with two elements that share a byte, or None.

    The work is bounded: where too many elements would have to be compared, they count as
    overlapping.
    """
    rest = 4 * _MOST_RUNS
    for i, layout in enumerate(layouts):
        if _is_nested(layout):
            continue
        rest -= layout.size
        if rest < 0 or overlaps_itself(layout):
            return i
    return None


def overlaps_itself(layout: Layout) -> bool:
    """Return whether two elements of a layout share a byte."""
    if _is_nested(layout):
        return False
    start, stop = layout.extent
    if layout.nbytes > stop - start or layout.size > _MOST_RUNS:
        return True
    starts = np.sort(_element_starts(layout))
    return bool((np.diff(starts) < layout.dtype.itemsize).any())


def _is_nested(layout: Layout) -> bool:
    """Return whether each axis steps over all of the faster ones: then no elements overlap."""
    if layout.size <= 1:
        return True
    axes = sorted((abs(s), n) for n, s in zip(layout.shape, layout.strides, strict=True) if n > 1)
    reach = layout.dtype.itemsize
    for step, n in axes:
        if step < reach:
            return False
        reach += (n - 1) * step
    return True


def _element_starts(layout: Layout) -> npt.NDArray[np.int64]:
    starts = np.array([layout.offset], np.int64)
    for n, step in zip(layout.shape, layout.strides, strict=True):
        starts = (starts[:, None] + np.arange(n, dtype=np.int64) * step).ravel()
    return starts


def find_overlap(layouts: Sequence[Layout]) -> tuple[int, int] | None:
    """Return the numbers of two layouts that share bytes, or None.

    Layouts of too many runs to be compared count as overlapping where their extents do, unless
    they advance by the same step, as variables that take turns do. The work is bounded: it grows
    with the number of layouts and their runs, and where each had to be compared with many others,
    the rest count as overlapping, too.
    """
    present = [i for i, layout in enumerate(layouts) if layout.size]
    several = [layouts[i] for i in present]
    if _are_extents_apart([layout.extent for layout in several]):
        return None
    for look in (_look_within_steps, _look_at_runs):
        pair = look(several)
        if pair is None:
            return None
        # Elements of one layout may share bytes, too.
        if pair and pair[0] != pair[1] and _share_bytes(several[pair[0]], several[pair[1]]):
            return present[min(pair)], present[max(pair)]
    return _compare_pairs(layouts, present)


def _compare_pairs(layouts: Sequence[Layout], present: Sequence[int]) -> tuple[int, int] | None:
    active: list[int] = []
    work = 0
    for i in sorted(present, key=lambda i: layouts[i].extent):
        start = layouts[i].extent[0]
        active = [j for j in active if layouts[j].extent[1] > start]
        for j in active:
            work += _PAIR + min(layouts[i].runs().count + layouts[j].runs().count, 2 * _MOST_RUNS)
            if work > _MOST_WORK or _share_bytes(layouts[j], layouts[i]):
                return min(i, j), max(i, j)
        active.append(i)
    return None


# What a look at all layouts together finds: that they lie apart, or two of them that seem to share
# bytes, or nothing, where it cannot tell.
Found = tuple[int, int] | tuple[()] | None


def _look_within_steps(layouts: Sequence[Layout]) -> Found:
    """Look at those that advance by the same step within one step, if they lie in it."""
    groups: dict[int, list[int]] = {}
    for i, layout in enumerate(layouts):
        axis = _slowest_axis(layout)
        groups.setdefault(-i if axis is None else layout.strides[axis], []).append(i)
    if not _are_extents_apart([_join_extents([layouts[i] for i in g]) for g in groups.values()]):
        return ()
    for step, group in groups.items():
        if (
            len(group) > 1
            and (pair := _look_at_turns([layouts[i] for i in group], step)) is not None
        ):
            return (group[pair[0]], group[pair[1]]) if pair else ()
    return None


def _look_at_turns(layouts: Sequence[Layout], step: int) -> Found:
    """Look at layouts that advance by `step` within the first one."""
    base = min(layout.extent[0] for layout in layouts)
    first: list[Layout] = []
    for layout in layouts:
        axis = _slowest_axis(layout)
        assert axis is not None
        one = layout[(slice(None),) * axis + (0,)]
        start, stop = one.extent
        if (start - base) % step + stop - start > step:
            return ()  # it goes on into the next step
        first.append(one.shifted((start - base) % step + base - start))
    return _look_at_runs(first)


def _look_at_runs(layouts: Sequence[Layout]) -> Found:
    """Look at all runs, if they are not too many."""
    several = [layout.runs() for layout in layouts]
    if sum(runs.count for runs in several) > _MOST_RUNS:
        return ()
    starts = np.concatenate([runs.starts() for runs in several])
    counts = [runs.count for runs in several]
    stops = starts + np.repeat([runs.length for runs in several], counts)
    order = np.argsort(starts, kind="stable")
    reach = np.maximum.accumulate(stops[order])
    touching = np.flatnonzero(starts[order][1:] < reach[:-1])
    if not touching.size:
        return None
    later = int(touching[0]) + 1
    earlier = int(np.argmax(reach[:later]))
    owners = np.repeat(np.arange(len(several)), counts)[order]
    return int(owners[earlier]), int(owners[later])


def _are_extents_apart(extents: Sequence[tuple[int, int]]) -> bool:
    return all(a[1] <= b[0] for a, b in itertools.pairwise(sorted(extents)))


def _join_extents(layouts: Sequence[Layout]) -> tuple[int, int]:
    extents = [layout.extent for layout in layouts]
    return min(start for start, _ in extents), max(stop for _, stop in extents)


def _slowest_axis(layout: Layout) -> int | None:
    """Return the axis of the largest step, if that is positive."""
    steps = [s if n > 1 else 0 for n, s in zip(layout.shape, layout.strides, strict=True)]
    if not steps or max(steps) <= 0 or max(steps) < max(map(abs, steps)):
        return None
    return steps.index(max(steps))


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
    """Return the slowest axis of each, if both advance there by the same step, over all else."""
    first, second = _slowest_axis(a), _slowest_axis(b)
    if first is None or second is None or a.strides[first] != b.strides[second]:
        return None
    for layout, axis in ((a, first), (b, second)):
        start, stop = layout[(slice(None),) * axis + (0,)].extent
        if stop - start > layout.strides[axis]:
            return None
    return first, second


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
