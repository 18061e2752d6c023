"""Files of other places, through fsspec's file system in memory."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fsspec
import numpy as np
import pytest
import xarray as xr
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from rawmmap import RawArray, from_raw
from rawmmap.access import read_layout
from rawmmap.sources.tuning import TUNING
from tests.strategies import advanced_keys, basic_keys

SHAPE = (6, 50, 40)

# Earlier releases leave the file open that they copy to.
_RELEASE = tuple(int(part) for part in fsspec.__version__.split(".")[:2])
_LEAK = "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
OLD_FSSPEC = [_LEAK] if _RELEASE < (2026, 9) else []


@pytest.fixture(scope="module")
def array() -> np.ndarray:
    return np.random.default_rng(1).random(SHAPE).astype(">f4")


@pytest.fixture(scope="module")
def url(array: np.ndarray) -> Iterator[str]:
    url = "memory://rawmmap-tests/a.raw"
    with fsspec.open(url, "wb") as file:
        file.write(b"h" * 20 + array.tobytes())
    yield url
    fsspec.filesystem("memory").rm("/rawmmap-tests", recursive=True)


@given(st.data())
def test_every_key(url: str, array: np.ndarray, data: st.DataObject) -> None:
    raw = RawArray(url, ">f4", SHAPE, offset=20)
    key = data.draw(st.one_of(basic_keys(SHAPE), advanced_keys(SHAPE)))
    try:
        expected = array[key]
    except IndexError:
        with pytest.raises(IndexError):
            raw[key]
        return
    np.testing.assert_array_equal(raw[key], expected)


@given(st.data())
def test_every_key_in_portions(url: str, array: np.ndarray, data: st.DataObject) -> None:
    """Where a selection needs much that lies between its elements, it is fetched bit by bit."""
    small = replace(TUNING, slab=data.draw(st.integers(100, 5000)))
    key = data.draw(basic_keys(SHAPE))
    raw = RawArray(url, ">f4", SHAPE, offset=20)
    layout = raw.layout[key]
    with (
        patch("rawmmap.access.TUNING", small),
        patch("rawmmap.access.plan.__defaults__", (small,)),
        patch("rawmmap.sources.remote.RemoteFile.gap", data.draw(st.integers(0, 5000))),
    ):
        values = read_layout(raw.files[0], layout, "auto")
    np.testing.assert_array_equal(values, array[key])


def test_only_what_is_selected_is_fetched(
    url: str, array: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[int] = []
    ranges = MemoryFileSystem.cat_ranges

    def noted(self: Any, paths: Any, starts: Any, ends: Any, **words: Any) -> Any:
        fetched.append(sum(ends) - sum(starts))
        return ranges(self, paths, starts, ends, **words)

    monkeypatch.setattr(MemoryFileSystem, "cat_ranges", noted)
    raw = RawArray(url, ">f4", SHAPE, offset=20)
    np.testing.assert_array_equal(raw[2], array[2])
    assert fetched == [50 * 40 * 4]
    assert pickle.loads(pickle.dumps(raw))[1, 2, 3] == array[1, 2, 3]
    assert fetched[1:] == [4]


def test_dask_and_xarray(url: str, array: np.ndarray) -> None:
    x = from_raw(url, ">f4", SHAPE, offset=20, chunks=(2, -1, -1))
    np.testing.assert_array_equal(x.compute(), array)
    ds = xr.open_dataset(
        url, engine="rawmmap", dtype=">f4", shape=(-1, 50, 40), dims=("t", "y", "x"), offset=20
    )
    np.testing.assert_array_equal(ds["data"].isel(y=3), array[:, 3])


def test_tokens_follow_the_state_that_the_place_tells(url: str, array: np.ndarray) -> None:
    before = from_raw(url, ">f4", SHAPE, offset=20).name
    assert from_raw(url, ">f4", SHAPE, offset=20).name == before
    with fsspec.open(url, "wb") as file:
        file.write(b"h" * 20 + array.tobytes())
    assert from_raw(url, ">f4", SHAPE, offset=20).name != before


@pytest.mark.filterwarnings(*OLD_FSSPEC)
def test_cached_copies_are_local_files(url: str, array: np.ndarray, tmp_path: Path) -> None:
    raw = RawArray(
        f"simplecache::{url}",
        ">f4",
        SHAPE,
        offset=20,
        storage_options={"simplecache": {"cache_storage": str(tmp_path)}},
    )
    assert Path(raw.url).parent == tmp_path
    np.testing.assert_array_equal(raw[:], array)


def test_urls_of_local_files_are_local(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(range(8)))
    raw = RawArray(f"file://{path}", "u1", 8)
    assert raw.url == str(path)
    assert raw[7] == 7


def test_short_answers_are_os_errors(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = RawArray(url, ">f4", SHAPE, offset=20)

    def short(self: Any, paths: Any, starts: Any, ends: Any, **_: Any) -> Any:
        return [b"x" * (end - start - 1) for start, end in zip(starts, ends, strict=True)]

    monkeypatch.setattr(MemoryFileSystem, "cat_ranges", short)
    with pytest.raises(OSError, match=r"byte 8020 was asked for.*ends at byte 8019"):
        raw[0]


def test_refusals(url: str) -> None:
    with pytest.raises(ValueError, match=r"memory://.*keywords"):
        xr.open_dataset(url, engine="rawmmap")
    with pytest.raises(FileNotFoundError):
        RawArray("memory://rawmmap-tests/none", "u1", 1)
    with pytest.raises(ValueError, match="48021 bytes are needed"):
        RawArray(url, "u1", 48_021)
    raw = RawArray(url, "u1", 8, mode="r+")
    with pytest.raises(OSError, match="only local files"):
        raw[0] = 1


def test_a_file_that_changed_is_refused(array: np.ndarray) -> None:
    url = "memory://rawmmap-changed/a.raw"
    fsspec.filesystem("memory").pipe(url, array.tobytes())
    raw = RawArray(url, ">f4", SHAPE)
    fsspec.filesystem("memory").pipe(url, array[::-1].tobytes())
    with pytest.raises(OSError, match=r"another file.*memory://rawmmap-changed"):
        raw[0]
    fsspec.filesystem("memory").rm("/rawmmap-changed", recursive=True)


def test_options_are_shown_nowhere(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    options = {"nested": {"token": "s3cr3t-key"}}
    raw = RawArray(url, ">f4", SHAPE, offset=20, storage_options=options)
    assert "s3cr3t" not in repr(raw) + repr(raw.files) + repr(raw.files[0])

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("bad token s3cr3t-key")

    monkeypatch.setattr(MemoryFileSystem, "cat_ranges", refuse)
    with pytest.raises(OSError, match=r"RuntimeError: bad token \*\*\*.*a\.raw") as caught:
        raw[0]
    assert caught.value.__suppress_context__


def test_several_files_are_one_request(monkeypatch: pytest.MonkeyPatch, array: np.ndarray) -> None:
    fs = fsspec.filesystem("memory")
    urls = [f"memory://rawmmap-several/{i}.raw" for i in range(len(array))]
    for url, member in zip(urls, array, strict=True):
        fs.pipe(url, member.tobytes())
    requests: list[int] = []
    ranges = MemoryFileSystem.cat_ranges

    def noted(self: Any, paths: Any, starts: Any, ends: Any, **words: Any) -> Any:
        requests.append(len(paths))
        return ranges(self, paths, starts, ends, **words)

    monkeypatch.setattr(MemoryFileSystem, "cat_ranges", noted)
    x = from_raw(urls, ">f4", SHAPE[1:], chunks=(-1, -1, -1))
    np.testing.assert_array_equal(x[:, 3, 4].compute(scheduler="sync"), array[:, 3, 4])
    np.testing.assert_array_equal(x[[0, 2]].compute(scheduler="sync"), array[[0, 2]])
    assert requests[0] == len(array)
    fs.rm("/rawmmap-several", recursive=True)


def test_an_unknown_protocol_names_the_url() -> None:
    with pytest.raises(ValueError, match=r"pigeon://a/b\.bin: .*pigeon"):
        RawArray("pigeon://a/b.bin", "u1", 3)
