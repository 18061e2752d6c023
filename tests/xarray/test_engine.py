"""The engine, against NumPy and xarray on arrays in memory."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import xarray.testing.strategies as xrst
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rawmmap
from rawmmap import access as accessing
from rawmmap.xarray.engine import RawmmapEntrypoint
from tests.releases import INDEXER_STRATEGIES

DIMS = ("time", "y", "x")
SIZES = {"time": 5, "y": 6, "x": 7}
WORDS: dict[str, Any] = {"dtype": ">f4", "shape": (-1, 6, 7), "dims": DIMS, "offset": 20}


@pytest.fixture(scope="module")
def array() -> np.ndarray:
    return np.random.default_rng(1).random((5, 6, 7)).astype(">f4")


@pytest.fixture(scope="module")
def path(array: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("engine") / "a.raw"
    path.write_bytes(b"h" * 20 + array.tobytes())
    return path


def opened(path: Path, **words: Any) -> xr.Dataset:
    return xr.open_dataset(path, engine="rawmmap", **words)


@pytest.mark.parametrize("access", ["auto", "map", "read"])
@pytest.mark.parametrize("chunks", [None, {}, "auto"])
def test_one_variable(path: Path, array: np.ndarray, access: str, chunks: Any) -> None:
    ds = opened(path, **WORDS, name="u", attrs={"units": "m s-1"}, access=access, chunks=chunks)
    expected = xr.Dataset({"u": (DIMS, array.astype("f4"), {"units": "m s-1"})})
    xr.testing.assert_identical(ds.load(), expected)
    assert ds.u.dtype.isnative
    assert ds.u.values.dtype.isnative


def test_the_default_name_is_data_and_the_file_alone_may_be_enough(path: Path) -> None:
    ds = opened(path, dtype="u1")
    assert ds["data"].dims == ("dim_0",)
    assert ds["data"].values.tobytes() == path.read_bytes()


@INDEXER_STRATEGIES
@given(st.data())
def test_every_basic_outer_and_vectorised_indexer(
    path: Path, array: np.ndarray, data: st.DataObject
) -> None:
    kinds: Any = [xrst.basic_indexers, xrst.outer_array_indexers, xrst.vectorized_indexers]
    indexers = data.draw(data.draw(st.sampled_from(kinds))(sizes=SIZES))
    access = data.draw(st.sampled_from(["auto", "map", "read"]))
    expected = xr.DataArray(array.astype("f4"), dims=DIMS, name="data")
    found = opened(path, **WORDS, access=access)["data"]
    xr.testing.assert_identical(found.isel(indexers), expected.isel(indexers))
    left = {dim: n for dim, n in expected.isel(indexers).sizes.items() if n}
    again = data.draw(xrst.basic_indexers(sizes=left)) if left else {}
    xr.testing.assert_identical(
        found.isel(indexers).isel(again), expected.isel(indexers).isel(again)
    )


def test_indexing_that_others_get_wrong(path: Path, array: np.ndarray) -> None:
    found = opened(path, **WORDS)["data"]
    np.testing.assert_array_equal(found.isel(x=0), array[:, :, 0])
    np.testing.assert_array_equal(found.isel(x=[0, 2]), array[:, :, [0, 2]])
    assert found.isel(x=slice(0, 0)).shape == (5, 6, 0)
    np.testing.assert_array_equal(found.isel(x=slice(-15, 3)), array[:, :, -15:3])
    np.testing.assert_array_equal(found.transpose("x", "time", "y")[2], array[:, :, 2])
    with pytest.raises(IndexError):
        found.isel(x=-15).load()


@pytest.mark.parametrize("dims", [("x", "y", "time"), ("y", "x", "time"), ("time", "x", "y")])
def test_transposed_variables_are_read_in_slices(
    path: Path, array: np.ndarray, monkeypatch: pytest.MonkeyPatch, dims: Any
) -> None:
    monkeypatch.setattr(accessing, "read_points", None)
    key = {"time": [1, 3], "y": slice(1, None, 2)}
    expected = xr.DataArray(array.astype("f4"), dims=DIMS, name="data").isel(key).transpose(*dims)
    found = opened(path, **WORDS)["data"].isel(key).transpose(*dims)
    xr.testing.assert_identical(found, expected)
    xr.testing.assert_identical(found[::-1, 0], expected[::-1, 0])


def test_coordinates_are_what_datasets_take(path: Path, array: np.ndarray) -> None:
    coords = {
        "time": np.array(
            ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04", "2020-01-05"], "M8[ns]"
        ),
        "y": ("y", np.linspace(0, 1, 6), {"units": "m"}),
        "height": 2.5,
        "label": (("y", "x"), np.full((6, 7), "ab")),
    }
    ds = opened(path, **WORDS, coords=coords)
    expected = xr.Dataset({"data": (DIMS, array.astype("f4"))}, coords=coords)
    xr.testing.assert_identical(ds.load(), expected)
    assert ds.sel(time="2020-01-02", y=0.2).data.shape == (7,)
    with pytest.raises(ValueError, match=r"a\.raw.*'data'"):
        opened(path, **WORDS, coords={"data": 1})


@pytest.mark.parametrize(
    "coords",
    [
        {"time": xr.date_range("2000", periods=5, calendar="noleap", use_cftime=True)},
        {"time": ("time", np.arange(5), {"units": "days since 2000-01-01"})},
        {"time": ("time", np.arange(5), {"scale_factor": 2.0}, {"dtype": "i2"})},
        {"label": ("x", np.array(["a", None, "b", "c", "d", "e", "f"], object))},
        xr.Coordinates.from_pandas_multiindex(
            pd.MultiIndex.from_product([["a"], range(5)], names=("k", "l")), "time"
        ),
        xr.DataArray(np.arange(6.0), dims="y", coords={"y": np.arange(6)}).coords,
    ],
)
def test_coordinates_stay_exactly_as_they_are_given(
    path: Path, array: np.ndarray, coords: Any
) -> None:
    expected = xr.Dataset({"data": (DIMS, array.astype("f4"))}, coords=coords)
    for ds in (
        opened(path, **WORDS, coords=coords),
        rawmmap.map_dataset(path, **WORDS, coords=coords),
    ):
        xr.testing.assert_identical(ds.load(), expected)
        for name in expected.coords:
            assert ds[name].encoding == expected[name].encoding


def test_lazy_arrays_say_what_they_are(path: Path) -> None:
    # Schedulers put the arguments of a failed task into their messages.
    graph = opened(path, **WORDS, chunks={})["data"].data.__dask_graph__()
    assert any("a.raw" in repr(task) for task in dict(graph).values())


def test_dropped_coordinates_are_not_there(path: Path) -> None:
    coords = {"time": np.arange(5), "y": np.arange(6)}
    assert list(opened(path, **WORDS, coords=coords, drop_variables="y").coords) == ["time"]
    with pytest.raises(ValueError, match=r"a\.raw.*conflicting sizes"):
        opened(path, **WORDS, coords={"time": np.arange(3)})


@pytest.mark.parametrize("fill", [2.5, np.nan, 1e10, "abc", [1, 2]])
def test_a_description_that_could_not_be_read_is_not_written(tmp_path: Path, fill: Any) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(8))
    with pytest.raises(ValueError, match="_FillValue"):
        rawmmap.describe(path, dtype="i4", shape=2, dims="x", attrs={"_FillValue": fill})
    assert os.listdir(tmp_path) == ["a.raw"]


def test_several_variables(path: Path, array: np.ndarray) -> None:
    ds = opened(
        path,
        attrs={"title": "t"},
        variables={
            "head": {"dtype": "S20", "shape": ()},
            "u": {"dtype": ">f4", "shape": (2, 6, 7), "dims": DIMS, "offset": 20},
            "v": {"dtype": ">f4", "shape": (7, 6), "dims": ("x", "y"), "offset": 20, "order": "F"},
            "w": {"dtype": ">f4", "shape": (5,), "dims": "time", "offset": 20, "strides": (168,)},
        },
        overlap=True,
        drop_variables="w",
    )
    assert list(ds.variables) == ["head", "u", "v"]
    assert ds.attrs == {"title": "t"}
    assert ds["head"].values[()] == b"h" * 20
    np.testing.assert_array_equal(ds.u, array[:2])
    np.testing.assert_array_equal(ds.v, array[0].T)


def test_variables_are_dropped_by_exact_name(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(8))
    one = {"dtype": "u1", "shape": (4,), "dims": "x"}
    variables = {"ux": one, "aux_thing": {**one, "offset": 4}}
    assert list(opened(path, variables=variables, drop_variables="aux_thing")) == ["ux"]
    assert list(opened(path, variables=variables, drop_variables=["ux"])) == ["aux_thing"]
    # What is dropped need not even fit the file.
    variables["aux_thing"] = {**one, "offset": 400}
    assert list(opened(path, variables=variables, drop_variables=["aux_thing"])) == ["ux"]


def test_a_structured_dtype_gives_a_variable_per_field(tmp_path: Path) -> None:
    dtype = np.dtype([("t", ">i4"), ("v", "<f8", (2,)), ("in", [("a", "u1"), ("b", ">u2")])])
    records = np.frombuffer(np.arange(dtype.itemsize * 5, dtype="u1").tobytes(), dtype)
    path = tmp_path / "a.raw"
    path.write_bytes(b"??" + records.tobytes())
    ds = opened(path, dtype=dtype, shape=-1, dims="rec", offset=2)
    assert list(ds) == ["t", "v", "in.a", "in.b"]
    for name, expected in {
        "t": records["t"],
        "v": records["v"],
        "in.a": records["in"]["a"],
        "in.b": records["in"]["b"],
    }.items():
        np.testing.assert_array_equal(ds[name], expected)
        assert ds[name].dtype.isnative
    assert ds.v.dims == ("rec", "v_0")
    rawmmap.describe(path, dtype=dtype, shape=-1, dims="rec", offset=2)
    xr.testing.assert_identical(opened(path), ds)


def test_xarray_decodes(tmp_path: Path) -> None:
    packed = np.array([[0, 10, -1], [3, 4, 5]], ">i2")
    days = np.array([0, 31], "<f8")
    path = tmp_path / "a.raw"
    path.write_bytes(packed.tobytes() + days.tobytes())
    variables: dict[str, Any] = {
        "t2m": {
            "dtype": ">i2",
            "shape": (2, 3),
            "dims": ("time", "x"),
            "attrs": {"scale_factor": 0.5, "add_offset": 273.0, "_FillValue": -1},
        },
        "time": {
            "dtype": "<f8",
            "shape": 2,
            "dims": "time",
            "offset": 12,
            "attrs": {"units": "days since 2001-01-01"},
        },
    }
    ds = opened(path, variables=variables)
    expected = np.where(packed == -1, np.nan, packed * 0.5 + 273)
    np.testing.assert_allclose(ds.t2m, expected)
    assert ds.indexes["time"][1].isoformat() == "2001-02-01T00:00:00"
    raw = opened(path, variables=variables, mask_and_scale=False, decode_times=False)
    np.testing.assert_array_equal(raw.t2m, packed)
    assert raw.time.dtype == "f8"
    raw = opened(path, variables=variables, decode_cf=False)
    np.testing.assert_array_equal(raw.t2m, packed)
    rawmmap.describe(path, variables=variables)
    xr.testing.assert_identical(opened(path), ds)


def test_preferred_chunks_suit_all_variables_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(40 * 100 * 100 * 12))
    variables = {
        "a": {"dtype": "f4", "shape": (40, 100, 100), "dims": DIMS},
        "b": {"dtype": "f8", "shape": (40, 100, 100), "dims": DIMS, "offset": 1_600_000},
        "c": {"dtype": "f8", "shape": (40,), "dims": "time", "offset": 0},
    }
    with dask.config.set({"array.chunk-size": "400 kB"}):
        ds = opened(path, variables=variables, chunks={}, overlap=True)
    assert ds.chunks["y"] == ds.chunks["x"] == (100,)
    assert max(ds.chunks["time"]) == ds.a.encoding["preferred_chunks"]["time"]
    assert 1 < max(ds.chunks["time"]) <= 5


def test_files_side_by_side(tmp_path: Path, array: np.ndarray) -> None:
    for i in range(3):
        (tmp_path / f"{i}.raw").write_bytes(array[i].tobytes())
    ds = xr.open_mfdataset(
        sorted(tmp_path.glob("*.raw")),
        engine="rawmmap",
        dtype=">f4",
        shape=(6, 7),
        dims=("y", "x"),
        combine="nested",
        concat_dim="time",
    )
    assert ds["data"].chunks is not None
    np.testing.assert_array_equal(ds["data"], array[:3])


def test_nothing_is_read_before_it_is_needed(
    path: Path, array: np.ndarray, asked: list[int]
) -> None:
    ds = opened(path, **WORDS, attrs={"scale_factor": 2.0})
    column = ds["data"].isel(y=2).isel(x=slice(1, 3)).transpose()
    repr(ds), ds.sizes, ds.nbytes
    assert asked == []
    np.testing.assert_allclose(column, array[:, 2, 1:3].T * 2)
    assert asked == [5 * 2 * 4]
    asked.clear()
    with dask.config.set({"array.chunk-size": "168 B"}):
        lazy = opened(path, **WORDS, chunks={})["data"][:, 2, 3]
    np.testing.assert_array_equal(lazy.compute(), array[:, 2, 3])
    assert asked == [4] * 5


def test_what_is_loaded_can_be_changed_and_the_file_is_not(path: Path) -> None:
    before = path.read_bytes()
    ds = opened(path, **WORDS, access="map").load()
    ds["data"][0] = 0
    ds["data"].values[1] = 0
    assert path.read_bytes() == before


def test_a_dataset_can_be_sent_elsewhere(path: Path, array: np.ndarray) -> None:
    import pickle

    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)['data'].values.sum())"
    sent = pickle.dumps(opened(path, **WORDS))
    assert len(sent) < 5000
    ran = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, check=True)
    assert float(ran.stdout) == pytest.approx(float(array.astype("f4").sum()))


def test_sidecars_and_headers_are_found(tmp_path: Path, array: np.ndarray) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(array.tobytes())
    engine = RawmmapEntrypoint()
    assert not engine.guess_can_open(path)
    sidecar = rawmmap.describe(path, dtype=">f4", shape=array.shape, dims=DIMS, attrs={"a": [1, 2]})
    assert sidecar == tmp_path / "a.raw.json"
    for name in (path, sidecar):
        assert engine.guess_can_open(name)
        assert engine.guess_can_open(str(name))
        # kerchunk, where it is installed, claims every name that ends in .json before us.
        ds = xr.open_dataset(name, engine="rawmmap" if name == sidecar else None)
        np.testing.assert_array_equal(ds["data"], array)
        assert ds["data"].attrs == {"a": [1, 2]}
        xr.testing.assert_identical(opened(name, format="sidecar"), ds)
    for order in "CF":
        np.save(tmp_path / "b.npy", np.asarray(array, order=order))  # type: ignore[call-overload]
        assert engine.guess_can_open(tmp_path / "b.npy")
        np.testing.assert_array_equal(xr.open_dataset(tmp_path / "b.npy")["data"], array)


def test_a_file_that_grows_opens_at_its_present_length(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(24))
    rawmmap.describe(path, dtype="<f4", shape=(-1, 3), dims=("time", "x"))
    assert opened(path).sizes == {"time": 2, "x": 3}
    with path.open("ab") as file:
        file.write(bytes(12))
    assert opened(path).sizes == {"time": 3, "x": 3}


@pytest.mark.parametrize("what", [3.5, None, b"\xff", object(), "none", "", "/", "http://a/b"])
def test_guessing_never_raises(what: Any, tmp_path: Path) -> None:
    assert RawmmapEntrypoint().guess_can_open(what) is False


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not RawmmapEntrypoint().guess_can_open(tmp_path / "pipe")
    with pytest.raises(OSError, match="regular"):
        opened(tmp_path / "pipe")
    (tmp_path / "a.raw").write_bytes(b"x")
    os.mkfifo(tmp_path / "a.raw.json")
    assert not RawmmapEntrypoint().guess_can_open(tmp_path / "a.raw")
    with pytest.raises(ValueError, match="nothing says"):
        opened(tmp_path / "a.raw")


def test_sidecars_may_be_written_by_others(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(4))
    words = {"attrs": {"history": "x" * 10_000}, "rawmmap": 1, "variables": {}}
    (tmp_path / "a.raw.json").write_text(json.dumps(words), encoding="utf-8-sig")
    assert RawmmapEntrypoint().guess_can_open(path)
    assert len(opened(path).attrs["history"]) == 10_000
    (tmp_path / "a.raw.json").write_text('{"name": "rawmmap"}')
    assert not RawmmapEntrypoint().guess_can_open(path)


def test_guessing_claims_no_other_json(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(4))
    (tmp_path / "a.raw.json").write_text('{"name": "somebody else\'s"}')
    assert not RawmmapEntrypoint().guess_can_open(path)
    with pytest.raises(ValueError, match="not a sidecar of rawmmap"):
        opened(path)


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        ({}, ValueError, r"a\.raw: nothing says.*dtype=.*rawmmap\.describe"),
        ({"shape": 3}, ValueError, "without dtype="),
        ({"dims": "x"}, ValueError, "without dtype="),
        ({"dtype": "f4", "variables": {}}, ValueError, "several"),
        ({"dtype": "f4", "format": "npy"}, ValueError, "one or the other"),
        ({"format": "envy"}, ValueError, "'envy' is none of .*npy"),
        ({"format": "npy"}, ValueError, "magic"),
        ({"format": "sidecar"}, FileNotFoundError, r"a\.raw\.json"),
        ({"dtype": "O"}, TypeError, "pointers"),
        ({"dtype": "f4", "shape": (400,)}, ValueError, "1600 bytes are needed.* has 860 "),
        ({"dtype": "f4", "shape": (-1, 4)}, ValueError, "860 bytes.*12 bytes more"),
        ({"dtype": "f4", "shape": (2, 2), "dims": "x"}, ValueError, "2 axes.*1 dims"),
        ({"dtype": "f4", "shape": (2, 2, 2), "dims": ("x", "x", "x")}, ValueError, "repeats"),
        ({"dtype": "f4", "offset": 861, "shape": -1}, ValueError, "861.*860"),
        ({"dtype": "f4", "offset": -1}, ValueError, "-1"),
        ({"variables": {"a": {"shape": 3}}}, ValueError, "'a' has no dtype"),
        ({"variables": {"a": {"dtype": "u1", "shap": 3}}}, TypeError, "'shap'"),
        (
            {
                "variables": {
                    "a": {"dtype": "u1", "shape": 3, "dims": "x"},
                    "b": {"dtype": "u1", "shape": 4, "dims": "x"},
                }
            },
            ValueError,
            "'x' has length 3 in 'a', but 4 in 'b'",
        ),
        ({"dtype": "f4", "access": "mmap"}, ValueError, "'mmap'"),
    ],
)
def test_refusals(path: Path, words: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        opened(path, **words)


def test_what_is_no_path_is_refused(path: Path) -> None:
    with path.open("rb") as file, pytest.raises(TypeError, match="a path or URL is needed"):
        opened(file, dtype="u1")  # type: ignore[arg-type]


def test_missing_files_and_directories(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "none", dtype="u1")
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        opened(tmp_path, dtype="u1")


def test_describing_checks_before_it_writes(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a.raw"
    copy.write_bytes(path.read_bytes())
    cases: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"dtype": "f4", "shape": 1000}, ValueError),
        ({"dtype": "f4", "shape": (5, 5), "dims": "x"}, ValueError),
        ({"dtype": "f4", "attrs": {"a": object()}}, TypeError),
        ({}, ValueError),
    ]
    for words, error in cases:
        with pytest.raises(error):
            rawmmap.describe(copy, **words)
        assert os.listdir(tmp_path) == ["a.raw"]


def test_descriptions_hold_coordinates(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a.raw"
    copy.write_bytes(path.read_bytes())
    words = {
        **WORDS,
        "coords": {
            "time": np.arange("2000-01-01", "2000-01-06", dtype="M8[D]").astype("M8[ns]"),
            "y": ("y", [0.5, 1.5, np.nan, np.inf, 4.5, 5.5], {"units": "m"}),
            "name": ("x", list("abcdefg")),
            "phase": ("x", np.arange(7) * 1j),
        },
    }
    rawmmap.describe(copy, **words)
    xr.testing.assert_identical(opened(copy).load(), opened(copy, **words).load())


class TestPositions:
    """Lists of positions pick what NumPy picks, and are refused where NumPy refuses them."""

    @pytest.fixture
    def cube(self, tmp_path: Path) -> xr.Dataset:
        path = tmp_path / "cube.bin"
        np.arange(60, dtype="<f4").tofile(path)
        return opened(path, dtype="<f4", shape=(2, 5, 6), dims=("a", "c", "b"))

    @pytest.mark.parametrize("key", [[5, 6], [0, 6], [-7], [-7, -6], [6, 5], [6], [0, 3, 6]])
    def test_out_of_bounds(self, cube: xr.Dataset, key: list[int]) -> None:
        with pytest.raises(IndexError, match=r"cube\.bin: index -?\d is out of bounds"):
            cube.isel(b=key).load()
        with pytest.raises(IndexError):
            cube.isel(a=1).isel(b=key).load()

    @pytest.mark.parametrize(
        "key", [[5, 4], [-1], [-1, -2], [0, 2, 4], [3, 3], [], [4, 2, 0], [-6], [5, 0], [0, -1]]
    )
    def test_within_bounds(self, cube: xr.Dataset, key: list[int]) -> None:
        expected = np.arange(60, dtype="<f4").reshape(2, 5, 6)[:, :, np.array(key, int)]
        np.testing.assert_array_equal(cube.isel(b=key)["data"].values, expected)


@pytest.mark.parametrize(
    "chunks", [{}, {"time": 1}, {"y": 4}, {"time": 2, "x": 5}, "auto", 3, {"x": (3, 4)}]
)
def test_any_chunks_are_as_good(path: Path, array: np.ndarray, chunks: Any) -> None:
    """A flat file has no stored chunks that others could separate: no warning."""
    ds = opened(path, **WORDS, chunks=chunks)
    np.testing.assert_array_equal(ds["data"].values, array)
    np.testing.assert_array_equal(ds["data"].chunk(time=2).values, array)


@pytest.mark.parametrize(
    ("suffix", "compress", "name"),
    [(".gz", gzip.compress, "gzip"), (".bz2", bz2.compress, "bzip2"), (".xz", lzma.compress, "xz")],
)
def test_compressed_files_are_refused(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes], name: str
) -> None:
    path = tmp_path / f"a.bin{suffix}"
    path.write_bytes(compress(os.urandom(999)))
    with pytest.raises(ValueError, match=f"compressed with {name}"):
        opened(path, dtype="u1", shape=-1, dims="x")
    # The suffix alone says nothing.
    path.write_bytes(bytes(8))
    assert opened(path, dtype="u1", shape=-1, dims="x").sizes == {"x": 8}


class TestBlocks:
    """A dimension that is named twice is one axis that is stored in blocks."""

    @pytest.fixture
    def blocks(self, tmp_path: Path) -> tuple[xr.Dataset, np.ndarray]:
        stored = np.arange(3 * 2 * 4, dtype=">i4").reshape(3, 2, 4)
        (tmp_path / "a.bin").write_bytes(b"head" + stored.tobytes())
        words: dict[str, Any] = {"dtype": ">i4", "shape": (-1, 2, 4), "offset": 4}
        ds = opened(tmp_path / "a.bin", **words, dims=("time", "channel", "time"))
        return ds, stored.transpose(0, 2, 1).reshape(12, 2)

    def test_values(self, blocks: tuple[xr.Dataset, np.ndarray]) -> None:
        ds, expected = blocks
        assert ds["data"].dims == ("time", "channel")
        np.testing.assert_array_equal(ds["data"].values, expected)
        np.testing.assert_array_equal(ds["data"].T.values, expected.T)

    @given(hnp.basic_indices((12, 2), allow_newaxis=False))
    def test_selections(self, blocks: tuple[xr.Dataset, np.ndarray], key: Any) -> None:
        ds, expected = blocks
        np.testing.assert_array_equal(ds["data"][key].values, expected[key])

    def test_points(self, blocks: tuple[xr.Dataset, np.ndarray]) -> None:
        ds, expected = blocks
        times, channels = np.array([11, 0, 5, 5, 3]), np.array([0, 1, 1, 0, 0])
        picked = ds["data"].isel(time=("p", times), channel=("p", channels))
        np.testing.assert_array_equal(picked.values, expected[times, channels])
        np.testing.assert_array_equal(
            ds["data"].isel(time=[7, 1, 2], channel=[1]).values, expected[[7, 1, 2]][:, [1]]
        )

    @pytest.mark.parametrize("chunks", [{}, {"time": 5}, {"channel": 1, "time": 3}])
    def test_chunks(self, blocks: tuple[xr.Dataset, np.ndarray], chunks: Any) -> None:
        ds, expected = blocks
        np.testing.assert_array_equal(ds.chunk(chunks)["data"].values, expected)
        assert float(ds.chunk(chunks)["data"].sum()) == expected.sum()

    def test_a_live_dataset_needs_one_piece(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        path.write_bytes(bytes(24))
        with pytest.raises(ValueError, match="'data' lies in several pieces"):
            rawmmap.map_dataset(path, dtype="u1", shape=(2, 3, 4), dims=("t", "c", "t"))
