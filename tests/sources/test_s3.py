"""Objects of S3, on moto's server."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap import RawArray, from_raw
from tests.servers import Request, S3Server

s3fs = pytest.importorskip("s3fs")

ARRAY = np.random.default_rng(3).integers(0, 255, (40, 50, 60), "u1")
KEYWORDS: Any = {"dtype": "u1", "shape": (-1, 50, 60), "dims": ("t", "y", "x")}


@pytest.fixture
def bucket(s3_server: S3Server) -> Iterator[Any]:
    """Return a new bucket: its URL, its file system and the server."""
    fs = s3fs.S3FileSystem(**s3_server.options)
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    fs.mkdir(name)
    fs.pipe(f"{name}/a.raw", ARRAY.tobytes())
    s3_server.requests.clear()
    yield f"s3://{name}", fs, s3_server
    s3_server.fault = lambda _: None
    fs.rm(name, recursive=True)


def test_ranges_of_a_selection(bucket: Any) -> None:
    url, _, server = bucket
    raw = RawArray(f"{url}/a.raw", "u1", ARRAY.shape, storage_options=server.options)
    server.requests.clear()
    np.testing.assert_array_equal(raw[3:6, 10:20, 7], ARRAY[3:6, 10:20, 7])
    assert [r.method for r in server.requests] == ["GET"]
    assert [r.range for r in server.requests] == [(3 * 3000 + 607, 5 * 3000 + 1148)]
    again = pickle.loads(pickle.dumps(raw))
    np.testing.assert_array_equal(again[[1, 30], :, [2, 3]], ARRAY[[1, 30], :, [2, 3]])


def test_every_way_in(bucket: Any) -> None:
    url, fs, server = bucket
    options = server.options
    path = f"{url}/a.raw"
    ds = xr.open_dataset(path, engine="rawmmap", chunks={}, storage_options=options, **KEYWORDS)
    np.testing.assert_array_equal(ds["data"].compute(scheduler="sync"), ARRAY)
    x = from_raw(path, "u1", ARRAY.shape, storage_options=options)
    np.testing.assert_array_equal(x[:, 4].compute(scheduler="sync"), ARRAY[:, 4])
    raw = rawmmap.open(path, storage_options=options, **KEYWORDS)
    np.testing.assert_array_equal(raw["data"].data[::7], ARRAY[::7])
    fs.pipe(f"{path}.json", b'{"rawmmap": 1, "variables": {"v": {"dtype": "u1", "dims": ["n"]}}}')
    with pytest.raises(ValueError, match="shape"):
        rawmmap.open(path, storage_options=options)
    fs.pipe(
        f"{path}.json",
        b'{"rawmmap": 1, "variables": {"v": {"dtype": "u1", "dims": ["n"], "shape": [5]}}}',
    )
    for name in (path, f"{path}.json"):
        found = rawmmap.open(name, storage_options=options)
        assert found["v"].data[:].tolist() == ARRAY.ravel()[:5].tolist()


def test_series(bucket: Any) -> None:
    url, fs, server = bucket
    for t, frame in enumerate(ARRAY):
        fs.pipe(f"{url}/run/{t // 10}/u-{t:03d}.bin", frame.tobytes())
    pattern = f"{url}/run/{{tens}}/u-{{t:03d}}.bin"
    keywords: Any = {"dtype": "u1", "shape": (50, 60), "dims": ("y", "x")}
    server.requests.clear()
    ds = xr.open_dataset(
        pattern,
        engine="rawmmap",
        storage_options=server.options,
        missing="fill",
        fill_value=0,
        **keywords,
    )
    assert not [r for r in server.requests if "u-0" in r.path]
    for tens in range(4):
        part = ds["data"].sel(tens=tens, t=slice(10 * tens, 10 * tens + 9))
        np.testing.assert_array_equal(part, ARRAY[10 * tens : 10 * tens + 10])
    fs.pipe(f"{url}/run/0/u-003.bin", ARRAY[5].tobytes())
    with pytest.raises(OSError, match=r"another file.*run/0/u-003\.bin"):
        ds["data"].sel(tens=0, t=3).load()
    again = rawmmap.refresh(ds)["data"].sel(tens=0, t=3)
    np.testing.assert_array_equal(again, ARRAY[5])


def test_changed_and_missing_objects(bucket: Any) -> None:
    url, fs, server = bucket
    path, options = f"{url}/a.raw", server.options
    raw = RawArray(path, "u1", ARRAY.shape, storage_options=options)
    name = from_raw(path, "u1", ARRAY.shape, storage_options=options).name
    assert from_raw(path, "u1", ARRAY.shape, storage_options=options).name == name
    fs.pipe(path, ARRAY[::-1].tobytes())
    with pytest.raises(OSError, match=r"another file.*a\.raw"):
        raw[0]
    assert from_raw(path, "u1", ARRAY.shape, storage_options=options).name != name
    fs.pipe(path, ARRAY[:1].tobytes())
    with pytest.raises(OSError, match=r"a\.raw"):
        raw[3]
    with pytest.raises(ValueError, match="120000 bytes are needed"):
        RawArray(path, "u1", ARRAY.shape, storage_options=options)
    fs.rm(path)
    with pytest.raises(FileNotFoundError, match=r"a\.raw"):
        raw[0]
    with pytest.raises(FileNotFoundError, match=r"a\.raw"):
        RawArray(path, "u1", ARRAY.shape, storage_options=options)


@pytest.mark.parametrize("status", [400, 403, 404, "whole"])
def test_failed_answers_are_os_errors(bucket: Any, status: int | str) -> None:
    url, _, server = bucket
    raw = RawArray(f"{url}/a.raw", "u1", ARRAY.shape, storage_options=server.options)

    def fault(request: Request) -> int | str | None:
        return status if request.range is not None else None

    server.fault = fault
    with pytest.raises(OSError, match=r"a\.raw") as caught:
        raw[0]
    shown = f"{caught.value} {caught.value!r} {raw!r} {raw.files!r}"
    assert "test-secret" not in shown
    assert "test-key-id" not in shown
    server.fault = lambda _: None
    np.testing.assert_array_equal(raw[0], ARRAY[0])


def test_the_file_system_tries_again(bucket: Any) -> None:
    url, _, server = bucket
    options = {**server.options, "config_kwargs": {"retries": {"total_max_attempts": 3}}}
    raw = RawArray(f"{url}/a.raw", "u1", ARRAY.shape, storage_options=options)
    failures = iter([500])

    def fault(request: Request) -> int | None:
        return next(failures, None) if request.range is not None else None

    server.fault = fault
    np.testing.assert_array_equal(raw[0], ARRAY[0])
    assert next(failures, None) is None
