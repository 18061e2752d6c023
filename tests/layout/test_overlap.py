"""Which layouts share bytes, and which bytes none covers: against sets of single bytes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawmmap.layout import Layout, overlap
from rawmmap.layout.coverage import find_uncovered
from rawmmap.layout.overlap import (
    find_overlap,
    find_self_overlap,
    overlaps_itself,
)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Return a layout that starts within the first bytes of a file, with any strides."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    strides = tuple(draw(st.integers(-9, 24)) for _ in shape)
    before = sum(-s * (n - 1) for n, s in zip(shape, strides, strict=True) if s < 0 and n)
    dtype = draw(st.sampled_from(["u1", "<i2", "V3", "<f4"]))
    return Layout(dtype, shape, strides, before + draw(st.integers(0, 30)))


def elements(layout: Layout) -> list[set[int]]:
    """Return the bytes of each element."""
    starts = [
        layout.offset + sum(i * s for i, s in zip(index, layout.strides, strict=True))
        for index in itertools.product(*map(range, layout.shape))
    ]
    return [set(range(start, start + layout.dtype.itemsize)) for start in starts]


def covered(layout: Layout) -> set[int]:
    return set().union(*elements(layout))


@given(layouts())
def test_elements_that_share_bytes(layout: Layout) -> None:
    nbytes = sum(map(len, elements(layout)))
    assert overlaps_itself(layout) == (nbytes > len(covered(layout)))


@given(st.lists(layouts(), max_size=5))
def test_layouts_that_share_bytes(several: list[Layout]) -> None:
    pairs = {
        (i, j)
        for i, j in itertools.combinations(range(len(several)), 2)
        if covered(several[i]) & covered(several[j])
    }
    found = find_overlap(several)
    assert (found is None) == (not pairs)
    assert found is None or found in pairs


@given(st.integers(1, 5), st.integers(0, 40), st.integers(0, 40), st.integers(1, 40))
def test_layouts_that_take_turns(nbytes: int, first: int, second: int, step: int) -> None:
    a = Layout(f"V{nbytes}", (5,), (step,), first)
    b = Layout("<i2", (4,), (step,), second)
    assert (find_overlap([a, b]) is not None) == bool(covered(a) & covered(b))


@given(st.lists(layouts(), max_size=4), st.integers(0, 120))
def test_bytes_that_no_layout_covers(several: list[Layout], size: int) -> None:
    gaps = find_uncovered(several, size)
    used = set().union(*map(covered, several))
    free = set(range(max([size, *(n + 1 for n in used)]))) - used
    assert set().union(*(range(*gap) for gap in gaps)) == free
    assert gaps == sorted(gaps)
    assert all(start < stop for start, stop in gaps)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(gaps))


# Few different steps, so that layouts often take turns, within their steps and beyond.
STEPS = st.sampled_from([-8, -3, 1, 2, 4, 5, 8, 12, 12, 24])


@st.composite
def layouts_of_few_steps(draw: st.DrawFn) -> Layout:
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    strides = tuple(draw(STEPS) for _ in shape)
    return Layout(
        draw(st.sampled_from(["u1", "<i2", "<f4"])), shape, strides, 60 + draw(st.integers(0, 40))
    )


@given(st.lists(layouts_of_few_steps(), max_size=5))
@settings(max_examples=500)
def test_any_layouts_that_share_bytes(several: list[Layout]) -> None:
    bytes_of = [covered(layout) for layout in several]
    pairs: list[Any] = [
        (i, j) for j in range(len(several)) for i in range(j) if bytes_of[i] & bytes_of[j]
    ]
    assert find_overlap(several) in (pairs or [None])
    itself = [sum(map(len, elements(x))) > len(covered(x)) for x in several]
    assert find_self_overlap(several) == (itself.index(True) if any(itself) else None)


def count_comparisons(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the runs of each comparison of two layouts."""
    compared: list[int] = []
    original = overlap._share_bytes

    def count(a: Layout, b: Layout) -> bool:
        compared.append(a.runs().count + b.runs().count)
        return original(a, b)

    monkeypatch.setattr(overlap, "_share_bytes", count)
    return compared


@pytest.mark.parametrize("count", [2, 10**9])
def test_many_variables_that_take_turns_are_looked_at_once(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    compared = count_comparisons(monkeypatch)
    several = [Layout("<f4", (count, 2), (16_000, 4), 8 * i) for i in range(2000)]
    header = Layout.dense("u1", (99,), offset=16_000 * count + 5)
    assert find_overlap([header, *several]) is None
    assert not compared
    late = Layout("u1", (count,), (16_000,), 8 * 1000)
    assert find_overlap([*several, late]) == (1000, 2000)


def test_layouts_of_unlike_steps_are_compared_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = count_comparisons(monkeypatch)
    several = [Layout("u1", (10**6,), (20_000 * (1 + i % 2),), i) for i in range(20_000)]
    assert find_overlap(several) is not None
    assert sum(compared) + 1000 * len(compared) < 2**27


def test_elements_of_many_layouts_are_compared_within_bounds() -> None:
    # Even bytes and odd ones: nothing overlaps, but only a look at all elements tells.
    one = Layout("u1", (2, 2**21), (3, 2), 0)
    assert find_self_overlap([one]) is None
    assert find_self_overlap([one] * 100) is not None
