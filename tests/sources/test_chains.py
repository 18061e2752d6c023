"""Chains of URLs: local copies, archives, and caches that are refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap import RawArray, from_raw
from tests.servers import HttpServer

ARRAY = np.arange(2 * 1000 * 300, dtype="<u2").reshape(1000, 600)
KEYWORDS: Any = {"dtype": "<u2", "shape": (-1, 600), "dims": ("t", "x")}
SIDECAR = (
    b'{"rawmmap": 1, "variables": {"v": {"dtype": "<u2", "dims": ["t", "x"], '
    b'"shape": [1000, 600]}}}'
)


@pytest.fixture
def files(server: HttpServer) -> str:
    """Return the URL of a folder with a file, its sidecar, and an archive of both."""
    server.files["/a.bin"] = ARRAY.tobytes()
    server.files["/a.bin.json"] = SIDECAR
    server.files["/z.zip"] = _zip()
    return server.url


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("d/a.bin", ARRAY.tobytes(), zipfile.ZIP_DEFLATED)
        archive.writestr("d/a.bin.json", SIDECAR)
        for t, row in enumerate(ARRAY[:3]):
            archive.writestr(f"run/{t:02d}.bin", row.tobytes())
    return stream.getvalue()


@pytest.mark.parametrize("cache", ["simplecache", "filecache"])
def test_the_local_copy_is_mapped(
    server: HttpServer, files: str, tmp_path: Path, cache: str
) -> None:
    options = {cache: {"cache_storage": str(tmp_path / "copies")}}
    url = f"{cache}::{files}/a.bin"
    raw = RawArray(url, "<u2", ARRAY.shape, access="map", storage_options=options)
    view = raw[100:900]
    assert rawmmap.mapping_of(view).path == raw.url
    assert Path(raw.url).parent == tmp_path / "copies"
    np.testing.assert_array_equal(view, ARRAY[100:900])
    gets = server.count("GET")
    np.testing.assert_array_equal(raw[5], ARRAY[5])
    x = from_raw(url, "<u2", ARRAY.shape, storage_options=options)
    np.testing.assert_array_equal(x[3].compute(scheduler="sync"), ARRAY[3])
    assert server.count("GET") == gets
    ds = xr.open_dataset(url, engine="rawmmap", storage_options=options)
    np.testing.assert_array_equal(ds["v"], ARRAY)
    live = rawmmap.open(url, storage_options=options, **KEYWORDS)
    np.testing.assert_array_equal(live["data"].data[:3], ARRAY[:3])


def test_a_copy_is_fetched_again_where_there_is_none(
    server: HttpServer, files: str, tmp_path: Path
) -> None:
    options = {"simplecache": {"cache_storage": str(tmp_path / "copies")}}
    raw = RawArray(f"simplecache::{files}/a.bin", "<u2", ARRAY.shape, storage_options=options)
    pickled = pickle.dumps(raw)
    assert pickle.loads(pickled).url == raw.url
    assert server.count("GET") == 1
    Path(raw.url).unlink()
    with pytest.raises(FileNotFoundError):
        raw[5]
    np.testing.assert_array_equal(pickle.loads(pickled)[5], ARRAY[5])
    assert server.count("GET") == 2


def test_series_of_local_copies(server: HttpServer, tmp_path: Path) -> None:
    for t, row in enumerate(ARRAY[:5]):
        server.files[f"/run/{t:02d}.bin"] = row.tobytes()
    options = {"simplecache": {"cache_storage": str(tmp_path)}}
    url = f"simplecache::{server.url}/run/{{t:02d}}.bin"
    keywords: Any = {"dtype": "<u2", "shape": (600,), "dims": "x", "storage_options": options}
    raw = rawmmap.open(url, **keywords)
    np.testing.assert_array_equal(raw["data"].data[:], ARRAY[:5])
    gets = server.count("GET")
    np.testing.assert_array_equal(raw["data"].data[:], ARRAY[:5])
    assert server.count("GET") == gets
    assert len([path for path in tmp_path.iterdir() if path.stat().st_size == 1200]) == 5


def test_a_copy_that_cannot_be_made_is_an_os_error(server: HttpServer, files: str) -> None:
    server.fail("500")
    with pytest.raises(OSError, match=r"simplecache::.*a\.bin"):
        RawArray(f"simplecache::{files}/a.bin", "<u2", ARRAY.shape)
    with pytest.raises(OSError, match=r"simplecache::.*none\.bin"):
        RawArray(f"simplecache::{files}/none.bin", "<u2", ARRAY.shape)


@pytest.mark.parametrize("cache", ["blockcache", "cached"])
def test_caches_that_may_return_zeros_are_refused(files: str, cache: str) -> None:
    with pytest.raises(ValueError, match="simplecache::"):
        RawArray(f"{cache}::{files}/a.bin", "<u2", ARRAY.shape)
    with pytest.raises(ValueError, match="simplecache::"):
        xr.open_dataset(f"zip://d/a.bin::{cache}::{files}/z.zip", engine="rawmmap", **KEYWORDS)


@pytest.mark.parametrize("where", ["http", "memory", "file", "simplecache"])
def test_members_of_archives(files: str, tmp_path: Path, where: str) -> None:
    archive = {
        "http": f"{files}/z.zip",
        "memory": "memory://chains/z.zip",
        "file": f"file://{tmp_path}/z.zip",
        "simplecache": f"simplecache::{files}/z.zip",
    }[where]
    (tmp_path / "z.zip").write_bytes(_zip())
    fsspec.filesystem("memory").pipe("/chains/z.zip", _zip())
    url = f"zip://d/a.bin::{archive}"
    raw = RawArray(url, "<u2", ARRAY.shape)
    np.testing.assert_array_equal(raw[[3, 700], [1, 2]], ARRAY[[3, 700], [1, 2]])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(raw))[5:9, ::7], ARRAY[5:9, ::7])
    ds = xr.open_dataset(url, engine="rawmmap", chunks={"t": 500}, **KEYWORDS)
    np.testing.assert_array_equal(ds["data"][:, 5].compute(scheduler="sync"), ARRAY[:, 5])
    for name in (url, f"zip://d/a.bin.json::{archive}"):
        found = rawmmap.open(name)
        assert found.path == url
        np.testing.assert_array_equal(found["v"].data[7], ARRAY[7])
    members = [f"zip://run/{t:02d}.bin::{archive}" for t in range(3)]
    x = from_raw(members, "<u2", 600)
    np.testing.assert_array_equal(x.compute(scheduler="sync"), ARRAY[:3])
    with pytest.raises(ValueError, match="a list of their URLs"):
        rawmmap.open(f"zip://run/{{t:02d}}.bin::{archive}", dtype="<u2", shape=(600,), dims="x")
    with pytest.raises(FileNotFoundError, match=r"none\.bin"):
        RawArray(f"zip://d/none.bin::{archive}", "u1", 1)
    fsspec.filesystem("memory").rm("/chains", recursive=True)


def test_credentials_in_chains(server: HttpServer, files: str) -> None:
    server.authorization = "Basic dTpzM2NyM3Q="  # u:s3cr3t
    private = files.replace("//", "//u:s3cr3t@")
    for url in (f"zip://d/a.bin::{private}/z.zip", f"simplecache::{private}/a.bin"):
        raw = RawArray(url, "<u2", ARRAY.shape)
        np.testing.assert_array_equal(raw[5], ARRAY[5])
        assert "s3cr3t" not in repr(raw) + raw.url
        with pytest.raises(OSError) as caught:  # noqa: PT011 - what matters is what is not in it
            RawArray(url.replace("a.bin", "none.bin"), "<u2", 1)
        assert "s3cr3t" not in f"{caught.value} {caught.value!r}"
