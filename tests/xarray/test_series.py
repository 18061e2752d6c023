"""Series of files: one dataset, compared with NumPy on what was written."""

from __future__ import annotations

import gzip
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

import rawmmap
from rawmmap.errors import DescriptionError, ShortFileError
from tests.releases import CHUNKED_PATTERNS

MEMBER: dict[str, Any] = {"dtype": ">f4", "shape": (3, 4), "dims": ("y", "x"), "offset": 8}


def write_members(folder: Path, pattern: str, count: int = 5) -> npt.NDArray[Any]:
    """Write files with a header of 8 bytes, and return what they hold."""
    values = np.arange(count * 12, dtype=">f4").reshape(count, 3, 4)
    for step, member in enumerate(values):
        path = folder / pattern.format(step=step)
        path.write_bytes(bytes(8) + member.tobytes())
    return values


def open_series(pattern: Any, **keywords: Any) -> xr.Dataset:
    return xr.open_dataset(pattern, engine="rawmmap", **keywords)


@CHUNKED_PATTERNS
@pytest.mark.parametrize("chunks", [None, {}])
def test_the_field_is_a_leading_dimension(tmp_path: Path, chunks: Any) -> None:
    values = write_members(tmp_path, "ux-{step:04d}.bin")
    ds = open_series(tmp_path / "ux-{step:04d}.bin", name="ux", chunks=chunks, **MEMBER)
    assert ds["ux"].dims == ("step", "y", "x")
    assert ds["step"].values.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(ds["ux"].values, values)
    np.testing.assert_array_equal(ds["ux"].sel(step=[3, 1])[:, ::-1].values, values[[3, 1], ::-1])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ds))["ux"].values, values)


def test_variables_and_times_in_names_and_folders(tmp_path: Path) -> None:
    for month in (1, 2):
        folder = tmp_path / f"{month:02d}"
        folder.mkdir()
        for name, base in (("u", 0), ("v", 100)):
            np.array([base + month], "<i2").tofile(folder / f"{name}-2024{month:02d}01.dat")
    pattern = f"{tmp_path}/{{time:%m}}/{{variable}}-{{time:%Y%m%d}}.dat"
    ds = open_series(pattern, dtype="<i2", shape=(1,), dims=("x",))
    assert set(ds.data_vars) == {"u", "v"}
    assert ds["u"].dims == ("time", "x")
    assert ds["v"].values.tolist() == [[101], [102]]
    assert ds["time"].values[1] == np.datetime64("2024-02-01")


def test_a_path_that_exists_is_literal(tmp_path: Path) -> None:
    write_members(tmp_path, "{{step}}.bin", 1)
    ds = open_series(tmp_path / "{step}.bin", **MEMBER)
    assert ds["data"].dims == ("y", "x")


def test_missing_files(tmp_path: Path) -> None:
    pattern = tmp_path / "{a}-{b:02d}.bin"
    for a, b in (("p", 1), ("p", 2), ("q", 2)):
        np.array([b], "<f8").tofile(tmp_path / f"{a}-{b:02d}.bin")
        np.array([b], "<i2").tofile(tmp_path / f"{a}-{b:02d}.int")
    keywords: dict[str, Any] = {"dtype": "<f8", "shape": (1,), "dims": "x"}
    with pytest.raises(DescriptionError, match=r"1 of 4 files are missing: .*q-01\.bin"):
        open_series(pattern, **keywords)
    ds = open_series(pattern, missing="fill", **keywords)
    np.testing.assert_array_equal(ds["data"][..., 0], [[1, 2], [np.nan, 2]])
    pattern, keywords["dtype"] = pattern.with_suffix(".int"), "<i2"
    with pytest.raises(DescriptionError, match="pass fill_value="):
        open_series(pattern, missing="fill", **keywords)
    ds = open_series(pattern, missing="fill", fill_value=-1, **keywords)
    np.testing.assert_array_equal(ds["data"][..., 0], [[1, 2], [-1, 2]])


def test_a_pattern_without_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file has a name of this pattern"):
        open_series(tmp_path / "{step}.bin", **MEMBER)


def test_a_short_member_is_named(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    os.truncate(tmp_path / "3.bin", 55)
    with pytest.raises(ShortFileError, match=r"3\.bin"):
        open_series(tmp_path / "{step}.bin", **MEMBER)


def test_lengths_from_sizes_must_agree(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    os.truncate(tmp_path / "3.bin", 48)
    with pytest.raises(DescriptionError, match=r"56 bytes of .*0\.bin, 48 bytes of .*3\.bin"):
        open_series(tmp_path / "{step}.bin", dtype="<f4", shape=-1, dims="x")


@CHUNKED_PATTERNS
def test_records_of_unequal_files_are_joined(tmp_path: Path) -> None:
    days = [np.arange(6).reshape(3, 2), np.arange(2).reshape(1, 2), np.arange(8).reshape(4, 2)]
    for day, values in enumerate(days):
        values.astype("<i4").tofile(tmp_path / f"2024010{day + 1}.dat")
    pattern = tmp_path / "{time:%Y%m%d}.dat"
    ds = open_series(pattern, dtype="<i4", shape=(2,), dims="x", record_dim="time")
    assert ds["data"].dims == ("time", "x")
    np.testing.assert_array_equal(ds["data"], np.concatenate(days))
    assert "time" not in ds.coords
    chunked = open_series(pattern, dtype="<i4", shape=(2,), dims="x", record_dim="time", chunks={})
    assert chunked.chunksizes == {"time": (8,), "x": (2,)}  # not as long as the first file
    times = np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "M8[ns]")
    np.testing.assert_array_equal(ds["file_time"], np.repeat(times, [3, 1, 4]))
    means = ds["data"].groupby("file_time").mean(...)
    np.testing.assert_array_equal(means, [2.5, 0.5, 3.5])


def test_records_of_their_own_time_are_joined(tmp_path: Path) -> None:
    record = np.dtype([("time", "<i8"), ("u", "<f4")])
    for day, count in ((1, 2), (2, 0), (3, 3)):
        rows = np.zeros(count, record)
        rows["time"] = day * 100 + np.arange(count)
        (tmp_path / f"{day}.dat").write_bytes(b"head" + rows.tobytes())
    ds = open_series(tmp_path / "{time:d}.dat", dtype=record, offset=4, record_dim="time")
    assert ds.indexes["time"].tolist() == [100, 101, 300, 301, 302]
    assert ds["file_time"].values.tolist() == [1, 1, 3, 3, 3]
    assert ds["u"].sel(time=slice(101, 300)).shape == (2,)


@pytest.mark.parametrize("pattern", ["{station}/{time:%m%d}.dat", "{time:%m%d}-{station}.dat"])
def test_joined_records_of_several_stations(tmp_path: Path, pattern: str) -> None:
    counts = {"0101": 2, "0102": 1, "0103": 3}
    expected = []
    for station in "ab":
        days = [np.random.default_rng(ord(station)).random((n, 2)) for n in counts.values()]
        for day, values in zip(counts, days, strict=True):
            path = tmp_path / pattern.replace("{time:%m%d}", day).format(station=station)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(bytes(3) + values.astype("<f8").tobytes())
        expected.append(np.concatenate(days))
    keywords: dict[str, Any] = {"dtype": "<f8", "shape": 2, "dims": "x", "offset": 3}
    keywords |= {"record_dim": "time", "name": "u"}
    ds = open_series(tmp_path / pattern, **keywords)
    assert ds["u"].dims == ("station", "time", "x")
    np.testing.assert_array_equal(ds["u"], expected)
    np.testing.assert_array_equal(ds["u"].isel(time=[5, 0], x=1), np.array(expected)[:, [5, 0], 1])
    gone = tmp_path / pattern.replace("{time:%m%d}", "0102").format(station="b")
    gone.unlink()
    with pytest.raises(DescriptionError, match="1 of 6 files are missing"):
        open_series(tmp_path / pattern, **keywords)
    ds = open_series(tmp_path / pattern, missing="fill", **keywords)
    expected[1][2] = np.nan
    np.testing.assert_array_equal(ds["u"], expected)
    gone.write_bytes(bytes(3 + 32))
    with pytest.raises(DescriptionError, match=r"has 1 of 16 bytes, and .*b.* 2$"):
        open_series(tmp_path / pattern, **keywords)


def test_joined_records_of_several_variables(tmp_path: Path) -> None:
    for day, count in ((1, 2), (2, 3)):
        for name in "uv":
            np.full(count, day * 10 + ord(name), "<i4").tofile(tmp_path / f"{name}{day}.bin")
    ds = open_series(tmp_path / "{variable}{day:d}.bin", dtype="<i4", record_dim="day", shape=())
    assert list(ds.data_vars) == ["u", "v"]
    for name in "uv":
        assert ds[name].dims == ("day",)
        assert ds[name].values.tolist() == [10 + ord(name)] * 2 + [20 + ord(name)] * 3


def test_what_lies_outside_of_the_records_is_that_of_the_first_file(tmp_path: Path) -> None:
    for day in (1, 2):
        body = np.arange(day * 2, dtype="<i2")
        (tmp_path / f"{day}").write_bytes(np.array([day * 100], "<i4").tobytes() + body.tobytes())
    variables = {
        "gain": {"dtype": "<i4", "shape": (), "record": False},
        "u": {"dtype": "<i2", "shape": 2, "dims": "x"},
    }
    ds = open_series(tmp_path / "{t:d}", variables=variables, offset=4, record_dim="t")
    assert ds["gain"].values == 100
    assert ds["u"].values.tolist() == [[0, 1], [0, 1], [2, 3]]


@CHUNKED_PATTERNS
def test_blocks_in_a_series(tmp_path: Path) -> None:
    stored = np.arange(3 * 2 * 3 * 4, dtype="<i2").reshape(3, 2, 3, 4)
    for step, member in enumerate(stored):
        member.tofile(tmp_path / f"{step}.bin")
    dims = ("time", "channel", "time")
    ds = open_series(tmp_path / "{run:d}.bin", dtype="<i2", shape=(2, 3, 4), dims=dims, chunks={})
    expected = stored.transpose(0, 1, 3, 2).reshape(3, 8, 3)
    assert ds["data"].dims == ("run", "time", "channel")
    np.testing.assert_array_equal(ds["data"], expected)
    np.testing.assert_array_equal(ds["data"][::-1, 2:7:2, [2, 0]], expected[::-1, 2:7:2, [2, 0]])


def test_blocks_in_joined_files(tmp_path: Path) -> None:
    members = [np.arange(n * 12, dtype="<i2").reshape(n, 3, 4) + 100 * n for n in (2, 0, 1)]
    for day, member in enumerate(members):
        member.tofile(tmp_path / f"{day}.bin")
    ds = open_series(
        tmp_path / "{time:d}.bin",
        dtype="<i2",
        shape=(3, 4),
        dims=("channel", "time"),
        record_dim="time",
    )
    blocks = np.concatenate(members)
    expected = blocks.transpose(0, 2, 1).reshape(12, 3)
    np.testing.assert_array_equal(ds["data"].transpose("time", "channel"), expected)
    assert ds["file_time"].values.tolist() == [0] * 8 + [2] * 4


@pytest.mark.parametrize("fill_value", [None, -5])
def test_missing_files_of_samples(tmp_path: Path, fill_value: Any) -> None:
    for step, value in ((1, 1.5), (3, 3.5)):
        x = rawmmap.RawArray
        path = tmp_path / f"a-{step}.ibm"
        path.write_bytes(bytes(8))
        x(path, ">ibm4", 2, mode="r+")[:] = value
        (tmp_path / f"b-{step}.ibm").write_bytes(path.read_bytes())
    (tmp_path / "b-3.ibm").unlink()
    pattern = tmp_path / "{k}-{n:d}.ibm"
    ds = open_series(
        pattern, dtype=">ibm4", shape=2, dims="x", missing="fill", fill_value=fill_value
    )
    filled = np.nan if fill_value is None else fill_value
    np.testing.assert_array_equal(ds["data"][..., 0], [[1.5, 3.5], [1.5, filled]])
    assert ds["data"].dtype == np.float32
    for dtype, message in (("<i3", "int32 has no NaN"), (">ibm4", None)):
        if message is not None:
            with pytest.raises(DescriptionError, match=message):
                open_series(pattern, dtype=dtype, shape=2, dims="x", missing="fill")


def test_a_field_that_a_file_has_as_dimension(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    with pytest.raises(DescriptionError, match="'step' is a dimension or variable"):
        open_series(tmp_path / "{step}.bin", dtype="<f4", shape=(3,), dims="step")


def test_the_first_files_sidecar_describes_all(tmp_path: Path) -> None:
    values = write_members(tmp_path, "{step:02d}.bin")
    rawmmap.describe(tmp_path / "00.bin", name="u", **MEMBER)
    raw = rawmmap.open(tmp_path / "{step:02d}.bin")
    assert len(raw.files) == 5
    np.testing.assert_array_equal(raw["u"].data[1:, 0], values[1:, 0])
    with pytest.raises(ValueError, match="not on a series of 5 files"):
        _ = raw.source


def test_what_needs_one_file_refuses_a_series(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    with pytest.raises(ValueError, match=r"series|several pieces"):
        rawmmap.map_dataset(tmp_path / "{step}.bin", **MEMBER)


def test_from_raw(tmp_path: Path) -> None:
    values = write_members(tmp_path, "{step}.bin")
    array = rawmmap.from_raw(tmp_path / "{step}.bin", ">f4", (3, 4), offset=8)
    assert array.numblocks[0] == 5
    np.testing.assert_array_equal(array.compute(), values)


def test_samples_of_a_few_bits(tmp_path: Path) -> None:
    stored = np.arange(18, dtype="u1").reshape(3, 6)
    for step, member in enumerate(stored):
        member.tofile(tmp_path / f"{step}.bin")
    expected = np.stack([stored >> 4, stored & 15], -1).reshape(3, 12)
    array = rawmmap.from_raw(tmp_path / "{step}.bin", "u1", 12, bits=4)
    np.testing.assert_array_equal(array.compute(), expected)


@CHUNKED_PATTERNS
def test_refresh_sees_new_files_and_records(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin", 2)
    ds = open_series(tmp_path / "{step}.bin", chunks={}, **MEMBER)
    values = write_members(tmp_path, "{step}.bin", 3)
    again = rawmmap.refresh(ds)
    assert ds.sizes["step"] == 2
    np.testing.assert_array_equal(again["data"], values)
    assert again["data"].chunks is not None
    assert again["data"].data.name != ds["data"].data.name
    with pytest.raises(ValueError, match="how it was opened"):
        rawmmap.refresh(xr.Dataset())


def test_files_that_vanish_or_are_replaced(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    ds = open_series(tmp_path / "{step}.bin", **MEMBER)
    (tmp_path / "1.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"1\.bin"):
        ds["data"][1].load()
    (tmp_path / "new").write_bytes(bytes(56))
    (tmp_path / "new").rename(tmp_path / "2.bin")
    with pytest.raises(OSError, match=r"2\.bin"):
        ds["data"][2].load()


def test_remote_files_and_hidden_options() -> None:
    fs = fsspec.filesystem("memory")
    values = np.arange(6, dtype="<i4").reshape(3, 2)
    for step, member in enumerate(values):
        fs.pipe(f"/series/run/{step:02d}.bin", member.tobytes())
    keywords: dict[str, Any] = {"dtype": "<i4", "shape": (2,), "dims": "x"}
    options = {"secret": "not-shown-anywhere"}
    ds = open_series("memory://series/{k}/{n:02d}.bin", storage_options=options, **keywords)
    np.testing.assert_array_equal(ds["data"][0], values)
    assert "not-shown-anywhere" not in repr(ds.encoding)
    fs.rm("/series", recursive=True)


@CHUNKED_PATTERNS
def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "docs" / "series.md"
    monkeypatch.chdir(tmp_path)
    code = "\n".join(
        re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
    exec(compile(code, str(page), "exec"), {})


def test_a_compressed_series_is_refused_by_name(tmp_path: Path) -> None:
    for step in range(2):
        (tmp_path / f"{step}.gz").write_bytes(gzip.compress(bytes(100)))
    with pytest.raises(ValueError, match=r"0\.gz"):
        open_series(tmp_path / "{step}.gz", dtype="u1", shape=(4,), dims="x")


@CHUNKED_PATTERNS
def test_refresh_of_joined_files(tmp_path: Path) -> None:
    def write_day(day: int, count: int) -> None:
        (tmp_path / f"{day}.dat").write_bytes(np.arange(count, dtype="<i4").tobytes() + b"xx")

    def name_of(ds: xr.Dataset) -> str:
        return str(ds["data"].data.name)

    write_day(1, 3)
    write_day(2, 1)
    keywords: dict[str, Any] = {"dtype": "<i4", "shape": (), "record_dim": "day", "chunks": {}}
    first = open_series(tmp_path / "{day:d}.dat", **keywords)
    assert name_of(rawmmap.refresh(first)) == name_of(rawmmap.refresh(first))
    first = rawmmap.refresh(first)
    write_day(2, 2)  # a member has grown
    second = rawmmap.refresh(first)
    assert second["data"].values.tolist() == [0, 1, 2, 0, 1]
    write_day(3, 1)  # a new member
    third = rawmmap.refresh(second)
    assert third["file_day"].values.tolist() == [1, 1, 1, 2, 2, 3]
    (tmp_path / "1.dat").unlink()  # one less
    fourth = rawmmap.refresh(third)
    assert fourth["data"].values.tolist() == [0, 1, 0]
    path = tmp_path / "3.dat"
    path.write_bytes(path.read_bytes())  # written again, with the same contents
    os.utime(path, ns=(1, 1))
    fifth = rawmmap.refresh(fourth)
    assert len({name_of(ds) for ds in (first, second, third, fourth, fifth)}) == 5
    with pytest.raises(FileNotFoundError, match=r"1\.dat"):
        third.compute()
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="no file has a name of this pattern"):
        rawmmap.refresh(fifth)


def test_refresh_names_members_that_vanished_from_a_grid(tmp_path: Path) -> None:
    for name in ("a-1", "a-2", "b-1", "b-2"):
        np.zeros(2, "<f4").tofile(tmp_path / name)
    keywords: dict[str, Any] = {"dtype": "<f4", "shape": 2, "dims": "x"}
    ds = open_series(tmp_path / "{k}-{n:d}", **keywords)
    filled = open_series(tmp_path / "{k}-{n:d}", missing="fill", **keywords)
    (tmp_path / "b-1").unlink()
    with pytest.raises(DescriptionError, match=r"1 of 4 files are missing: .*b-1"):
        rawmmap.refresh(ds)
    assert rawmmap.refresh(filled)["data"].isnull().sum() == 2


def test_a_member_that_was_cut_or_is_not_a_file_is_named(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    ds = open_series(tmp_path / "{step}.bin", **MEMBER)
    os.truncate(tmp_path / "3.bin", 20)
    with pytest.raises(OSError, match=r"3\.bin"):
        ds["data"].load()
    (tmp_path / "3.bin").unlink()
    (tmp_path / "3.bin").mkdir()
    with pytest.raises(OSError, match=r"3\.bin"):
        ds["data"][3].load()
    assert open_series(tmp_path / "{step}.bin", **MEMBER).sizes["step"] == 4
    write_members(tmp_path, "{step}.bin", 3)  # a file that appears does not change what is open
    assert ds["data"][2].values[0, 0] == 24


def test_dates_in_folders(tmp_path: Path) -> None:
    days = [("2023", "12", "31"), ("2024", "02", "29"), ("2024", "03", "01")]
    for number, (year, month, day) in enumerate(days):
        folder = tmp_path / year / month
        folder.mkdir(parents=True)
        np.full(2, number, "<i2").tofile(folder / f"{day}.bin")
    (tmp_path / "2024" / "13").mkdir()
    (tmp_path / "2024" / "13" / "01.bin").write_bytes(bytes(4))
    keywords: dict[str, Any] = {"dtype": "<i2", "shape": 2, "dims": "x"}
    ds = open_series(f"{tmp_path}/{{time:%Y}}/{{time:%m}}/{{time:%d}}.bin", **keywords)
    times = np.array(["-".join(day) for day in days], "M8[ns]")
    np.testing.assert_array_equal(ds["time"], times)
    assert ds["data"].values[:, 1].tolist() == [0, 1, 2]
    with pytest.raises(DescriptionError, match="files are missing"):
        open_series(f"{tmp_path}/{{year}}/{{month}}/{{day}}.bin", **keywords)


def test_members_with_headers_of_their_own(tmp_path: Path) -> None:
    values = np.arange(24, dtype=">f8").reshape(2, 3, 4)
    for step, member in enumerate(values):
        np.save(tmp_path / f"u-{step}.npy", member)
    ds = open_series(tmp_path / "u-{step}.npy")
    np.testing.assert_array_equal(ds[next(iter(ds.data_vars))], values)
    np.testing.assert_array_equal(rawmmap.from_raw(tmp_path / "u-{step}.npy").compute(), values)


@pytest.mark.parametrize("remote", [False, True])
def test_from_raw_takes_lists(tmp_path: Path, remote: bool) -> None:
    values = np.arange(12, dtype="<i4").reshape(3, 4)
    fs = fsspec.filesystem("memory")
    urls: list[Any] = []
    for number, member in enumerate(values):
        if remote:
            fs.pipe(f"/listed/{number}.bin", b"head" + member.tobytes())
            urls.append(f"memory://listed/{number}.bin")
        else:
            (tmp_path / f"{number}.bin").write_bytes(b"head" + member.tobytes())
            urls.append(tmp_path / f"{number}.bin")
    array = rawmmap.from_raw(urls[::-1], "<i4", 4, offset=4)
    np.testing.assert_array_equal(array.compute(), values[::-1])
    np.testing.assert_array_equal(array[1:, ::2].compute(), values[1::-1, ::2])
    with pytest.raises(FileNotFoundError, match=r"gone"):
        rawmmap.from_raw([*urls[:1], "memory://gone" if remote else tmp_path / "gone"], "<i4", 4)
    if remote:
        fs.rm("/listed", recursive=True)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts descriptors in /proc")
@pytest.mark.parametrize("access", ["auto", "read"])
def test_never_more_than_64_descriptors(tmp_path: Path, access: str) -> None:
    nbytes = 2**20 + 4096  # enough to be mapped
    for step in range(150):
        with open(tmp_path / f"{step}.bin", "wb") as file:
            file.truncate(nbytes)
    code = f"""
import os, resource
import dask, rawmmap, xarray as xr
keywords = dict(dtype="u1", shape=({nbytes // 1024}, 1024), dims=("y", "x"), access={access!r})
for number in range(2):
    ds = xr.open_dataset("{tmp_path}/{{step:d}}.bin", engine="rawmmap", **keywords)
    chunked = ds.chunk(step=1)
    ds["data"][:2].load()
    chunked["data"][:2].compute()
    if not number:
        limit = len(os.listdir("/proc/self/fd")) + 64
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
assert not ds["data"][:, 3, 5].values.any()
pick = xr.DataArray([5, 77, 149], dims="p")
assert not ds["data"].isel(step=pick, x=pick).values.any()
assert not ds["data"].load().any()
persisted = chunked["data"].persist()
assert not persisted.any()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@CHUNKED_PATTERNS
@pytest.mark.slow
def test_only_the_files_that_are_needed_are_opened(tmp_path: Path) -> None:
    for step in range(300):
        np.full((step % 3 + 1, 2), step, "<f4").tofile(tmp_path / f"{step}.bin")
        np.full(2, step, "<f4").tofile(tmp_path / f"s-{step}.bin")
    code = f"""
import os, sys
opened = []
def hook(event, args):
    if event == "open" and str(args[0]).endswith(".bin"):
        opened.append(os.path.basename(args[0]))
import rawmmap, xarray as xr
sys.addaudithook(hook)
keywords = dict(engine="rawmmap", dtype="<f4", shape=2, dims="x")
stack = xr.open_dataset("{tmp_path}/s-{{step:d}}.bin", chunks={{}}, **keywords)
joined = xr.open_dataset("{tmp_path}/{{step:d}}.bin", record_dim="step", **keywords)
graph = joined["data"].chunk(step=1).mean("x").data.__dask_graph__()
assert stack["data"].data.numblocks == (300, 1)
opening = len(opened)
opened.clear()
assert stack["data"][77].values.tolist() == [77, 77]
assert joined["data"].isel(step=[300, 1]).values[:, 1].tolist() == [150, 1]
print(opening, sorted(set(opened)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, names = done.stdout.split(maxsplit=1)
    assert int(count) < 10
    assert names.strip() == "['1.bin', '150.bin', 's-77.bin']"
