"""Live datasets: assignments change the file."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.xarray.writing.front import to_raw

WORDS: dict[str, Any] = {
    "variables": {
        "u": {"dtype": ">f4", "shape": (2, 3), "dims": ("y", "x"), "offset": 5},
        "v": {
            "dtype": "<i2",
            "shape": (2,),
            "dims": "y",
            "offset": 31,
            "attrs": {"scale_factor": 2},
        },
    }
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.raw"
    u = np.arange(6, dtype=">f4").tobytes()
    path.write_bytes(b"headr" + u + b"??" + np.array([7, 8], "<i2").tobytes() + b"tail")
    return path


def values(path: Path) -> tuple[Any, Any]:
    raw = path.read_bytes()
    return np.frombuffer(raw, ">f4", 6, 5).reshape(2, 3), np.frombuffer(raw, "<i2", 2, 31)


def test_the_values_are_those_of_the_file(path: Path) -> None:
    ds = rawmmap.map_dataset(path, **WORDS)
    for found, expected in zip((ds["u"], ds["v"]), values(path), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
        assert rawmmap.mapping_of(found.values).mode == "r"
    assert ds["v"].attrs == {"scale_factor": 2}
    with pytest.raises(ValueError, match=r"read-only|is a view"):
        ds["u"][0, 0] = 1


def test_assignments_change_the_file_and_nothing_else(path: Path) -> None:
    before = path.read_bytes()
    ds = rawmmap.map_dataset(path, "r+", **WORDS)
    ds["u"][0, 1] = -1
    ds["v"].loc[{"y": 1}] = 99
    code = (
        "import sys, numpy as np; raw = open(sys.argv[1], 'rb').read();"
        "print(np.frombuffer(raw, '>f4', 6, 5)[1], np.frombuffer(raw, '<i2', 2, 31)[1])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "-1.0 99\n"
    rawmmap.flush(ds)
    rawmmap.flush(ds["u"], wait=False)
    rawmmap.flush(ds["v"].variable)
    changed = [i for i, (a, b) in enumerate(zip(before, path.read_bytes(), strict=True)) if a != b]
    assert set(changed) <= {*range(9, 13), 33, 34}


@pytest.mark.parametrize(
    "words", [{"shared": False}, {"mode": "r+", "shared": False}, {"mode": "c"}]
)
def test_private_changes_never_reach_the_file(path: Path, words: Any) -> None:
    before = path.read_bytes()
    ds = rawmmap.map_dataset(path, **words, **WORDS)
    ds["u"][:] = 3
    assert float(ds["u"].sum()) == 18
    assert path.read_bytes() == before
    with pytest.raises(io.UnsupportedOperation):
        rawmmap.flush(ds)


def test_strided_variables_and_coordinates(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset(
        {
            "u": (("t", "x"), np.arange(6.0).reshape(2, 3)),
            "n": (("x", "t"), np.arange(6).reshape(3, 2)),
        },
        {"t": [5, 6], "lon": ("x", [1.0, 2, 3]), "far": ("k", [1.0])},
        {"title": "a"},
    )
    to_raw(ds, path, unlimited_dims="t", encoding={"t": {"dtype": ">i2"}})
    live = rawmmap.map_dataset(path, "r+")
    assert set(live.coords) == {"t", "lon", "far"}
    assert live.attrs == {"title": "a"}
    live["n"].loc[{"t": 6}] = -1
    live["lon"][2] = 30
    found = xr.open_dataset(path, engine="rawmmap").load()
    assert found["n"].values.tolist() == [[0, -1], [2, -1], [4, -1]]
    assert found["lon"].values.tolist() == [1, 2, 30]
    assert live.sel(t=6)["u"].values.tolist() == [3, 4, 5]


def test_the_map_lives_as_long_as_the_arrays(path: Path) -> None:
    u = rawmmap.map_dataset(path, **WORDS)["u"].values[1]
    path.unlink()
    assert u.tolist() == [3, 4, 5]


def test_what_cannot_be_mapped(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mode must be"):
        rawmmap.map_dataset(path, "w+", **WORDS)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        rawmmap.map_dataset(tmp_path / "none.raw", **WORDS)
    with pytest.raises(ValueError, match=r"39 bytes|too few"):
        rawmmap.map_dataset(path, dtype="f8", shape=(5,))
    with pytest.raises(ValueError, match="nothing in this Dataset is mapped"):
        rawmmap.flush(xr.Dataset({"u": ("x", [1])}))
    assert rawmmap.map_dataset(path, dtype="f8", shape=(0, 3))["data"].shape == (0, 3)


def test_an_empty_dataset_maps(tmp_path: Path) -> None:
    to_raw(xr.Dataset(attrs={"a": 1}), tmp_path / "a.bin")
    assert rawmmap.map_dataset(tmp_path / "a.bin").attrs == {"a": 1}


def assign_all(ds: xr.Dataset) -> None:
    ds["u"][0] = 1


def assign_by_name(ds: xr.Dataset) -> None:
    ds["u"][{"x": 0}] = 1


def assign_by_label(ds: xr.Dataset) -> None:
    ds["u"].loc[{"x": 0}] = 1


def assign_to_a_part(ds: xr.Dataset) -> None:
    ds["u"].isel(x=0).transpose()[0] = 1


def assign_to_the_dataset(ds: xr.Dataset) -> None:
    ds[{"y": 0}] = 1


def assign_by_lists(ds: xr.Dataset) -> None:
    ds["u"][[0, 1], [0, 2]] = 1


def add_in_place(ds: xr.Dataset) -> None:
    ds["u"] += 1


ASSIGNMENTS = [
    assign_all,
    assign_by_name,
    assign_by_label,
    assign_to_a_part,
    assign_to_the_dataset,
    assign_by_lists,
    add_in_place,
]


@pytest.mark.parametrize("assign", ASSIGNMENTS)
def test_a_read_only_dataset_says_how_to_change_the_file(path: Path, assign: Any) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"^{path}: .*mode='r\+'"):
        assign(rawmmap.map_dataset(path, **WORDS))
    assert path.read_bytes() == before
    assign(rawmmap.map_dataset(path, shared=False, **WORDS))
    assert path.read_bytes() == before
    assign(rawmmap.map_dataset(path, "r+", **WORDS))
    assert path.read_bytes() != before


def test_other_errors_of_an_assignment_are_left_alone(path: Path) -> None:
    ds = rawmmap.map_dataset(path, "r+", **WORDS)
    with pytest.raises(ValueError, match="could not broadcast"):
        ds["u"][0] = [1, 2]


def test_values_of_the_sidecar_are_not_changed_by_mistake(path: Path) -> None:
    rawmmap.describe(path, coords={"label": ("y", [5, 6])}, **WORDS)
    with pytest.raises(ValueError, match="description of the file"):
        rawmmap.map_dataset(path, "r+")["label"][0] = 1
    private = rawmmap.map_dataset(path, shared=False)
    private["label"][0] = 1
    assert private["label"].values.tolist() == [1, 6]


@pytest.mark.parametrize(
    ("keywords", "kind", "text"),
    [
        ({"mode": "w+"}, ValueError, "mode must be"),
        ({"mode": []}, ValueError, "mode must be"),
        ({"shared": "no"}, ValueError, "shared must be"),
        ({"access": "read"}, ValueError, "access='read' copies"),
        ({"access": "mmap"}, ValueError, "access must be"),
        ({"storage_options": 3}, TypeError, "storage_options must be"),
        ({"chord": {}}, TypeError, "did you mean coords="),
        ({"drop_variable": "u"}, TypeError, "did you mean drop_variables="),
    ],
)
def test_keywords_that_cannot_be(path: Path, keywords: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text) as caught:
        rawmmap.map_dataset(path, **WORDS, **keywords)
    assert str(path) in str(caught.value)


def test_the_keywords_of_the_engine_are_taken(path: Path) -> None:
    ds = rawmmap.map_dataset(path, **WORDS, access="map", storage_options={}, drop_variables=["v"])
    assert list(ds) == ["u"]
    assert rawmmap.mapping_of(ds["u"].values).path == str(path)


def test_values_are_what_can_be_advised_on(path: Path) -> None:
    ds = rawmmap.map_dataset(path, **WORDS)
    with pytest.raises(ValueError, match=r"this DataArray is not a view.*; pass its values"):
        rawmmap.advise(ds["u"], "random")
    rawmmap.advise(ds["u"].values, "random")
    assert rawmmap.mapping_of(ds["u"].values).path == str(path)
