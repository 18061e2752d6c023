"""What is written comes back, or is refused before anything is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.xarray.writing.front import to_raw


def opened(path: Path) -> xr.Dataset:
    return xr.open_dataset(path, engine="rawmmap").load()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("words", [{}, {"mode": "r+"}, {"compute": False}])
def test_masked_arrays_are_refused(tmp_path: Path, words: Any) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(24))
    masked = np.ma.array([1.5, 222, 3.5], mask=[False, True, False])
    lazy = da.ma.masked_greater(da.arange(5, chunks=2), 2)
    for array in (masked, lazy):
        with pytest.raises(TypeError, match="filled"):
            rawmmap.to_raw(array, path, **words)
    assert contents(tmp_path) == {"a.bin": bytes(24)}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.arange(3), {}),
        (np.arange(2.0), {}),
        (np.arange(2, dtype="f4"), {"mode": "r+", "offset": 4096}),
        (np.arange(2.0), {"mode": "r+", "offset": 4097}),
    ],
)
def test_a_description_stays_true(tmp_path: Path, array: Any, words: Any) -> None:
    path = tmp_path / "a.bin"
    to_raw(xr.Dataset({"u": ("x", [1.0, 2.0])}), path)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"a\.bin\.json"):
        rawmmap.to_raw(array, path, **words)
    assert contents(tmp_path) == before


def test_elements_of_a_described_variable_are_corrected(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    to_raw(xr.Dataset({"u": ("x", [1.0, 2.0])}), path)
    rawmmap.to_raw(np.array([7.0]), path, mode="r+", offset=4104)
    assert opened(path)["u"].values.tolist() == [1, 7]


@pytest.mark.parametrize("unlimited", [None, "t"])
def test_data_in_the_file_keeps_its_labels(tmp_path: Path, unlimited: Any) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset(
        {"v": (("t", "x"), np.arange(6.0).reshape(2, 3))}, {"t": [0, 1], "x": [1, 2, 3]}
    )
    to_raw(ds, path, unlimited_dims=unlimited)
    before = contents(tmp_path)
    turned = ds.assign_coords(x=[3, 2, 1])
    wrong: list[tuple[xr.Dataset, dict[str, Any]]] = [
        (turned.drop_vars(["v", "t"]).assign(w=("x", [1, 2, 3])), {"mode": "a"}),
        (turned.assign_coords(t=[2, 3]), {"append_dim": "t"}),
        (turned, {"region": {"t": slice(0, 2), "x": slice(0, 3)}}),
        (turned.isel(x=[0, 1]), {"region": {"t": slice(0, 2), "x": slice(1, 3)}}),
        (turned[["x"]], {"mode": "r+"}),
    ]
    for data, words in wrong:
        with pytest.raises(ValueError, match=r"a\.bin: the coordinate 'x'"):
            to_raw(data, path, **words)
        assert contents(tmp_path) == before
    to_raw(turned, path, mode="a")
    xr.testing.assert_equal(opened(path), turned)


LABELS: dict[str, tuple[Any, Any, Any]] = {
    "increasing": ([1, 2, 5], [6, 9], [([5], "5"), ([2], "2"), ([6, 6], "6"), ([7, 9, 8], "8")]),
    "decreasing": ([5.0, 4, 2], [1.0, -1], [([2.0], "2.0"), ([5.0], "5.0"), ([1.0, 1.5], "1.5")]),
    "unsorted": ([3, 1, 2], [9, 0, 4], [([4, 1], "1"), ([3], "3")]),
    "repeated": ([1, 1, 2], [0, 7], [([3, 2], "2"), ([1], "1")]),
    "one": ([3], [2, 5], [([4, 3], "3")]),
    "none": ([], [2, 2, 1], []),
    "text": (["a", "b"], ["c"], [(["b"], "b"), (["a"], "a")]),
    "times": (
        np.array(["2000-01-01", "2000-01-03"], "M8[ns]"),
        np.array(["2000-01-04"], "M8[ns]"),
        [(np.array(["2000-01-02"], "M8[ns]"), "2000-01-02"), (np.array(["NaT"], "M8[ns]"), "NaT")],
    ),
    "many": (np.arange(1000), [1000, 1002], [([999], "999"), ([1001, 400], "400")]),
    "many unsorted": (np.arange(1000) ^ 1, [1500, 1002], [([1500, 401], "401")]),
}


@pytest.mark.parametrize("unlimited", [None, "t"])
@pytest.mark.parametrize("kind", LABELS)
def test_appended_labels_continue_those_of_the_file(
    tmp_path: Path, kind: str, unlimited: Any
) -> None:
    first, more, refused = LABELS[kind]

    def made(labels: Any) -> xr.Dataset:
        labels = np.asarray(labels, np.asarray(more).dtype if len(labels) == 0 else None)
        return xr.Dataset({"u": (("t", "x"), np.ones((len(labels), 2)))}, {"t": labels})

    path = tmp_path / "a.bin"
    encoding = {"t": {"_FillValue": -1}} if kind == "times" else None
    to_raw(made(first), path, unlimited_dims=unlimited, encoding=encoding)
    before = contents(tmp_path)
    for labels, named in refused:
        with pytest.raises(ValueError, match=rf"a\.bin: along append_dim='t' the label {named}\b"):
            to_raw(made(labels), path, append_dim="t")
        assert contents(tmp_path) == before
    to_raw(made(more), path, append_dim="t")
    expected = [*made(first)["t"].values, *made(more)["t"].values]
    np.testing.assert_array_equal(opened(path)["t"], expected)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("late", ["2010-01-01", "NaT"])
def test_times_do_not_wrap_around(tmp_path: Path, late: str, chunked: bool) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("t", [1.0, 2.0]), "v": ("t", np.array(["2000-01-01"] * 2, "M8[ns]"))})
    to_raw(ds, path, encoding={"v": {"dtype": "i2", "units": "hours since 2000-01-01"}})
    before = contents(tmp_path)
    wrong = ds.assign(v=("t", np.array(["2000-01-02", late], "M8[ns]")))
    what = "NaT" if late == "NaT" else "int16 of 'hours since"
    with pytest.raises(ValueError, match=what):
        to_raw(wrong.chunk(t=1) if chunked else wrong, path, append_dim="t")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("unit", ["s", "ns"])
def test_later_times_fit_along_the_record_axis(tmp_path: Path, unit: Any) -> None:
    path = tmp_path / "a.bin"
    times = np.array(["2000-01-01", "2000-01-02"], f"M8[{unit}]")
    ds = xr.Dataset({"u": ("t", [1.0, 2.0])}, {"t": times})
    to_raw(ds, path, unlimited_dims="t")
    later = ds.assign_coords(t=times + np.timedelta64(2 * 86_400 + 3661, "s"))
    to_raw(later, path, append_dim="t")
    np.testing.assert_array_equal(opened(path)["t"], np.concatenate([times, later["t"].values]))


@pytest.mark.parametrize("dtype", [">M8[ms]", "<M8[s]", "V10", "<m8[s]"])
def test_what_the_engine_reads_it_writes(tmp_path: Path, dtype: str) -> None:
    path, copy = tmp_path / "a.bin", tmp_path / "b.bin"
    path.write_bytes(bytes(range(6 * np.dtype(dtype).itemsize)) if dtype == "V10" else bytes(48))
    ds = xr.open_dataset(path, engine="rawmmap", dtype=dtype, shape=(6,), dims="x")
    to_raw(ds, copy)
    found = opened(copy)
    np.testing.assert_array_equal(found["data"].values, ds["data"].values)


@pytest.mark.parametrize(
    "name", ["wrfout_d01_2024-01-02_01:00:00", "a{}b", "{x}", "x::y", "100%", "n" * 250]
)
def test_names_of_any_characters(tmp_path: Path, name: str) -> None:
    path, ds = tmp_path / name, xr.Dataset({"u": ("x", [1.0, 2.0])})
    if name == "{x}":
        path.touch()  # A name with fields is that of one file only if that file exists.
    for words in ({}, {"mode": "a"}, {"append_dim": "x"}):
        to_raw(ds, path, **words)  # type: ignore[arg-type]
    assert opened(path)["u"].values.tolist() == [1, 2, 1, 2]
    assert sorted(os.listdir(tmp_path)) == sorted([name, f"{name}.json"])


def test_an_axis_of_length_zero_grows(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    to_raw(xr.Dataset({"u": (("x", "t"), np.zeros((3, 0)))}), path)
    more = xr.Dataset({"u": (("x", "t"), np.ones((3, 2)))})
    to_raw(more, path, append_dim="t")
    xr.testing.assert_equal(opened(path), more)


def test_a_json_file_of_others_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(8))
    Path(f"{path}.json").write_text('{"instrument": 7}')
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match=r"a\.bin\.json"):
        to_raw(xr.Dataset({"u": ("x", [1.0])}), path)
    with pytest.raises(FileExistsError, match=r"a\.bin\.json"):
        rawmmap.describe(path, dtype="f8")
    assert contents(tmp_path) == before


def test_keywords_of_arrays_are_explained(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"a\.bin: dtype= .*encoding="):
        rawmmap.to_raw(xr.Dataset({"u": 1}), tmp_path / "a.bin", dtype="f4")


def test_a_draft_is_as_private_as_its_target(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"secret")
    path.chmod(0o600)
    modes: list[int] = []

    def look(block: Any) -> Any:
        modes.extend(stat.S_IMODE(p.stat().st_mode) for p in tmp_path.glob(".*.part"))
        return block

    x = da.map_blocks(look, da.ones(6, chunks=2), dtype="f8")
    rawmmap.to_raw(x, path)
    assert modes
    assert set(modes) == {0o600}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("old", [None, "data", "both"])
def test_a_sidecar_is_as_private_as_its_data(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "a.bin"
    sidecar = tmp_path / "a.bin.json"
    ds = xr.Dataset({"u": ("t", da.arange(3, chunks=1))})
    seen: set[int] = set()

    def look(*_: Any) -> None:
        seen.update(stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir())

    def watched(block: Any) -> Any:
        look()
        return block

    if old:
        to_raw(ds, path) if old == "both" else path.write_bytes(b"secret")
        path.chmod(0o600)
    if old == "both":
        sidecar.chmod(0o600)
    lazy = ds.assign(u=("t", ds["u"].data.map_blocks(watched, dtype="i8")))
    mask = os.umask(0o177 if old is None else 0o022)
    try:
        for words in ({}, {"mode": "a"}, {"append_dim": "t"}, {"region": {"t": slice(0, 3)}}):
            to_raw(lazy, path, **words)
            look()
        to_raw(xr.Dataset({"v": 1}), path, mode="a")
        sidecar.unlink()
        rawmmap.describe(path, dtype="i8")
        look()
    finally:
        os.umask(mask)
    assert seen == {0o600}


def test_a_sidecar_is_not_executable(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(8))
    path.chmod(0o754)
    rawmmap.describe(path, dtype="i8")
    assert stat.S_IMODE((tmp_path / "a.bin.json").stat().st_mode) == 0o644
