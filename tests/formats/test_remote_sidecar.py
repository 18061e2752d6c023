"""Sidecars and headers of files that are far away: found beside the data, as on a disk."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.formats import sidecar

SIDECAR = (
    '{"rawmmap": 1, "variables": {"v": {"dtype": "<i2", "dims": ["y", "x"], "shape": [2, 3]}}}'
)
VALUES = np.arange(6, dtype="<i2").reshape(2, 3)


@pytest.fixture
def memory() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


@pytest.mark.parametrize("name", ["m.bin", "dir/a.bin", "dir/sub/a.b:c.bin"])
@pytest.mark.parametrize("suffix", ["", ".json"])
def test_a_sidecar_describes_the_file_beside_it(memory: Any, name: str, suffix: str) -> None:
    memory.pipe(f"/{name}", VALUES.tobytes())
    memory.pipe(f"/{name}.json", SIDECAR.encode())
    url = f"memory://{name}{suffix}"
    raw = rawmmap.open(url)
    assert raw.path == f"memory://{name}"
    np.testing.assert_array_equal(np.asarray(raw["v"].data), VALUES)
    with xr.open_dataset(url, engine="rawmmap") as ds:
        np.testing.assert_array_equal(ds["v"], VALUES)


def test_a_header_needs_no_keywords(memory: Any) -> None:
    stream = io.BytesIO()
    np.save(stream, VALUES)
    memory.pipe("/dir/a.npy", stream.getvalue())
    with xr.open_dataset("memory://dir/a.npy", engine="rawmmap") as ds:
        np.testing.assert_array_equal(ds["data"], VALUES)


def test_keywords_describe_a_remote_file(memory: Any) -> None:
    memory.pipe("/dir/a.bin", VALUES.tobytes())
    raw = rawmmap.open("memory://dir/a.bin", dtype="<i2", shape=(-1, 3), dims=("y", "x"))
    np.testing.assert_array_equal(np.asarray(raw["data"].data), VALUES)


@pytest.mark.parametrize(
    ("sidecar_path", "data"),
    [
        ("memory://m.bin.json", "memory://m.bin"),
        ("http://host/d/m.bin.json", "http://host/d/m.bin"),
        ("s3://bucket/m.bin.json", "s3://bucket/m.bin"),
        ("simplecache::s3://bucket/m.bin.json", "simplecache::s3://bucket/m.bin"),
        ("m.bin.json", "m.bin"),
        ("/m.bin.json", "/m.bin"),
        ("a//b/m.bin.json", "a//b/m.bin"),
    ],
)
def test_the_data_lie_where_the_sidecar_does(sidecar_path: str, data: str) -> None:
    assert sidecar.loads(SIDECAR, sidecar_path).path == data
