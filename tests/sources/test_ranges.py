"""Joining byte ranges: what comes out is what was asked for, and little else is fetched."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rawmmap.sources.ranges import JoinedRanges

DATA = np.random.default_rng(0).integers(0, 256, 1000, "u1")


@given(
    ranges=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 100)), max_size=20),
    gap=st.integers(0, 300),
)
def test_ranges_are_joined_and_cut_apart_again(ranges: list[tuple[int, int]], gap: int) -> None:
    starts = [start for start, _ in ranges]
    lengths = np.array([n for _, n in ranges], np.int64)
    joined = JoinedRanges.of(starts, lengths, gap)
    result, blocks = joined.allocate()
    assert len(blocks) == joined.first.size <= len(ranges)
    for first, last, block in zip(joined.first, joined.last, blocks, strict=True):
        block[:] = DATA[first:last]
    expected = b"".join(DATA[start : start + n].tobytes() for start, n in ranges)
    assert bytes(joined.gather(result, blocks)) == expected
    assert (joined.first[1:] - joined.last[:-1] > gap).all()
    covered = np.zeros(DATA.size + 300, bool)
    for start, n in ranges:
        covered[start : start + n] = True
    for first, last in zip(joined.first, joined.last, strict=True):
        wanted = np.flatnonzero(covered[first:last])
        holes = np.diff(wanted, prepend=-1, append=last - first) - 1
        assert holes.max(initial=0) <= gap


@given(st.integers(1, 50), st.integers(0, 10), st.data())
def test_ranges_of_one_length(length: int, gap: int, data: st.DataObject) -> None:
    starts = np.array(data.draw(st.lists(st.integers(0, 950), min_size=1, max_size=30)), np.int64)
    joined = JoinedRanges.of(starts, length, gap)
    result, blocks = joined.allocate()
    for first, last, block in zip(joined.first, joined.last, blocks, strict=True):
        block[:] = DATA[first:last]
    gathered = np.frombuffer(joined.gather(result, blocks), "u1").reshape(-1, length)
    np.testing.assert_array_equal(gathered, DATA[starts[:, None] + np.arange(length)])
