"""`rawmmap convert`: what it writes, as NumPy, xarray, zarr and netCDF4 read it."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

import rawmmap
from tests.cli.conftest import Run

nc4 = pytest.importorskip("netCDF4")
zarr = pytest.importorskip("zarr")

KEYWORDS = ("--dtype", ">f4", "--shape", "-1,3,4", "--dims", "t,y,x", "--name", "u")
ATTRS = ("--attrs", '{"units": "m s-1", "levels": [1, 2]}')


@pytest.fixture
def values() -> npt.NDArray[Any]:
    return np.random.default_rng(1).normal(0, 20, (6, 3, 4)).astype(">f4")


@pytest.fixture
def source(tmp_path: Path, values: npt.NDArray[Any]) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "u.bin"
    values.tofile(path)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def convert(run: Run, source: Path, target: Path, *words: str) -> None:
    result = run("convert", source, target, *words)
    assert result.exit_code == 0, result.output
    assert result.output == ""


def refuse(run: Run, source: Path, target: Path, *words: str, code: int = 3) -> str:
    result = run("convert", source, target, *words)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    return result.stderr


def open_zarr(path: Path) -> xr.Dataset:
    ds: xr.Dataset = xr.open_zarr(path, consolidated=False)
    return ds


def test_zarr(run: Run, source: Path, out: Path, values: npt.NDArray[Any]) -> None:
    convert(run, source, out / "u.zarr", *KEYWORDS, *ATTRS)
    array: Any = zarr.open_group(out / "u.zarr", mode="r")["u"]
    np.testing.assert_array_equal(array[:], values)
    with open_zarr(out / "u.zarr") as ds:
        assert ds["u"].dims == ("t", "y", "x")
        assert ds["u"].attrs == {"units": "m s-1", "levels": [1, 2]}
        assert ds["u"].dtype == "f4"
    assert os.listdir(out) == ["u.zarr"]


def test_netcdf(run: Run, source: Path, out: Path, values: npt.NDArray[Any]) -> None:
    convert(run, source, out / "u.nc", *KEYWORDS, *ATTRS)
    with nc4.Dataset(out / "u.nc") as file:
        np.testing.assert_array_equal(file["u"][:], values)
        assert file["u"].dimensions == ("t", "y", "x")
        assert file["u"].units == "m s-1"
        assert "_FillValue" not in file["u"].ncattrs()
    assert os.listdir(out) == ["u.nc"]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [None, "<f8", ">i2", "i1"])
def test_raw(
    run: Run, source: Path, out: Path, values: npt.NDArray[Any], order: Any, dtype: str | None
) -> None:
    words = () if dtype is None else ("--to-dtype", dtype)
    convert(run, source, out / "v.bin", *KEYWORDS, *ATTRS, "--to-order", order, *words)
    stored = np.dtype(dtype or ">f4")
    expected = np.rint(values) if stored.kind == "i" else values
    # The first page is left free.
    flat = np.fromfile(out / "v.bin", stored, offset=4096)
    np.testing.assert_array_equal(flat.reshape((6, 3, 4), order=order), expected)
    with xr.open_dataset(out / "v.bin", engine="rawmmap") as ds:
        np.testing.assert_array_equal(ds["u"], expected)
        assert ds["u"].dims == ("t", "y", "x")
        assert ds["u"].attrs == {"units": "m s-1", "levels": [1, 2]}
    (variable,) = json.loads((out / "v.bin.json").read_text())["variables"].values()
    assert variable["dtype"] == stored.str
    assert variable.get("order", "C") == order


@pytest.mark.parametrize(("order", "byteorder"), list(itertools.product("CF", ["big", "little"])))
def test_plain(
    run: Run, source: Path, out: Path, values: npt.NDArray[Any], order: Any, byteorder: Any
) -> None:
    words = "--plain", "--to-order", order, "--to-byteorder", byteorder
    convert(run, source, out / "v.bin", *KEYWORDS, *words)
    dtype = np.dtype("f4").newbyteorder(byteorder)
    assert (out / "v.bin").read_bytes() == values.astype(dtype).tobytes(order=order)
    assert os.listdir(out) == ["v.bin"]


def test_samples_that_numpy_lacks(
    run: Run, source: Path, out: Path, values: npt.NDArray[Any]
) -> None:
    convert(run, source, out / "v.bin", *KEYWORDS, "--plain", "--to-dtype", "<i3")
    raw = np.frombuffer((out / "v.bin").read_bytes(), "u1").reshape(-1, 3)
    wide = np.zeros((len(raw), 4), "u1")
    wide[:, 1:] = raw
    numbers = wide.view("<i4").ravel() >> 8
    np.testing.assert_array_equal(numbers.reshape(6, 3, 4), np.rint(values))
    convert(run, out / "v.bin", out / "w.nc", "--dtype", "<i3", "--shape", "6,3,4")
    with xr.open_dataset(out / "w.nc") as ds:
        np.testing.assert_array_equal(ds["data"], np.rint(values))


def test_from_column_major_to_all(
    run: Run, tmp_path: Path, out: Path, values: npt.NDArray[Any]
) -> None:
    source = tmp_path / "f.bin"
    source.write_bytes(values.tobytes(order="F"))
    words = "--dtype", ">f4", "--shape", "6,3,-1", "--order", "F"
    for name in ("a.zarr", "a.nc", "a.bin", "p.bin"):
        convert(run, source, out / name, *words, *(["--plain"] if name == "p.bin" else []))
    np.testing.assert_array_equal(open_zarr(out / "a.zarr")["data"], values)
    with xr.open_dataset(out / "a.nc") as ds:
        np.testing.assert_array_equal(ds["data"], values)
    np.testing.assert_array_equal(np.fromfile(out / "a.bin", ">f4", offset=4096), values.ravel())
    np.testing.assert_array_equal(np.fromfile(out / "p.bin", ">f4"), values.ravel())


def test_a_dataset_keeps_what_it_means(run: Run, tmp_path: Path, out: Path) -> None:
    ds = xr.Dataset(
        {
            "flag": ("time", [True, False]),
            "name": ("time", ["abc", "de"]),
            "packed": (("time", "x"), [[1.5, np.nan], [2, 2.5]], {"units": "K"}),
            "lon": (("x"), [1.0, 2.0]),
        },
        {"time": np.array(["2001-01-01", "2001-01-02T06"], "M8[ns]"), "x": [10, 20]},
        {"title": "a run"},
    ).set_coords("lon")
    ds["packed"].encoding = {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -9}
    rawmmap.to_raw(ds, tmp_path / "ds.bin")
    expected = xr.open_dataset(tmp_path / "ds.bin", engine="rawmmap").load()
    xr.testing.assert_identical(expected, ds)
    for name in ("a.zarr", "a.nc", "a.bin", "b.bin"):
        words = ("--to-order", "F") if name == "b.bin" else ()
        convert(run, tmp_path / "ds.bin", out / name, *words)
    xr.testing.assert_identical(open_zarr(out / "a.zarr").load(), ds)
    for name, engine in (("a.nc", None), ("a.bin", "rawmmap"), ("b.bin", "rawmmap")):
        with xr.open_dataset(out / name, engine=engine) as back:
            xr.testing.assert_identical(back.load(), ds)
    # Stored elements are copied as they are, and not decoded and encoded again.
    packed: Any = zarr.open_group(out / "a.zarr", mode="r")["packed"]
    assert packed.dtype == "i2"
    assert packed[:].tolist() == [[3, -9], [4, 5]]


def test_records_stay_records(run: Run, tmp_path: Path, out: Path) -> None:
    ds = xr.Dataset(
        {"u": (("time", "x"), np.arange(6.0).reshape(3, 2)), "n": ("time", [1, 2, 3])},
        {"time": [0, 10, 20]},
    )
    rawmmap.to_raw(ds, tmp_path / "log.bin", unlimited_dims="time")
    for name in ("a.bin", "a.nc", "a.zarr"):
        convert(run, tmp_path / "log.bin", out / name)
    assert json.loads((out / "a.bin.json").read_text())["records"]["dim"] == "time"
    with nc4.Dataset(out / "a.nc") as file:
        assert file.dimensions["time"].isunlimited()
        assert file["u"][:].tolist() == ds["u"].values.tolist()
    xr.testing.assert_identical(open_zarr(out / "a.zarr").load(), ds)
    with xr.open_dataset(out / "a.bin", engine="rawmmap") as back:
        xr.testing.assert_identical(back.load(), ds)


def test_records_of_unequal_length(run: Run, tmp_path: Path, out: Path) -> None:
    rows = [np.arange(n, dtype="<f4") for n in (3, 5, 2)]
    with (tmp_path / "f.unf").open("wb") as file:
        for row in rows:
            marker = np.int32(row.nbytes).tobytes()
            file.write(marker + row.tobytes() + marker)
    words = "--format", "fortran", "--dtype", "<f4", "--shape", "-1", "--name", "u"
    for name in ("a.zarr", "a.nc", "a.bin"):
        convert(run, tmp_path / "f.unf", out / name, *words)
    expected = np.concatenate(rows)
    np.testing.assert_array_equal(open_zarr(out / "a.zarr")["u"], expected)
    with nc4.Dataset(out / "a.nc") as file:
        np.testing.assert_array_equal(file["u"][:], expected)
    with xr.open_dataset(out / "a.bin", engine="rawmmap") as ds:
        np.testing.assert_array_equal(ds["u"], expected)


def test_packed_samples_and_missing_files(run: Run, tmp_path: Path, out: Path) -> None:
    for step in (0, 2):
        for name in ("u", "v"):
            (tmp_path / f"{name}-{step}.bin").write_bytes(bytes([0b10110001 + step]) * 2)
    (tmp_path / "u-1.bin").write_bytes(bytes(2))
    words = "--bits", "4", "--shape", "4", "--missing", "fill", "--fill-value", "9"
    convert(run, tmp_path / "{variable}-{step:d}.bin", out / "a.nc", *words)
    with xr.open_dataset(out / "a.nc", mask_and_scale=False) as ds:
        assert ds["u"].values.tolist() == [[11, 1, 11, 1], [0, 0, 0, 0], [11, 3, 11, 3]]
        assert ds["v"].values.tolist() == [[11, 1, 11, 1], [9, 9, 9, 9], [11, 3, 11, 3]]


def test_chosen_variables(run: Run, tmp_path: Path, out: Path) -> None:
    ds = xr.Dataset({n: ("x", np.full(3, i)) for i, n in enumerate("abc")}, {"x": [1, 2, 3]})
    rawmmap.to_raw(ds, tmp_path / "ds.bin")
    words = "--variable", "c", "--variable", "a"
    convert(run, tmp_path / "ds.bin", out / "a.nc", *words)
    with xr.open_dataset(out / "a.nc") as back:
        xr.testing.assert_identical(back.load(), ds[["c", "a"]])
    text = refuse(run, tmp_path / "ds.bin", out / "b.nc", "--variable", "cc")
    assert "--variable cc is not a variable of the file; did you mean 'c'?" in text
    text = refuse(run, tmp_path / "ds.bin", out / "b.bin", "--plain")
    assert "--variable" in text
    convert(run, tmp_path / "ds.bin", out / "b.bin", "--plain", "--variable", "b")
    assert np.fromfile(out / "b.bin", "i8").tolist() == [1, 1, 1]


@pytest.mark.parametrize("plain", [False, True])
def test_a_file_to_a_series_and_back(
    run: Run, source: Path, out: Path, values: npt.NDArray[Any], plain: bool
) -> None:
    pattern = out / "u-{t:04d}.bin"
    words = ["--plain"] if plain else []
    convert(run, source, pattern, *KEYWORDS, *words)
    names = [f"u-{i:04d}.bin" for i in range(6)]
    assert sorted(os.listdir(out)) == names + ([] if plain else ["u-{t}.bin.json"])
    for name, step in zip(names, values, strict=True):
        stored = np.fromfile(out / name, ">f4", offset=0 if plain else 4096)
        np.testing.assert_array_equal(stored.reshape(3, 4), step)
    member = ("--dtype", ">f4", "--shape", "3,4", "--name", "u") if plain else ()
    for name in ("back.bin", "back.nc", "back.zarr"):
        convert(run, pattern, out / name, *member)
    np.testing.assert_array_equal(open_zarr(out / "back.zarr")["u"], values)
    for name, engine in (("back.nc", None), ("back.bin", "rawmmap")):
        with xr.open_dataset(out / name, engine=engine) as ds:
            np.testing.assert_array_equal(ds["u"], values)
            assert not plain or ds["t"].values.tolist() == list(range(6))


def test_the_labels_of_a_dimension_name_the_files(run: Run, tmp_path: Path, out: Path) -> None:
    time = np.array(["2001-01-01", "2001-02-01"], "M8[ns]")
    ds = xr.Dataset({"u": (("time", "x"), [[1, 2], [3, 4]])}, {"time": time})
    rawmmap.to_raw(ds, tmp_path / "ds.bin")
    for words in ((), ("--plain",)):
        folder = out / "-".join(["a", *words])
        folder.mkdir()
        text = refuse(run, tmp_path / "ds.bin", folder / "{time:%Y%m%d}.bin", "--to-order", "F")
        assert "--to-order F" in text or words
        convert(run, tmp_path / "ds.bin", folder / "{time:%Y%m%d}.bin", *words)
        assert {"20010101.bin", "20010201.bin"} <= set(os.listdir(folder))


@pytest.mark.parametrize("name", ["a.zarr", "a.nc", "a.bin", "a-{t}.bin"])
def test_nothing_is_replaced_without_being_asked(
    run: Run, source: Path, out: Path, values: npt.NDArray[Any], name: str
) -> None:
    convert(run, source, out / name, *KEYWORDS)
    before = snapshot(out)
    text = refuse(run, source, out / name, *KEYWORDS, "--to-dtype", "i2")
    assert "exists; --overwrite replaces it" in text
    assert snapshot(out) == before
    convert(run, source, out / name, *KEYWORDS, "--to-dtype", "i2", "--overwrite")
    assert sorted(snapshot(out)) == sorted(before)
    if name == "a.zarr":
        np.testing.assert_array_equal(open_zarr(out / name)["u"], np.rint(values))
    else:
        engine = None if name == "a.nc" else "rawmmap"
        with xr.open_dataset(out / name, engine=engine) as ds:
            np.testing.assert_array_equal(ds["u"], np.rint(values))


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, hidden ones too, with their bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_sidecar_in_the_way_counts(run: Run, source: Path, out: Path) -> None:
    (out / "a.bin.json").write_text("{}")
    assert "a.bin.json" in refuse(run, source, out / "a.bin", *KEYWORDS)
    # One of another program is not replaced at all.
    refuse(run, source, out / "a.bin", *KEYWORDS, "--overwrite")
    assert (out / "a.bin.json").read_text() == "{}"


def test_folders_are_replaced_by_stores_only_if_they_are_such(
    run: Run, source: Path, out: Path
) -> None:
    precious = out / "a.zarr" / "thesis.tex"
    precious.parent.mkdir()
    precious.write_text("chapter 1")
    text = refuse(run, source, out / "a.zarr", *KEYWORDS, "--overwrite")
    assert "not a Zarr store" in text
    text = refuse(run, source, out / "a.zarr", *KEYWORDS, "--overwrite", "--to-format", "raw")
    assert "is a folder" in text
    assert snapshot(out) == {"a.zarr/thesis.tex": b"chapter 1"}
    (out / "b.zarr").write_text("a file")
    assert "not a Zarr store" in refuse(run, source, out / "b.zarr", *KEYWORDS, "--overwrite")


@pytest.mark.parametrize("name", ["a.zarr", "a.nc", "a.bin", "a-{t}.bin"])
@pytest.mark.parametrize("exists", [False, True])
def test_values_that_do_not_fit_leave_everything_as_it_was(
    run: Run, source: Path, out: Path, name: str, exists: bool
) -> None:
    if exists:
        convert(run, source, out / name, *KEYWORDS)
    before = snapshot(out)
    text = refuse(run, source, out / name, *KEYWORDS, "--to-dtype", "u1", "--overwrite")
    assert "variable 'u': " in text
    assert "do not fit into uint8" in text
    assert snapshot(out) == before
    assert len(os.listdir(out)) == len({Path(path).parts[0] for path in before})


def test_a_source_that_is_cut_meanwhile(
    run: Run, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rawmmap.cli.convert import entry
    from rawmmap.cli.convert import source as module

    real = module.open_source

    def cut(*arguments: Any) -> Any:
        result = real(*arguments)
        os.truncate(source, 100)
        return result

    monkeypatch.setattr(entry, "open_source", cut)
    assert "shrank" in refuse(run, source, out / "a.zarr", *KEYWORDS)
    assert os.listdir(out) == []


@pytest.mark.parametrize(
    ("name", "words", "code", "message"),
    [
        ("a.npy", (), 3, ".npy files are not written"),
        ("absent/a.bin", (), 3, "there is no folder"),
        ("absent/a.zarr", (), 3, "there is no folder"),
        ("{t}.nc", (), 3, "only raw files are written as a series"),
        ("{z}.bin", (), 3, "'z'"),
        ("{y}.bin", ("--plain",), 3, "leading"),
        ("a.nc", ("--to-order", "F"), 2, "--to-order F is for raw files"),
        ("a.zarr", ("--plain",), 2, "--plain is for raw files"),
        ("a.zarr", ("--to-dtype", "<i3"), 2, "--to-dtype <i3 is for raw files"),
        ("a.zarr", ("--to-byteorder", "big"), 2, "--to-byteorder big is for raw files"),
        ("a.bin", ("--to-dtype", "float33"), 2, "float33"),
        ("a.bin", ("--to-dtype", "<M8[s]"), 2, "<M8[s] is not a type of numbers"),
        ("a.nc", ("--to-dtype", "f4,i2"), 2, "is not a type of numbers"),
        ("a.bin", ("--to-order", "K"), 2, "'K'"),
    ],
)
def test_refused(
    run: Run, source: Path, out: Path, name: str, words: tuple[str, ...], code: int, message: str
) -> None:
    text = refuse(run, source, out / name, *KEYWORDS, *words, code=code)
    assert message in text
    assert os.listdir(out) == []


def test_remote_targets_are_refused(run: Run, source: Path) -> None:
    result = run("convert", source, "s3://bucket/a.zarr", *KEYWORDS)
    assert result.exit_code == 3
    assert "only local files can be written" in result.stderr


def test_a_missing_source(run: Run, tmp_path: Path, out: Path) -> None:
    assert "absent.bin" in refuse(run, tmp_path / "absent.bin", out / "a.nc", *KEYWORDS)


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [("a.zarr", "zarr", "zarr"), ("a.nc", "netCDF4", "netCDF4")],
)
def test_a_missing_library_is_named(
    run: Run,
    source: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    library: str,
    extra: str,
) -> None:
    import importlib.util
    import sys

    real = importlib.util.find_spec
    absent = {library, "h5netcdf"}
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, p=None: None if n in absent else real(n, p)
    )
    text = refuse(run, source, out / name, *KEYWORDS)
    assert f"{extra}, which is not installed: pip install 'rawmmap[convert]'" in text
    assert os.listdir(out) == []


def test_h5netcdf_takes_the_place_of_netcdf4(
    run: Run, source: Path, out: Path, values: npt.NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    pytest.importorskip("h5netcdf")
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, p=None: None if n == "netCDF4" else real(n, p)
    )
    used = []
    write = xr.Dataset.to_netcdf

    def record(self: xr.Dataset, *arguments: Any, **keywords: Any) -> Any:
        used.append(keywords["engine"])
        return write(self, *arguments, **keywords)

    monkeypatch.setattr(xr.Dataset, "to_netcdf", record)
    convert(run, source, out / "a.nc", *KEYWORDS)
    assert used == ["h5netcdf"]
    with nc4.Dataset(out / "a.nc") as file:
        np.testing.assert_array_equal(file["u"][:], values)


def test_onto_itself(run: Run, source: Path, values: npt.NDArray[Any]) -> None:
    words = *KEYWORDS, "--plain", "--to-byteorder", "little"
    assert "exists" in refuse(run, source, source, *words)
    convert(run, source, source, *words, "--overwrite")
    np.testing.assert_array_equal(np.fromfile(source, "<f4"), values.ravel())
