"""Flushing, advice and residency: which pages they act on, and what they refuse."""

from __future__ import annotations

import errno
import io
import mmap
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.mapping import PAGE, _system

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux numbers")
ADVICE = [
    "normal",
    "random",
    "sequential",
    "willneed",
    "dontneed",
    "hugepage",
    "nohugepage",
    "populate_read",
    "populate_write",
]


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A file of 16 pages and a half."""
    path = tmp_path / "pages"
    path.write_bytes(np.random.default_rng(3).bytes(16 * PAGE + PAGE // 2))
    return path


def pages_of(a: Any, base: int) -> set[int]:
    """Return the pages that hold any byte of an array, byte by byte."""
    address = a.__array_interface__["data"][0]
    starts = np.zeros((), np.int64) + address - base
    for n, step in zip(a.shape, a.strides, strict=True):
        starts = starts[..., None] + np.arange(n) * step
    held = starts.ravel()[:, None] + np.arange(a.itemsize)
    return set(np.unique(held // PAGE).tolist())


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[range]:
    """Collect which pages are flushed, and do so."""
    calls: list[range] = []
    sync = _system.sync

    def record(window: mmap.mmap, start: int, stop: int, base: int, *, wait: bool) -> None:
        assert start % PAGE == stop % PAGE == 0
        calls.append(range(start // PAGE, stop // PAGE))
        sync(window, start, stop, base, wait=wait)

    monkeypatch.setattr(_system, "sync", record)
    return calls


KEYS: dict[str, Callable[[Any], Any]] = {
    "all": lambda a: a,
    "one byte": lambda a: a[PAGE : PAGE + 1],
    "across a border": lambda a: a[PAGE - 1 : PAGE + 1],
    "every third page": lambda a: a[:: 3 * PAGE],
    "backwards": lambda a: a[:: -3 * PAGE],
    "two far apart": lambda a: a[5 :: 9 * PAGE],
    "nothing": lambda a: a[3:3],
    "overlapping": lambda a: np.lib.stride_tricks.sliding_window_view(a, 3 * PAGE)[::PAGE],
    "broadcast": lambda a: np.broadcast_to(a[::PAGE], (3, 17)),
    "last": lambda a: a[-1:],
}


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
@pytest.mark.parametrize("wait", [True, False])
def test_flush_acts_on_the_pages_of_the_view_alone(
    pages: Path, synced: list[range], key: Callable[[Any], Any], wait: bool
) -> None:
    a = rawmmap.mmap(pages, mode="r+")
    view = key(a)
    rawmmap.flush(view, wait=wait)
    flat = [page for call in synced for page in call]
    assert len(flat) == len(set(flat))
    assert set(flat) == (pages_of(view, a.ctypes.data) if view.size else set())


@given(
    offset=st.integers(0, 3 * PAGE),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 700)),
    steps=st.tuples(*[st.sampled_from([1, 2, 3, -1, -2])] * 3),
    axes=st.permutations(range(3)),
    dtype=st.sampled_from(["u1", "<u4", "V13"]),
)
def test_flush_of_any_slice(
    tmp_path: Path,
    offset: int,
    shape: tuple[int, ...],
    steps: tuple[int, ...],
    axes: list[int],
    dtype: str,
) -> None:
    called: list[int] = []

    def record(window: mmap.mmap, start: int, stop: int, base: int, *, wait: bool) -> None:
        called.extend(range(start // PAGE, stop // PAGE))

    a = rawmmap.mmap(tmp_path / "any", dtype, shape, offset, mode="w+", grow="sparse")
    view = a[tuple(slice(None, None, step) for step in steps)].transpose(axes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_system, "sync", record)
        rawmmap.flush(view)
    base = a.__array_interface__["data"][0] // PAGE * PAGE
    assert sorted(called) == sorted(set(called))
    assert set(called) == pages_of(view, base)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("mode", ["r", "r+", "w+", "c"])
def test_flush_is_for_what_reaches_the_file(pages: Path, mode: Any, shared: bool) -> None:
    a = rawmmap.mmap(pages, "u1", 100, mode=mode, shared=shared)
    if mode in ("r+", "w+") and shared:
        rawmmap.flush(a)
        rawmmap.mapping_of(a).flush(wait=False)
        return
    says = f"cannot flush.*{pages.name}.*r\\+"
    with pytest.raises(io.UnsupportedOperation, match=says):
        rawmmap.flush(a)
    with pytest.raises(io.UnsupportedOperation, match=says):
        rawmmap.mapping_of(a).flush()


def test_flushed_bytes_reach_the_disk(tmp_path: Path) -> None:
    """Seen past the page cache, through a direct read."""
    size = 4 * 4096
    a = rawmmap.mmap(tmp_path / "file", "u1", size, mode="w+")
    a[:] = np.arange(size) % 251
    rawmmap.flush(a)
    try:
        fd = os.open(tmp_path / "file", os.O_RDONLY | os.O_DIRECT)
    except (OSError, AttributeError):
        pytest.skip("no direct reads here")
    with mmap.mmap(-1, size) as buffer:
        os.preadv(fd, [buffer], 0)
        assert buffer[:] == (np.arange(size) % 251).astype("u1").tobytes()
    os.close(fd)


def test_other_arrays_cannot_be_flushed_or_advised() -> None:
    for other in (np.zeros(3), b"abc", None):
        with pytest.raises(ValueError, match="not a view"):
            rawmmap.flush(other)
        with pytest.raises(ValueError, match="not a view"):
            rawmmap.advise(other, "random")
        with pytest.raises(ValueError, match="not a view"):
            rawmmap.resident(other)


def test_empty_arrays_need_nothing(pages: Path) -> None:
    a = rawmmap.mmap(pages, "u1", 0, mode="r+")
    rawmmap.flush(a)
    rawmmap.advise(a, "random")
    assert rawmmap.resident(a) == 1.0


@pytest.mark.parametrize("shape", [0, (0, 3), (2, 0)])
def test_empty_arrays_of_others_are_refused(pages: Path, shape: Any) -> None:
    for ours in (
        rawmmap.mmap(pages, "<f4", shape, order="F"),
        rawmmap.anonymous("<f4", shape)[...],
        rawmmap.mmap(pages)[3:3],
    ):
        rawmmap.advise(ours, "random")
        assert rawmmap.resident(ours) == 1.0
    other = np.zeros(shape, "<f4")
    for call in (rawmmap.flush, rawmmap.resident, rawmmap.mapping_of):
        with pytest.raises(ValueError, match="not a view"):
            call(other)
    with pytest.raises(ValueError, match="not a view"):
        rawmmap.advise(other, "random")


def test_flush_takes_what_is_registered() -> None:
    class Many:
        pass

    seen: list[bool] = []

    def flush_many(many: Many, *, wait: bool = True) -> None:
        seen.append(wait)

    rawmmap.flush.register(Many, flush_many)
    rawmmap.flush(Many(), wait=False)
    assert seen == [False]


class TestAdvice:
    """Words for the system."""

    @linux
    @pytest.mark.parametrize("advice", ADVICE)
    @pytest.mark.parametrize("shared", [True, False])
    def test_no_advice_changes_a_value(self, pages: Path, advice: str, shared: bool) -> None:
        a = rawmmap.mmap(pages, mode="r+", shared=shared)
        a[5:9] = 1
        before = a.tobytes()
        try:
            rawmmap.advise(a, advice)
            rawmmap.advise(a[7 * PAGE + 1 :: 3 * PAGE], advice)
            rawmmap.mapping_of(a).advise(advice)
        except NotImplementedError:
            assert "hugepage" in advice or "populate" in advice
        assert a.tobytes() == before

    @linux
    @pytest.mark.parametrize("advice", ADVICE)
    @pytest.mark.parametrize("shared", [True, False])
    def test_nor_in_memory_without_a_file(self, advice: str, shared: bool) -> None:
        a = rawmmap.anonymous("u1", 5 * PAGE, shared=shared)
        a[:] = 7
        try:
            rawmmap.advise(a, advice)
        except NotImplementedError:
            assert "hugepage" in advice or "populate" in advice
        dropped = advice == "dontneed" and not shared
        assert (a == (0 if dropped else 7)).all()

    @linux
    def test_private_memory_gives_its_pages_back(self) -> None:
        a = rawmmap.anonymous("u1", 8 * PAGE, shared=False)
        a[:] = 7
        rawmmap.advise(a, "nohugepage")
        rawmmap.advise(a[2 * PAGE : 4 * PAGE], "dontneed")
        assert rawmmap.resident(a) == 6 / 8
        assert a.tobytes() == b"\7" * (2 * PAGE) + bytes(2 * PAGE) + b"\7" * (4 * PAGE)

    @pytest.mark.parametrize("advice", ["", "WILLNEED", "free", "cold", 3])
    def test_unknown_words(self, pages: Path, advice: Any) -> None:
        for array in (rawmmap.mmap(pages), rawmmap.mmap(pages, "u1", 0)):
            with pytest.raises(ValueError, match="normal, random"):
                rawmmap.advise(array, advice)

    def test_words_that_this_system_lacks(
        self, pages: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(_system.ADVICE, "hugepage", None)
        monkeypatch.setitem(_system.ADVICE, "nohugepage", 9999)
        for advice in ("hugepage", "nohugepage"):
            with pytest.raises(NotImplementedError, match=advice):
                rawmmap.advise(rawmmap.mmap(pages), advice)

    def test_writing_needs_a_writable_map(self, pages: Path) -> None:
        with pytest.raises(io.UnsupportedOperation, match="read-only"):
            rawmmap.advise(rawmmap.mmap(pages), "populate_write")

    @linux
    @pytest.mark.parametrize("advice", ["populate_read", "populate_write"])
    def test_populating_a_file_that_was_cut_short(
        self, pages: Path, python: Any, advice: str
    ) -> None:
        code = f"""
import os, sys, rawmmap
a = rawmmap.mmap(sys.argv[1], mode="r+")
os.truncate(sys.argv[1], {2 * PAGE})
rawmmap.advise(a[:{2 * PAGE}], {advice!r})
try:
    rawmmap.advise(a, {advice!r})
except OSError as error:
    print(error.errno, error.filename == sys.argv[1], "cut short" in str(error))
"""
        assert python(code, pages) == f"{errno.EFAULT} True True"

    @linux
    def test_pages_come_into_memory(self, tmp_path: Path) -> None:
        a = rawmmap.mmap(tmp_path / "sparse", "u1", 64 * PAGE, mode="w+", grow="sparse")
        assert rawmmap.resident(a) == 0.0
        rawmmap.advise(a, "random")
        rawmmap.advise(a[3 * PAGE : 5 * PAGE], "populate_read")
        assert rawmmap.resident(a[: 16 * PAGE]) == 2 / 16
        rawmmap.advise(a[:: 32 * PAGE], "populate_write")
        assert rawmmap.resident(a[:: 32 * PAGE]) == 1.0
        assert rawmmap.mapping_of(a).resident() == 4 / 64


@linux
def test_resident_counts_each_page_once(tmp_path: Path) -> None:
    a = rawmmap.mmap(tmp_path / "sparse", "u1", 12 * PAGE, mode="w+", grow="sparse")
    rawmmap.advise(a, "random")
    a[4 * PAGE] = 1
    assert rawmmap.resident(a[: 6 * PAGE]) == 1 / 6
    assert rawmmap.resident(a[4 * PAGE : 4 * PAGE + 2]) == 1.0
    assert rawmmap.resident(a[:: 2 * PAGE]) == 1 / 6
    overlapping = np.lib.stride_tricks.sliding_window_view(a, 2 * PAGE)[::PAGE]
    assert rawmmap.resident(overlapping) == 1 / 12
    assert rawmmap.resident(a[5:5]) == 1.0


def test_an_unreadable_page_is_an_error_of_flush(
    pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(_system, "sync", broken)
    with pytest.raises(OSError, match="cannot write mapped pages: Input/output") as caught:
        rawmmap.flush(rawmmap.mmap(pages, mode="r+"))
    assert caught.value.filename == str(pages)


@pytest.mark.parametrize("advice", ["often", None, []])
def test_unknown_advice_names_the_file(pages: Path, advice: Any) -> None:
    a = rawmmap.mmap(pages)
    with pytest.raises(ValueError, match="is not one of normal, random") as caught:
        rawmmap.advise(a, advice)
    assert str(pages) in str(caught.value)
