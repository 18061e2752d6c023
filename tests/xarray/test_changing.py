"""Files that change: variables added, dimensions lengthened, regions overwritten."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from xarray.testing import assert_identical

import rawmmap
from rawmmap.xarray.writing.front import to_raw


def part(first: int, count: int = 3) -> xr.Dataset:
    """Some steps of an experiment, all of whose values depend on their number."""
    t = np.arange(first, first + count)
    return xr.Dataset(
        {
            "u": (("t", "x"), (t[:, None] * 10 + np.arange(4)).astype("f4"), {"units": "K"}),
            "v": (("x", "t"), (t * 100 + np.arange(4)[:, None]).astype(">i2")),
            "packed": ("t", t * 0.5),
            "flag": ("t", t % 2 == 0),
            "name": ("t", np.array([f"n{i}" for i in t], "U3")),
            "text": ("t", np.array([f"é{i}" for i in t], object)),
            "fixed": ("x", np.arange(4.0)),
        },
        {"t": pd.Timestamp("2001-01-01") + pd.to_timedelta(t, "h"), "x": [10, 20, 30, 40]},
    )


ENCODING: dict[str, Any] = {
    "t": {"units": "hours since 2000-01-01", "dtype": "i4"},
    "packed": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1},
}


def start(path: Path, **words: Any) -> xr.Dataset:
    ds = part(0)
    ds["text"].values[0] = "longest"
    to_raw(ds, path, encoding=ENCODING, **words)
    return ds


def opened(path: Path) -> xr.Dataset:
    return xr.open_dataset(path, engine="rawmmap").load()


def joined(*parts: xr.Dataset) -> xr.Dataset:
    return xr.concat(parts, "t", data_vars="minimal", coords="minimal", compat="override")


@pytest.mark.parametrize("chunks", [None, {"t": 2}, {"t": 1, "x": 3}])
@pytest.mark.parametrize("unlimited", [None, "t", "x"])
def test_a_dimension_is_lengthened(tmp_path: Path, unlimited: Any, chunks: Any) -> None:
    path = tmp_path / "a.bin"
    expected = start(path, unlimited_dims=unlimited)
    for first, count in [(3, 1), (4, 5), (9, 0), (9, 2)]:
        new = part(first, count)
        task = to_raw(
            new if chunks is None else new.drop_vars("text").chunk(chunks).assign(text=new["text"]),
            path,
            append_dim="t",
            compute=first != 4,
        )
        if first == 4:
            assert task is not None
            assert opened(path).sizes["t"] == 4
            task.compute()
        expected = joined(expected, new)
        found = opened(path)
        xr.testing.assert_equal(found, expected)
        assert found["v"].encoding["dtype"] == np.dtype(">i2")
        assert found["t"].encoding["units"] == ENCODING["t"]["units"]
    assert found["u"].attrs == {"units": "K"}


def test_records_grow_at_the_end_of_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    start(path, unlimited_dims="t")
    node, before = path.stat().st_ino, path.read_bytes()
    to_raw(part(3), path, append_dim="t")
    assert path.stat().st_ino == node
    assert path.read_bytes().startswith(before)


def test_what_a_killed_writer_left_of_a_record_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    first = start(path, unlimited_dims="t")
    with path.open("ab") as file:
        file.write(b"\xff" * 17)
    xr.testing.assert_equal(opened(path), first)
    to_raw(part(3, 2), path, append_dim="t")
    xr.testing.assert_equal(opened(path), joined(first, part(3, 2)))


def test_records_that_fail_are_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    first = start(path, unlimited_dims="t")
    before = path.read_bytes()

    def failing(block: Any, block_info: Any = None) -> Any:
        if block_info and block_info[0]["chunk-location"][0] == 2:
            raise RuntimeError("no data")
        return block

    new = part(3).chunk(t=1).assign(text=part(3)["text"])
    new["u"].data = da.map_blocks(failing, new["u"].data, dtype="f4")
    with pytest.raises(RuntimeError, match="no data"):
        to_raw(new, path, append_dim="t")
    assert path.read_bytes() == before
    xr.testing.assert_equal(opened(path), first)


WRONG: dict[str, tuple[Any, str]] = {
    "no such dimension": (lambda ds: ds.rename(t="k"), "append_dim='t'|'u' has length|not in"),
    "a variable missing": (lambda ds: ds.drop_vars("u"), r"\['u'\] have dimension 't' in the file"),
    "a variable too many": (lambda ds: ds.assign(w=ds["u"]), r"\['w'\] are not in the file"),
    "not along it": (lambda ds: ds.assign(v=ds["v"].isel(t=0)), r"\['v'\].*not in both"),
    "another length": (lambda ds: ds.isel(x=[0, 1]), "length 2 along 'x', but 4"),
    "other dims": (lambda ds: ds.assign(packed=ds["u"]), "'packed' has dims"),
    "wider numbers": (lambda ds: ds.assign(u=ds["u"].astype("f8")), "float32.*float64"),
    "another kind": (lambda ds: ds.assign(u=ds["u"].astype(str)), "'u' has dtype float32"),
    "finer times": (
        lambda ds: ds.assign_coords(t=ds["t"] + np.timedelta64(1, "s")),
        "units of the file|serialized faithfully",
    ),
    "longer text": (lambda ds: ds.assign(name=("t", ["abcdefgh"] * 3)), "'name'.*shorter"),
    "longer bytes": (
        lambda ds: ds.assign(text=("t", np.array(["abcdefghijk"] * 3, object))),
        "texts of 7 bytes",
    ),
}


@pytest.mark.filterwarnings("ignore:Times can't be serialized faithfully")
@pytest.mark.parametrize("unlimited", [None, "t"])
@pytest.mark.parametrize("case", WRONG)
def test_data_that_does_not_fit_is_refused(tmp_path: Path, case: str, unlimited: Any) -> None:
    path = tmp_path / "a.bin"
    start(path, unlimited_dims=unlimited)
    before = path.read_bytes()
    change, what = WRONG[case]
    with pytest.raises(ValueError, match=what):
        to_raw(change(part(3)), path, append_dim="t")
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.bin.json"]


def test_words_that_contradict_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    ds = start(path)
    wrong: list[tuple[Any, str]] = [
        ({"append_dim": "t", "mode": "w"}, "needs mode 'a', not 'w'"),
        ({"append_dim": "t", "mode": "r+"}, "needs mode 'a'"),
        ({"region": {"t": slice(3)}, "mode": "w"}, "needs mode 'r.', not 'w'"),
        ({"region": {"t": slice(3)}, "append_dim": "t"}, "together"),
        ({"append_dim": "t", "encoding": ENCODING}, "its own encoding"),
        ({"mode": "x"}, "'x'"),
        ({"append_dim": "k"}, "append_dim='k'.*'t': 3"),
        ({"mode": "a", "unlimited_dims": "t"}, "record axis"),
    ]
    for words, what in wrong:
        with pytest.raises(ValueError, match=what):
            to_raw(ds, path, **words)
    missing: list[Any] = [{"append_dim": "t"}, {"mode": "r+"}, {"region": "auto"}]
    for words in missing:
        with pytest.raises(FileNotFoundError):
            to_raw(ds, tmp_path / "b.bin", **words)
    (tmp_path / "c.bin").write_bytes(b"abc")
    with pytest.raises(ValueError, match=r"has no sidecar.*describe"):
        to_raw(ds, tmp_path / "c.bin", mode="a")


def test_variables_are_added_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    first = start(path)
    before = path.read_bytes()
    added = xr.Dataset({"w": ("z", [1.5, 2.5]), "u": first["u"] + 1}, attrs={"more": 1})
    task = to_raw(added.chunk(), path, mode="a", compute=False)
    assert task is not None
    assert path.read_bytes() == before
    task.compute()
    assert path.read_bytes().startswith(before)
    xr.testing.assert_equal(opened(path), first.assign(w=added["w"], u=added["u"]))
    assert opened(path).attrs == {"more": 1}
    to_raw(added, tmp_path / "new.bin", mode="a")
    assert_identical(opened(tmp_path / "new.bin"), added.load())


def test_a_file_with_records_is_written_anew_for_more_variables(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    first = start(path, unlimited_dims="t")
    more = xr.Dataset({"w": ("t", [1.5, 2.5, 3]), "z": ((), 1)})
    to_raw(more, path, mode="a")
    xr.testing.assert_equal(opened(path), first.merge(more))
    to_raw(part(3).assign(w=("t", [4.0, 5, 6])), path, append_dim="t")
    assert opened(path).sizes["t"] == 6


def test_described_files_can_be_added_to(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    values = np.arange(12, dtype=">i2").reshape(4, 3)
    path.write_bytes(b"head" + values.tobytes())
    coords = {"y": [1, 2, 3, 4], "lon": ("x", [1.0, 2, 3])}
    words: dict[str, Any] = {"dtype": ">i2", "shape": (-1, 3), "dims": ("y", "x"), "offset": 4}
    rawmmap.describe(path, **words, coords=coords)
    expected = xr.Dataset({"data": (("y", "x"), values.astype("i2"))}, coords)
    assert_identical(opened(path), expected)
    to_raw(xr.Dataset({"w": ("x", [1, 2, 3])}), path, mode="a")
    assert_identical(opened(path), expected.assign(w=("x", [1, 2, 3])))


@pytest.mark.parametrize("unlimited", [None, "t"])
@pytest.mark.parametrize("chunked", [False, True])
def test_regions(tmp_path: Path, unlimited: Any, chunked: bool) -> None:
    path = tmp_path / "a.bin"
    expected = start(path, unlimited_dims=unlimited)
    new = part(7, 2).isel(x=slice(1, 3))[["u", "v", "packed", "name", "text", "flag"]]
    new = new.drop_vars(["t", "x"])
    u = {"t": slice(1, 3), "x": slice(1, 3)}
    source = new.drop_vars("text").chunk(t=1).assign(text=new["text"]) if chunked else new
    to_raw(source, path, region=u)
    for name in new:
        at = {dim: u[str(dim)] for dim in new[name].dims}
        expected[name] = expected[name].astype(object) if name == "text" else expected[name]
        expected[name][at] = new[name].values
    xr.testing.assert_equal(opened(path), expected)
    to_raw(expected[["u"]] * 2, path, mode="r+")
    xr.testing.assert_equal(opened(path)["u"], expected["u"] * 2)


@pytest.mark.parametrize(
    "region", ["auto", {"t": "auto", "x": "auto"}, {"t": "auto", "x": slice(1, 3)}]
)
def test_regions_are_found_by_their_coordinates(tmp_path: Path, region: Any) -> None:
    path = tmp_path / "a.bin"
    expected = start(path)
    new = expected[["u", "packed"]].isel(t=slice(1, 2), x=slice(1, 3)) * 2
    if region != "auto" and region["x"] != "auto":
        new = new.drop_vars("x")
    to_raw(new, path, region=region)
    expected["u"][1:2, 1:3] *= 2
    expected["packed"][1] *= 2
    xr.testing.assert_equal(opened(path), expected)


@pytest.mark.parametrize(
    ("change", "region", "error", "what"),
    [
        (lambda d: d, {"t": slice(0, 2)}, ValueError, "length 3"),
        (lambda d: d, {"t": slice(1, 4)}, ValueError, "of the 3"),
        (lambda d: d, {"t": slice(0, 6, 2)}, ValueError, "step 1"),
        (lambda d: d, {"t": slice(-3, None)}, ValueError, "negative"),
        (lambda d: d, {"t": 0}, TypeError, "slice or 'auto'"),
        (lambda d: d, {"k": slice(3)}, ValueError, r"\['k'\]"),
        (lambda d: d, ["t"], TypeError, "dict of slices"),
        (lambda d: d, {"t": slice(3)}, ValueError, r"\['fixed', 'x'\].*drop_vars"),
        (lambda d: d.assign(w=d["u"]), {"t": slice(3)}, ValueError, r"\['w'\] are not in the file"),
        (lambda d: d.isel(t=[0, 2]), "auto", ValueError, "contiguous"),
        (lambda d: part(2), "auto", ValueError, "2 of the 3 values"),
        (lambda d: d[["u"]].isel(x=[0]).drop_vars("x"), {"t": slice(3)}, ValueError, "'x'"),
    ],
)
def test_regions_that_do_not_fit(
    tmp_path: Path, change: Any, region: Any, error: Any, what: str
) -> None:
    path = tmp_path / "a.bin"
    ds = start(path)
    before = path.read_bytes()
    with pytest.raises(error, match=what):
        to_raw(change(ds), path, region=region)
    assert path.read_bytes() == before


ACQUISITION = """
import sys, time
import numpy as np, xarray as xr
import rawmmap.xarray
from pathlib import Path

path, count = sys.argv[1], int(sys.argv[2])
def step(n):
    values = np.full((1, 50, 20), n, "f4")
    v = values[:, :, 0].T.astype("i8")
    return xr.Dataset({"u": (("t", "y", "x"), values), "v": (("y", "t"), v)}, {"t": [n]})
step(0).rawmmap.to_raw(path, unlimited_dims="t")
print("ready", flush=True)
n = 1
while n < count:
    size = n % 3 + 1
    new = xr.concat([step(i) for i in range(n, n + size)], "t")
    new.rawmmap.to_raw(path, append_dim="t")
    n += size
print(n, flush=True)
"""


def test_an_acquisition_is_seen_in_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "run.bin"
    with subprocess.Popen(
        [sys.executable, "-c", ACQUISITION, path, "150"], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        seen = []
        while writer.poll() is None:
            ds = opened(path)
            n = ds.sizes["t"]
            np.testing.assert_array_equal(ds["t"], np.arange(n))
            np.testing.assert_array_equal(ds["u"], np.arange(n)[:, None, None] + np.zeros((50, 20)))
            np.testing.assert_array_equal(ds["v"], np.arange(n) + np.zeros((50, 1)))
            seen.append(n)
        assert int(writer.stdout.read()) == opened(path).sizes["t"]
    assert seen == sorted(seen)
    assert len(set(seen)) > 5


def days(first: int, last: int, kind: str) -> xr.Dataset:
    """Some of six days, with a coordinate of one kind of time."""
    cftime: Any = functools.partial(xr.date_range, periods=6, use_cftime=True)
    kinds: dict[str, Any] = {
        "pandas": lambda: pd.date_range("2000-01-01", periods=6),
        "noon": lambda: pd.date_range("2000-01-01T12", periods=6),
        "hours": lambda: pd.date_range("2000-01-01", periods=6, freq="7h"),
        "noleap": lambda: cftime("2000-02-26", calendar="noleap"),
        "360_day": lambda: cftime("2000-02-28", calendar="360_day"),
        "early": lambda: cftime("0001-01-01", calendar="julian"),
        "durations": lambda: pd.to_timedelta(np.arange(6), "h"),
    }
    ds = xr.Dataset({"u": ("t", np.arange(6.0))}, {"t": kinds[kind]()})
    return ds.isel(t=slice(first, last))


@pytest.mark.filterwarnings("ignore:In a future version:FutureWarning")
@pytest.mark.parametrize("unlimited", [None, "t"])
@pytest.mark.parametrize(
    "kind", ["pandas", "noon", "hours", "noleap", "360_day", "early", "durations"]
)
def test_times_in_their_default_encoding_are_appended(
    tmp_path: Path, kind: str, unlimited: Any
) -> None:
    path = tmp_path / "a.bin"
    to_raw(days(0, 2, kind), path, unlimited_dims=unlimited)
    units = opened(path)["t"].encoding["units"]
    to_raw(days(2, 4, kind), path, append_dim="t")
    to_raw(days(4, 6, kind), path, append_dim="t")
    found = opened(path)
    assert list(found["t"].values) == list(days(0, 6, kind)["t"].values)
    assert found["t"].encoding["units"] == units
    to_raw(days(2, 4, kind) * 2, path, region="auto")
    np.testing.assert_array_equal(opened(path)["u"], [0, 1, 4, 6, 4, 5])


@pytest.mark.filterwarnings("ignore:Times can't be serialized faithfully")
def test_times_that_the_units_cannot_hold_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    to_raw(days(0, 2, "pandas"), path)
    with pytest.raises(ValueError, match=r"a\.bin: .*'days since.*'hours since.*encoding="):
        to_raw(days(2, 4, "hours"), path, append_dim="t")


@pytest.mark.parametrize("calendar", [None, "standard", "noleap"])
def test_times_of_a_described_file_are_appended(tmp_path: Path, calendar: Any) -> None:
    path = tmp_path / "a.bin"
    np.arange(2, dtype="<f8").tofile(path)
    attrs = {"units": "Hours since 2000-01-01 00:00"} | ({"calendar": calendar} if calendar else {})
    rawmmap.describe(path, dtype="<f8", shape=(2,), dims="t", name="t", attrs=attrs)
    first = opened(path)
    later = first.assign_coords(t=first.indexes["t"] + pd.Timedelta(2, "h")).drop_encoding()
    to_raw(later, path, append_dim="t")
    assert list(opened(path).indexes["t"]) == [*first.indexes["t"], *later.indexes["t"]]


@pytest.mark.parametrize("unlimited", [None, "t"])
@pytest.mark.parametrize("kept", ["<f4", ">f4"])
@pytest.mark.parametrize("given", ["<f4", ">f4"])
@pytest.mark.parametrize("fill", [None, -1.0])
def test_byte_order_of_what_is_appended_does_not_matter(
    tmp_path: Path, kept: str, given: str, fill: Any, unlimited: Any
) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("t", np.arange(3, dtype="f4"))})
    to_raw(ds, path, encoding={"u": {"dtype": kept, "_FillValue": fill}}, unlimited_dims=unlimited)
    to_raw(ds.astype(given), path, append_dim="t")
    to_raw(ds.astype(given).chunk(t=2), path, append_dim="t")
    to_raw(ds.astype(given) + 7, path, region={"t": slice(0, 3)})
    np.testing.assert_array_equal(opened(path)["u"], [7, 8, 9, 0, 1, 2, 0, 1, 2])


CHANGES: dict[str, Any] = {
    "records": {"append_dim": "t"},
    "an addition": {"mode": "a"},
    "a region": {"region": {"t": slice(0, 3)}},
}


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("unlimited", [None, "t"])
@pytest.mark.parametrize("second", ["records", "an addition", "a new file"])
@pytest.mark.parametrize("first", CHANGES)
def test_what_was_written_since_a_write_was_planned_is_not_lost(
    tmp_path: Path, first: str, second: str, unlimited: Any, alone: bool
) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("t", np.arange(3.0)), "v": ("t", np.arange(3.0))})
    to_raw(ds, path, unlimited_dims=unlimited)
    tasks = [to_raw(ds.chunk(t=1) + n, path, compute=False, **CHANGES[first]) for n in (1, 2)]
    to_raw(ds + 3, path, **CHANGES.get(second, {}))
    before = path.read_bytes(), Path(f"{path}.json").read_bytes()
    for task in tasks:
        assert task is not None
        # Along with others, what reads the old file may be the first to notice.
        what = r"changed since this write was planned: .*to_raw again" if alone else None
        with pytest.raises(OSError, match=what):
            task.compute() if alone else dask.compute(task)
    assert before == (path.read_bytes(), Path(f"{path}.json").read_bytes())
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.bin.json"]


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_only_one_of_two_delayed_appends_is_made(tmp_path: Path, scheduler: Any) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("t", np.arange(3.0))})
    to_raw(ds, path, unlimited_dims="t")
    one, two = (to_raw(ds.chunk(t=1) + n, path, append_dim="t", compute=False) for n in (1, 2))
    assert one is not None
    assert two is not None
    one.compute(scheduler=scheduler)
    with pytest.raises(OSError, match=r"4120 bytes then, 4144 now|24 bytes then, 48 now"):
        two.compute(scheduler=scheduler)
    np.testing.assert_array_equal(opened(path)["u"], [0, 1, 2, 1, 2, 3])


def test_delayed_regions_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("t", np.zeros(4))})
    to_raw(ds, path)
    tasks = [
        to_raw(ds.isel(t=[n]) + n, path, region={"t": slice(n, n + 1)}, compute=False)
        for n in range(4)
    ]
    dask.compute(*tasks)
    np.testing.assert_array_equal(opened(path)["u"], range(4))


@pytest.mark.parametrize("unlimited", [None, "t"])
def test_coordinates_with_spaces_in_their_names_stay_coordinates(
    tmp_path: Path, unlimited: Any
) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset(
        {"u": (("t", "my x"), np.zeros((2, 2)))},
        {"my lon": ("my x", [1, 2]), "lat": ("my x", [3, 4]), "my x": [5, 6]},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_raw(ds, path, unlimited_dims=unlimited)
        assert_identical(opened(path), ds)
        to_raw(xr.Dataset(coords={"one more": 7}), path, mode="a")
    expected = ds.assign_coords({"one more": 7})
    assert_identical(opened(path), expected)
    to_raw(ds[["u"]].reset_coords(drop=True), path, append_dim="t")
    assert set(opened(path).coords) == set(expected.coords)


def test_a_copy_has_a_fill_value_only_where_the_first_has_one(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.bin", tmp_path / "b.bin"
    ds = xr.Dataset({name: ("t", np.arange(3.0)) for name in "uvw"}, {"t": [0.0, 1, 2]})
    fills: dict[str, Any] = {"u": {"_FillValue": None}, "v": {"_FillValue": -1.0}}
    to_raw(ds, path, encoding=fills)
    choices: list[Any] = [{}, {"chunks": {}}]
    for words in choices:
        to_raw(xr.open_dataset(path, engine="rawmmap", **words), copy)
        assert copy.read_bytes() == path.read_bytes()
        assert Path(f"{copy}.json").read_bytes() == Path(f"{path}.json").read_bytes()


@pytest.mark.filterwarnings("ignore:saving variable u with floating point data")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("words", [{"append_dim": "t"}, {"region": {"t": slice(0, 2)}}])
def test_what_packing_cannot_hold_is_refused(tmp_path: Path, words: Any, chunked: bool) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("t", [0.5, 1.5]), "v": ("t", [0.5, 1.5])})
    packed: dict[str, Any] = {"dtype": "i2", "scale_factor": 0.5, "add_offset": 1.0}
    to_raw(ds, path, encoding={"u": packed, "v": packed | {"_FillValue": -32768}})
    before = path.read_bytes()
    for name, value in [("u", np.nan), ("u", 1e6), ("u", -np.inf), ("v", 1e6)]:
        wrong = ds.assign({name: ("t", [1.0, value])})
        with pytest.raises(ValueError, match=rf"'{name}': 1 values.*int16.*_FillValue"):
            to_raw(wrong.chunk(t=1) if chunked else wrong, path, **words)
        assert path.read_bytes() == before or ("region" in words and chunked)
    right = ds.assign(u=("t", [-16383.0, 16384.5]), v=("t", [np.nan, 2.0]))
    to_raw(right.chunk(t=1) if chunked else right, path, **words)
    xr.testing.assert_equal(opened(path).isel(t=slice(-2, None)), right)


def foreign(path: Path, **words: Any) -> np.ndarray[Any, Any]:
    """Write a file of another program: eight bytes of its own, then numbers."""
    values = np.arange(6, dtype=">i2").reshape(2, 3)
    path.write_bytes(b"a header" + values.tobytes())
    rawmmap.describe(path, dtype=">i2", dims=("t", "x"), offset=8, name="u", **words)
    return values


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("compute", [False, True])
@pytest.mark.parametrize(
    "words",
    [{"shape": (-1, 3)}, {"shape": (2, 3)}, {"shape": (2, 3), "coords": {"x": [1, 2, 3]}}],
)
def test_a_foreign_file_is_lengthened_in_place(
    tmp_path: Path, words: Any, compute: bool, chunked: bool
) -> None:
    path = tmp_path / "a.bin"
    values = foreign(path, **words)
    new = xr.Dataset({"u": (("t", "x"), np.arange(6, 15, dtype="i2").reshape(3, 3))})
    for n in (1, 2):
        source = new.chunk(t=1) if chunked else new
        task = to_raw(source, path, append_dim="t", compute=compute)
        if task is not None:
            task.compute()
        expected = np.concatenate([values, *[new["u"].values] * n])
        assert path.read_bytes() == b"a header" + expected.astype(">i2").tobytes()
        np.testing.assert_array_equal(opened(path)["u"], expected)
    assert ("-1" in Path(f"{path}.json").read_text()) == (words["shape"][0] == -1)


def test_the_last_axis_of_fortran_order_is_lengthened_in_place(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    values = foreign(path, shape=(2, 3), order="F")
    to_raw(xr.Dataset({"u": (("t", "x"), np.array([[7], [8]], "i2"))}), path, append_dim="x")
    assert path.read_bytes() == b"a header" + values.tobytes() + b"\0\7\0\10"
    assert opened(path)["u"].values.tolist() == [[0, 2, 4, 7], [1, 3, 5, 8]]


@pytest.mark.parametrize("shape", [(-1, 3), (2, 3)])
def test_bytes_that_no_variable_covers_are_never_lost(tmp_path: Path, shape: Any) -> None:
    path = tmp_path / "a.bin"
    foreign(path, shape=shape)
    before = path.read_bytes(), Path(f"{path}.json").read_bytes()
    new = xr.Dataset({"u": (("t", "x"), np.zeros((2, 1), "i2"))})
    with pytest.raises(ValueError, match=r"a\.bin: .*bytes 0 to 8, .*mode='w'"):
        to_raw(new, path, append_dim="x")
    if shape[0] == -1:
        for more in (new.isel(x=0), xr.Dataset({"large": ("y", np.zeros(2**20))})):
            with pytest.raises(ValueError, match=r"already|8388608 bytes are more"):
                to_raw(more, path, mode="a")
    assert before == (path.read_bytes(), Path(f"{path}.json").read_bytes())


@pytest.mark.parametrize("byte", [0, 1])
def test_what_lies_between_the_fields_of_records_is_not_lost(tmp_path: Path, byte: int) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("t", np.arange(3, dtype="i1")), "v": (("t", "x"), np.zeros((3, 2)))})
    to_raw(ds, path, unlimited_dims="t")
    with path.open("r+b") as file:
        file.seek(-17, os.SEEK_END)
        file.write(bytes([byte]))
    more = xr.Dataset({"w": ("x", [1, 2])})
    if byte:
        with pytest.raises(ValueError, match="no variable covers"):
            to_raw(more, path, mode="a")
    else:
        to_raw(more, path, mode="a")
        assert_identical(opened(path), ds.merge(more))


@pytest.mark.parametrize("compute", [False, True])
def test_small_variables_go_into_the_sidecar_of_a_file_that_grows(
    tmp_path: Path, compute: bool
) -> None:
    path = tmp_path / "a.bin"
    values = foreign(path, shape=(-1, 3))
    before = path.read_bytes()
    more = xr.Dataset({"w": ("x", [1.0, 2, 3])}, {"x": ["a", "b", "c"]}, {"title": "more"})
    task = to_raw(more.chunk(), path, mode="a", compute=compute)
    if task is not None:
        task.compute()
    assert path.read_bytes() == before
    assert_identical(opened(path), more.assign(u=(("t", "x"), values.astype("i2"))))
