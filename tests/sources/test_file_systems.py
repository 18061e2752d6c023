"""File systems of other packages: those that tell nothing of a file, and asynchronous ones."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.memory import MemoryFileSystem

import rawmmap
from rawmmap import RawArray, from_raw

ARRAY = np.arange(60, dtype="<i4").reshape(5, 12)


class QuietFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """Tells names and sizes alone."""

    protocol = "quiet"
    store: dict[str, Any] = {}  # noqa: RUF012 - as in the class it extends
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = MemoryFileSystem._strip_protocol(path.removeprefix("quiet://"))
        return stripped

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return _without_times(super().info(path, **kwargs))

    def find(self, path: str, **kwargs: Any) -> Any:
        found = super().find(path, **{**kwargs, "detail": True})
        return {name: _without_times(info) for name, info in found.items()}


def _without_times(info: dict[str, Any]) -> dict[str, Any]:
    return {key: info[key] for key in ("name", "size", "type")}


class FlakyFileSystem(AsyncFileSystem):  # type: ignore[misc]
    """Asynchronous, with a version of each file; `fault` changes its answers."""

    protocol = "flaky"
    cachable = False
    files: dict[str, bytes] = {}  # noqa: RUF012 - shared by all instances, as a server is
    versions: dict[str, int] = {}  # noqa: RUF012
    calls: list[str] = []  # noqa: RUF012
    fault: Any = staticmethod(lambda data: data)

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        self.calls.append("info")
        if path not in self.files:
            raise FileNotFoundError(path)
        version = self.versions.get(path, 0)
        return {"name": path, "size": len(self.files[path]), "type": "file", "mtime": version}

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        self.calls.append("cat")
        data: bytes = type(self).fault(self.files[path][start:end])
        return data


@pytest.fixture
def quiet() -> Iterator[Any]:
    fsspec.register_implementation("quiet", QuietFileSystem, clobber=True)
    fs = fsspec.filesystem("quiet")
    fs.store.clear()
    yield fs
    fs.store.clear()


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> type[FlakyFileSystem]:
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    for name in ("files", "versions"):
        monkeypatch.setattr(FlakyFileSystem, name, {})
    monkeypatch.setattr(FlakyFileSystem, "calls", [])
    monkeypatch.setattr(FlakyFileSystem, "fault", staticmethod(lambda data: data))
    return FlakyFileSystem


def test_tokens_are_never_equal_where_nothing_is_told(quiet: Any) -> None:
    quiet.pipe("/a.bin", ARRAY.tobytes())
    url = "quiet://a.bin"
    raw = RawArray(url, "<i4", ARRAY.shape)
    again = RawArray(url, "<i4", ARRAY.shape)
    assert raw.__dask_tokenize__() == raw.__dask_tokenize__()
    assert pickle.loads(pickle.dumps(raw)).__dask_tokenize__() == raw.__dask_tokenize__()
    assert again.__dask_tokenize__() != raw.__dask_tokenize__()
    names = {from_raw([url, url], "<i4", ARRAY.shape).name for _ in range(3)}
    names |= {from_raw("quiet://{n}.bin", "<i4", ARRAY.shape).name for _ in range(3)}
    assert len(names) == 6
    np.testing.assert_array_equal(raw[2], ARRAY[2])
    quiet.pipe("/a.bin", ARRAY[:4].tobytes())
    with pytest.raises(OSError, match=r"ends at byte 192;.*quiet://a\.bin"):
        raw[0]


def test_series_where_nothing_is_told(quiet: Any) -> None:
    for n, row in enumerate(ARRAY):
        quiet.pipe(f"/run/{n}.bin", row.tobytes())
    ds = xr.open_dataset("quiet://run/{n:d}.bin", engine="rawmmap", dtype="<i4", shape=12, dims="x")
    np.testing.assert_array_equal(ds["data"][:3], ARRAY[:3])
    quiet.rm("/run/3.bin")
    assert rawmmap.refresh(ds)["n"].values.tolist() == [0, 1, 2, 4]
    with pytest.raises(FileNotFoundError, match=r"3\.bin"):
        ds["data"].load()


def test_asynchronous_file_systems(flaky: type[FlakyFileSystem]) -> None:
    flaky.files["a.bin"] = ARRAY.tobytes()
    raw = RawArray("flaky://a.bin", "<i4", ARRAY.shape)
    flaky.calls.clear()
    np.testing.assert_array_equal(raw[1:4, ::5], ARRAY[1:4, ::5])
    assert flaky.calls == ["cat", "info"]
    flaky.versions["a.bin"] = 1
    with pytest.raises(OSError, match="another file"):
        raw[0]
    x = from_raw(["flaky://a.bin"] * 2, "<i4", ARRAY.shape)
    np.testing.assert_array_equal(x[1].compute(scheduler="sync"), ARRAY)


@pytest.mark.parametrize("fault", ["short", "long", "none", "error", "changed"])
def test_wrong_answers_of_asynchronous_file_systems(
    flaky: type[FlakyFileSystem], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    flaky.files["a.bin"] = ARRAY.tobytes()
    raw = RawArray("flaky://a.bin", "<i4", ARRAY.shape)

    def answer(data: bytes) -> bytes:
        if fault == "error":
            raise ValueError("what is this?")
        if fault == "changed":
            flaky.versions["a.bin"] = 1  # while the bytes are on their way
        return {"short": data[:-1], "long": data + b"\0", "none": b""}.get(fault, data)

    monkeypatch.setattr(flaky, "fault", staticmethod(answer))
    with pytest.raises(OSError, match=r"flaky://a\.bin"):
        raw[0]
