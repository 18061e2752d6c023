"""Chunk shapes: contiguous slabs, near the limit, on page boundaries."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rawmmap import Layout
from rawmmap.layout.chunks import auto_chunks

PAGES = st.sampled_from([4096, 16384, 65536])


def chunks_of(layout: Layout, limit: int, page: int = 4096) -> tuple[int, ...]:
    return auto_chunks(layout.shape, layout.strides, layout.dtype.itemsize, limit, page)


@pytest.mark.parametrize(
    ("shape", "order", "limit", "expected"),
    [
        ((512, 1024, 1024), "C", 2**26, (16, 1024, 1024)),
        ((1024, 1024, 512), "F", 2**26, (1024, 1024, 16)),
        ((512, 1024, 1024), "C", 2**21, (1, 512, 1024)),
        ((512, 1024, 1024), "C", 2**40, (512, 1024, 1024)),
        ((10,), "C", 4, (1,)),
        ((), "C", 4, ()),
        ((0, 5), "C", 2**20, (1, 5)),
        ((4096 * 3,), "C", 4096 * 4 + 8, (4096,)),
    ],
)
def test_examples(shape: Any, order: Any, limit: int, expected: tuple[int, ...]) -> None:
    assert chunks_of(Layout.dense("f4", shape, order=order), limit) == expected


@given(
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=10**5),
    st.sampled_from(["u1", "f4", "f8", "V12"]),
    st.sampled_from("CF"),
    st.integers(1, 2**30),
    PAGES,
)
def test_chunks_are_contiguous_and_keep_to_the_limit(
    shape: tuple[int, ...], dtype: str, order: Any, limit: int, page: int
) -> None:
    layout = Layout.dense(dtype, shape, order=order)
    chunks = chunks_of(layout, limit, page)
    assert all(1 <= c <= n for c, n in zip(chunks, shape, strict=True))
    nbytes = math.prod(chunks) * layout.dtype.itemsize
    assert nbytes <= max(limit, layout.dtype.itemsize)
    part = layout[tuple(slice(0, c) for c in chunks)]
    assert part.runs().count == 1
    cut = [a for a, (c, n) in enumerate(zip(chunks, shape, strict=True)) if 1 < c < n]
    assert len(cut) <= 1
    if cut:
        slab = nbytes // chunks[cut[0]]
        # An even cut lies on pages wherever a multiple of the slabs does within the limit.
        assert nbytes % page == 0 or page // math.gcd(slab, page) > limit // slab


def test_interleaved_variables_are_cut_along_their_slowest_axis() -> None:
    layout = Layout("f4", (1000, 100, 100), (90_000, 400, 4), 0)
    assert chunks_of(layout, 10 * 40_000)[1:] == (100, 100)
    assert 1 < chunks_of(layout, 10 * 40_000)[0] <= 10
