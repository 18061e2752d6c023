"""Which layouts share bytes, and which bytes none covers: against sets of single bytes."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rawmmap.layout import Layout
from rawmmap.layout.overlap import find_overlap, find_uncovered, overlaps_itself


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
