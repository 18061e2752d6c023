"""HDF5 readers read the very bytes of a flat file through external storage."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rawmmap.exports import to_hdf5
from tests.strategies import basic_keys

h5py = pytest.importorskip("h5py", reason="HDF5 files are written with h5py")

TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16", "S3"]

Array = npt.NDArray[Any]
Store = Callable[..., dict[str, Any]]


def read(path: Path, name: str = "data") -> Array:
    """Return a dataset, external files being searched beside `path`."""
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(b"${ORIGIN}")
    with h5py.File(path, "r") as file:
        return np.asarray(h5py.Dataset(h5py.h5d.open(file.id, name.encode(), access))[()])


def elsewhere(code: str, *arguments: object, **environment: str) -> str:
    """Run a program in another folder and process; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("dtype", TYPES)
def test_all_types(tmp_path: Path, store: Store, dtype: str, byteorder: str) -> None:
    array = np.arange(30).astype(byteorder + dtype).reshape(2, 3, 5)
    for offset in (0, 1, 4096):
        path = tmp_path / f"{offset}.bin"
        words = store(path, array, None, offset)
        raw = path.read_bytes()
        target = to_hdf5(path, **words)
        assert target == tmp_path / f"{offset}.bin.h5"
        found = read(target)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
        with h5py.File(target) as file:
            assert file["data"].external == [(f"{offset}.bin", offset, array.nbytes)]
        assert path.read_bytes() == raw


@given(basic_keys((4, 3, 5)), st.integers(0, 3), st.randoms())
def test_any_layout_is_made_of_pieces(
    tmp_path_factory: pytest.TempPathFactory, key: Any, offset: int, random: Any
) -> None:
    path = tmp_path_factory.mktemp("part") / "a.bin"
    whole = np.arange(60, dtype=">u2").reshape(4, 3, 5)
    path.write_bytes(bytes(offset) + whole.tobytes())
    part = whole[key]
    assume(isinstance(part, np.ndarray))
    part = part.transpose(random.sample(range(part.ndim), part.ndim))
    start = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    target = to_hdf5(
        path,
        dtype=">u2",
        shape=part.shape,
        strides=part.strides,
        offset=offset + start if part.size else 0,
    )
    np.testing.assert_array_equal(read(target), part)


def test_text_is_copied(tmp_path: Path) -> None:
    texts = np.array([["a", "\u00e4b"], ["", "cde"]], ">U3")
    (tmp_path / "a").write_bytes(texts.tobytes())
    target = to_hdf5(tmp_path / "a", dtype=">U3", shape=(2, 2), attrs={"_FillValue": ""})
    with h5py.File(target) as file:
        assert file["data"].external is None
        assert file["data"].asstr()[:].tolist() == texts.tolist()
    with (tmp_path / "b").open("wb") as empty:
        empty.truncate(2**26 + 4)
    with pytest.raises(ValueError, match="HDF5 has no type for <U1"):
        to_hdf5(tmp_path / "b", dtype="<U1", shape=2**24 + 1)


def test_too_many_pieces_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    rows = np.arange(2701 * 2, dtype=">i4").reshape(2701, 2)
    path.write_bytes(rows.tobytes())
    words: dict[str, Any] = {"dtype": ">i4", "strides": (8,)}
    np.testing.assert_array_equal(read(to_hdf5(path, shape=2700, **words)), rows[:2700, 0])
    with pytest.raises(ValueError, match=r"'data' .* is 2701 runs of 4 bytes .* at most 2700"):
        to_hdf5(path, shape=2701, **words)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.h5"]


def test_interleaved_records(tmp_path: Path) -> None:
    record = np.dtype([("t", ">i8"), ("u", ">f4", (2,))])
    records = np.zeros(5, record)
    records["t"], records["u"] = np.arange(5), np.arange(10).reshape(5, 2)
    (tmp_path / "a").write_bytes(records.tobytes())
    target = to_hdf5(tmp_path / "a", dtype=record, dims="n")
    for name in ("t", "u"):
        np.testing.assert_array_equal(read(target, name), records[name])


@pytest.mark.parametrize("dtype", ["<M8[Y]", "<m8[25s]", "V5"])
def test_types_that_hdf5_lacks_are_refused_by_name(tmp_path: Path, dtype: str) -> None:
    (tmp_path / "a").write_bytes(bytes(1000))
    with pytest.raises(ValueError, match="'data': HDF5 has no type for"):
        to_hdf5(tmp_path / "a", dtype=dtype, shape=3)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


DATASET: dict[str, Any] = {
    "variables": {
        "u": {
            "dtype": ">f4",
            "shape": (2, 3, 4),
            "dims": ("time", "y", "x"),
            "offset": 4,
            "attrs": {
                "_FillValue": 5.0,
                "units": "m",
                "words": ["a", "bc"],
                "numbers": [1, 2],
                "flag": True,
                "empty": "",
            },
        },
        "x": {"dtype": "<i2", "shape": 4, "dims": "x", "offset": 100},
        "ok": {"dtype": "?", "shape": 4, "dims": "x", "offset": 108},
        "when": {"dtype": ">M8[s]", "shape": 2, "dims": "time", "offset": 112},
        "wait": {"dtype": ">m8[h]", "shape": 2, "dims": "time", "offset": 112},
    },
    "overlap": True,
    "coords": {
        "time": np.array(["2000-01-01", "2000-01-02"], "M8[D]"),
        "name": ("y", ["a", "bb", "c"]),
        "level": 850.0,
    },
    "attrs": {f"a{i}": i for i in range(20)},
}
U = np.arange(24, dtype=">f4").reshape(2, 3, 4)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    raw = bytearray(128)
    raw[4:100] = U.tobytes()
    raw[100:108] = np.arange(4, dtype="<i2").tobytes()
    raw[108:112] = b"\0\1\1\0"
    raw[112:128] = np.array([7, -(2**63)], ">i8").tobytes()
    path.write_bytes(raw)
    return path


def test_dimensions_coordinates_and_attributes(dataset: Path) -> None:
    raw = dataset.read_bytes()
    target = to_hdf5(dataset, **DATASET)
    with h5py.File(target) as file:
        u = file["u"]
        assert u.dims[0]["time"] == file["time"]
        assert u.dims[2]["x"] == file["x"]
        assert file["x"].is_scale
        assert len(u.dims[1]) == 1
        assert u.attrs["units"] == "m"
        assert u.attrs.get_id("_FillValue").dtype == ">f4"
        assert list(u.attrs["words"]) == ["a", "bc"]
        assert u.attrs["numbers"].tolist() == [1, 2]
        assert u.attrs["flag"] == 1
        assert u.attrs["coordinates"] == "name level"
        assert len(file.attrs) == 20
        assert file["name"].asstr()[:].tolist() == ["a", "bb", "c"]
        assert file["level"][()] == 850.0
        assert file["level"].external is None
    assert target.stat().st_size < 50_000
    assert dataset.read_bytes() == raw


def test_xarray_with_h5netcdf(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("h5netcdf", reason="h5netcdf is not installed")
    import xarray as xr

    monkeypatch.chdir(dataset.parent)
    with xr.open_dataset(to_hdf5(dataset, **DATASET), engine="h5netcdf") as ds:
        assert set(ds.coords) == {"time", "x", "name", "level"}
        assert dict(ds.sizes) == {"time": 2, "y": 3, "x": 4}
        np.testing.assert_array_equal(ds["u"], np.where(U == 5, np.nan, U))
        assert ds["ok"].values.tolist() == [False, True, True, False]
        assert ds["ok"].dtype == bool
        assert ds["time"].values.astype("M8[D]").tolist() == DATASET["coords"]["time"].tolist()
        when = ds["when"].values.astype("M8[s]")
        np.testing.assert_array_equal(when, np.array([7, "NaT"], "M8[s]"))
        np.testing.assert_array_equal(ds["wait"].values[:1], np.array([7], "m8[h]"))


NETCDF4 = """
import sys, netCDF4
with netCDF4.Dataset(sys.argv[1]) as d:
    u = d["u"]
    print(u.dimensions, u.dtype, u[:].sum(), u[:].count(), u.units, u.coordinates)
    print(d["x"][:].tolist(), d["ok"][:].tolist(), d["name"][:].tolist(), d["level"][()])
    print(list(d.dimensions), len(d.ncattrs()), d["when"].units, d["when"][:].tolist())
"""


def test_netcdf4(dataset: Path) -> None:
    pytest.importorskip("netCDF4", reason="netCDF4 is not installed")
    # The wheels of h5py and netCDF4 hold two HDF5 libraries: each has a process of its own.
    target = to_hdf5(dataset, **DATASET)
    printed = elsewhere(NETCDF4, target, HDF5_EXTFILE_PREFIX="${ORIGIN}").splitlines()
    assert printed[0] == "('time', 'y', 'x') >f4 271.0 23 m name level"
    assert printed[1] == "[0, 1, 2, 3] [0, 1, 1, 0] ['a', 'bb', 'c'] 850.0"
    assert sorted(eval(printed[2].split("]")[0] + "]")) == ["time", "x", "y"]
    assert printed[2].endswith("20 seconds since 1970-01-01 [7, None]")


H5PY = """
import sys, h5py
with h5py.File(sys.argv[1]) as f:
    try:
        print(f["data"][:].tolist())
    except OSError as error:
        print("OSError")
"""


def test_relative_names_and_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "old"
    (folder / "data").mkdir(parents=True)
    path = folder / "data" / "a.bin"
    path.write_bytes(bytes(range(4)))
    to_hdf5(path, dtype="u1", shape=4)
    to_hdf5(path, folder / "above.h5", dtype="u1", shape=4)
    shutil.move(folder, tmp_path / "new")
    for name in ("above.h5", "data/a.bin.h5"):
        target = tmp_path / "new" / name
        # Without a word about it HDF5 looks in the working directory only.
        assert elsewhere(H5PY, target) == "OSError"
        assert elsewhere(H5PY, target, HDF5_EXTFILE_PREFIX="${ORIGIN}") == "[0, 1, 2, 3]"
        assert read(target).tolist() == [0, 1, 2, 3]
        monkeypatch.chdir(target.parent)
        with h5py.File(target) as file:
            assert file["data"][:].tolist() == [0, 1, 2, 3]


def test_one_variable_with_its_coordinates(dataset: Path) -> None:
    with h5py.File(to_hdf5(dataset, variable="ok", **DATASET)) as file:
        assert set(file) == {"ok", "x", "level"}
    with pytest.raises(ValueError, match="'w' is not in the file"):
        to_hdf5(dataset, variable="w", **DATASET)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
def test_scalars_and_empty_variables(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\7\0\0\0")
    target = to_hdf5(path, dtype="<i4", shape=shape, name="data")
    np.testing.assert_array_equal(read(target), np.full(shape, 7))


def test_only_a_file_that_leads_here_is_replaced(tmp_path: Path) -> None:
    path, target = tmp_path / "a", tmp_path / "a.h5"
    path.write_bytes(bytes(12))
    words: dict[str, Any] = {"dtype": "u1", "shape": (3, 4)}
    with h5py.File(target, "w") as file:
        file["precious"] = 1
    with pytest.raises(FileExistsError, match="not an HDF5 file that leads to"):
        to_hdf5(path, **words)
    target.write_text("mine")
    with pytest.raises(FileExistsError, match="not an HDF5 file that leads to"):
        to_hdf5(path, **words)
    with pytest.raises(FileExistsError, match="the data file itself"):
        to_hdf5(path, path, **words)
    target.unlink()
    to_hdf5(path, **words)
    assert read(to_hdf5(path, dtype="u1", shape=(4, 3))).shape == (4, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.h5"]


@pytest.mark.parametrize("value", [None, {"a": 1}, [1, [2, 3]], object()])
def test_attributes_that_hdf5_cannot_hold(tmp_path: Path, value: Any) -> None:
    (tmp_path / "a").write_bytes(bytes(12))
    with pytest.raises(TypeError, match=r"'data': attribute 'it' is .* HDF5 cannot hold"):
        to_hdf5(tmp_path / "a", dtype="u1", shape=12, attrs={"it": value})
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_attributes_that_are_too_long(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(12))
    words: dict[str, Any] = {"dtype": "u1", "shape": 12}
    to_hdf5(tmp_path / "a", attrs={"it": np.zeros(8000), "text": "x" * 60_000}, **words)
    with pytest.raises(ValueError, match="'it' has 64008 bytes"):
        to_hdf5(tmp_path / "a", attrs={"it": np.zeros(8001)}, **words)


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(bytes(12))
    target = to_hdf5(tmp_path / "a", dtype="u1", shape=12)
    before = target.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rawmmap.formats.hdf5.writer._create", full)
    with pytest.raises(OSError, match="No space"):
        to_hdf5(tmp_path / "a", dtype="u1", shape=(3, 4))
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.h5"]


def test_names_that_hdf5_cannot_have(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(12))
    with pytest.raises(ValueError, match="'a/b' is not a name"):
        to_hdf5(tmp_path / "a", dtype="u1", shape=12, name="a/b")
    with pytest.raises(ValueError, match="'x' is both a dimension and a variable"):
        to_hdf5(tmp_path / "a", dtype="u1", shape=(3, 4), dims=("y", "x"), name="x")


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"rawmmap\[formats\]"):
        to_hdf5(tmp_path / "a", dtype="u1", shape=12)
