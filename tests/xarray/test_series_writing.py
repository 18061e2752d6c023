"""Series that are written: NumPy on the bytes of each file, and the dataset that opens again."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import jsonschema
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.errors import DescriptionError
from tests.clusters import client
from tests.releases import CHUNKED_PATTERNS

SCHEMA = json.loads((files("rawmmap.formats.sidecar") / "sidecar.schema.json").read_text("utf-8"))


def open_series(path: Any, **keywords: Any) -> xr.Dataset:
    return xr.open_dataset(path, engine="rawmmap", **keywords)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def sample(steps: Any = (0, 10, 20), factor: float = 1) -> xr.Dataset:
    """A dataset with variables along the steps, and some that are the same for all of them."""
    n = len(steps)
    u = factor * np.arange(n * 12, dtype="f4").reshape(n, 3, 4)
    return xr.Dataset(
        {
            "u": (("step", "y", "x"), u, {"units": "m s-1"}),
            "n": ("step", np.arange(n, dtype="i2")),
            "mask": (("y", "x"), np.eye(3, 4, dtype=bool)),
        },
        {
            "step": ("step", list(steps), {"long_name": "time step"}),
            "x": ("x", [0.1, 0.2, np.nan, 0.4]),
            "label": ("step", [f"step {step}" for step in steps]),
            "run": 7,
        },
        {"title": "a run"},
    )


def check(pattern: Path | str, expected: xr.Dataset) -> xr.Dataset:
    """Open a series by its pattern and by its sidecar, and compare it with what was written."""
    pattern = Path(pattern)
    (sidecar,) = pattern.parent.glob("*.json")
    jsonschema.validate(json.loads(sidecar.read_text("utf-8")), SCHEMA)
    for path in (pattern, sidecar):
        xr.testing.assert_identical(open_series(path), expected)
    return open_series(pattern)


@pytest.mark.parametrize("chunks", [None, {"step": 1}, {"step": 2, "y": 2}, {"x": 1}])
def test_each_file_has_the_bytes_of_its_step(tmp_path: Path, chunks: Any) -> None:
    ds = sample((0, 10, 5))
    pattern = tmp_path / "ux-{step:04d}.bin"
    lazy = ds if chunks is None else ds.chunk(chunks)
    lazy.rawmmap.to_raw(pattern)
    assert listing(tmp_path) == [
        "ux-0000.bin",
        "ux-0005.bin",
        "ux-0010.bin",
        "ux-{step}.bin.json",
    ]
    for i, step in enumerate((0, 10, 5)):
        path = tmp_path / f"ux-{step:04d}.bin"
        u = np.fromfile(path, "<f4", 12, offset=4096)
        np.testing.assert_array_equal(u.reshape(3, 4), ds["u"].values[i])
        assert np.fromfile(path, "<i2", 1, offset=8192) == i
    back = check(pattern, ds)
    np.testing.assert_array_equal(back["u"].sel(step=5), ds["u"].values[2])


def test_encoding_comes_back(tmp_path: Path) -> None:
    time = xr.DataArray(np.array(["2024-01-01T06", "2024-01-02T06"], "M8[ns]"), dims="time")
    time.encoding = {"units": "hours since 2000-01-01", "calendar": "standard", "dtype": "i4"}
    ds = xr.Dataset({"t": (("time", "x"), [[1.5, np.nan], [2.0, -3.0]])}, {"time": time})
    ds["t"].encoding = {"dtype": ">i2", "scale_factor": 0.5, "_FillValue": -99}
    ds.rawmmap.to_raw(tmp_path / "{time:%Y%m%d}.dat")
    np.testing.assert_array_equal(
        np.fromfile(tmp_path / "20240101.dat", ">i2", offset=4096), [3, -99]
    )
    back = check(tmp_path / "{time:%Y%m%d}.dat", ds)
    for key, value in ds["t"].encoding.items():
        assert np.array_equal(back["t"].encoding[key], value)
    for key in ("units", "calendar", "dtype"):
        assert back["time"].encoding[key] == time.encoding[key]
    # An encoding of the call goes before that of the variables, as for one file.
    ds.rawmmap.to_raw(tmp_path / "{time:%Y%m%d}.dat", encoding={"t": {"dtype": "<f4"}})
    assert np.fromfile(tmp_path / "20240102.dat", "<f4", offset=4096).tolist() == [2, -3]
    with pytest.raises(ValueError, match="unexpected encoding"):
        ds.rawmmap.to_raw(tmp_path / "{time:%Y%m%d}.dat", encoding={"t": {"zlib": True}})


def test_several_fields_in_their_order(tmp_path: Path) -> None:
    values = np.arange(24.0).reshape(2, 3, 4)
    ds = xr.Dataset({"u": (("k", "n", "x"), values)}, {"k": ["b", "a"], "n": [1.5, 0.25, 3.0]})
    pattern = tmp_path / "u_{k}_{n:.2f}.bin"
    ds.rawmmap.to_raw(pattern)
    np.testing.assert_array_equal(
        np.fromfile(tmp_path / "u_a_0.25.bin", "<f8", offset=4096), values[1, 1]
    )
    check(pattern, ds)


def test_a_file_for_each_variable(tmp_path: Path) -> None:
    ds = sample()
    ds["v"] = ds["u"].isel(x=0).astype("f8").assign_attrs(units="K")
    pattern = tmp_path / "{variable}-{step:02d}.bin"
    ds.chunk(step=1).rawmmap.to_raw(pattern)
    assert len(list(tmp_path.glob("*-??.bin"))) == 9
    np.testing.assert_array_equal(
        np.fromfile(tmp_path / "v-10.bin", "<f8", offset=4096), [12, 16, 20]
    )
    assert np.fromfile(tmp_path / "n-20.bin", "<i2", offset=4096) == 2
    back = check(pattern, ds)
    assert back["v"].dtype == "f8"
    xr.testing.assert_identical(
        open_series(pattern, drop_variables=["n", "u"]), ds.drop_vars(["n", "u"])
    )


def test_a_file_for_each_variable_and_no_dimension(tmp_path: Path) -> None:
    ds = xr.Dataset({"u": ("x", [1.0, 2.0]), "w": ("y", np.arange(3, dtype="i2"))}, {"r": 1})
    ds.rawmmap.to_raw(tmp_path / "{variable}.bin")
    assert np.fromfile(tmp_path / "w.bin", "<i2", offset=4096).tolist() == [0, 1, 2]
    check(tmp_path / "{variable}.bin", ds)


def test_a_data_array_and_a_dimension_without_coordinate(tmp_path: Path) -> None:
    array = xr.DataArray(np.arange(6).reshape(3, 2), dims=("i", "x"), name="a")
    rawmmap.to_raw(array, tmp_path / "{i}.bin")
    back = check(tmp_path / "{i}.bin", array.to_dataset())
    assert "i" not in back.coords
    assert np.fromfile(tmp_path / "2.bin", "<i8", offset=4096).tolist() == [4, 5]


def test_records_within_each_file(tmp_path: Path) -> None:
    values = np.arange(12, dtype="<i4").reshape(2, 3, 2)
    ds = xr.Dataset({"u": (("site", "t", "x"), values)}, {"site": ["p", "q"], "t": [1, 2, 4]})
    # Of the coordinate of the records there is one for all files, which says how many they are.
    ds.rawmmap.to_raw(tmp_path / "{site}.bin", unlimited_dims="t")
    assert (tmp_path / "q.bin").stat().st_size == 4096 + 3 * 8
    back = check(tmp_path / "{site}.bin", ds)
    assert back.encoding["unlimited_dims"] == {"t"}
    # Along a field a series grows by files.
    ds.rawmmap.to_raw(tmp_path / "{site}.bin", unlimited_dims="site")
    check(tmp_path / "{site}.bin", ds)


@pytest.mark.parametrize("order", ["C", "F"])
def test_plain_arrays(tmp_path: Path, order: Any) -> None:
    values = np.arange(24).reshape(3, 2, 4)
    for name, array in (("n", values), ("d", da.from_array(values, chunks=(2, 1, 3)))):
        pattern = tmp_path / f"{name}-{{i:02d}}.raw"
        rawmmap.to_raw(array, pattern, dtype=">i2", offset=3, order=order)
        for i in range(3):
            data = (tmp_path / f"{name}-{i:02d}.raw").read_bytes()
            assert data == bytes(3) + values[i].astype(">i2").tobytes(order)
        back = rawmmap.from_raw(pattern, ">i2", (2, 4), offset=3, order=order)
        np.testing.assert_array_equal(back, values)
    assert len(listing(tmp_path)) == 6


def test_plain_arrays_with_two_fields_and_folders(tmp_path: Path) -> None:
    values = np.arange(6.0).reshape(2, 3)
    for i in range(2):
        (tmp_path / f"{i}").mkdir()
    rawmmap.to_raw(values, tmp_path / "{i}" / "{j:x}.raw")
    assert np.fromfile(tmp_path / "1" / "2.raw").tolist() == [5]
    with pytest.raises(FileNotFoundError):
        rawmmap.to_raw(np.ones((3, 1)), tmp_path / "{i}" / "{j:x}.raw")
    assert listing(tmp_path) == ["0", "1"]


def test_a_path_that_exists_is_literal(tmp_path: Path) -> None:
    path = tmp_path / "{i}.raw"
    path.write_bytes(b"")
    rawmmap.to_raw(np.arange(3, dtype="u1"), path)
    assert path.read_bytes() == b"\0\1\2"
    sample().rawmmap.to_raw(path)
    assert listing(tmp_path) == ["{i}.raw", "{i}.raw.json"]
    xr.testing.assert_identical(open_series(path), sample())


def test_braces_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "{run}"
    folder.mkdir()
    monkeypatch.chdir(folder)
    rawmmap.to_raw(sample(), "{step}.bin")
    assert len(listing(folder)) == 4
    check(Path("{step}.bin"), sample())


@pytest.mark.skipif(os.name == "nt", reason="there are no such permissions")
def test_a_new_sidecar_has_the_permissions_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "0.bin").touch(0o640)
    os.chmod(tmp_path / "0.bin", 0o640)
    sample().rawmmap.to_raw(tmp_path / "{step}.bin")
    for name in ("0.bin", "{step}.bin.json"):
        assert (tmp_path / name).stat().st_mode & 0o7777 == 0o640


def test_other_files_of_the_pattern_are_left_alone(tmp_path: Path) -> None:
    pattern = tmp_path / "{step}.bin"
    sample().rawmmap.to_raw(pattern)
    other = (tmp_path / "20.bin").read_bytes()
    (tmp_path / "notes.bin").write_text("not of the series")
    sample((0, 10), 3).rawmmap.to_raw(pattern)
    check(pattern, sample((0, 10), 3))
    assert (tmp_path / "20.bin").read_bytes() == other


@CHUNKED_PATTERNS
def test_a_series_is_written_to_the_files_that_it_is_read_from(tmp_path: Path) -> None:
    pattern = tmp_path / "{step}.bin"
    sample().rawmmap.to_raw(pattern)
    ds = open_series(pattern, chunks={})
    (ds.assign(u=ds["u"] * 2)).rawmmap.to_raw(pattern)
    np.testing.assert_array_equal(open_series(pattern)["u"], sample(factor=2)["u"])


def test_later(tmp_path: Path) -> None:
    pattern = tmp_path / "{step}.bin"
    delayed = sample().chunk(step=2).rawmmap.to_raw(pattern, compute=False)
    assert listing(tmp_path) == []
    delayed.compute()
    check(pattern, sample())
    delayed = rawmmap.to_raw(da.ones((2, 3)), tmp_path / "a{i}.raw", compute=False)
    dask.compute(delayed)
    assert np.fromfile(tmp_path / "a1.raw").tolist() == [1, 1, 1]


@pytest.mark.slow
def test_processes(tmp_path: Path) -> None:
    with dask.config.set(scheduler="processes"):
        sample().chunk(step=2).rawmmap.to_raw(tmp_path / "{step}.bin")
    check(tmp_path / "{step}.bin", sample())


@pytest.mark.slow
def test_workers(tmp_path: Path) -> None:
    with client(2, 1):
        sample().chunk(step=1).rawmmap.to_raw(tmp_path / "{step}.bin")
    check(tmp_path / "{step}.bin", sample())


TIMES = np.array(["2024-01-01T00", "2024-01-01T12"], "M8[ns]")

KINDS: dict[str, tuple[str, xr.Dataset]] = {
    "texts": (
        "{k}.bin",
        xr.Dataset(
            {"u": ("k", np.array(["b", "xyz"], object))}, {"k": np.array(["b", "éa"], object)}
        ),
    ),
    "booleans": ("{b:d}.bin", xr.Dataset({"u": ("b", [True, False])}, {"b": [False, True]})),
    "no elements": ("{i}.bin", xr.Dataset({"u": (("i", "z"), np.zeros((2, 0)))})),
    "another calendar": (
        "{time:%Y%m%d}.bin",
        xr.Dataset(
            {"u": ("time", [1, 2, 3])},
            {"time": xr.date_range("2001-02-27", periods=3, calendar="noleap", use_cftime=True)},
        ),
    ),
    "durations": (
        "{i}.bin",
        xr.Dataset(
            {"u": (("i", "lag"), np.ones((2, 2)))},
            {"lag": np.array([1, 2], "m8[D]").astype("m8[ns]")},
        ),
    ),
    "names with spaces": (
        "{i}.bin",
        xr.Dataset({"u v": (("i", "z"), np.ones((2, 2)))}, {"a b": ("z", [1, 2])}),
    ),
}


@pytest.mark.parametrize("case", KINDS.values(), ids=KINDS)
def test_kinds_of_labels_and_values(tmp_path: Path, case: tuple[str, xr.Dataset]) -> None:
    pattern, ds = case
    ds.rawmmap.to_raw(tmp_path / pattern)
    check(tmp_path / pattern, ds)


def test_samples_that_numpy_lacks(tmp_path: Path) -> None:
    ds = xr.Dataset({"u": (("i", "x"), np.array([[1, -2], [70000, 3]], "i4"))})
    ds["u"].encoding["dtype"] = ">i2"
    ds.rawmmap.to_raw(tmp_path / "{i}.bin", encoding={"u": {"dtype": ">i3"}})
    assert (tmp_path / "1.bin").read_bytes()[4096:] == b"\x01\x11\x70\0\0\x03"
    check(tmp_path / "{i}.bin", ds)


def test_links_to_files_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "a").write_bytes(b"old")
    os.symlink(real / "a", tmp_path / "0.raw")
    rawmmap.to_raw(np.array([[1, 2], [3, 4]], "u1"), tmp_path / "{i}.raw")
    assert (tmp_path / "0.raw").is_symlink()
    assert (real / "a").read_bytes() == b"\1\2"
    (tmp_path / "1.raw").unlink()
    os.symlink(real / "a", tmp_path / "1.raw")
    with pytest.raises(DescriptionError, match="links to one file"):
        rawmmap.to_raw(np.array([[5, 6], [7, 8]], "u1"), tmp_path / "{i}.raw")
    assert (real / "a").read_bytes() == b"\1\2"


REFUSED: dict[str, tuple[xr.Dataset, str, dict[str, Any], str]] = {
    "two values of one name": (
        xr.Dataset({"u": ("time", [1, 2])}, {"time": TIMES}),
        "{time:%Y%m%d}.bin",
        {},
        "share the file '20240101.bin'",
    ),
    "rounded to one name": (
        xr.Dataset({"u": ("z", [1, 2])}, {"z": [0.11, 0.12]}),
        "{z:.1f}.bin",
        {},
        "z=0.11 and z=0.12 would share the file '0.1.bin'",
    ),
    "repeated values": (
        xr.Dataset({"u": ("z", [1, 2])}, {"z": [1, 1]}),
        "{z}.bin",
        {},
        "would share the file '1.bin'",
    ),
    "fields that cannot be told apart": (
        xr.Dataset({"u": (("a", "b"), np.ones((2, 2)))}, {"a": ["x", "xy"], "b": ["z", "w"]}),
        "{a}{b}.bin",
        {},
        "begins and ends",
    ),
    "a format of another type": (sample((0.5, 1.5)), "{step:04d}.bin", {}, "no name for step=0.5"),
    "a time that is missing": (
        xr.Dataset({"u": ("time", [1])}, {"time": np.array(["NaT"], "M8[ns]")}),
        "{time:%Y}.bin",
        {},
        "no name for time=NaT",
    ),
    "slashes": (
        xr.Dataset({"u": ("k", [1])}, {"k": ["a/b"]}),
        "{k}.bin",
        {},
        "cannot be the name",
    ),
    "out of the folder": (xr.Dataset({"u": ("k", [1])}, {"k": [".."]}), "{k}", {}, "hidden"),
    "a long name": (
        xr.Dataset({"u": ("k", [1])}, {"k": ["a" * 300]}),
        "{k}",
        {},
        "longer than 255",
    ),
    "no such dimension": (sample(), "{level}.bin", {}, "none of the dimensions"),
    "no values": (sample(()), "{step}.bin", {}, "has no values"),
    "not the leading dimension": (sample(), "{y}.bin", {}, "must be its leading dimensions"),
    "no variable": (
        xr.Dataset({"u": ("x", [1])}, {"step": [1]}),
        "{step}.bin",
        {},
        "no variable has the dimensions",
    ),
    "much that all files share": (
        sample().assign(lat=("z", da.zeros(2**22))),
        "{step}.bin",
        {},
        "variable 'lat' of 33554432 bytes",
    ),
    "records by the name of variables": (
        sample(),
        "{variable}-{step}.bin",
        {"unlimited_dims": "y"},
        "record axis of each file",
    ),
    "adding": (sample(), "{step}.bin", {"mode": "a"}, "mode='a' adds variables to one"),
    "folders": (sample(), "{step}/a.bin", {}, "in its own folder only"),
    "an attribute": (sample().assign_attrs(a={1, 2}), "{step}.bin", {}, "JSON cannot hold"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_leaves_nothing(tmp_path: Path, case: Any) -> None:
    ds, pattern, words, message = case
    with pytest.raises((ValueError, TypeError), match=message):
        ds.rawmmap.to_raw(tmp_path / pattern, **words)
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    ("array", "pattern", "words", "message"),
    [
        (np.ones(3), "{i}-{j}.raw", {}, "leading axes"),
        (np.ones((0, 3)), "{i}.raw", {}, "leading axes"),
        (np.ones((2, 3)), "{variable}.raw", {}, "a plain array has none"),
        (np.ones((2, 3)), "{i}.raw", {"mode": "r+"}, "not into a series"),
        (np.ones((2, 3)), "{i:%Y}.raw", {}, "no name for i=0"),
        (np.ma.ones((2, 3)), "{i}.raw", {}, "filled"),
    ],
)
def test_what_is_refused_of_plain_arrays(
    tmp_path: Path, array: Any, pattern: str, words: Any, message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        rawmmap.to_raw(array, tmp_path / pattern, **words)
    assert listing(tmp_path) == []


def test_the_json_and_the_descriptions_of_others(tmp_path: Path) -> None:
    pattern, foreign = tmp_path / "{step}.bin", tmp_path / "{step}.bin.json"
    foreign.write_text('{"not": "ours"}')
    with pytest.raises(FileExistsError, match="not a sidecar"):
        sample().rawmmap.to_raw(pattern)
    foreign.unlink()
    (tmp_path / "10.bin").write_bytes(bytes(8))
    rawmmap.describe(tmp_path / "10.bin", dtype="u1", shape=8, dims="x")
    with pytest.raises(DescriptionError, match=r"10\.bin\.json describes this file"):
        sample().rawmmap.to_raw(pattern)
    assert listing(tmp_path) == ["10.bin", "10.bin.json"]
    (tmp_path / "10.bin.json").unlink()
    sample().rawmmap.to_raw(pattern)
    with pytest.raises(DescriptionError, match=r"\{step\}\.bin\.json describes"):
        rawmmap.to_raw(np.ones((2, 3)), pattern)
    check(pattern, sample())


def read_all(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_failing_computation_changes_nothing(tmp_path: Path) -> None:
    pattern = tmp_path / "{step}.bin"
    sample().rawmmap.to_raw(pattern)
    before = read_all(tmp_path)

    def fail(block: Any, block_info: Any = None) -> Any:
        if block_info[None]["chunk-location"][0] == 2:
            raise RuntimeError("on purpose")
        return block

    ds = sample((0, 10, 30), 5).chunk(step=1)
    broken = ds.assign(u=ds["u"].copy(data=ds["u"].data.map_blocks(fail, dtype="f4")))
    for words in ({}, {"encoding": {"u": {"dtype": ">f8"}}}):
        with pytest.raises(RuntimeError, match="on purpose"):
            broken.rawmmap.to_raw(pattern, **words)
        delayed = broken.rawmmap.to_raw(pattern, compute=False, **words)
        with pytest.raises(RuntimeError, match="on purpose"):
            delayed.compute()
        assert read_all(tmp_path) == before


def test_a_sidecar_without_room_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern = tmp_path / "{step}.bin"
    sample().rawmmap.to_raw(pattern)
    before = read_all(tmp_path)

    def create(draft: str, target: str, size: int = 0) -> None:
        raise OSError(errno.ENOSPC, "no room", target)

    monkeypatch.setattr("rawmmap.writing.sidecars.create_draft", create)
    with pytest.raises(OSError, match="no room"):
        sample((0, 10, 30), 5).rawmmap.to_raw(pattern)
    assert read_all(tmp_path) == before


@pytest.mark.skipif(os.name == "nt", reason="paths, not names, are limited")
def test_a_sidecar_whose_name_is_too_long_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"(?i)name too long"):
        sample().rawmmap.to_raw(tmp_path / ("n" * 245 + "{step}.bin"))
    assert read_all(tmp_path) == {}


@pytest.fixture(params=[0, 1, 2])
def failing_rename(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[int]:
    """Let the rename of one file of the series fail; the number of those that succeed before."""
    original, count = os.replace, 0

    def replace(source: Any, target: Any) -> None:
        nonlocal count
        if str(target).endswith(".bin"):
            count += 1
            if count == request.param + 1:
                raise OSError(5, "on purpose")
        original(source, target)

    monkeypatch.setattr(os, "replace", replace)
    yield request.param
    monkeypatch.undo()


def test_a_failure_in_the_middle_leaves_each_file_whole(
    tmp_path: Path, failing_rename: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", os.rename)
        sample().rawmmap.to_raw(old / "{step}.bin")
        sample(factor=5).rawmmap.to_raw(new / "{step}.bin")
        before, expected = read_all(old), read_all(new)
    with pytest.raises(OSError, match="on purpose"):
        sample(factor=5).rawmmap.to_raw(old / "{step}.bin")
    now = read_all(old)
    assert set(now) == set(before)
    names = ["0.bin", "10.bin", "20.bin"]
    assert [now[name] == expected[name] for name in names[:failing_rename]] == [
        True
    ] * failing_rename
    assert [now[name] for name in names[failing_rename:]] == [
        before[name] for name in names[failing_rename:]
    ]
    # Old and new files are described alike, so that the series still opens.
    assert open_series(old / "{step}.bin").sizes == sample().sizes


def test_a_sidecar_that_is_not_true_of_new_files_is_not_left(
    tmp_path: Path, failing_rename: int
) -> None:
    pattern = tmp_path / "{step}.bin"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", os.rename)
        sample().rawmmap.to_raw(pattern)
    before = read_all(tmp_path)
    with pytest.raises(OSError, match="on purpose"):
        sample().astype("f8").rawmmap.to_raw(pattern)
    if failing_rename == 0:
        assert read_all(tmp_path) == before
    else:
        assert set(before) - set(read_all(tmp_path)) == {"{step}.bin.json"}
        with pytest.raises(DescriptionError, match="nothing says"):
            open_series(pattern)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_killed_writer_leaves_each_file_whole(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killing_series.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == "fine\n", done.stderr


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "{k:04d}": st.integers(0, 99999),
    "{k}": st.integers(-(10**12), 10**12) | st.text("abXY-_. é", min_size=1, max_size=8),
    "{k:x}": st.integers(0, 2**62),
    "{k:.3f}": st.floats(-1e6, 1e6).map(lambda x: round(x, 3) + 0.0),
    "{k:+d}": st.integers(-999, 999),
    "{k:%Y%m%d-%H%M%S}": st.integers(0, 2**31).map(
        lambda t: np.datetime64(t, "s").astype("M8[ns]")
    ),
}


@given(data=st.data())
def test_any_labels_come_back(tmp_path: Path, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(VALUES)))
    labels = data.draw(
        st.lists(VALUES[field], min_size=1, max_size=5, unique=True).filter(
            lambda values: len({type(value) for value in values}) == 1
        )
    )
    ndim = data.draw(st.integers(0, 2))
    shape = (len(labels), *data.draw(st.lists(st.integers(0, 3), min_size=ndim, max_size=ndim)))
    dtype = data.draw(st.sampled_from(["<f4", ">i2", "u1", "<c8"]))
    values = np.arange(np.prod(shape)).astype(dtype).reshape(shape)
    dims = ("k", "y", "x")[: len(shape)]
    ds = xr.Dataset({"u": (dims, values)}, {"k": labels})
    folder = tmp_path / str(len(listing(tmp_path)))
    folder.mkdir()
    pattern = folder / f"a{field}.bin"
    try:
        ds.chunk().rawmmap.to_raw(pattern)
    except ValueError as error:
        assert "would share" in str(error) or "longer" in str(error)  # noqa: PT017
        assert listing(folder) == []
        return
    back = open_series(pattern)
    xr.testing.assert_identical(back, ds)
    for i, label in enumerate(labels):
        path = folder / pattern.name.format(k=_plain(label))
        assert path.read_bytes()[4096:] == values[i : i + 1].tobytes()


def _plain(label: Any) -> Any:
    return label.astype("M8[us]").item() if isinstance(label, np.datetime64) else label
