"""Series that are changed in place: mapped where one file is enough, else assigned to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.errors import DescriptionError

MEMBER: dict[str, Any] = {"dtype": ">f4", "shape": (3, 4), "dims": ("y", "x"), "offset": 8}


def write_members(folder: Path, steps: Any = (0, 5, 10)) -> npt.NDArray[Any]:
    values = np.arange(len(steps) * 12, dtype=">f4").reshape(-1, 3, 4)
    for step, member in zip(steps, values, strict=True):
        (folder / f"{step:02d}.bin").write_bytes(bytes(range(8)) + member.tobytes() + b"end")
    return values


def read_members(folder: Path) -> npt.NDArray[Any]:
    contents = [path.read_bytes() for path in sorted(folder.glob("*.bin"))]
    assert all(data[:8] == bytes(range(8)) and data[56:] == b"end" for data in contents)
    return np.stack([np.frombuffer(data, ">f4", 12, 8).reshape(3, 4) for data in contents])


KEYS = [
    (slice(None), 0, slice(1, 3)),
    (2,),
    (slice(None, None, -2), slice(None), [3, 0]),
    (np.array([0, 2, 1]), np.array([1, 1, 2])),
    (np.array([True, False, True]),),
    (..., None, 1),
    (slice(0, 0),),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_assignment_writes_to_the_files(tmp_path: Path, key: Any) -> None:
    values = write_members(tmp_path)
    array = rawmmap.RawArray(tmp_path / "{step:02d}.bin", ">f4", (3, 4), offset=8, mode="r+")
    np.testing.assert_array_equal(array[key], values[key])
    new = -np.arange(values[key].size, dtype="f8").reshape(values[key].shape) - 1
    array[key] = new
    values[key] = new
    np.testing.assert_array_equal(read_members(tmp_path), values)
    np.testing.assert_array_equal(array, values)


@given(data=st.data())
def test_any_slices_and_numbers(tmp_path: Path, data: st.DataObject) -> None:
    values = write_members(tmp_path)
    array = rawmmap.RawArray(tmp_path / "{step:02d}.bin", ">f4", (3, 4), offset=8, mode="r+")
    key = tuple(
        data.draw(st.slices(n) | st.integers(-n, n - 1) | st.lists(st.integers(0, n - 1)))
        for n in values.shape[: data.draw(st.integers(0, 3))]
    )
    try:
        values[key] = 7
    except IndexError:
        with pytest.raises(IndexError):
            array[key] = 7
    else:
        array[key] = 7
    np.testing.assert_array_equal(read_members(tmp_path), values)


def test_files_of_samples_and_of_modes(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.raw").write_bytes(bytes(12))
    array = rawmmap.RawArray(tmp_path / "{k}.raw", "<i3", 4, mode="r+")
    array[1, 2] = -2
    assert (tmp_path / "b.raw").read_bytes() == bytes(6) + b"\xfe\xff\xff" + bytes(3)
    assert array.shape == (2, 4)
    with pytest.raises(ValueError, match="mode='r'"):
        rawmmap.RawArray(tmp_path / "{k}.raw", "<i3", 4)[0] = 1
    with pytest.raises(DescriptionError, match="several arrays"):
        rawmmap.RawArray(tmp_path / "{variable}.raw", "<i3", 4)


def test_one_file_of_a_series_is_mapped(tmp_path: Path) -> None:
    values = write_members(tmp_path, [5])
    ds = rawmmap.map_dataset(tmp_path / "{step:02d}.bin", "r+", name="u", **MEMBER)
    assert ds["u"].dims == ("step", "y", "x")
    assert ds["step"].values.tolist() == [5]
    np.testing.assert_array_equal(ds["u"], values)
    ds["u"].loc[{"step": 5}] = 3
    rawmmap.flush(ds)
    assert (read_members(tmp_path) == 3).all()


def test_a_file_for_each_variable_is_mapped(tmp_path: Path) -> None:
    ds = xr.Dataset({"u": ("x", [1.0, 2.0]), "v": (("y", "x"), np.ones((3, 2), "i2"))}, {"r": 1})
    ds.rawmmap.to_raw(tmp_path / "{variable}.bin")
    live = rawmmap.map_dataset(tmp_path / "{variable}.bin", "r+")
    xr.testing.assert_equal(live.load(), ds)
    live["u"][0] = 7
    live["v"][2, 1] = -1
    assert np.fromfile(tmp_path / "u.bin", "<f8", offset=4096).tolist() == [7, 2]
    assert np.fromfile(tmp_path / "v.bin", "<i2", offset=4096).tolist() == [1, 1, 1, 1, 1, -1]
    private = rawmmap.map_dataset(tmp_path / "{variable}.bin", "c")
    private["u"][0] = 9
    assert np.fromfile(tmp_path / "u.bin", "<f8", offset=4096)[0] == 7


def test_several_files_are_not_one_view(tmp_path: Path) -> None:
    write_members(tmp_path)
    with pytest.raises(DescriptionError, match=r"'u' lies in several pieces, in several files"):
        rawmmap.map_dataset(tmp_path / "{step:02d}.bin", "r+", name="u", **MEMBER)


def test_records_of_one_file_with_the_value_in_its_name(tmp_path: Path) -> None:
    np.arange(6, dtype="<i4").tofile(tmp_path / "20240101.dat")
    words: dict[str, Any] = {"dtype": "<i4", "shape": (2,), "dims": "x", "record_dim": "time"}
    ds = rawmmap.map_dataset(tmp_path / "{time:%Y%m%d}.dat", "r+", **words)
    ds["data"][2, 1] = -1
    assert np.fromfile(tmp_path / "20240101.dat", "<i4").tolist() == [0, 1, 2, 3, 4, -1]
    assert (ds["file_time"] == np.datetime64("2024-01-01")).all()
