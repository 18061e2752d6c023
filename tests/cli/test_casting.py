"""Elements in another type, against Python's own numbers; chunks for copying."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rawmmap.cli.convert.casting import cast_variable
from rawmmap.cli.convert.chunking import choose_chunks, is_contiguous

INTEGERS = ["i1", "u1", "<i2", ">u2", ">i4", "u4", "i8", "<u8"]
NUMBERS = [*INTEGERS, "?", "f2", ">f4", "<f8"]


@given(st.data(), st.sampled_from(NUMBERS), st.sampled_from(INTEGERS))
def test_integers_are_the_nearest_ones_or_an_error(data: Any, given: str, wanted: str) -> None:
    array = data.draw(hnp.arrays(given, hnp.array_shapes(max_dims=2, max_side=4)))
    numbers = array.ravel().tolist()
    limits = np.iinfo(wanted)
    finite = all(math.isfinite(x) for x in numbers)
    fits = finite and all(limits.min <= round(x) <= limits.max for x in numbers)
    variable = xr.Variable([f"d{i}" for i in range(array.ndim)], array)
    if not fits:
        with pytest.raises(ValueError, match=r"variable 'v': \d+ values, such as .* do not fit"):
            cast_variable("v", variable, np.dtype(wanted))
        return
    result = cast_variable("v", variable, np.dtype(wanted))
    assert result.values.ravel().tolist() == [round(x) for x in numbers]
    assert result.dtype.kind == np.dtype(wanted).kind


@given(st.data(), st.sampled_from([*NUMBERS, "c8", ">c16"]), st.sampled_from(["f2", "f4", "c8"]))
def test_floats_do_not_overflow(data: Any, given: str, wanted: str) -> None:
    array = data.draw(hnp.arrays(given, 3))
    variable = xr.Variable("x", array)
    if array.dtype.kind == "c" and wanted != "c8":
        with pytest.raises(TypeError, match="cannot hold imaginary parts"):
            cast_variable("v", variable, np.dtype(wanted))
        return
    with np.errstate(all="ignore"):
        expected = array.astype(wanted)
    if (np.isfinite(array) & ~np.isfinite(expected)).any():
        with pytest.raises(ValueError, match="do not fit"):
            cast_variable("v", variable, np.dtype(wanted))
        return
    np.testing.assert_array_equal(cast_variable("v", variable, np.dtype(wanted)).values, expected)


def test_values_of_dask_are_checked_when_they_are_computed() -> None:
    variable = xr.Variable("x", np.arange(300)).chunk(x=100)
    result = cast_variable("v", variable, np.dtype("u1"))
    assert result[:200].values.tolist() == list(range(200))
    with pytest.raises(ValueError, match="44 values, such as 256, do not fit into uint8"):
        result.load()


def test_attributes_of_the_type_follow_it() -> None:
    attrs = {"_FillValue": np.float32(-9), "valid_range": np.array([0, 5], "f4"), "units": "m"}
    variable = xr.Variable("x", np.zeros(3, "f4"), attrs)
    result = cast_variable("v", variable, np.dtype("i2"))
    assert result.attrs["_FillValue"] == -9
    assert result.attrs["_FillValue"].dtype == "i2"
    assert result.attrs["valid_range"].dtype == "i2"
    assert result.attrs["units"] == "m"
    variable.attrs["_FillValue"] = np.float32(1e9)
    with pytest.raises(ValueError, match="the attribute '_FillValue'"):
        cast_variable("v", variable, np.dtype("i2"))


@pytest.mark.parametrize("values", [["a", "b"], np.array([0, 1], "M8[s]"), np.zeros(2, "V3")])
def test_what_is_not_a_number_stays_as_it_is(values: Any) -> None:
    variable = xr.Variable("x", values)
    assert cast_variable("v", variable, np.dtype("f4")) is variable


def runs(shape: tuple[int, ...], chunk: tuple[int, ...], order: Literal["C", "F"]) -> int:
    """Count the runs of the first chunk in a dense array, by marking its elements."""
    marks = np.zeros(shape, bool)
    marks[tuple(slice(n) for n in chunk)] = True
    flat = np.concatenate([[False], marks.ravel(order=order)])
    return int((np.diff(flat.astype("i1")) == 1).sum())


ORDERS: list[Literal["C", "F"]] = ["C", "F"]
SHAPES = st.lists(st.integers(1, 6), min_size=1, max_size=4)


@given(st.data(), SHAPES, st.sampled_from(ORDERS))
def test_contiguous_chunks_have_one_run(
    data: Any, lengths: list[int], order: Literal["C", "F"]
) -> None:
    shape = tuple(lengths)
    chunk = tuple(data.draw(st.integers(1, n)) for n in shape)
    assert is_contiguous(shape, chunk, order) == (runs(shape, chunk, order) == 1)


@given(st.lists(st.integers(1, 3000), min_size=2, max_size=4), st.sampled_from([1, 2, 8]))
def test_chunks_between_orders_are_bounded_and_long_both_ways(
    lengths: list[int], itemsize: int
) -> None:
    shape = tuple(lengths)
    preferred = (1, *shape[1:])
    for order in ORDERS:
        chunk = choose_chunks(shape, preferred, itemsize, 2**16, order)
        if is_contiguous(shape, preferred, order):
            assert chunk == preferred
            continue
        assert math.prod(chunk) * itemsize <= 2**16
        assert all(1 <= c <= n for c, n in zip(chunk, shape, strict=True))
        # Neither end is short unless its axis is.
        side = math.isqrt(2**16 // itemsize) // 4
        assert chunk[0] >= min(shape[0], side)
        assert chunk[-1] >= min(shape[-1], side)
