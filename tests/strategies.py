"""Hypothesis strategies that several test modules share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

__all__ = ["advanced_keys", "basic_keys", "plain_dtypes", "shapes", "sliced"]

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)

plain_dtypes = st.sampled_from(
    ["u1", "<i2", ">i2", "<f4", ">f4", ">f8", "<c8", "S3", "<U2", "<M8[s]", "?", "V5"]
).map(np.dtype)


def filled(dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return an array whose bytes all differ from their neighbours', and are valid values."""
    n = int(np.prod(shape))
    if dtype.kind == "U":
        return np.array([chr(97 + i % 26) for i in range(n)], dtype).reshape(shape)
    if dtype.kind == "b":
        return np.array(np.arange(n) % 3 == 0).reshape(shape)
    raw: npt.NDArray[Any] = (np.arange(n * dtype.itemsize, dtype=np.uint32) * 37 % 120).astype("u1")
    return raw.view(dtype).reshape(shape)


@st.composite
def basic_keys(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """Keys of integers, slices, ``...`` and None."""
    return draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))


@st.composite
def sliced(draw: st.DrawFn) -> tuple[tuple[int, ...], Any]:
    """A shape, and a basic key for it."""
    shape = draw(shapes)
    return shape, draw(basic_keys(shape))


@st.composite
def advanced_keys(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """Keys that mix arrays, lists, masks, integers, slices, ``...`` and None."""
    picked = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    items: list[Any] = []
    axis = 0
    dots = False
    while axis < len(shape):
        kind = draw(st.sampled_from("iisnnaalmM.b"))
        n = shape[axis]
        positions = st.integers(-n, n - 1) if n else st.nothing()
        if kind == "n":
            items.append(None)
            continue
        if kind == "b":
            items.append(draw(st.sampled_from([True, np.False_, np.array(True)])))
            continue
        if kind == "." and not dots:
            dots = True
            items.append(Ellipsis)
            axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "i" and n:
            make: Any = draw(st.sampled_from([int, np.int64, np.array]))
            items.append(make(draw(positions)))
        elif kind == "a" and n:
            items.append(draw(hnp.arrays(np.int64, picked, elements=positions)))
        elif kind == "l" and n:
            size = picked[-1] if picked else 1
            items.append(draw(st.lists(positions, min_size=size, max_size=size)))
        elif kind == "m":
            items.append(draw(hnp.arrays(np.bool_, n)))
        elif kind == "M" and axis + 1 < len(shape):
            items.append(draw(hnp.arrays(np.bool_, shape[axis : axis + 2])))
            axis += 1
        else:
            items.append(draw(st.slices(n)))
        axis += 1
        if draw(st.integers(0, 5)) == 0:
            break
    if len(items) == 1 and draw(st.booleans()):
        return items[0]
    return tuple(items)
