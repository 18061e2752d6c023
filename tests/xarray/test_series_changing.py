"""Series that are changed by datasets: parts of files are overwritten, as NumPy would."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.errors import DescriptionError


def write(folder: Path, steps: Any = (0, 10, 20)) -> xr.Dataset:
    """Write a series, and return what is in it."""
    n = len(steps)
    ds = xr.Dataset(
        {
            "u": (("step", "y", "x"), np.arange(n * 12, dtype="f4").reshape(n, 3, 4)),
            "n": ("step", np.arange(n, dtype="i2")),
        },
        {
            "step": ("step", list(steps)),
            "x": [0.5, 1.5, np.nan, 3.5],
            "label": ("step", [f"step {step}" for step in steps]),
        },
    )
    ds["u"].encoding = {"dtype": ">i2", "scale_factor": 0.5, "_FillValue": -1}
    ds.rawmmap.to_raw(folder / "{step}.bin")
    return ds


def open_series(folder: Path) -> xr.Dataset:
    return xr.open_dataset(folder / "{step}.bin", engine="rawmmap")


def read_all(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("chunks", [None, {"step": 1}, {"x": 1}])
@pytest.mark.parametrize("compute", [True, False])
def test_a_region_goes_into_the_files_that_have_it(
    tmp_path: Path, chunks: Any, compute: bool
) -> None:
    ds = write(tmp_path)
    before = read_all(tmp_path)
    region = {"step": slice(1, 3), "x": slice(1, 3)}
    part = ds[["u"]].isel(region).drop_vars("label") * 0 - 4
    lazy = part if chunks is None else part.chunk(chunks)
    delayed = lazy.rawmmap.to_raw(tmp_path / "{step}.bin", region=region, compute=compute)
    if not compute:
        assert read_all(tmp_path) == before
        delayed.compute()
    ds["u"][1:3, :, 1:3] = -4
    now = read_all(tmp_path)
    assert set(now) == set(before)
    assert now["0.bin"] == before["0.bin"]
    for i, name in ((1, "10.bin"), (2, "20.bin")):
        stored = np.frombuffer(now[name], ">i2", 12, 4096)
        np.testing.assert_array_equal(stored, ds["u"].values[i].ravel() * 2)
        assert now[name][8192:] == before[name][8192:]
    xr.testing.assert_identical(open_series(tmp_path), ds)


@given(data=st.data())
def test_any_region_along_the_files(tmp_path: Path, data: st.DataObject) -> None:
    ds = write(tmp_path, range(5))
    region: dict[Any, slice] = {}
    for dim, n in (("step", 5), ("y", 3), ("x", 4)):
        start = data.draw(st.integers(0, n))
        region[dim] = slice(start, data.draw(st.integers(start, n)))
    part = ds[["u"]].isel(region).drop_vars(["label"])
    part["u"] = part["u"] * 0 - 2
    part.rawmmap.to_raw(tmp_path / "{step}.bin", region=region)
    ds["u"][tuple(region[dim] for dim in ds["u"].dims)] = -2
    xr.testing.assert_identical(open_series(tmp_path), ds)


def test_regions_by_labels(tmp_path: Path) -> None:
    ds = write(tmp_path)
    part = ds.isel(step=[1, 2]) * 2
    part.drop_vars("x").rawmmap.to_raw(tmp_path / "{step}.bin", region={"step": "auto"})
    ds["u"][1:] *= 2
    ds["n"][1:] *= 2
    xr.testing.assert_identical(open_series(tmp_path), ds)


def test_all_of_a_series_in_place(tmp_path: Path) -> None:
    ds = write(tmp_path)
    inodes = [os.stat(tmp_path / f"{step}.bin").st_ino for step in (0, 10, 20)]
    (ds * 3).rawmmap.to_raw(tmp_path / "{step}.bin", mode="r+")
    np.testing.assert_array_equal(open_series(tmp_path)["u"], ds["u"] * 3)
    assert [os.stat(tmp_path / f"{step}.bin").st_ino for step in (0, 10, 20)] == inodes


def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    ds = write(tmp_path)
    before = read_all(tmp_path)
    pattern, part = tmp_path / "{step}.bin", ds[["u"]].isel(step=[1]).drop_vars("x")
    region = {"step": slice(1, 2)}
    cases: list[tuple[xr.Dataset, Any, str]] = [
        (part.drop_vars("label"), {"step": slice(0, 1)}, r"the coordinate 'step' of the data"),
        (part.assign_coords(label=("step", ["other"])), region, "'label' are in the sidecar"),
        (part.drop_vars("label").rename(u="w"), region, "are not in the file"),
    ]
    for data, where, message in cases:
        with pytest.raises(ValueError, match=message):
            data.rawmmap.to_raw(pattern, region=where)
    with pytest.raises(FileNotFoundError, match=r"nothing-\{step\}"):
        part.rawmmap.to_raw(tmp_path / "nothing-{step}.bin", region=region)
    assert read_all(tmp_path) == before


def test_a_member_that_was_replaced_or_is_missing(tmp_path: Path) -> None:
    ds = write(tmp_path)
    part = ds[["u"]].drop_vars(["label", "x"])
    delayed = part.rawmmap.to_raw(tmp_path / "{step}.bin", mode="r+", compute=False)
    new = tmp_path / "new"
    new.write_bytes((tmp_path / "10.bin").read_bytes())
    new.rename(tmp_path / "10.bin")
    before = read_all(tmp_path)
    with pytest.raises(OSError, match=r"10\.bin"):
        delayed.compute()
    assert read_all(tmp_path) == before
    (tmp_path / "10.bin").unlink()
    with pytest.raises(DescriptionError, match="1 of 3 files are missing"):
        part.rawmmap.to_raw(tmp_path / "{step}.bin", mode="r+")


def test_missing_files_of_a_described_series(tmp_path: Path) -> None:
    for k, n in ((0, 0), (0, 1), (1, 1)):
        np.array([k, n], "<f4").tofile(tmp_path / f"{k}{n}.raw")
    pattern = tmp_path / "{k:1d}{n:1d}.raw"
    rawmmap.describe(pattern, dtype="<f4", shape=(2,), dims="x", name="u", missing="fill")
    ds = xr.open_dataset(pattern, engine="rawmmap").load()
    (ds.isel(k=[0]).drop_vars("n") + 5).rawmmap.to_raw(pattern, region={"k": slice(0, 1)})
    assert np.fromfile(tmp_path / "01.raw", "<f4").tolist() == [5, 6]
    assert np.fromfile(tmp_path / "11.raw", "<f4").tolist() == [1, 1]
    with pytest.raises(DescriptionError, match="missing"):
        ds.rawmmap.to_raw(pattern, mode="r+")


def test_an_axis_in_blocks(tmp_path: Path) -> None:
    # 4 blocks of 2 times, within them 3 channels.
    path = tmp_path / "a.bin"
    values = np.arange(24, dtype="<i2").reshape(4, 3, 2)
    values.tofile(path)
    dims = ("time", "channel", "time")
    rawmmap.describe(path, dtype="<i2", shape=(4, 3, 2), dims=dims, name="u")
    part = xr.Dataset({"u": (("time", "channel"), np.full((3, 3), -1, "i2"))})
    part.rawmmap.to_raw(path, region={"time": slice(2, 5)})
    values[1] = -1
    values[2, :, 0] = -1
    np.testing.assert_array_equal(np.fromfile(path, "<i2").reshape(4, 3, 2), values)


def test_records_of_a_series_are_overwritten(tmp_path: Path) -> None:
    for day, count in ((1, 3), (2, 1)):
        np.arange(2 * count, dtype="<i4").tofile(tmp_path / f"2024010{day}.dat")
    pattern = tmp_path / "{time:%Y%m%d}.dat"
    rawmmap.describe(pattern, dtype="<i4", shape=(2,), dims="x", record_dim="time", name="u")
    part = xr.Dataset({"u": (("time", "x"), np.full((2, 2), -1, "i4"))})
    part.rawmmap.to_raw(pattern, region={"time": slice(2, 4)})
    assert np.fromfile(tmp_path / "20240101.dat", "<i4").tolist() == [0, 1, 2, 3, -1, -1]
    assert np.fromfile(tmp_path / "20240102.dat", "<i4").tolist() == [-1, -1]


def test_further_files_are_appended(tmp_path: Path) -> None:
    ds, pattern = write(tmp_path), tmp_path / "{step}.bin"
    before = read_all(tmp_path)
    more = (ds.isel(step=[0, 1]) * 2).assign_coords(step=[30, 35], label=("step", ["a", "b"]))
    more.drop_vars("x").chunk(step=1).rawmmap.to_raw(pattern, append_dim="step")
    now = read_all(tmp_path)
    assert set(now) - set(before) == {"30.bin", "35.bin"}
    assert all(now[name] == before[name] for name in before if name.endswith(".bin"))
    np.testing.assert_array_equal(
        np.frombuffer(now["35.bin"], ">i2", 12, 4096), ds["u"].values[1].ravel() * 4
    )
    expected = xr.concat([ds, more.drop_vars("x")], "step", coords="different", compat="equals")
    xr.testing.assert_equal(open_series(tmp_path), expected)
    assert open_series(tmp_path)["u"].encoding["dtype"] == ">i2"


def test_a_run_step_by_step(tmp_path: Path) -> None:
    time = np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "M8[ns]")
    ds = xr.Dataset({"t": (("time", "x"), np.arange(6.0).reshape(3, 2))}, {"time": time})
    ds["v"] = ds["t"].astype("i2").isel(x=0)
    for pattern in (tmp_path / "t-{time:%Y%m%d}.bin", tmp_path / "{variable}-{time:%d}.raw"):
        for i in range(3):
            words: Any = {"append_dim": "time"} if i else {"unlimited_dims": "time"}
            ds.isel(time=[i]).rawmmap.to_raw(pattern, **words)
        xr.testing.assert_identical(xr.open_dataset(pattern, engine="rawmmap"), ds)
    assert np.fromfile(tmp_path / "v-03.raw", "<i2", offset=4096).tolist() == [4]


def test_positions_go_on(tmp_path: Path) -> None:
    ds = xr.Dataset({"u": (("i", "j"), np.arange(4).reshape(2, 2))})
    for pattern in (tmp_path / "{i}-{j}.bin",):
        ds.rawmmap.to_raw(pattern)
        more = xr.Dataset({"u": (("i", "j"), [[7], [8]])})
        more.rawmmap.to_raw(pattern, append_dim="j")
        back = xr.open_dataset(pattern, engine="rawmmap")
        assert back["u"].values.tolist() == [[0, 1, 7], [2, 3, 8]]
        assert not back.coords


def test_what_does_not_continue_a_series(tmp_path: Path) -> None:
    ds, pattern = write(tmp_path), tmp_path / "{step}.bin"
    before = read_all(tmp_path)
    part = ds.isel(step=[0]).drop_vars("x")
    cases: list[tuple[xr.Dataset, str, str]] = [
        (part, "step", "does not continue"),
        (part.drop_vars("n").assign_coords(step=[30]), "step", "are not in the data"),
        (part.isel(x=slice(2)).assign_coords(step=[30]), "step", "'x', but 4 is needed"),
        (part.assign_coords(step=[30]), "x", "have dimension 'x'|not a field"),
    ]
    for data, dim, message in cases:
        with pytest.raises(ValueError, match=message):
            data.rawmmap.to_raw(pattern, append_dim=dim)
    with pytest.raises(FileNotFoundError):
        part.rawmmap.to_raw(tmp_path / "other-{step}.bin", append_dim="step")
    assert read_all(tmp_path) == before


def test_two_writers_that_append_come_one_after_the_other(tmp_path: Path) -> None:
    ds, pattern = write(tmp_path), tmp_path / "{step}.bin"
    part = ds.isel(step=[0]).drop_vars(["x"])
    later = part.assign_coords(step=[40]).rawmmap.to_raw(pattern, append_dim="step", compute=False)
    part.assign_coords(step=[30]).rawmmap.to_raw(pattern, append_dim="step")
    before = read_all(tmp_path)
    with pytest.raises(OSError, match="another write came between"):
        later.compute()
    assert read_all(tmp_path) == before
    assert open_series(tmp_path)["step"].values.tolist() == [0, 10, 20, 30]


def test_a_failure_while_appending_leaves_the_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds, pattern = write(tmp_path), tmp_path / "{step}.bin"
    more = ds.isel(step=[0, 1]).drop_vars("x").assign_coords(step=[30, 40])
    original = os.replace

    def replace(source: Any, target: Any) -> None:
        if str(target).endswith("40.bin"):
            raise OSError(5, "on purpose")
        original(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(OSError, match="on purpose"):
            more.rawmmap.to_raw(pattern, append_dim="step")
    xr.testing.assert_identical(open_series(tmp_path), ds)
    more.rawmmap.to_raw(pattern, append_dim="step")
    assert open_series(tmp_path)["step"].values.tolist() == [0, 10, 20, 30, 40]
