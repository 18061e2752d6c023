"""`RawArray`, against NumPy on the same bytes."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import dask.base
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap import Layout, RawArray
from rawmmap import access as accessing
from rawmmap.layout.samples import native
from rawmmap.sources import Files, open_source
from tests.strategies import advanced_keys, basic_keys, filled, plain_dtypes, shapes

ACCESS = ["auto", "map", "read"]


def write(path: Path, array: np.ndarray, offset: int = 0, order: Any = "C") -> Path:
    path.write_bytes(bytes(offset) + array.tobytes(order))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arrays")


@given(st.data(), shapes, plain_dtypes, st.sampled_from("CF"), st.sampled_from(ACCESS))
def test_basic_keys(
    folder: Path, data: st.DataObject, shape: Any, dtype: np.dtype, order: Any, access: Any
) -> None:
    array = filled(dtype, shape)
    path = write(folder / "basic.raw", array, 7, order)
    raw = RawArray(path, dtype, shape, offset=7, order=order, access=access)
    key = data.draw(basic_keys(shape))
    same(raw[key], array[key])


@given(st.data(), st.sampled_from("CF"), st.sampled_from(ACCESS))
def test_advanced_keys(folder: Path, data: st.DataObject, order: Any, access: Any) -> None:
    shape = data.draw(shapes)
    key = data.draw(advanced_keys(shape))
    array = filled(np.dtype(">i2"), shape)
    path = write(folder / "advanced.raw", array, 3, order)
    raw = RawArray(path, ">i2", shape, offset=3, order=order, access=access)
    try:
        expected = array[key]
    except IndexError:
        with pytest.raises(IndexError):
            raw[key]
        return
    same(raw[key], expected)


def same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@given(st.data(), st.sampled_from("CF"), st.booleans())
def test_assignment(folder: Path, data: st.DataObject, order: Any, scalar: bool) -> None:
    shape = data.draw(shapes)
    advanced = data.draw(st.booleans())
    key = data.draw(advanced_keys(shape) if advanced else basic_keys(shape))
    array = filled(np.dtype(">i2"), shape)
    path = write(folder / "assigned.raw", array, 3, order)
    raw = RawArray(path, ">i2", shape, offset=3, order=order, mode="r+")
    try:
        picked = array[key]
    except IndexError:
        with pytest.raises(IndexError):
            raw[key] = 0
        return
    values = np.int16(-5) if scalar else np.arange(picked.size).reshape(picked.shape)
    array[key] = values
    raw[key] = values
    assert path.read_bytes() == bytes(3) + array.tobytes(order)


def test_assignment_in_many_small_pieces_touches_no_other_byte(tmp_path: Path) -> None:
    array = np.arange(64 * 3000, dtype="<i4").reshape(64, 3000)
    path = write(tmp_path / "a.raw", array, 5)
    raw = RawArray(path, "<i4", array.shape, offset=5, mode="r+")
    raw[::2, 1::3] = -1
    array[::2, 1::3] = -1
    assert path.read_bytes() == bytes(5) + array.tobytes()


def test_values_broadcast_as_numpys_do(tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5), "f8")
    path = write(tmp_path / "a.raw", array)
    raw = RawArray(path, "f8", array.shape, mode="r+")
    for target in (array, raw):
        target[0] = [1, 2, 3, 4, 5]
        target[:, [0, 2], :] = np.ones((1, 1, 3, 1, 5)) * 7
        target[1, 1] = "8.5"
    np.testing.assert_array_equal(np.fromfile(path).reshape(array.shape), array)
    with pytest.raises(ValueError, match="broadcast"):
        raw[0] = np.zeros(3)


def test_fields_of_records(tmp_path: Path) -> None:
    dtype = np.dtype([("a", "u1"), ("b", ">f4", (2,)), ("c", [("d", "<i8")])])
    array = np.frombuffer(bytes(range(240)), "u1")[: dtype.itemsize * 8].view(dtype).reshape(2, 4)
    path = write(tmp_path / "a.raw", array, 1)
    raw = RawArray(path, dtype, array.shape, offset=1)
    keys: list[Any] = ["a", "b", "c", ["a"], ["c", "a"], 1, (0, slice(None, None, 2))]
    for key in keys:
        same(raw[key], array[key])
    for key in ["z", ["a", "z"]]:
        with pytest.raises(IndexError, match="'z'"):
            raw[key]


@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize("stride", [4, 8192, 40_000])
def test_large_and_sparse_selections(tmp_path: Path, access: Any, stride: int) -> None:
    array = np.arange(3_000_000, dtype="<u4")
    path = write(tmp_path / "a.raw", array, 2)
    raw = RawArray(path, "<u4", (array.size,), offset=2, access=access)
    step = stride // 4
    same(raw[::step], array[::step])
    same(raw[::-step], array[::-step])
    points = np.arange(0, array.size, step)[::-1]
    same(raw[points], array[points])


@pytest.mark.parametrize("limit", [1, 300, 5000, 24_300, 10**6])
@pytest.mark.parametrize("order", ["C", "F"])
def test_selections_beyond_what_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Any, limit: int
) -> None:
    monkeypatch.setattr(accessing, "TUNING", replace(accessing.TUNING, slab=limit))
    array = np.arange(40 * 50 * 60, dtype="<i4").reshape(40, 50, 60)
    path = write(tmp_path / "a.raw", array, 2, order)
    words: Any = {"offset": 2, "order": order}
    raw = RawArray(path, "<i4", array.shape, **words, access="read", mode="r+")
    key = np.s_[::2, ::-1, 1::3]
    same(raw[key], array[key])
    raw[key] = array[key] * 2
    array[key] *= 2
    assert path.read_bytes() == bytes(2) + array.tobytes(order)


@pytest.mark.parametrize("access", ACCESS)
def test_what_is_computed_is_writable_and_never_reaches_the_file(
    tmp_path: Path, access: Any
) -> None:
    array = np.arange(600_000, dtype="<i4").reshape(600, 1000)
    path = write(tmp_path / "a.raw", array)
    raw = RawArray(path, "<i4", array.shape, access=access)
    for key in [..., (slice(None), 3), slice(2, 4), [1, 2]]:
        found = raw[key]
        found[...] = -1
    np.testing.assert_array_equal(np.fromfile(path, "<i4").reshape(array.shape), array)
    np.testing.assert_array_equal(raw[...], array)


@pytest.mark.parametrize("access", ACCESS)
def test_data_outlives_its_file(tmp_path: Path, access: Any) -> None:
    array = np.arange(500_000, dtype="<i4")
    path = write(tmp_path / "a.raw", array)
    found = RawArray(path, "<i4", array.shape, access=access)[:]
    path.unlink()
    np.testing.assert_array_equal(found, array)


def test_minus_one_counts_whole_steps_after_the_offset(tmp_path: Path) -> None:
    path = write(tmp_path / "a.raw", np.zeros(12, "f4"), 20)
    assert RawArray(path, "f4", (-1, 4), offset=20).shape == (3, 4)
    with pytest.raises(ValueError, match=r"a\.raw.*68 bytes.*8 bytes more"):
        RawArray(path, "f4", (-1, 5))


def test_a_short_file_is_refused_with_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.raw", np.zeros(12, "f4"))
    with pytest.raises(ValueError, match=r"a\.raw: 56 bytes are needed.* has 48 .*8 too few"):
        RawArray(path, "f4", (9,), offset=20)
    with pytest.raises(ValueError, match="56 bytes"):
        RawArray.from_layout(path, Layout.dense("f4", 9, offset=20))


@pytest.mark.parametrize("access", ACCESS)
def test_a_file_that_shrank_is_an_os_error(tmp_path: Path, access: Any) -> None:
    array = np.zeros(1_000_000, "u1")
    path = write(tmp_path / "a.raw", array)
    raw = RawArray(path, "u1", array.shape, access=access)
    os.truncate(path, 1000)
    with pytest.raises(OSError, match=r"byte 1000000 .*ends at byte 1000;.*a\.raw"):
        raw[:]
    with pytest.raises(OSError, match="shrank"):
        raw[[5, 5000]]
    np.testing.assert_array_equal(raw[:1000], array[:1000])
    path.unlink()
    with pytest.raises(FileNotFoundError):
        raw[0]


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        ({"dtype": "O"}, TypeError, "pointers"),
        ({"shape": (-1, -1)}, ValueError, "once"),
        ({"offset": -4}, ValueError, "-4"),
        ({"order": "K"}, ValueError, "'K'"),
        ({"strides": (4, 4)}, ValueError, "1 axes"),
        ({"mode": "w"}, ValueError, "'w'"),
        ({"access": "mmap"}, ValueError, "'mmap'"),
        ({"shape": 2.0}, TypeError, "float"),
        ({"offset": 1.5}, TypeError, "float"),
        ({"strides": (4.0,)}, TypeError, "float"),
        ({"strides": (4,), "order": "A"}, ValueError, "'A'"),
    ],
)
def test_bad_words(tmp_path: Path, words: Any, error: Any, text: str) -> None:
    path = write(tmp_path / "a.raw", np.zeros(12, "f4"))
    with pytest.raises(error, match=rf"a\.raw.*{text}"):
        RawArray(path, **{"dtype": "f4", "shape": (3,), **words})
    # Words are checked before the file is looked for.
    with pytest.raises(error, match=text):
        RawArray(tmp_path / "none", **{"dtype": "f4", "shape": (3,), **words})


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RawArray(tmp_path / "none", "f4", 3)
    with pytest.raises(IsADirectoryError, match="directory"):
        RawArray(tmp_path, "f4", 3)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="regular"):
        RawArray(tmp_path / "pipe", "f4", 3)


def test_what_is_read_instead_of_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name, kind in (("pipe", "a pipe"), ("socket", "a socket")):
            with pytest.raises(OSError, match=f"this is {kind}.*copy its data.*'{name}'"):
                RawArray(name, "f4", 3)
            with pytest.raises(OSError, match=f"this is {kind}.*copy its data.*'{name}'"):
                rawmmap.open(name)
    with pytest.raises(FileNotFoundError, match=r"fields in its name.*'u-\*\.bin'"):
        RawArray("u-*.bin", "f4", 3)


def test_reading_mode_refuses_assignment(tmp_path: Path) -> None:
    raw = RawArray(write(tmp_path / "a.raw", np.zeros(3)), "f8", 3)
    with pytest.raises(ValueError, match=r"a\.raw.*mode='r\+'"):
        raw[0] = 1


def test_it_pickles_as_a_description(tmp_path: Path) -> None:
    array = np.arange(12, dtype=">i2").reshape(3, 4)
    raw = RawArray(write(tmp_path / "a.raw", array), ">i2", array.shape, access="read")
    pickled = pickle.dumps(raw)
    assert len(pickled) < 1000
    code = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read())[1:, ::2].tolist())"
    ran = subprocess.run(
        [sys.executable, "-c", code], input=pickled, capture_output=True, check=True, cwd="/"
    )
    assert ran.stdout.decode().strip() == str(array[1:, ::2].tolist())


def test_relative_paths_are_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.raw", np.arange(3.0))
    monkeypatch.chdir(tmp_path)
    raw = RawArray("a.raw", "f8", 3)
    monkeypatch.chdir("/")
    assert raw[2] == 2.0
    assert raw.url == str(tmp_path / "a.raw")


def test_tokens_follow_the_file_and_the_layout(tmp_path: Path) -> None:
    path = write(tmp_path / "a.raw", np.arange(12.0))

    def token(*args: Any, **words: Any) -> str:
        return dask.base.tokenize(RawArray(path, *args, **words))

    first = token("f8", 6)
    assert token("f8", 6) == first
    different = {
        first,
        token("f8", 6, offset=8),
        token("f8", (6, 1)),
        token("<i8", 6),
        token("f8", 6, strides=(16,)),
    }
    os.utime(path, ns=(1, 1))
    different.add(token("f8", 6))
    path.write_bytes(path.read_bytes() + b"1")
    os.utime(path, ns=(1, 1))
    different.add(token("f8", 6))
    assert len(different) == 7
    link = tmp_path / "link"
    link.symlink_to(path)
    assert dask.base.tokenize(RawArray(link, "f8", 6)) == token("f8", 6)


def test_dask_finds_nothing_on_it_that_would_read_everything(tmp_path: Path) -> None:
    raw = RawArray(write(tmp_path / "a.raw", np.arange(3.0)), "f8", 3)
    assert not hasattr(raw, "copy")
    assert not hasattr(raw, "__array_function__")


def test_attributes_are_numpys(tmp_path: Path) -> None:
    array = np.zeros((3, 4), ">i2")
    raw = RawArray(write(tmp_path / "a.raw", array), ">i2", (3, 4))
    for name in ("shape", "dtype", "ndim", "size", "nbytes"):
        assert getattr(raw, name) == getattr(array, name)
    assert len(raw) == 3
    assert raw.layout == Layout.dense(">i2", (3, 4))
    same(np.asarray(raw), array)
    same(np.asarray(raw, "f4"), array.astype("f4"))
    assert "a.raw" in repr(raw)


def test_native_arrays_are_native(tmp_path: Path) -> None:
    array = np.arange(12, dtype=">i2").reshape(3, 4)
    source = open_source(write(tmp_path / "a.raw", array))
    layout = Layout.dense(">i2", (3, 4))
    raw = RawArray.of(Files.single(source), layout, native(layout.dtype))
    assert raw.dtype.isnative
    keys: list[Any] = [0, (slice(None), 1), (1, 1), ([0, 1], [1, 0])]
    for key in keys:
        assert raw[key].dtype.isnative
        np.testing.assert_array_equal(raw[key], array[key])


class Key(NamedTuple):
    y: int
    x: int


def test_named_tuples_are_tuples(tmp_path: Path) -> None:
    array = np.arange(20).reshape(4, 5)
    raw = RawArray(write(tmp_path / "a.raw", array), "i8", (4, 5))
    key = Key(1, 2)
    same(raw[key], array[key])
    assert raw.layout[key].shape == ()


@pytest.mark.parametrize("key", [([], [6]), (..., np.zeros(0, int), [9]), ([[]], 1, [9])])
def test_positions_that_pick_nothing_may_be_out_of_bounds(tmp_path: Path, key: Any) -> None:
    array = np.zeros((4, 3, 2))
    raw = RawArray(write(tmp_path / "a.raw", array), "f8", array.shape)
    same(raw[key], array[key])
    with pytest.raises(IndexError):
        raw[[], 9]


@pytest.mark.parametrize("key", [np.s_[::0], np.s_[1.0:2], [[1, 2], [1]], (0, [[1], [1, 2]])])
def test_what_numpy_refuses_otherwise_is_an_index_error(tmp_path: Path, key: Any) -> None:
    raw = RawArray(write(tmp_path / "a.raw", np.zeros((4, 3))), "f8", (4, 3))
    with pytest.raises(IndexError):
        raw[key]
    if isinstance(key, slice):
        with pytest.raises(IndexError):
            raw.layout[key]


GAPPED = np.dtype([("a", "<i2"), ("b", ">f4"), ("c", "u1", (3,))], align=True)


def records_in(path: Path, dtype: np.dtype = GAPPED) -> np.ndarray:
    raw = (np.arange(dtype.itemsize * 6) * 37 % 120).astype("u1")
    path.write_bytes(raw.tobytes())
    return raw.view(dtype).reshape(2, 3)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("a", 5),
        ("b", np.nan),
        ("c", [[[1, 2, 3]], [[4, 5, 6]]]),
        (["a", "c"], (7, 8)),
        ((0, 1), (1, 2.5, [3, 4, 5])),
        (([1, 0], [0, 2]), np.zeros(2, GAPPED)),
        (np.s_[:, ::2], np.ones((2, 2), GAPPED)),
    ],
)
def test_assignment_to_fields_leaves_the_bytes_between_alone(
    tmp_path: Path, key: Any, values: Any
) -> None:
    path = tmp_path / "a.raw"
    array = records_in(path)
    held = np.zeros(GAPPED.itemsize, bool)
    for name in GAPPED.names or ():
        fields: Any = GAPPED.fields
        inner, start = fields[name][:2]
        held[start : start + inner.itemsize] = True
    before = array.reshape(-1).view("u1").reshape(6, -1).copy()
    RawArray(path, GAPPED, (2, 3), mode="r+")[key] = values
    array[key] = values
    after = np.fromfile(path, "u1").reshape(6, -1)
    np.testing.assert_array_equal(
        after[:, held], array.reshape(-1).view("u1").reshape(6, -1)[:, held]
    )
    np.testing.assert_array_equal(after[:, ~held], before[:, ~held])


@pytest.mark.parametrize(
    "dtype",
    [
        GAPPED,
        GAPPED[["c", "a"]],
        np.dtype({"names": ["x", "y"], "formats": ["<i4", "<i2"], "offsets": [0, 2]}),
        np.dtype([(("title", "t"), "u1")]),
        np.dtype([(f"field{i}", "<f4") for i in range(20)]),
        np.dtype("<M8[25us]"),
    ],
)
def test_any_plain_dtype_can_be_sent_named_and_shown(tmp_path: Path, dtype: np.dtype) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(dtype.itemsize))
    raw = RawArray(path, dtype, 1)
    assert len(pickle.dumps(raw)) < 1000
    again = pickle.loads(pickle.dumps(raw))
    assert again.dtype == dtype
    assert dask.base.tokenize(again) == dask.base.tokenize(raw)
    assert "a.raw" in repr(raw)


def test_titles_and_arrays_of_names_pick_fields(tmp_path: Path) -> None:
    dtype = np.dtype([(("title", "t"), "u1"), ("v", "u1")])
    array = records_in(tmp_path / "a.raw", dtype)
    raw = RawArray(tmp_path / "a.raw", dtype, (2, 3))
    same(raw["title"], array["title"])
    same(raw[np.array(["v"])], array[np.array(["v"])])


def test_long_paths_pickle_once(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 200) / ("y" * 200)
    folder.mkdir(parents=True)
    raw = RawArray(write(folder / "a.raw", np.zeros(3)), "f8", 3)
    assert len(pickle.dumps(raw)) < 1000


def test_cloudpickle_takes_along_no_code(tmp_path: Path) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    raw = RawArray(write(tmp_path / "a.raw", np.zeros(3)), "f8", 3)
    assert len(cloudpickle.dumps(raw)) < 1000
    assert b"array.py" not in cloudpickle.dumps(raw)


def test_scattered_assignment_leaves_holes_holes(tmp_path: Path) -> None:
    path = tmp_path / "sparse.raw"
    with path.open("wb") as file:
        file.truncate(2**34)
    raw = RawArray(path, "u1", (2**10, 2**24), mode="r+")
    raw[[0, -1], [0, -1]] = 7
    raw[:, 5] = 9
    assert raw[0, 0] == raw[-1, -1] == 7
    assert (raw[:, 5] == 9).all()
    assert path.stat().st_blocks * 512 < 2**24


def test_copies_are_copies(tmp_path: Path) -> None:
    array = np.zeros(2**21, "u1")
    path = write(tmp_path / "a.raw", array)
    copied = np.array(RawArray(path, "u1", array.shape, access="map"))
    with path.open("r+b") as file:
        file.write(b"\1" * 100)
    assert not copied.any()


def test_tokens_follow_what_an_array_writes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.raw", np.zeros(3))
    raw = RawArray(path, "f8", 3, mode="r+")
    before = dask.base.tokenize(raw)
    raw[0] = 1
    os.utime(path, ns=(5, 5))  # the clock of some file systems is slow
    assert dask.base.tokenize(raw) != before


def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    path = write(tmp_path / "a.raw", np.zeros(2**20, "u1"))
    code = f"""
import resource, signal
from rawmmap import RawArray
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
raw = RawArray({str(path)!r}, "u1", 2**20, mode="r+")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    raw[500:2000] = 1
except OSError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "while writing bytes 500 to 2000" in ran.stdout
    assert str(path) in ran.stdout


def test_writing_by_positions_survives_a_file_that_shrinks(tmp_path: Path) -> None:
    array = np.zeros((64, 4096), "u1")
    path = write(tmp_path / "a.raw", array)
    raw = RawArray(path, "u1", array.shape, mode="r+", access="read")
    raw[:, ::2] = 1
    array[:, ::2] = 1
    assert path.read_bytes() == array.tobytes()
    os.truncate(path, 100)
    with pytest.raises(OSError, match="shrank"):
        raw[:, ::2] = 2


@pytest.mark.parametrize("access", ACCESS)
def test_another_file_in_the_place_of_the_file_is_an_os_error(tmp_path: Path, access: Any) -> None:
    path = write(tmp_path / "a.raw", np.zeros(3))
    raw = RawArray(path, "f8", 3, access=access, mode="r+")
    os.replace(write(tmp_path / "b.raw", np.ones(3)), path)
    for key in (0, [0, 1], ...):
        with pytest.raises(OSError, match=r"another file.*open it again.*a\.raw"):
            raw[key]
    with pytest.raises(OSError, match="another file"):
        raw[0] = 5
    np.testing.assert_array_equal(np.fromfile(path), np.ones(3))


def test_a_pipe_in_the_place_of_the_file_does_not_hang(tmp_path: Path) -> None:
    path = write(tmp_path / "a.raw", np.zeros(3))
    raw = RawArray(path, "f8", 3)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match=r"a\.raw"):
        raw[0]


def test_iteration_is_numpys(tmp_path: Path) -> None:
    path = write(tmp_path / "a.raw", np.arange(3.0))
    assert list(RawArray(path, "f8", 3)) == [0, 1, 2]
    with pytest.raises(TypeError):
        list(RawArray(path, "f8", ()))


def test_local_names_may_look_like_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a::b.raw", np.arange(3.0))
    assert RawArray(path, "f8", 3)[2] == 2
    assert RawArray(str(path), "f8", 3)[2] == 2


def test_nothing_stays_open(tmp_path: Path) -> None:
    raw = RawArray(write(tmp_path / "a.raw", np.arange(1e6)), "f8", (1_000_000,), access="read")
    before = os.listdir("/proc/self/fd")
    raw[5], raw[:], raw[[1, 2]]
    assert os.listdir("/proc/self/fd") == before


def test_threads_share_one_array(tmp_path: Path) -> None:
    array = np.arange(400_000, dtype="f8").reshape(40, 10_000)
    raw = RawArray(write(tmp_path / "a.raw", array), "f8", array.shape)
    wrong: list[int] = []

    def work(i: int) -> None:
        for j in range(50):
            wrong.extend(np.flatnonzero(raw[(i + j) % 40] != array[(i + j) % 40]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("access", ["map", "read", "auto"])
@pytest.mark.parametrize("step", [2**60, 2**62, 2**63 - 1, -(2**63)])
def test_huge_steps(tmp_path: Path, access: Any, step: int) -> None:
    array = np.arange(12, dtype="<i4").reshape(3, 4)
    (tmp_path / "a").write_bytes(array.tobytes())
    lazy = RawArray(tmp_path / "a", "<i4", (3, 4), access=access)
    for key in (
        np.s_[::step],
        np.s_[:, ::step],
        np.s_[1::step, 1::step],
        np.s_[[0, 2], ::step],
        np.s_[::step, [1, 3]],
    ):
        np.testing.assert_array_equal(lazy[key], array[key])


@pytest.mark.parametrize("key", [4, (0, 9), [9], "a", 1.5, (0, 0, 0), [[True]]])
def test_a_refused_key_names_the_file(tmp_path: Path, key: Any) -> None:
    path = write(tmp_path / "a.raw", np.zeros((4, 3)))
    raw = RawArray(path, "f8", (4, 3), mode="r+")
    with pytest.raises(IndexError, match=r"a\.raw: "):
        raw[key]
    with pytest.raises(IndexError, match=r"a\.raw: "):
        raw[key] = 1


def test_what_is_not_a_path_or_a_layout(tmp_path: Path) -> None:
    path = write(tmp_path / "a.raw", np.zeros((4, 3)))
    with path.open("rb") as file:
        for url in (3, None, file):
            with pytest.raises(TypeError, match=f"path or URL is needed, not {type(url).__name__}"):
                RawArray(url, "f8", (4, 3))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"a\.raw: layout must be a rawmmap\.Layout"):
        RawArray.from_layout(path, (4, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 7, 8, 40, 69])
def test_records_of_many_fields_pickle_as_a_description(tmp_path: Path, count: int) -> None:
    dtype = np.dtype([(f"channel_{i}", ">f4", (2,)) for i in range(count)])
    array = np.arange(count * 6, dtype=">f4").view(dtype)
    raw = RawArray(write(tmp_path / "a.raw", array), dtype, 3)
    assert len(pickle.dumps(raw)) < 1000
    again = pickle.loads(pickle.dumps(raw))
    assert again.dtype == dtype
    same(again[1:], array[1:])
    assert pickle.loads(pickle.dumps(raw.layout)) == raw.layout
