"""Views of maps: how long they live, and which map is behind them."""

from __future__ import annotations

import gc
import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap
from rawmmap.errors import ShrunkFileError
from rawmmap.mapping import GRANULARITY, _window, advise_window, map_window

#: Ways to look at a (4, 6) array of "<i4".
VIEWS: dict[str, Callable[..., Any]] = {
    "itself": lambda a: a,
    "slice": lambda a: a[1:3, ::2],
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1],
    "reinterpreted": lambda a: a.view("u1"),
    "record": lambda a: a.view([("x", "<i4"), ("y", "<i4")])["y"],
    "flat": lambda a: a.reshape(-1),
    "empty": lambda a: a[:0],
    "no bytes at all": lambda a: a[2:2, 3:3],
    "scalar": lambda a: a[1, 2, ...],
    "memoryview": memoryview,
    "array of memoryview": lambda a: np.asarray(memoryview(a)),
    "frombuffer": lambda a: np.frombuffer(a, "u1"),
    "frombuffer of memoryview": lambda a: np.frombuffer(memoryview(a), "u1", 4, 4),
    "ndarray of memoryview": lambda a: np.ndarray((4,), "u1", memoryview(a)),
    "strided": lambda a: np.lib.stride_tricks.as_strided(a, (3,), (4,)),
    "windows": lambda a: np.lib.stride_tricks.sliding_window_view(a, (2, 2)),
    "broadcast": lambda a: np.broadcast_to(a, (2, 4, 6)),
    "subclass": lambda a: a.view(np.recarray),
    "masked": lambda a: np.ma.masked_array(a).data,
    "chain": lambda a: np.frombuffer(np.asarray(memoryview(a))[1:], "u1")[1:],
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table"
    path.write_bytes(bytes(10) + np.arange(24, dtype="<i4").tobytes())
    return path


def is_mapped(path: Path) -> bool:
    return str(path) in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))
def test_the_map_lives_as_long_as_its_last_view(table: Path, view: Callable[[Any], Any]) -> None:
    seen = view(rawmmap.mmap(table, "<i4", (4, 6), 10))
    assert is_mapped(table)
    before = np.array(seen, copy=True)
    table.unlink()
    np.testing.assert_array_equal(np.asarray(seen), before)
    del seen
    assert not is_mapped(table)


@pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))
def test_the_handle_is_found_behind_every_view(table: Path, view: Callable[[Any], Any]) -> None:
    seen = view(rawmmap.mmap(table, "<i4", (4, 6), 10))
    handle = rawmmap.mapping_of(seen)
    assert handle.layout == rawmmap.Layout.dense("<i4", (4, 6), offset=10)
    assert handle.path == str(table)
    assert handle.window == (0, 106)
    assert rawmmap.mapping_of(seen) is handle


@pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))
def test_no_view_is_left_behind_by_close_or_resize(table: Path, view: Callable[[Any], Any]) -> None:
    before = table.read_bytes()
    m = rawmmap.Mapping(table, "<i4", (4, 6), 10, mode="r+")
    seen = view(m.array)
    for attempt in (m.close, lambda: m.resize((9, 6)), lambda: m.resize((1, 6))):
        with pytest.raises(BufferError, match=f"{table.name}.*still in use"):
            attempt()
        assert not m.closed
        assert table.read_bytes() == before
        assert m.array.sum() == 276
    del seen
    m.close()
    assert m.closed
    assert not is_mapped(table)


@pytest.mark.parametrize(
    "other",
    [
        np.zeros(3),
        np.zeros(0),
        memoryview(b"abc"),
        b"abc",
        None,
        3,
        [1, 2],
        np.frombuffer(b"abcd", "u1"),
    ],
)
def test_others_have_no_handle(other: Any) -> None:
    with pytest.raises(ValueError, match=f"{type(other).__name__} is not a view"):
        rawmmap.mapping_of(other)


def test_copies_have_no_handle(table: Path) -> None:
    a = rawmmap.mmap(table)
    for copy in (a.copy(), a + 1, a[[0, 1]], np.memmap(table)):
        with pytest.raises(ValueError, match="not a view"):
            rawmmap.mapping_of(copy)


def test_handles_and_arrays_make_no_cycles(table: Path) -> None:
    """What nobody holds is gone at once, without the collector."""
    gc.disable()
    try:
        m = rawmmap.Mapping(table)
        a = m.array
        handle = weakref.ref(m)
        del m
        assert handle() is None
        assert is_mapped(table)
        rawmmap.mapping_of(a).array.sum()
        del a
        assert not is_mapped(table)
    finally:
        gc.enable()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the interpreter keeps a descriptor per map")
def test_no_descriptor_stays_open(table: Path) -> None:
    before = os.listdir("/proc/self/fd")
    arrays = [rawmmap.mmap(table) for _ in range(10)]
    assert os.listdir("/proc/self/fd") == before
    assert all(a[-1] == 0 for a in arrays)


class Foreign:
    """Shows the memory of an array, and says nothing of whose it is."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__


@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize(
    "show",
    [
        np.from_dlpack,
        lambda a: np.ctypeslib.as_array(np.ctypeslib.as_ctypes(a)),
        lambda a: np.asarray(Foreign(a)),
        lambda a: np.asarray(Foreign(a[::-1])),
    ],
)
def test_owners_that_do_not_lead_to_the_map(table: Path, show: Any, anonymous: bool) -> None:
    others = [rawmmap.mmap(table) for _ in range(3)]
    m = rawmmap.Mapping(table, mode="r+")
    whole = rawmmap.anonymous("u1", 100) if anonymous else m.array
    part = show(whole[5:50])
    assert rawmmap.mapping_of(part) is rawmmap.mapping_of(whole)
    assert rawmmap.mapping_of(part) is not rawmmap.mapping_of(others[0])
    rawmmap.flush(part)
    rawmmap.advise(part, "normal")
    assert rawmmap.resident(part) >= 0
    with pytest.raises(ValueError, match="not a view"):
        rawmmap.mapping_of(show(np.zeros(50, "u1")))


def test_dropped_maps_are_forgotten(table: Path) -> None:
    gc.collect()
    before = len(_window._LIVE)
    arrays = [rawmmap.mmap(table) for _ in range(5)]
    assert len(_window._LIVE) == before + 5
    arrays.clear()
    assert len(_window._LIVE) == before


class TestWindow:
    """`map_window`, which the rooms above read through."""

    @pytest.mark.parametrize(
        ("start", "stop"),
        [(0, 1), (5, 100), (GRANULARITY, GRANULARITY + 1), (GRANULARITY - 1, 9000)],
    )
    def test_it_shows_the_bytes(self, tmp_path: Path, start: int, stop: int) -> None:
        data = np.random.default_rng(0).bytes(9000 + GRANULARITY)
        (tmp_path / "file").write_bytes(data)
        with (tmp_path / "file").open("rb") as file:
            buffer, origin = map_window(file.fileno(), start, stop)
        assert origin % GRANULARITY == 0
        assert start - GRANULARITY < origin <= start
        assert buffer[start - origin :].tobytes() == data[start:stop]
        layout = rawmmap.Layout.dense("u1", stop - start, offset=start)
        view = layout.shifted(-origin).view(buffer)
        assert view.tobytes() == data[start:stop]
        buffer[:] = 0
        assert (tmp_path / "file").read_bytes() == data
        del buffer
        assert rawmmap.mapping_of(view).layout == layout
        assert not view.any()
        del view
        assert not is_mapped(tmp_path / "file")

    def test_shared_and_read_only_ones(self, table: Path) -> None:
        fd = os.open(table, os.O_RDWR)
        shared, _ = map_window(fd, 3, 20, shared=True, path=str(table))
        fixed, _ = map_window(fd, 3, 20, shared=True, writable=False)
        os.close(fd)
        shared[5] = 99
        assert table.read_bytes()[5] == 99 == fixed[5]
        assert not fixed.flags.writeable
        assert rawmmap.mapping_of(shared).path == str(table)
        rawmmap.flush(shared)

    def test_it_ends_with_the_file(self, table: Path) -> None:
        fd = os.open(table, os.O_RDONLY)
        with pytest.raises(ShrunkFileError, match=r"byte 107 .*ends at byte 106") as caught:
            map_window(fd, 0, 107, path=str(table))
        assert caught.value.filename == str(table)
        with pytest.raises(ValueError, match="empty"):
            map_window(fd, 5, 5)
        os.close(fd)

    def test_advice(self, table: Path) -> None:
        fd = os.open(table, os.O_RDONLY)
        buffer, _ = map_window(fd, 0, 100)
        os.close(fd)
        advise_window(buffer, "random")
        assert buffer[10:14].tobytes() == bytes(4)
