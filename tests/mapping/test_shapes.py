"""Which bytes of the file an array shows: dtype, shape, offset and order."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rawmmap

BYTES = bytes(range(240))
RECORD = np.dtype([("a", "<i2"), ("b", ">f4"), ("c", "u1", (3,))])


def test_without_arguments_all_bytes_are_there(counted: Path) -> None:
    a = rawmmap.mmap(counted)
    assert type(a) is np.ndarray
    assert a.dtype == np.uint8
    assert a.shape == (240,)
    assert a.tobytes() == BYTES


@pytest.mark.parametrize(
    "dtype", ["u1", "<i2", ">i2", "<f4", ">f8", "S3", "<U2", "?", "M8[s]", "V5"]
)
@pytest.mark.parametrize("offset", [0, 1, 7, 120])
def test_dtypes_at_any_offset(counted: Path, dtype: str, offset: int) -> None:
    a = rawmmap.mmap(counted, dtype, 10, offset)
    assert a.dtype == np.dtype(dtype)
    assert a.tobytes() == BYTES[offset : offset + 10 * a.itemsize]


def test_structured_records_of_odd_size(counted: Path) -> None:
    a = rawmmap.mmap(counted, RECORD, 4, 3)
    expected = np.frombuffer(BYTES, RECORD, 4, 3)
    for name in ("a", "b", "c"):
        np.testing.assert_array_equal(a[name], expected[name])


@pytest.mark.parametrize("order", ["C", "F"])
def test_subarray_dtypes_become_trailing_axes(counted: Path, order: str) -> None:
    a = rawmmap.mmap(counted, ("u1", (3,)), (2, 5), order=order)
    elements = np.frombuffer(BYTES, np.dtype([("x", "u1", (3,))]), 10)["x"]
    expected = np.empty((2, 5, 3), "u1")
    for i, j in np.ndindex(2, 5):
        expected[i, j] = elements[i * 5 + j if order == "C" else i + j * 2]
    np.testing.assert_array_equal(a, expected)


@given(
    dtype=st.sampled_from(["u1", "<u2", ">u4", "V3", "<f8"]),
    shape=st.lists(st.integers(0, 4), max_size=4).map(tuple),
    offset=st.integers(0, 40),
    order=st.sampled_from(["C", "F"]),
)
def test_any_shape_shows_what_numpy_sees_in_the_bytes(
    counted: Path, dtype: str, shape: tuple[int, ...], offset: int, order: Any
) -> None:
    nbytes = math.prod(shape) * np.dtype(dtype).itemsize
    if offset + nbytes > len(BYTES):
        return
    a = rawmmap.mmap(counted, dtype, shape, offset, order=order)
    expected = np.frombuffer(BYTES[offset : offset + nbytes], dtype).reshape(shape, order=order)
    assert a.shape == expected.shape
    assert a.tobytes() == expected.tobytes()
    assert a.flags.f_contiguous or order == "C"


def test_a_scalar_shape_is_one_element(counted: Path) -> None:
    a = rawmmap.mmap(counted, "<u4", (), 5)
    assert a.shape == ()
    assert a[()] == int.from_bytes(BYTES[5:9], "little")


def test_integers_of_numpy_count_too(counted: Path) -> None:
    a = rawmmap.mmap(counted, "u1", (np.int64(3), np.uint8(4)), np.int32(2))
    assert a.shape == (3, 4)
    assert rawmmap.mmap(counted, "u1", np.int64(3)).shape == (3,)


@pytest.mark.parametrize(
    ("shape", "order", "offset", "expected"),
    [
        (-1, "C", 0, (120,)),
        (None, "C", 40, (100,)),
        ((-1, 3), "C", 0, (40, 3)),
        ((-1, 3), "C", 240, (0, 3)),
        ((3, 5, -1), "F", 0, (3, 5, 8)),
        ((-1,), "F", 238, (1,)),
    ],
)
def test_the_major_axis_follows_from_the_size(
    counted: Path, shape: Any, order: str, offset: int, expected: tuple[int, ...]
) -> None:
    a = rawmmap.mmap(counted, "<u2", shape, offset, order=order)
    assert a.shape == expected
    assert a.tobytes("F" if order == "F" else "C") == BYTES[offset:]


@pytest.mark.parametrize(
    ("dtype", "shape", "offset", "order", "says"),
    [
        ("<u2", None, 1, "C", "239 bytes.*1 bytes more"),
        ("<u2", (-1, 7), 0, "C", "240 bytes.*17 steps of 14 bytes.*2 bytes more"),
        ("u1", None, 241, "C", "offset 241.*240 bytes"),
        ("u1", (-1, 2), 300, "C", "offset 300.*240 bytes"),
        ("u1", (3, -1), 0, "C", "axis 0"),
        ("u1", (-1, 3), 0, "F", "axis 1"),
        ("u1", (-1, -1), 0, "C", "once"),
        ("u1", (-1, -1, -1), 0, "C", "once"),
        ("u1", (-1, 0), 0, "C", "beside a zero"),
        ("u1", (0, -1), 0, "F", "beside a zero"),
        ("u1", (-2, 3), 0, "C", "negative"),
        ("u1", (2, -3), 0, "C", "negative"),
        ("u1", (-2, -3), 0, "C", "negative"),
        ("u1", 5, -1, "C", "offset -1"),
        ("u1", 0, -1, "C", "offset -1"),
        ("u1", None, -1, "C", "offset -1"),
        ("u1", 2**63, 0, "C", "2\\*\\*63"),
        ("u1", (2**32, 2**31), 0, "C", "2\\*\\*63"),
        ("f8", 2**60, 0, "C", "2\\*\\*63"),
        ("u1", 2**63 - 1, 1, "C", "2\\*\\*63"),
        ("u1", 0, 2**63, "C", "2\\*\\*63"),
        ("u1", (1,) * 65, 0, "C", "ndim|dimension"),
        ("u1", (0, 2**70), 0, "C", "dimension|large|big"),
        ("S0", 3, 0, "C", "no bytes"),
        ("V0", None, 0, "C", "no bytes"),
    ],
)
@pytest.mark.parametrize("mode", ["r", "r+", "w+", "c"])
def test_numbers_that_cannot_be_meant(
    counted: Path, dtype: str, shape: Any, offset: int, order: str, says: str, mode: Any
) -> None:
    inferred = shape is None or -1 in (shape if isinstance(shape, tuple) else (shape,))
    with pytest.raises(ValueError, match="empties|" + says if inferred else says):
        rawmmap.mmap(counted, dtype, shape, offset, order=order, mode=mode)
    assert counted.read_bytes() == BYTES


@pytest.mark.parametrize("mode", ["r", "r+", "w+", "c"])
@pytest.mark.parametrize("dtype", ["O", np.dtype([("a", "i4"), ("b", "O")])])
def test_pointers_are_refused_before_the_file_is_touched(
    counted: Path, dtype: Any, mode: Any
) -> None:
    with pytest.raises(TypeError, match="pointers"):
        rawmmap.mmap(counted, dtype, 3, mode=mode)
    assert counted.read_bytes() == BYTES


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"order": "A"}, "order.*'A'"),
        ({"mode": "w"}, "mode.*'w'"),
        ({"mode": "rb"}, "mode.*'rb'"),
        ({"grow": "dense"}, "grow.*'dense'"),
    ],
)
def test_words_that_are_unknown(counted: Path, arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        rawmmap.mmap(counted, **arguments)


@pytest.mark.parametrize("numbers", [(2.5,), ((2, 2.5),), (2, 1.0), ("3",)])
def test_fractions_are_no_numbers_of_bytes_or_elements(counted: Path, numbers: Any) -> None:
    with pytest.raises(TypeError):
        rawmmap.mmap(counted, "u1", *numbers)


@pytest.mark.parametrize("arguments", [("u1", 2**63), ("O", 3), ("u1", -5), ("u1", 3, -1), ("u1",)])
def test_a_bad_call_creates_no_file(tmp_path: Path, arguments: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        rawmmap.mmap(tmp_path / "new", *arguments, mode="w+")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((2, -1), "C"),
        ((-1, 2), "F"),
        ((-1, 0), "C"),
        ((0, -1), "F"),
        ((-1, -1), "C"),
        ((-2, 3), "C"),
        ((-1, 2**62, 2**62), "C"),
    ],
)
@pytest.mark.parametrize("mode", [None, "r", "r+", "w+", "c"])
@pytest.mark.parametrize("grow", [True, False])
def test_bad_shapes_count_before_missing_files(
    tmp_path: Path, shape: Any, order: Any, mode: Any, grow: bool
) -> None:
    with pytest.raises(ValueError, match=r"shape|array is too big|dimension"):
        rawmmap.mmap(tmp_path / "absent", "u1", shape, order=order, mode=mode, grow=grow)
    assert not list(tmp_path.iterdir())


def test_what_cannot_grow_is_not_emptied(counted: Path, tmp_path: Path) -> None:
    for path in (counted, tmp_path / "new"):
        with pytest.raises(ValueError, match=f"^{path}: .*grow=False.*grow=True"):
            rawmmap.mmap(path, "u1", 10, mode="w+", grow=False)
    with (
        counted.open("r+b") as file,
        pytest.raises(ValueError, match=f"^{counted}: .*grow=False"),
    ):
        rawmmap.mmap(file, "u1", (2, 5), mode="w+", grow=False)
    assert counted.read_bytes() == BYTES
    assert not (tmp_path / "new").exists()
    rawmmap.mmap(counted, "u1", (2, 0), mode="w+", grow=False)
    assert counted.read_bytes() == b""


@pytest.mark.parametrize("how", ["str", "bytes", "path", "object", "descriptor"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"offset": -1},
        {"shape": -5},
        {"shape": (2, -1)},
        {"shape": (-1, 7)},
        {"shape": 2**63},
        {"shape": 2.5},
        {"shape": None, "mode": "w+"},
        {"shape": 500, "grow": False},
        {"offset": 500},
        {"order": "A"},
        {"mode": "x"},
        {"grow": "no"},
        {"dtype": "O"},
        {"dtype": "S0"},
        {"dtype": "nonsense"},
    ],
)
def test_errors_name_the_file_once(counted: Path, how: str, arguments: Any) -> None:
    with counted.open("r+b", 0) as file:
        given: Any = {
            "str": str(counted),
            "bytes": bytes(counted),
            "path": counted,
            "object": file,
            "descriptor": file.fileno(),
        }[how]
        with pytest.raises((TypeError, ValueError)) as caught:
            rawmmap.mmap(given, **arguments)
    assert str(caught.value).startswith(f"{counted}: ")
    assert str(caught.value).count(str(counted)) == 1
    assert counted.read_bytes() == BYTES


def test_short_names_are_not_taken_for_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^a: offset -1"):
        rawmmap.mmap("a", offset=-1)


class TestEmpty:
    """Empty shapes map nothing."""

    @pytest.mark.parametrize("shape", [0, (0,), (3, 0), (0, 2**40)])
    @pytest.mark.parametrize("mode", ["r", "r+", "c"])
    def test_the_file_is_not_touched(self, counted: Path, shape: Any, mode: Any) -> None:
        a = rawmmap.mmap(counted, "<f4", shape, 1000, mode=mode)
        assert type(a) is np.ndarray
        assert a.size == 0
        assert a.flags.writeable == (mode != "r")
        assert counted.read_bytes() == BYTES

    def test_writing_creates_or_empties_it(self, counted: Path, tmp_path: Path) -> None:
        assert rawmmap.mmap(counted, "u1", 0, mode="w+").shape == (0,)
        assert counted.read_bytes() == b""
        rawmmap.mmap(tmp_path / "new", "u1", (2, 0), 100, mode="w+")
        assert (tmp_path / "new").read_bytes() == b""

    @pytest.mark.parametrize("shape", [None, -1, (-1, 3)])
    def test_an_empty_file_has_no_elements(self, tmp_path: Path, shape: Any) -> None:
        (tmp_path / "empty").touch()
        a = rawmmap.mmap(tmp_path / "empty", "f8", shape)
        assert a.size == 0
        assert a.shape[0] == 0


def test_offsets_past_four_gibibytes(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    far = 2**32 + 4097
    with path.open("wb") as file:
        file.seek(far)
        file.write(b"there")
    a = rawmmap.mmap(path, "u1", None, far)
    assert a.tobytes() == b"there"
    assert rawmmap.mapping_of(a).window == (2**32 + 4096, far + 5)
    whole = rawmmap.mmap(path)
    assert whole.size == far + 5
    assert whole[far:].tobytes() == b"there"


def test_the_example_of_the_julia_manual(tmp_path: Path) -> None:
    """https://docs.julialang.org/en/v1/stdlib/Mmap/: two integers, then a column-major matrix."""
    matrix = np.random.default_rng(1).integers(1, 20, (5, 30))
    with (tmp_path / "mmap.bin").open("wb") as s:
        s.write(np.int64(matrix.shape[0]).tobytes())
        s.write(np.int64(matrix.shape[1]).tobytes())
        s.write(matrix.tobytes(order="F"))
    with (tmp_path / "mmap.bin").open("rb") as s:
        m, n = np.frombuffer(s.read(16), np.int64)
        again = rawmmap.mmap(s, np.int64, (m, n), order="F")
        assert s.tell() == 16
    np.testing.assert_array_equal(again, matrix)


@pytest.mark.parametrize("mode", ["r", "r+", "w+", "c"])
def test_the_order_of_numpy_memmap_is_explained(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(16))
    with pytest.raises(TypeError, match=rf"^{path}: .*numpy\.memmap.*mode='{re.escape(mode)}'"):
        rawmmap.mmap(path, "<i8", mode)  # type: ignore[arg-type]
    for call in (rawmmap.mmap, rawmmap.Mapping):
        for rest in (((2,),), ((2,), "C")):
            with pytest.raises(TypeError, match=rf"^{path}: .*memmap.*mode='{re.escape(mode)}'"):
                call(path, "<i8", mode, 0, *rest)  # type: ignore[arg-type]
    assert path.read_bytes() == bytes(16)


def test_further_positional_arguments_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(16))
    with pytest.raises(TypeError, match=rf"^{path}: .*mode, grow and shared by their keywords"):
        rawmmap.mmap(path, "<i8", (2,), 0, "C")
    with pytest.raises(TypeError, match=rf"^{path}: .*numpy\.memmap.*mode='r\+'"):
        rawmmap.mmap(path, "<i8", "readwrite", 0, (2,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"shape": "5000,69"}, "shape must be an integer or a tuple of integers"),
        ({"shape": (5.0, 69)}, "shape must be an integer or a tuple of integers"),
        ({"offset": "64"}, "offset must be an integer, not '64'"),
        ({"dtype": "int16be"}, "int16be"),
    ],
)
def test_wrong_types_are_said_of_their_keyword(
    tmp_path: Path, keywords: dict[str, Any], says: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(16))
    with pytest.raises(TypeError, match=rf"^{path}: .*{says}"):
        rawmmap.mmap(path, **keywords)


@pytest.mark.parametrize("step", [2**63 - 1, 2**62, -(2**63) + 1, -(2**63), 2**64])
def test_steps_that_pass_the_end(tmp_path: Path, step: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(240)))
    a = rawmmap.mmap(path, "<i2", (10, 12))
    whole = np.frombuffer(path.read_bytes(), "<i2").reshape(10, 12)
    assert a[::step, 1::step].tolist() == whole[::step, 1::step].tolist()
    assert rawmmap.resident(a[3::step]) == 1.0


def test_a_remainder_of_record_markers_is_recognized(tmp_path: Path) -> None:
    path = tmp_path / "fortran"
    record = np.int32(4 * 12).tobytes() + bytes(4 * 12) + np.int32(4 * 12).tobytes()
    path.write_bytes(5 * record)
    with pytest.raises(ValueError, match=r"exactly 5: Fortran record markers\? .*offset=4 .* 56 "):
        rawmmap.mmap(path, "<f4", (-1, 12))
    path.write_bytes(5 * record + b"xyz")
    with pytest.raises(ValueError, match="give the length"):
        rawmmap.mmap(path, "<f4", (-1, 12))


@pytest.mark.parametrize("shape", [None, (-1, 3)])
def test_a_remainder_of_a_packed_struct_is_recognized(tmp_path: Path, shape: Any) -> None:
    fields = [("flag", "u1"), ("position", "<f8", (2,)), ("kind", "<i2")]
    padded, packed = np.dtype(fields, align=True), np.dtype(fields)
    assert padded.itemsize > packed.itemsize
    path = tmp_path / "structs"
    path.write_bytes(bytes(packed.itemsize * 33))
    assert rawmmap.mmap(path, packed, shape).size == 33
    with pytest.raises(ValueError, match=f"{packed.itemsize} bytes in place of {padded.itemsize}"):
        rawmmap.mmap(path, padded, shape)


@pytest.mark.parametrize("granularity", [2**12, 2**14, 2**16])
@pytest.mark.parametrize("start", [0, 1, 4095, 4096, 16_385, 65_535, 65_536, 70_001])
def test_windows_on_systems_with_larger_granularities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, granularity: int, start: int
) -> None:
    path = tmp_path / "file"
    data = np.arange(40_000, dtype="<u4").tobytes()
    path.write_bytes(data)
    for module in ("_window", "_mapping", "_mmap"):
        monkeypatch.setattr(f"rawmmap.mapping.{module}.GRANULARITY", granularity)
    for shape in (None, 5000):
        a = rawmmap.mmap(path, "u1", shape, start)
        assert a.tobytes() == data[start : start + a.size]
        low, high = rawmmap.mapping_of(a).window
        assert low == start // granularity * granularity
        assert high == start + a.size
    with path.open("rb") as file:
        buffer, origin = rawmmap.mapping.map_window(file.fileno(), start, start + 100)
    assert origin == low
    assert buffer[start - origin :].tobytes() == data[start : start + 100]
