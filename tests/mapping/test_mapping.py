"""`Mapping`: what it says, closing it, and giving it another length."""

from __future__ import annotations

import copy
import errno
import io
import math
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap
from rawmmap import Layout, Mapping

BYTES = bytes(range(240))
MAJOR_LENGTHS = [0, 1, 3, 4, 5, 900, 5000]


def test_what_it_says(counted: Path) -> None:
    m = Mapping(counted, ">u2", (2, 3), 5, order="F", mode="r+")
    assert m.layout == Layout.dense(">u2", (2, 3), offset=5, order="F")
    assert (m.path, m.window, m.mode, m.shared, m.closed) == (
        str(counted),
        (0, 17),
        "r+",
        True,
        False,
    )
    assert m.array.tobytes("F") == BYTES[5:17]
    assert str(counted) in repr(m)
    assert "r+" in repr(m)


def test_defaults_are_those_of_mmap(counted: Path) -> None:
    with Mapping(counted) as m:
        assert (m.mode, m.shared, m.layout) == ("r", True, Layout.dense("u1", 240))
    with Mapping(counted, mode="c") as m:
        assert (m.mode, m.shared) == ("c", False)
        assert m.array.flags.writeable


def test_the_window_starts_at_the_granularity(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1 << 17))
    with Mapping(tmp_path / "file", "u1", 10, 70_001) as m:
        start, stop = m.window
        assert start % rawmmap.mapping.GRANULARITY == 0
        assert start <= 70_001 < start + rawmmap.mapping.GRANULARITY
        assert stop == 70_011


def test_the_array_is_one_while_it_is_held(counted: Path) -> None:
    m = Mapping(counted)
    a = m.array
    assert m.array is a
    assert rawmmap.mapping_of(a) is m


class TestClose:
    """Closing unmaps, once."""

    def test_use_afterwards(self, counted: Path) -> None:
        m = Mapping(counted, mode="r+")
        m.close()
        m.close()
        assert m.closed
        assert "closed" in repr(m)
        for use in (
            lambda: m.array,
            m.flush,
            lambda: m.advise("random"),
            m.resident,
            lambda: m.resize(10),
            m.__enter__,
        ):
            with pytest.raises(ValueError, match=f"{counted.name}.*closed"):
                use()

    def test_its_own_array_is_no_obstacle(self, counted: Path) -> None:
        with Mapping(counted, mode="r+") as m:
            m.array[0] = 5
        assert m.closed

    def test_a_variable_is_one(self, counted: Path) -> None:
        m = Mapping(counted)
        a = m.array
        with pytest.raises(BufferError, match="still in use"), m:
            pass
        assert not m.closed
        assert m.array is a
        assert a.tobytes() == BYTES

    def test_an_error_in_the_block_is_not_hidden(self, counted: Path) -> None:
        m = Mapping(counted)
        a = m.array[3:]
        with pytest.raises(KeyError), m:
            raise KeyError
        assert a[0] == 3
        assert not m.closed

    @pytest.mark.parametrize("shape", [0, (0, 3)])
    def test_empty_ones(self, counted: Path, shape: Any) -> None:
        with Mapping(counted, "u1", shape, mode="r+") as m:
            a = m.array
            m.flush()
            m.advise("random")
            assert m.resident() == 1.0
            assert a.size == 0
        assert m.closed

    def test_through_any_handle(self, counted: Path) -> None:
        a = rawmmap.mmap(counted)
        m = rawmmap.mapping_of(a)
        del a
        m.close()
        with pytest.raises(ValueError, match="closed"):
            m.array  # noqa: B018

    @pytest.mark.parametrize("shape", [0, 5])
    @pytest.mark.parametrize(
        "arguments", [{"mode": "r"}, {"mode": "c"}, {"mode": "r+", "shared": False}]
    )
    def test_nothing_to_flush_is_refused_all_the_same(
        self, counted: Path, shape: int, arguments: Any
    ) -> None:
        with Mapping(counted, "u1", shape, **arguments) as m:
            with pytest.raises(io.UnsupportedOperation, match=f"cannot flush.*{counted.name}"):
                m.flush()
            if shape:
                with pytest.raises(io.UnsupportedOperation, match="cannot flush"):
                    rawmmap.flush(m.array[:0])


@pytest.mark.parametrize("offset", [0, 10, 5000])
def test_nothing_mapped_is_no_window(counted: Path, offset: int) -> None:
    for shape in (0, (3, 0)):
        assert Mapping(counted, "u1", shape, offset).window == (offset, offset)


@pytest.mark.parametrize("double", [copy.copy, copy.deepcopy, pickle.dumps])
def test_there_is_no_second_one(counted: Path, double: Any) -> None:
    with Mapping(counted) as m, pytest.raises(TypeError, match=f"^{counted}: .*copied nor pickled"):
        double(m)


class TestResize:
    """The major axis changes in the file and in memory."""

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("offset", [0, 3, 5000])
    @pytest.mark.parametrize("before", MAJOR_LENGTHS)
    @pytest.mark.parametrize("after", MAJOR_LENGTHS)
    def test_any_length_to_any_other(
        self, tmp_path: Path, order: Any, offset: int, before: int, after: int
    ) -> None:
        def shape(n: int) -> tuple[int, ...]:
            return (n, 3) if order == "C" else (3, n)

        path = tmp_path / "file"
        path.write_bytes(b"h" * offset)
        values = np.arange(3 * before, dtype="<u2")
        with Mapping(path, "<u2", shape(before), offset, order=order, mode="r+") as m:
            m.array[:] = values.reshape(shape(before), order=order)
            m.resize(shape(after))
            assert m.layout == Layout.dense("<u2", shape(after), offset=offset, order=order)
            kept = min(before, after) * 3
            expected = np.zeros(3 * after, "<u2")
            expected[:kept] = values[:kept]
            np.testing.assert_array_equal(m.array, expected.reshape(shape(after), order=order))
            m.array[:] += 1
        written = expected + 1
        assert path.read_bytes() == b"h" * offset + written.tobytes()

    def test_one_dimension_takes_an_integer(self, counted: Path) -> None:
        with Mapping(counted, mode="r+") as m:
            m.resize(250)
            assert m.array.tobytes() == BYTES + bytes(10)
            m.resize(np.int64(5))
            assert m.array.tobytes() == BYTES[:5]
        assert counted.read_bytes() == BYTES[:5]

    def test_bytes_behind_the_map_are_not_cut_off(self, counted: Path) -> None:
        with Mapping(counted, "u1", 100, mode="r+") as m:
            m.resize(50)
            assert counted.read_bytes() == BYTES
            m.resize(200)
            assert m.array.tobytes() == BYTES[:200]
        assert counted.read_bytes() == BYTES

    @pytest.mark.parametrize(
        ("shape", "says"),
        [
            ((4, 7), "axis 1 has length 6, not 7"),
            ((-1, 6), "negative"),
            ((-4, 6), "negative"),
            (24, "2 axes"),
            ((4, 6, 1), "2 axes"),
            ((2**61, 6), "2\\*\\*63"),
        ],
    )
    def test_shapes_that_are_refused(self, counted: Path, shape: Any, says: str) -> None:
        with Mapping(counted, "u1", (4, 6), mode="r+") as m:
            with pytest.raises(ValueError, match=says):
                m.resize(shape)
            assert m.array.tobytes() == BYTES[:24]
        assert counted.read_bytes() == BYTES

    @pytest.mark.parametrize("shape", [(4, 7), (-4, 6), 24, (2**61, 6), (4.5, 6)])
    def test_errors_name_the_file(self, counted: Path, shape: Any) -> None:
        with Mapping(counted, "u1", (4, 6), mode="r+") as m:
            with pytest.raises((TypeError, ValueError), match=f"^{counted}: "):
                m.resize(shape)
            assert m.array.tobytes() == BYTES[:24]

    @pytest.mark.parametrize("opened", [False, True])
    def test_another_working_directory(
        self, counted: Path, monkeypatch: pytest.MonkeyPatch, opened: bool
    ) -> None:
        monkeypatch.chdir(counted.parent)
        if opened:
            with open(counted.name, "r+b") as file:
                m = Mapping(file, "u1", 240)
        else:
            m = Mapping(counted.name, mode="r+")
        monkeypatch.chdir("/")
        with m:
            m.resize(10)
            assert m.path == counted.name
            assert m.array.tobytes() == BYTES[:10]
        assert counted.read_bytes() == BYTES[:10]

    def test_no_axes(self, counted: Path) -> None:
        with Mapping(counted, "u1", (), mode="r+") as m:
            m.resize(())
            with pytest.raises(ValueError, match="0 axes"):
                m.resize(1)
            assert m.array[()] == 0

    @pytest.mark.parametrize(
        "arguments", [{}, {"mode": "r"}, {"mode": "c"}, {"mode": "r+", "shared": False}]
    )
    def test_maps_that_cannot_be_resized(self, counted: Path, arguments: Any) -> None:
        with Mapping(counted, **arguments) as m:
            with pytest.raises(io.UnsupportedOperation, match=f"cannot resize.*{counted.name}"):
                m.resize(300)
            assert m.array.tobytes() == BYTES

    def test_sparse_ones_stay_sparse(self, tmp_path: Path) -> None:
        with Mapping(tmp_path / "file", "u1", 5000, mode="w+", grow="sparse") as m:
            m.resize(1 << 22)
        assert (tmp_path / "file").stat().st_blocks < 1000
        with Mapping(tmp_path / "file", "u1", 1 << 22, mode="w+") as m:
            m.resize(1 << 23)
        assert (tmp_path / "file").stat().st_blocks * 512 >= 1 << 23

    def test_files_without_a_name(self) -> None:
        with tempfile.TemporaryFile() as file, Mapping(file, "u1", 10, mode="w+") as m:
            m.array[:] = 1
            m.resize(20)
            assert m.array.tobytes() == b"\1" * 10 + bytes(10)
            assert os.fstat(file.fileno()).st_size == 20

    @pytest.mark.parametrize("how", ["path", "object", "descriptor"])
    def test_a_replaced_file_is_not_mistaken(self, counted: Path, how: str) -> None:
        file = counted.open("r+b", 0)
        given: Any = {"path": counted, "object": file, "descriptor": file.fileno()}[how]
        with Mapping(given, "u1", 240, 0, mode="r+") as m:
            file.close()
            counted.rename(counted.with_suffix(".old"))
            counted.write_bytes(b"another")
            with (
                tempfile.TemporaryFile(),
                pytest.raises(OSError, match="removed or replaced") as caught,
            ):
                m.resize(10)
            assert caught.value.errno == errno.ESTALE
            assert m.array.tobytes() == BYTES
        assert counted.read_bytes() == b"another"

    def test_handles_of_arrays(self, counted: Path) -> None:
        a = rawmmap.mmap(counted, mode="r+")
        m = rawmmap.mapping_of(a)
        del a
        m.resize(300)
        a = m.array
        assert a.tobytes() == BYTES + bytes(60)
        assert rawmmap.mapping_of(a) is m

    def test_a_file_that_cannot_be_cut_leaves_the_mapping(
        self, counted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(fd: int, length: int) -> None:
            raise PermissionError(errno.EPERM, "sealed")

        with Mapping(counted, mode="r+") as m:
            monkeypatch.setattr(os, "ftruncate", refuse)
            with pytest.raises(PermissionError, match="sealed"):
                m.resize(10)
            monkeypatch.undo()
            assert m.array.tobytes() == BYTES
            m.array[0] = 50
            assert counted.read_bytes()[0] == 50
            m.resize(5)
        assert counted.stat().st_size == 5

    @pytest.mark.parametrize("after", [10, 5000])
    def test_a_map_that_fails_leaves_everything(
        self, counted: Path, after: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.ENOMEM, "no room")

        with Mapping(counted, mode="r+") as m:
            monkeypatch.setattr("rawmmap.mapping._mapping.map_file", refuse)
            with pytest.raises(OSError, match="no room"):
                m.resize(after)
            monkeypatch.undo()
            assert m.array.tobytes() == BYTES
        assert counted.read_bytes() == BYTES


def test_shapes_of_subarray_dtypes_are_given_as_before(tmp_path: Path) -> None:
    with Mapping(tmp_path / "file", ("u1", (3,)), (2, 4), order="F", mode="w+") as m:
        m.array[:] = np.arange(24).reshape(2, 4, 3)
        m.resize((2, 5))
        assert m.array.shape == (2, 5, 3)
        np.testing.assert_array_equal(m.array[:, :4], np.arange(24).reshape(2, 4, 3))
        assert math.prod(m.array.shape) == (tmp_path / "file").stat().st_size
