"""NumPy reads a flat file that got a header into its unused bytes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rawmmap
from rawmmap.exports import to_npy

TYPES = ["?", "i1", "u1", "<i2", ">u4", "<f2", ">f4", "<c8", "S3", "<U2", ">M8[ns]", "<m8[h]"]

Array = npt.NDArray[Any]


def gap(path: Path, array: Array, free: int, order: Any = "C") -> dict[str, Any]:
    """Write `array` behind `free` zeros; return the words that describe it."""
    path.write_bytes(bytes(free) + array.tobytes(order) + b"\x5a" * 7)
    return {"dtype": array.dtype, "shape": array.shape, "offset": free, "order": order}


@pytest.mark.parametrize("dtype", TYPES)
def test_all_types_in_both_orders_with_any_room(tmp_path: Path, dtype: str) -> None:
    array = np.arange(30).astype(dtype).reshape(2, 3, 5)
    for i, (order, free) in enumerate(itertools.product("CF", (101, 128, 4096, 10_010))):
        path = tmp_path / f"{i}.bin"
        words = gap(path, array, free, order)
        raw = path.read_bytes()
        assert to_npy(path, **words) == path
        np.testing.assert_array_equal(np.load(path), array)
        mapped = np.load(path, mmap_mode="r")
        assert isinstance(mapped, np.memmap)
        assert mapped.offset == free
        np.testing.assert_array_equal(mapped, array)
        assert path.read_bytes()[free:] == raw[free:]


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 0, 3), (1, 1), (4, 1, 3)])
def test_odd_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=">i4").reshape(shape)
    to_npy(tmp_path / "a", **gap(tmp_path / "a", array, 128))
    found = np.load(tmp_path / "a")
    assert found.shape == shape
    np.testing.assert_array_equal(found, array)


def test_the_sidecar_still_works(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    array = np.arange(12, dtype=">i2").reshape(3, 4)
    words = gap(path, array, 4096)
    sidecar = rawmmap.describe(path, dims=("y", "x"), name="u", **words)
    text = sidecar.read_text()
    to_npy(path)
    to_npy(sidecar)
    np.testing.assert_array_equal(np.load(path), array)
    assert sidecar.read_text() == text
    import xarray as xr

    with xr.open_dataset(path, engine="rawmmap") as dataset:
        np.testing.assert_array_equal(dataset["u"], array)


def test_too_little_and_too_much_room(tmp_path: Path) -> None:
    path = tmp_path / "a"
    array = np.arange(12, dtype=">i2").reshape(3, 4)
    header = "{'descr': '>i2', 'fortran_order': False, 'shape': (3, 4)}"
    least = 10 + len(header) + 1
    for free in (0, least - 1, 10_011):
        words = gap(path, array, free)
        raw = path.read_bytes()
        with pytest.raises(ValueError, match=rf"{free} bytes are free.* needs {least} "):
            to_npy(path, **words)
        assert path.read_bytes() == raw
    to_npy(path, **gap(path, array, least))
    np.testing.assert_array_equal(np.load(path), array)


@pytest.mark.parametrize("at", [0, 50, 127])
def test_bytes_that_are_not_zero_are_kept(tmp_path: Path, at: int) -> None:
    path = tmp_path / "a"
    words = gap(path, np.zeros((3, 4)), 128)
    raw = bytearray(path.read_bytes())
    raw[at] = 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=rf"byte {at} of the 128 before the data is not zero"):
        to_npy(path, **words)
    assert path.read_bytes() == raw


def test_a_header_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    array = np.arange(12, dtype=">i2").reshape(3, 4)
    np.save(path, array)
    raw = path.read_bytes()
    to_npy(path)
    np.testing.assert_array_equal(np.load(path), array)
    to_npy(path, dtype="<i2", shape=(4, 3), offset=128)
    np.testing.assert_array_equal(np.load(path), array.view("<i2").reshape(4, 3))
    assert path.read_bytes()[128:] == raw[128:]


def test_a_header_that_reaches_into_the_data_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((30, 4), ">i2"))
    raw = path.read_bytes()
    with pytest.raises(ValueError, match="byte 0 of the 120"):
        to_npy(path, dtype=">i2", shape=(3, 4), offset=120)
    assert path.read_bytes() == raw


def test_bytes_of_other_variables_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(1000))
    words: dict[str, Any] = {
        "variables": {
            "u": {"dtype": "u1", "shape": 100, "offset": 300},
            "v": {"dtype": "u1", "shape": 100, "offset": 600},
            "w": {"dtype": "u1", "shape": 0, "dims": "none"},
        }
    }
    with pytest.raises(ValueError, match=r"bytes 0 to 600, but variable 'u' .* 300 to 400"):
        to_npy(path, variable="v", **words)
    assert not any(path.read_bytes())
    with pytest.raises(ValueError, match="variable="):
        to_npy(path, **words)
    to_npy(path, variable="u", **words)
    assert np.load(path).shape == (100,)


def test_a_backwards_variable_counts_from_its_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(1000))
    words: dict[str, Any] = {
        "variables": {
            "u": {"dtype": "u1", "shape": 100, "offset": 300},
            "v": {"dtype": "u1", "shape": 100, "offset": 350, "strides": (-1,)},
        },
        "overlap": True,
    }
    with pytest.raises(ValueError, match="'v' has its data at 251 to 351"):
        to_npy(path, variable="u", **words)


@pytest.mark.parametrize("strides", [(16, 4), (-8, 2), (2, 8), (0, 2)])
def test_gaps_are_refused(tmp_path: Path, strides: tuple[int, ...]) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(500))
    with pytest.raises(ValueError, match="not dense"):
        to_npy(
            path,
            dtype="<i2",
            shape=(3, 4),
            strides=strides,
            offset=128,
            variable="data",
            overlap=True,
        )
    assert not any(path.read_bytes())


def test_the_target_is_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    words = gap(path, np.zeros((3, 4)), 128)
    with pytest.raises(ValueError, match="is not the data file"):
        to_npy(path, tmp_path / "a.npy", **words)
    assert to_npy(path, path, **words) == path


def test_a_read_only_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    words = gap(path, np.zeros((3, 4)), 128)
    real: Callable[..., Any] = open

    def guarded(name: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if "+" in mode:
            raise PermissionError(13, "Permission denied", str(name))
        return real(name, mode, *rest, **more)

    # Permissions do not bind a superuser.
    monkeypatch.setattr("builtins.open", guarded)
    with pytest.raises(PermissionError):
        to_npy(path, **words)


def test_field_names_beyond_latin_1_are_read(tmp_path: Path) -> None:
    values = np.zeros(3, [("é", "<f8"), ("€", "<i2"), ("𝄞", "u1"), ("'\\x41'", "u1")])
    values["é"], values["𝄞"] = [1, 2, 3], [4, 5, 6]
    with pytest.warns(UserWarning, match="Stored array in format 3"):
        np.save(tmp_path / "a.npy", values)
    raw = rawmmap.open(tmp_path / "a.npy")
    assert set(raw) == set(values.dtype.names or ())
    for name in raw:
        np.testing.assert_array_equal(np.asarray(raw[name].data), values[name])


@pytest.mark.parametrize("length", [60_000, 2**31])
def test_a_long_header_of_version_3_is_refused(tmp_path: Path, length: int) -> None:
    head = b"\x93NUMPY\x03\x00" + length.to_bytes(4, "little")
    (tmp_path / "a.npy").write_bytes(head + bytes(100))
    with pytest.raises(ValueError, match=rf"a\.npy: .*header of {length} bytes"):
        rawmmap.open(tmp_path / "a.npy")


def test_booleans_in_a_shape_are_described_as_numbers(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3), }".ljust(117) + b"\n"
    head = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    (tmp_path / "a.npy").write_bytes(head + header + bytes(24))
    rawmmap.describe(tmp_path / "a.npy")
    assert rawmmap.open(tmp_path / "a.npy")["data"].shape == (1, 3)
