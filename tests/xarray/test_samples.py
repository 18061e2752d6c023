"""Datasets written as samples that NumPy has no type for."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.formats import sidecar
from rawmmap.layout.samples import NAMES, parse_dtype


def dataset(name: str, chunks: Any = None) -> xr.Dataset:
    """Return numbers that every type of samples holds."""
    samples = parse_dtype(name)[1]
    assert samples is not None
    values = (np.arange(24).reshape(4, 6) % 100).astype(samples.dtype)
    ds = xr.Dataset({"u": (("t", "x"), values, {"units": "m"})}, {"t": [3, 5, 7, 9]})
    return ds if chunks is None else ds.chunk(chunks)


def stored(path: Path, name: str) -> bytes:
    """Return the bytes of a variable in a file of one sidecar."""
    variable = sidecar.read(f"{path}.json").resolve(path.stat().st_size).variables[name]
    start, stop = variable.data.extent  # type: ignore[union-attr]
    return path.read_bytes()[start:stop]


@pytest.mark.parametrize("name", [order + name for order in "<>" for name in NAMES])
@pytest.mark.parametrize("chunks", [None, {"t": 3}])
def test_there_and_back(tmp_path: Path, name: str, chunks: Any) -> None:
    ds = dataset(name, chunks)
    path = tmp_path / "a.bin"
    ds.rawmmap.to_raw(path, encoding={"u": {"dtype": name}})
    samples = parse_dtype(name)[1]
    assert samples is not None
    assert stored(path, "u") == samples.encode(ds["u"].values).tobytes()
    with xr.open_dataset(path, engine="rawmmap") as found:
        xr.testing.assert_identical(found.load(), ds.load())
        assert found["u"].dtype == ds["u"].dtype


def test_the_bytes_are_those_of_24_bits(tmp_path: Path) -> None:
    ds = xr.Dataset({"u": ("x", [1, -2, 2**23 - 1])})
    ds["u"].encoding["dtype"] = ">i3"
    rawmmap.to_raw(ds, tmp_path / "a.bin")
    assert stored(tmp_path / "a.bin", "u") == bytes.fromhex("000001fffffe7fffff")
    assert ds["u"].encoding["dtype"] == ">i3"


def test_conventions_come_first(tmp_path: Path) -> None:
    values = np.array([0.5, np.nan, -12.25])
    ds = xr.Dataset({"u": ("x", values), "t": ("x", np.array([1, 2, 3], "M8[D]").astype("M8[ns]"))})
    words = {
        "u": {"dtype": "<i3", "scale_factor": 0.25, "_FillValue": -1},
        "t": {"dtype": ">u3", "units": "days since 1970-01-01"},
    }
    path = tmp_path / "a.bin"
    ds.rawmmap.to_raw(path, encoding=words)
    little = b"".join(struct.pack("<i", n)[:3] for n in (2, -1, -49))
    assert stored(path, "u") == little
    assert stored(path, "t") == bytes.fromhex("000001000002000003")
    with xr.open_dataset(path, engine="rawmmap") as found:
        np.testing.assert_array_equal(found["u"], values)
        np.testing.assert_array_equal(found["t"], ds["t"])


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("<i3", 2**23, ValueError, "variable 'u'.*out of their range"),
        (">ibm4", np.nan, ValueError, "variable 'u'.*cannot hold nan"),
        ("<ci2", 0.5, ValueError, "variable 'u'.*not a whole number"),
        ("ibm4", 1.0, TypeError, "lacks its byte order"),
    ],
)
def test_what_does_not_fit_leaves_no_file(
    tmp_path: Path, lazy: bool, name: str, value: Any, error: Any, text: str
) -> None:
    samples = parse_dtype(name if name[0] in "<>" else f"<{name}")[1]
    assert samples is not None
    data: Any = np.array([1, value], samples.dtype)
    ds = xr.Dataset({"u": ("x", da.from_array(data, chunks=1) if lazy else data)})
    words = {"u": {"dtype": name, "_FillValue": None}}
    with pytest.raises(error, match=text):
        ds.rawmmap.to_raw(tmp_path / "a.bin", encoding=words)
    assert not list(tmp_path.iterdir())


def test_masked_chunks_are_refused(tmp_path: Path) -> None:
    masked = da.from_array(np.ma.masked_equal(np.arange(4), 2), chunks=2, asarray=False)
    hidden = da.map_blocks(lambda block: block, masked, dtype="i4", meta=np.empty(0, "i4"))
    ds = xr.Dataset({"u": ("x", hidden)})
    with pytest.raises(TypeError, match="masked"):
        ds.rawmmap.to_raw(tmp_path / "a.bin", encoding={"u": {"dtype": "<i3"}})


def test_records_and_series(tmp_path: Path) -> None:
    ds = dataset(">ibm4")
    words = {"u": {"dtype": ">ibm4"}}
    ds.rawmmap.to_raw(tmp_path / "a.bin", encoding=words, unlimited_dims="t")
    with xr.open_dataset(tmp_path / "a.bin", engine="rawmmap") as found:
        xr.testing.assert_identical(found.load(), ds)
    ds.rawmmap.to_raw(tmp_path / "a-{t:02d}.bin", encoding=words)
    first = (tmp_path / "a-03.bin").read_bytes()
    assert first.endswith(parse_dtype(">ibm4")[1].encode(ds["u"].values[0]).tobytes())  # type: ignore[union-attr]
    with xr.open_dataset(tmp_path / "a-{t:02d}.bin", engine="rawmmap") as found:
        xr.testing.assert_identical(found.load(), ds)


def test_small_variables_in_a_sidecar_are_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    np.arange(4, dtype="<f4").tofile(path)
    rawmmap.describe(path, dtype="<f4", shape=-1, dims="x", name="v")
    ds = xr.Dataset({"u": ("y", [1, 2])})
    ds.rawmmap.to_raw(path, mode="a", encoding={"u": {"dtype": "<i3"}})
    with xr.open_dataset(path, engine="rawmmap") as found:
        assert found["u"].values.tolist() == [1, 2]
        assert found["v"].values.tolist() == [0, 1, 2, 3]


def test_a_file_of_samples_grows_and_is_rewritten(tmp_path: Path) -> None:
    ds, path = dataset("<i3"), tmp_path / "a.bin"
    ds.rawmmap.to_raw(path, encoding={"u": {"dtype": "<i3"}})
    later = ds.assign_coords(t=ds["t"] + 10)
    later.rawmmap.to_raw(path, append_dim="t")
    more = xr.Dataset({"v": ("x", np.arange(6.0))})
    more.rawmmap.to_raw(path, mode="a", encoding={"v": {"dtype": ">ibm8"}})
    expected = xr.merge([xr.concat([ds, later], "t"), more])
    with xr.open_dataset(path, engine="rawmmap") as found:
        xr.testing.assert_identical(found.load(), expected)
    assert stored(path, "u") == parse_dtype("<i3")[1].encode(expected["u"].values).tobytes()  # type: ignore[union-attr]
    later["u"][0] = 2**23
    with pytest.raises(ValueError, match=r"a\.bin: variable 'u'.*out of their range"):
        later.assign_coords(t=later["t"] + 10).rawmmap.to_raw(path, append_dim="t")
    with pytest.raises(ValueError, match="has dtype int32 in the file, but float64 in the data"):
        (later.astype(float)).rawmmap.to_raw(path, region="auto")


def test_samples_of_a_few_bits_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(6))
    rawmmap.describe(path, dtype="u1", bits=4, shape=12, dims="x", name="u")
    with xr.open_dataset(path, engine="rawmmap") as ds:
        ds.load()
    with pytest.raises(ValueError, match="read, but not written"):
        ds.rawmmap.to_raw(path, mode="r+")
