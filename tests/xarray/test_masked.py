"""Masked arrays: a flat file has no place for a mask, so that none is lost without a word."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import rawmmap
import rawmmap.xarray
from tests.releases import MASKED_CHUNKS

MASK = [False, True, False]


def hidden(dtype: str) -> da.Array:
    """Return a Dask array whose chunks are masked, although it does not say so."""
    values = np.array([1, 222, 3]).astype(dtype)
    array: da.Array = da.from_array(values, chunks=3).map_blocks(
        lambda block: np.ma.array(block, mask=MASK), dtype=dtype, meta=np.empty(0, dtype)
    )
    return array


@pytest.mark.parametrize("compute", [True, False])
@pytest.mark.parametrize("kind", ["array", "DataArray", "Dataset"])
@pytest.mark.parametrize("dtype", ["f8", "i4", "M8[s]"])
def test_chunks_that_turn_out_masked(tmp_path: Path, dtype: str, kind: str, compute: bool) -> None:
    path = tmp_path / "a.bin"
    x: Any = hidden(dtype)
    if kind != "array":
        x = xr.DataArray(x, dims="x", name="u")
    if kind == "Dataset":
        x = x.to_dataset()
    # What the encoder would have to look at is refused before the file is known.
    named = "" if dtype == "M8[s]" and kind != "array" else f"{re.escape(str(path))}: .*"
    with pytest.raises(TypeError, match=rf"{named}.*filled\("):
        dask.compute(rawmmap.to_raw(x, path, compute=compute))
    assert not path.exists()


@pytest.mark.parametrize(
    "encoding",
    [
        {"_FillValue": -9.0},
        {"missing_value": -5.0, "_FillValue": -5.0},
        {"scale_factor": 0.5, "dtype": "i2", "_FillValue": -9},
        {"add_offset": 1.0},
        {"dtype": "f4"},
    ],
)
@pytest.mark.parametrize("passed", [True, False])
def test_encoding_does_not_hide_a_mask(tmp_path: Path, encoding: Any, passed: bool) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("x", hidden("f8"))})
    if not passed:
        ds["u"].encoding = encoding
    with pytest.raises(TypeError, match=r"filled\("):
        ds.rawmmap.to_raw(path, encoding={"u": encoding} if passed else None)
    assert not path.exists()


@pytest.mark.parametrize("words", [{"append_dim": "x"}, {"region": {"x": slice(0, 3)}}])
def test_existing_variables_refuse_masked_chunks(tmp_path: Path, words: Any) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("x", np.zeros(3))})
    ds.rawmmap.to_raw(path, encoding={"u": {"_FillValue": -9.0}})
    before = path.read_bytes()
    with pytest.raises(TypeError, match=r"filled\("):
        xr.Dataset({"u": ("x", hidden("f8"))}).rawmmap.to_raw(path, **words)
    assert path.read_bytes() == before


@MASKED_CHUNKS
@pytest.mark.parametrize("lazy", [True, False])
def test_xarray_makes_a_visible_mask_nan(tmp_path: Path, lazy: bool) -> None:
    masked: Any = np.ma.array([1.5, 222, 3.5], mask=MASK)
    if lazy:
        masked = da.ma.masked_array(da.from_array(np.array([1.5, 222, 3.5]), chunks=2), mask=MASK)
    xr.Dataset({"u": ("x", masked)}).rawmmap.to_raw(tmp_path / "a.bin")
    found = np.asarray(rawmmap.open(tmp_path / "a.bin")["u"].data)
    np.testing.assert_array_equal(found, [1.5, np.nan, 3.5])


@pytest.mark.parametrize("value", [np.ma.array([1.0, 2, 3], mask=MASK), np.ma.masked])
def test_masked_values_are_not_assigned(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "a.bin"
    np.zeros(3).tofile(path)
    array = rawmmap.RawArray(path, "f8", 3, mode="r+")
    with pytest.raises(TypeError, match=rf"{re.escape(str(path))}: .*filled\("):
        array[:] = value
    assert not np.fromfile(path).any()
