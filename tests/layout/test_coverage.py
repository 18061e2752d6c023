"""Which bytes of a file no layout covers: against sets of bytes, and for very many records."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawmmap.layout import Layout, coverage
from rawmmap.layout.byte_ranges import ByteRanges, concatenate, from_bounds, repeat
from rawmmap.layout.coverage import find_uncovered
from rawmmap.layout.ranges import Ranges


def covered(layout: Layout) -> set[int]:
    starts = {layout.offset}
    for n, step in zip(layout.shape, layout.strides, strict=True):
        starts = {start + i * step for start in starts for i in range(n)}
    return {start + i for start in starts for i in range(layout.dtype.itemsize)}


def join(numbers: set[int]) -> list[tuple[int, int]]:
    groups = itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])
    runs = [[n for _, n in group] for _, group in groups]
    return [(run[0], run[-1] + 1) for run in runs]


def gaps_between(used: set[int], size: int) -> list[tuple[int, int]]:
    return join(set(range(max([size, *(n + 1 for n in used)]))) - used)


def check(ranges: ByteRanges, expected: list[tuple[int, int]]) -> None:
    assert list(ranges) == expected
    assert ranges == expected
    assert expected == ranges
    assert len(ranges) == len(expected)
    assert [ranges[i] for i in range(len(expected))] == expected
    assert ranges[::-2] == expected[::-2]
    assert ranges.nbytes == sum(stop - start for start, stop in expected)


STEPS = st.sampled_from([-24, -8, -3, 1, 2, 4, 5, 8, 12, 12, 24, 24, 24, 48])


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    strides = tuple(draw(STEPS) for _ in shape)
    low = sum(min((n - 1) * step, 0) for n, step in zip(shape, strides, strict=True))
    dtype = draw(st.sampled_from(["u1", "<i2", "<f4"]))
    return Layout(dtype, shape, strides, draw(st.integers(0, 40)) - low)


@settings(max_examples=600)
@given(st.lists(layouts(), max_size=4), st.integers(0, 200), st.sampled_from([0, 2, 5, 2**16]))
def test_any_layouts(several: list[Layout], size: int, at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # The ranges of more runs than this are not computed at once.
        patch.setattr(coverage, "_MOST_RUNS", at_once)
        check(
            find_uncovered(several, size), gaps_between(set().union(*map(covered, several)), size)
        )


@given(
    st.lists(layouts(), max_size=3),
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 20)), min_size=1, max_size=4),
    st.integers(0, 120),
)
def test_records_of_any_lengths_besides(
    several: list[Layout], records: list[tuple[int, int]], size: int
) -> None:
    starts, lengths = np.array(sorted(records), np.int64).T
    used = set().union(*map(covered, several))
    used |= {start + i for start, n in records for i in range(n)}
    size = max(size, *(start + n for start, n in records))
    found = find_uncovered(several, size, [Ranges(starts, lengths, (0,))])
    check(found, gaps_between(used, size))


def test_no_layouts_and_an_empty_file() -> None:
    check(find_uncovered([], 0), [])
    check(find_uncovered([], 7), [(0, 7)])
    check(find_uncovered([Layout.dense("u1", 0)], 7), [(0, 7)])


N = 10**8
RECORDS: list[tuple[list[Layout], int, int, int, list[tuple[int, int]]]] = [
    # Layouts, bytes of the file, ranges, their bytes, and some of them.
    ([Layout("<f4", (N,), (12,), 4)], 4 + 12 * N, N + 1, 8 * N + 4, [(0, 4), (8, 16), (20, 28)]),
    (
        [Layout("<f4", (N,), (12,), 100), Layout("<i2", (N,), (12,), 106)],
        100 + 12 * N,
        2 * N + 1,
        6 * N + 100,
        [(0, 100), (104, 106), (108, 112), (116, 118)],
    ),
    (
        [Layout("<f4", (N,), (12,), 100), Layout.dense("<f8", 10, offset=8)],
        100 + 12 * N,
        N + 2,
        8 * N + 20,
        [(0, 8), (88, 100), (104, 112)],
    ),
    (
        [Layout("<f4", (N // 100, 100, 3), (2000, 16, 4), 0)],
        2000 * (N // 100),
        N,
        800 * (N // 100),
        [(12, 16), (28, 32)],
    ),
    (
        [Layout("<f4", (10, N // 10), (2 * N, 12), 0)],
        20 * N,
        N,
        20 * N - 4 * N,
        [(4, 12), (16, 24)],
    ),
    ([Layout("u1", (N,), (-2,), 2 * N - 2)], 2 * N, N, N, [(1, 2), (3, 4)]),
    (
        [Layout("<f4", (N,), (12,), 0), Layout("<f4", (N // 2,), (12,), 8)],
        12 * N,
        N,
        12 * N - 6 * N,
        [(4, 8), (16, 20)],
    ),
]


@pytest.mark.parametrize(("several", "size", "count", "nbytes", "first"), RECORDS)
def test_a_hundred_million_records(
    several: list[Layout], size: int, count: int, nbytes: int, first: Any
) -> None:
    tracemalloc.start()
    try:
        ranges = find_uncovered(several, size)
        assert ranges[: len(first)] == first
        assert (len(ranges), ranges.nbytes) == (count, nbytes)
        assert ranges[-1][1] <= size
        assert "ranges of" in repr(ranges)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
    numbers = np.random.default_rng(2).integers(1, count, 50)
    for number in numbers.tolist():
        (_, before), (start, stop) = ranges[number - 1 : number + 1]
        assert before < start < stop


@given(
    st.lists(st.integers(0, 19), min_size=1, max_size=8, unique=True),
    st.integers(0, 4),
    st.integers(0, 3),
)
def test_repeated_ranges_join_where_they_touch(edges: list[int], count: int, more: int) -> None:
    edges = sorted(edges)[: len(edges) // 2 * 2]
    one = from_bounds(edges[::2], edges[1::2])
    step = max([1, *edges]) - min([0, *edges]) + more
    used = {n + i * step for i in range(count) for a, b in one for n in range(a, b)}
    result = repeat(one, count, step)
    expected = join(used)
    check(result, expected)
    check(
        concatenate([result, result.shifted(step * 9)]), expected + list(result.shifted(step * 9))
    )
