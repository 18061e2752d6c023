"""Reading the output of MITgcm, against MITgcmutils, xmitgcm and NumPy."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given
from hypothesis import strategies as st

import rawmmap
from tests.releases import CHUNKED_PATTERNS

SHAPE = (4, 6, 10)
GRID = {
    "XC": (6, 10),
    "YG": (6, 10),
    "RAW": (6, 10),
    "Depth": (6, 10),
    "hFacS": SHAPE,
    "RC": (4, 1, 1),
    "RF": (5, 1, 1),
}


@pytest.fixture(scope="module")
def mds() -> Any:
    return pytest.importorskip("MITgcmutils")


def values(shape: Any = SHAPE, seed: Any = 0, dtype: Any = "f4") -> Any:
    return np.random.default_rng(seed).random(shape).astype(dtype)


def header(shape: Any = SHAPE, tile: Any = None, **entries: Any) -> str:
    """Return the text of a header as the model writes it; a tile is (y, x) slices."""
    ranges = [(1, n) for n in shape]
    if tile is not None:
        ranges[-2:] = [(part.start + 1, part.stop) for part in tile]
    rows = [f"{n:5d},{a:5d},{b:5d}" for n, (a, b) in zip(shape, ranges, strict=True)][::-1]
    every = {
        "nDims": f"[ {len(shape):3d} ]",
        "dimList": "[\n " + ",\n ".join(rows) + "\n ]",
        "dataprec": "[ 'float32' ]",
        "nrecords": "[     1 ]",
    } | entries
    return "".join(f" {key} = {text};\n" for key, text in every.items() if text is not None)


def store_tiles(
    folder: Path, name: str, array: Any, rows: int = 3, columns: int = 5, **entries: Any
) -> dict[Any, Any]:
    """Write an array of records in tiles, and return the part of it in each tile."""
    parts = {}
    for y in range(0, array.shape[-2], rows):
        for x in range(0, array.shape[-1], columns):
            tile = (
                slice(y, min(y + rows, array.shape[-2])),
                slice(x, min(x + columns, array.shape[-1])),
            )
            number = f"{x // columns + 1:03d}.{y // rows + 1:03d}"
            records = f"[ {array.shape[0]} ]"
            text = header(array.shape[1:], tile, nrecords=records, **entries)
            (folder / f"{name}.{number}.meta").write_text(text)
            array[(..., *tile)].astype(">f4").tofile(folder / f"{name}.{number}.data")
            parts[number] = tile
    return parts


def rdmds(mds: Any, *args: Any) -> Any:
    """Return what MITgcmutils reads; it leaves its files to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return mds.rdmds(*args, astype=None)


@pytest.fixture
def run(tmp_path: Path, mds: Any, monkeypatch: Any) -> Path:
    """Return the folder of a run of the model, with three iterations of three outputs."""
    for name, shape in GRID.items():
        mds.wrmds(str(tmp_path / name), values(shape, len(name)))
    for step in (0, 36, 72):
        time = [step * 1200.0]
        mds.wrmds(str(tmp_path / "T"), values(seed=step), step, times=time)
        mds.wrmds(str(tmp_path / "Eta"), values(SHAPE[1:], step), step, times=time, ndims=2)
        mds.wrmds(
            str(tmp_path / "diags"),
            values((2, *SHAPE), step, "f8"),
            step,
            dataprec="float64",
            nrecords=2,
            fields=["UVEL", "THETA"],
            times=[time[0] - 43200, time[0]],
            simulation="a run",
        )
    return tmp_path


class TestFiles:
    def test_one_iteration(self, run: Path, mds: Any) -> None:
        for suffix in ("data", "meta"):
            ds = xr.open_dataset(run / f"T.0000000036.{suffix}", engine="rawmmap")
            assert ds["T"].dims == ("k", "j", "i")
            np.testing.assert_array_equal(ds["T"], rdmds(mds, str(run / "T"), 36))
            assert int(ds["iter"]) == 36
            assert float(ds["time"]) == 43200

    def test_all_iterations(self, run: Path, mds: Any) -> None:
        ds = xr.open_dataset(run / "T", engine="rawmmap")
        assert ds["T"].dims == ("time", "k", "j", "i")
        np.testing.assert_array_equal(ds["T"], rdmds(mds, str(run / "T"), np.nan))
        assert ds["iter"].values.tolist() == [0, 36, 72]
        assert ds["time"].values.tolist() == [0, 43200, 86400]
        assert ds["time"].attrs["units"] == "s"
        one = ds["T"].sel(time=86400).isel(j=slice(None, None, -2))
        np.testing.assert_array_equal(one, values(seed=72)[:, ::-2])

    def test_fields(self, run: Path, mds: Any) -> None:
        ds = xr.open_dataset(run / "diags", engine="rawmmap")
        expected = rdmds(mds, str(run / "diags"), np.nan)
        assert ds.UVEL.dims == ("time", "k", "j", "i_g")
        assert ds.THETA.dtype == "f8"
        np.testing.assert_array_equal(ds.UVEL, expected[:, 0])
        np.testing.assert_array_equal(ds.THETA, expected[:, 1])
        assert ds.time.attrs["bounds"] == "time_bounds"
        assert ds.time_bounds.values.tolist() == [[-43200, 0], [0, 43200], [43200, 86400]]
        assert ds.attrs["simulation"] == "a run"

    def test_a_folder(self, run: Path, mds: Any) -> None:
        ds = xr.open_dataset(run, engine="rawmmap", format="mds")
        assert set(ds.data_vars) == {"T", "Eta", "UVEL", "THETA"}
        np.testing.assert_array_equal(ds.Eta, rdmds(mds, str(run / "Eta"), np.nan))
        np.testing.assert_array_equal(ds.UVEL[1], values((2, *SHAPE), 36, "f8")[0])
        (run / "Eta.0000000036.meta").unlink()
        ds = xr.open_dataset(run, engine="rawmmap")
        assert np.isnan(ds.Eta[1]).all()
        np.testing.assert_array_equal(ds.Eta[2], values(SHAPE[1:], 72))

    def test_the_grid(self, run: Path, mds: Any) -> None:
        ds = xr.open_dataset(run / "T", engine="rawmmap")
        assert {name for name in ds.coords if name in GRID} == set(GRID)
        assert ds.RC.dims == ("k",)
        assert ds.RF.dims == ("k_p1",)
        assert ds.RAW.dims == ("j", "i_g")
        assert ds.hFacS.dims == ("k", "j_g", "i")
        for name in GRID:
            expected = np.squeeze(rdmds(mds, str(run / name)))
            np.testing.assert_array_equal(ds[name], expected)

    def test_a_grid_of_other_lengths_is_left_out(self, run: Path, mds: Any) -> None:
        mds.wrmds(str(run / "levels"), values((2, 6, 10)), 36)
        ds = xr.open_dataset(run / "levels", engine="rawmmap")
        assert "RC" not in ds.coords
        assert "XC" in ds.coords
        ds = xr.open_dataset(run, engine="rawmmap")
        assert ds["T"].dims == ("time", "k_T", "j", "i") or ds["levels"].dims[1] == "k_levels"

    def test_records_without_names(self, run: Path, mds: Any) -> None:
        array = values((7, 6, 10), 5)
        mds.wrmds(str(run / "pickup.ckptA"), array, nrecords=7)
        ds = xr.open_dataset(run / "pickup.ckptA.data", engine="rawmmap")
        assert ds["pickup.ckptA"].dims == ("record", "j", "i")
        np.testing.assert_array_equal(ds["pickup.ckptA"], array)

    def test_byte_order(self, run: Path, mds: Any) -> None:
        mds.wrmds(str(run / "S"), values(seed=9), 0, machineformat="l")
        ds = xr.open_dataset(run / "S", engine="rawmmap", format="mds", dtype="<f4")
        np.testing.assert_array_equal(ds["S"][0], values(seed=9))
        with pytest.raises(ValueError, match="byte order alone"):
            rawmmap.open(run / "S", format="mds", dtype="<f8")

    def test_missing_values(self, tmp_path: Path) -> None:
        array = values()
        array[1, 2] = -999
        (tmp_path / "a.meta").write_text(header(missingValue="[ -9.99000000000000E+02 ]"))
        array.astype(">f4").tofile(tmp_path / "a.data")
        ds = xr.open_dataset(tmp_path / "a.data", engine="rawmmap")
        np.testing.assert_array_equal(ds.a, np.where(array == -999, np.nan, array))
        assert rawmmap.open(tmp_path / "a.data")["a"].attrs["_FillValue"] == np.float32(-999)

    def test_as_xmitgcm(self, run: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            xmitgcm = pytest.importorskip("xmitgcm")
            # It takes files of two dimensions for arrays of three, and names axes of its own.
            found = xmitgcm.open_mdsdataset(
                str(run), iters=[0, 36, 72], prefix=["T"], read_grid=False, delta_t=1200
            ).load()
        ds = xr.open_dataset(run / "T", engine="rawmmap")
        np.testing.assert_array_equal(ds["T"], found["T"])
        assert ds["T"].dims == found["T"].dims
        np.testing.assert_array_equal(ds["iter"], found["iter"])


class TestTiles:
    def test_they_are_assembled(self, tmp_path: Path, mds: Any) -> None:
        array = values((2, *SHAPE))
        names: dict[str, Any] = {"nFlds": "[ 2 ]", "fldList": "{\n 'THETA   ' 'SALT    '\n }"}
        store_tiles(tmp_path, "S.0000000007", array, **names)
        store_tiles(tmp_path, "S.0000000009", array + 1, **names)
        expected = rdmds(mds, str(tmp_path / "S"), [7, 9])
        for name in ("S", "S.0000000007.001.002.data", "S.0000000007.002.001.meta"):
            ds = xr.open_dataset(tmp_path / name, engine="rawmmap")
            one = slice(None) if name == "S" else 0
            np.testing.assert_array_equal(ds.THETA, expected[one, 0])
            np.testing.assert_array_equal(ds.SALT, expected[one, 1])
        ds = xr.open_dataset(tmp_path / "S", engine="rawmmap")
        np.testing.assert_array_equal(ds.SALT[1, :, 5:1:-1, ::3], expected[1, 1, :, 5:1:-1, ::3])
        i, j = xr.DataArray([9, 0, 4], dims="p"), xr.DataArray([5, 1, 3], dims="p")
        np.testing.assert_array_equal(
            ds.SALT.isel(i=i, j=j), expected[:, 1][:, :, [5, 1, 3], [9, 0, 4]]
        )

    def test_tiles_of_unequal_sizes(self, tmp_path: Path) -> None:
        array = values((1, *SHAPE))
        store_tiles(tmp_path, "S", array, 4, 7)
        ds = xr.open_dataset(tmp_path / "S", engine="rawmmap")
        np.testing.assert_array_equal(ds["S"], array[0])

    def test_missing_tiles_are_missing(self, tmp_path: Path) -> None:
        array = values((1, *SHAPE))
        for step in (1, 2):
            store_tiles(tmp_path, f"S.000000000{step}", array)
        for suffix in ("meta", "data"):
            (tmp_path / f"S.0000000002.002.001.{suffix}").unlink()
        ds = xr.open_dataset(tmp_path / "S", engine="rawmmap")
        expected = np.stack([array[0], array[0]])
        expected[1, :, :3, 5:] = np.nan
        np.testing.assert_array_equal(ds["S"], expected)

    def test_a_grid_in_tiles(self, tmp_path: Path) -> None:
        store_tiles(tmp_path, "S.0000000001", values((1, *SHAPE)))
        store_tiles(tmp_path, "XC", values((1, 6, 10), 3))
        ds = xr.open_dataset(tmp_path / "S", engine="rawmmap")
        np.testing.assert_array_equal(ds.XC, values((6, 10), 3))

    @CHUNKED_PATTERNS
    def test_dask(self, tmp_path: Path) -> None:
        array = values((1, *SHAPE))
        store_tiles(tmp_path, "S.0000000001", array)
        store_tiles(tmp_path, "S.0000000002", array + 1)
        ds = xr.open_dataset(tmp_path / "S", engine="rawmmap", chunks={"time": 1, "i": 5})
        expected = np.stack([array[0], array[0] + 1])
        np.testing.assert_array_equal(ds["S"].sum("k").compute(), expected.sum(1))


class TestRefusals:
    @pytest.mark.parametrize(
        ("entries", "text"),
        [
            ({"nDims": None}, "nDims is missing"),
            ({"nDims": "[ 2 ]"}, "dimList has 9 numbers"),
            ({"nDims": "[ 2, 3 ]"}, "nDims has 2 values"),
            ({"dimList": "[ 10, 1, 10, 6, 1, 6, 4, 0, 4 ]"}, "count from 1"),
            ({"dimList": "[ 10, 1, 11, 6, 1, 6, 4, 1, 4 ]"}, "positions 1 to 11 of 10"),
            ({"dimList": "[ 10, 1, 10, 6, 1, 6, 4, 2, 4 ]"}, "part of the levels"),
            ({"dimList": "[ 10, 1, ten, 6, 1, 6, 4, 1, 4 ]"}, "'ten' is not a whole number"),
            ({"dataprec": "[ 'int32' ]"}, "dataprec = 'int32'"),
            ({"dataprec": None}, "format is missing"),
            ({"nrecords": "[ 0 ]"}, "nrecords = 0"),
            ({"nrecords": "[ -1 ]"}, "nrecords = -1"),
            ({"nrecords": "[ 999999999999999999 ]"}, "."),
            ({"map2glob": "[ 6, 1 ]"}, "map2glob"),
            ({"nFlds": "[ 2 ]", "fldList": "{ 'a' }"}, "nFlds"),
            ({"nFlds": "[ 2 ]", "fldList": "{ 'a' 'a' }"}, "repeated"),
            ({"timeInterval": "[ 1. 2. 3. ]"}, "timeInterval has 3"),
            ({"missingValue": "[ none ]"}, "missingValue"),
            ({"nrecords": "1"}, "no entry such as"),
            ({"nrecords": "[ 2 ]"}, "bytes"),
        ],
    )
    def test_headers(self, tmp_path: Path, entries: Any, text: str) -> None:
        (tmp_path / "a.meta").write_text(header(**entries))
        values().astype(">f4").tofile(tmp_path / "a.data")
        with pytest.raises(ValueError, match=text) as caught:
            rawmmap.open(tmp_path / "a.data", format="mds")
        assert str(tmp_path) in str(caught.value)

    def test_headers_that_contradict_each_other(self, tmp_path: Path) -> None:
        store_tiles(tmp_path, "S", values((1, *SHAPE)))
        other = header((4, 6, 11), (slice(0, 3), slice(0, 5)))
        (tmp_path / "S.002.002.meta").write_text(other)
        with pytest.raises(ValueError, match=r"002\.002.*whole_shape is \(4, 6, 11\)"):
            rawmmap.open(tmp_path / "S")
        (tmp_path / "S.002.002.meta").write_text(header(tile=(slice(0, 3), slice(0, 5))))
        with pytest.raises(ValueError, match="overlap"):
            rawmmap.open(tmp_path / "S")

    def test_names_that_no_file_begins_with(self, tmp_path: Path) -> None:
        for name in ("nothing", "nothing/here"):
            with pytest.raises(FileNotFoundError):
                rawmmap.open(tmp_path / name)
            with pytest.raises(FileNotFoundError):
                rawmmap.open(tmp_path / name, format="mds")
        with pytest.raises(IsADirectoryError):
            rawmmap.open(tmp_path)
        (tmp_path / "a.meta").write_text(header())
        with pytest.raises(FileNotFoundError):
            rawmmap.open(tmp_path / "a")

    def test_other_names(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text(header())
        with pytest.raises(ValueError, match=r"is named \.meta"):
            rawmmap.open(tmp_path / "a.txt")

    def test_patterns_of_files_in_parts(self, run: Path) -> None:
        with pytest.raises(ValueError, match="that file alone"):
            rawmmap.open(run / "T.{step:010d}.data")


def test_remote_files() -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    array = values()
    for step in (3, 4):
        memory.pipe(f"/mds/T.000000000{step}.meta", header().encode())
        memory.pipe(f"/mds/T.000000000{step}.data", (array + step).astype(">f4").tobytes())
    raw = rawmmap.open("memory://mds/T.0000000003.data")
    np.testing.assert_array_equal(raw["T"].data[...], array + 3)
    for name in ("memory://mds/T", "memory://mds"):
        raw = rawmmap.open(name, format="mds")
        np.testing.assert_array_equal(raw["T"].data[1], array + 4)


WHOLE = header(
    simulation="{ 'a [run] };' }",
    missingValue="[ -9.99E+02 ]",
    timeStepNumber="[ 12 ]",
    timeInterval="[ 0.0E+00 1.0E+00 ]",
    nFlds="[ 1 ]",
    fldList="{\n 'THETA   '\n }",
).encode()


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)), st.binary(max_size=12))
@example(0, 0, b"")
def test_damaged_headers(tmp_path: Path, start: int, stop: int, new: bytes) -> None:
    (tmp_path / "a.meta").write_bytes(WHOLE[:start] + new + WHOLE[max(start, stop) :])
    (tmp_path / "a.data").write_bytes(bytes(4 * 240))
    try:
        raw = rawmmap.open(tmp_path / "a.data", format="mds")
        for variable in raw.values():
            assert variable.data[...].size <= 240
    except (ValueError, OSError):
        pass


def test_quotes_that_do_not_end(tmp_path: Path) -> None:
    """The text is read in one pass, whatever is in it."""
    (tmp_path / "a.meta").write_text("nDims = [ 2 ]; dimList = {" + "'" * 200_001)
    (tmp_path / "a.data").write_bytes(b"")
    with pytest.raises(ValueError, match="no entry such as"):
        rawmmap.open(tmp_path / "a.data")
