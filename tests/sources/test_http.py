"""Files behind a real HTTP server, which sometimes fails."""

from __future__ import annotations

import base64
import io
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import rawmmap
from rawmmap import RawArray, from_raw
from rawmmap.cli import main
from rawmmap.sources import Files, open_source
from rawmmap.sources.answers import Fetch
from rawmmap.sources.fetching import fetch
from rawmmap.sources.tuning import TUNING
from tests.servers import HttpServer

aiohttp = pytest.importorskip("aiohttp")

DATA = bytes(range(256)) * 4096
ARRAY = np.frombuffer(DATA, "u1").reshape(1024, 1024)


@pytest.fixture
def url(server: HttpServer) -> str:
    server.files["/a.raw"] = DATA
    return f"{server.url}/a.raw"


@pytest.fixture
def raw(url: str) -> RawArray:
    return RawArray(url, "u1", (1024, 1024))


def test_ranges_of_a_selection(server: HttpServer, raw: RawArray) -> None:
    np.testing.assert_array_equal(raw[3:5, 7], ARRAY[3:5, 7])
    assert server.ranges() == [(3 * 1024 + 7, 4 * 1024 + 8)]
    server.requests.clear()
    np.testing.assert_array_equal(raw[[0, 1000], [1, 2]], ARRAY[[0, 1000], [1, 2]])
    assert server.ranges() == [(1, 2), (1000 * 1024 + 2, 1000 * 1024 + 3)]


def test_only_ranges_are_requested_once_a_file_is_open(server: HttpServer, raw: RawArray) -> None:
    assert server.count("HEAD") == 1
    np.testing.assert_array_equal(raw[:], ARRAY)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(raw))[5], ARRAY[5])
    assert (server.count("HEAD"), server.count("GET")) == (1, 2)


FAULTS = {
    "500": "the server answered 500 Internal Server Error to a request for bytes 0 to 1024",
    "404": "404 Not Found: the file is gone",
    "403": "403 Forbidden; check the credentials",
    "closed": "reading failed: ClientPayloadError",
    "closed at once": "reading failed: ServerDisconnectedError",
    "short": "the answer has 1023 bytes, but 1024 were asked for, bytes 0 to 1024",
    "long": "does not support ranges",
    "whole": "does not support ranges; .* simplecache::",
    "elsewhere": "bytes 0 to 1024 were asked for, .* 'bytes 1-1024/1048576'",
    "other size": "another file has replaced this one",
    "other etag": "another file has replaced this one",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_failed_answers_are_os_errors(server: HttpServer, raw: RawArray, fault: str) -> None:
    server.fail(fault)
    with pytest.raises(OSError, match=rf"(?s){FAULTS[fault]}.*127\.0\.0\.1:\d+/a\.raw") as caught:
        raw[0]
    kinds = {"404": FileNotFoundError, "403": PermissionError}
    assert isinstance(caught.value, kinds.get(fault, OSError))
    server.fail(None)
    assert raw[0, 5] == 5


@pytest.fixture
def no_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Join no ranges that do not touch."""
    monkeypatch.setattr("rawmmap.sources.remote.TUNING", replace(TUNING, remote_gap=0))
    monkeypatch.setattr("rawmmap.sources.remote.RemoteFile.gap", 0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the number of ranges of each request, as they are made."""
    numbers: list[int] = []

    def fetch_counted(fs: Any, fetches: Sequence[Fetch]) -> None:
        numbers.append(len(fetches))
        fetch(fs, fetches)

    monkeypatch.setattr("rawmmap.sources.remote.fetch", fetch_counted)
    return numbers


@pytest.mark.usefixtures("no_gaps")
@pytest.mark.parametrize("number", [0, 1, 7, 19])
@pytest.mark.parametrize("fault", ["500", "closed", "short", "whole", "other etag"])
def test_one_wrong_answer_of_many_is_an_os_error(
    server: HttpServer, fault: str, number: int
) -> None:
    server.files["/a.raw"] = DATA
    raw = RawArray(f"{server.url}/a.raw", "u1", (1024, 1024))
    server.fail(lambda n: fault if n == number else None)
    column = RawArray.from_layout(raw.url, raw.layout[::50, 5])
    with pytest.raises(OSError, match=r"a\.raw"):
        np.asarray(column)
    np.testing.assert_array_equal(np.asarray(column), ARRAY[::50, 5])


def test_a_range_that_is_the_whole_file_needs_no_support_of_ranges(
    server: HttpServer, raw: RawArray
) -> None:
    server.fail("whole")
    np.testing.assert_array_equal(raw[:], ARRAY)


def test_an_answer_that_does_not_tell_its_range_is_taken_by_its_length(
    server: HttpServer, raw: RawArray
) -> None:
    server.fail("untold")
    np.testing.assert_array_equal(raw[3], ARRAY[3])


@pytest.mark.parametrize("tells", ["etag", "modified"])
def test_another_state_is_refused(server: HttpServer, tells: str) -> None:
    server.tells = tells
    server.files["/a.raw"] = DATA
    raw = RawArray(f"{server.url}/a.raw", "u1", (1024, 1024))
    assert raw[0, 5] == 5
    server.files["/a.raw"] = DATA[::-1]
    with pytest.raises(OSError, match=r"another file.*a\.raw"):
        raw[0]
    server.files["/a.raw"] = DATA
    assert raw[0, 5] == 5


def test_a_file_that_shrank_or_is_gone_is_refused(server: HttpServer, raw: RawArray) -> None:
    server.files["/a.raw"] = DATA[:100]
    with pytest.raises(OSError, match=r"ends at byte 100;.*a\.raw"):
        raw[1000]
    del server.files["/a.raw"]
    with pytest.raises(FileNotFoundError, match=r"a\.raw"):
        raw[0]


def test_a_changed_size_is_noticed_where_nothing_else_is_told(server: HttpServer) -> None:
    server.tells = "nothing"
    server.files["/a.raw"] = DATA
    raw = RawArray(f"{server.url}/a.raw", "u1", (1024, 1024))
    server.files["/a.raw"] = DATA + b"more"
    with pytest.raises(OSError, match="another file"):
        raw[0]


def test_a_server_that_is_gone_is_an_os_error(server: HttpServer, raw: RawArray) -> None:
    server.vanish()
    with pytest.raises(OSError, match=r"a\.raw"):
        raw[0]
    with pytest.raises(OSError, match=r"b\.raw") as caught:
        RawArray(f"{server.url}/b.raw", "u1", 1)
    assert not isinstance(caught.value, FileNotFoundError)


def test_a_server_that_does_not_answer_is_an_os_error(server: HttpServer, url: str) -> None:
    source: Any = open_source(url)
    options = {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=0.2)}}
    server.fail("hang")
    with pytest.raises(TimeoutError, match=r"TimeoutError.*a\.raw"):
        replace(source, options=options).read((0,), 10)


def test_errors_when_a_file_is_opened(server: HttpServer) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file.*none\.raw"):
        RawArray(f"{server.url}/none.raw", "u1", 1)
    server.files["/a.raw"] = DATA
    server.authorization = "Basic x"
    with pytest.raises(PermissionError, match=r"401.*a\.raw"):
        RawArray(f"{server.url}/a.raw", "u1", 1)


def test_a_server_that_fails_is_not_taken_for_a_missing_sidecar(server: HttpServer) -> None:
    server.files["/a.raw"] = DATA
    server.authorization = "Basic x"
    with pytest.raises(PermissionError):
        rawmmap.open(f"{server.url}/a.raw")
    server.authorization = None
    with pytest.raises(ValueError, match=r"a\.raw: nothing says"):
        rawmmap.open(f"{server.url}/a.raw")


def test_servers_that_refuse_head_or_say_no_size(server: HttpServer, url: str) -> None:
    server.heads = "refused"  # as S3 does for URLs that are signed for GET
    raw = RawArray(url, "u1", (1024, 1024))
    np.testing.assert_array_equal(raw[5], ARRAY[5])
    server.heads = "unsized"
    with pytest.raises(OSError, match=r"does not report the size.*simplecache::.*a\.raw"):
        RawArray(url, "u1", (1024, 1024))
    copy = RawArray(f"simplecache::{url}", "u1", (1024, 1024))
    np.testing.assert_array_equal(copy[5], ARRAY[5])


# One request for the ranges of a selection: what is fetched, and by how many GETs.


def test_fetched_bytes_of_a_crop(server: HttpServer) -> None:
    frames, ny, nx = 6, 700, 500
    array = np.random.default_rng(0).integers(0, 255, (frames, ny, nx, 2), "u1").view("<u2")[..., 0]
    server.files["/cube.raw"] = b"h" * 12 + array.tobytes()
    raw = RawArray(f"{server.url}/cube.raw", "<u2", array.shape, offset=12)
    crop = np.s_[:, 10:110, 20:60]
    np.testing.assert_array_equal(raw[crop], array[crop])
    needed = 6 * 100 * 40 * 2
    joined = 6 * 99 * (nx - 40) * 2  # the rests of rows lie within the crop of a frame
    ranges = server.ranges()
    assert len(ranges) == frames
    assert sum(b - a for a, b in ranges) <= 1.2 * needed + joined
    start = 12 + (10 * nx + 20) * 2
    length = (99 * nx + 40) * 2
    assert ranges == [(start + i * ny * nx * 2, start + i * ny * nx * 2 + length) for i in range(6)]


def _open_cube(way: str, url: str, shape: tuple[int, ...]) -> Any:
    """Return an array of a cube, or of files that are its frames, opened in one of several ways."""
    keywords: Any = {"dtype": "<u2", "shape": shape, "dims": ("t", "y", "x"), "offset": 12}
    frame: Any = {**keywords, "shape": shape[1:], "dims": ("y", "x")}
    pattern = url.replace("cube.raw", "frames/{t:02d}.raw")
    if way == "RawArray":
        return RawArray(url, "<u2", shape, offset=12)
    if way == "open":
        return rawmmap.open(url, **keywords)["data"].data
    if way == "from_raw":
        return from_raw(url, "<u2", shape, offset=12, chunks=(2, -1, -1))
    if way in ("engine", "engine, chunked"):
        chunks = {"t": 2} if way == "engine, chunked" else None
        return xr.open_dataset(url, engine="rawmmap", chunks=chunks, **keywords)["data"]
    if way == "list":
        urls = [pattern.format(t=t) for t in range(shape[0])]
        return from_raw(urls, "<u2", shape[1:], offset=12, chunks=(3, -1, -1))
    chunks = {"t": 3} if way == "series, chunked" else None
    return xr.open_dataset(pattern, engine="rawmmap", chunks=chunks, **frame)["data"]


WAYS = {"RawArray": 1, "open": 1, "engine": 1, "series": 1, "from_raw": 3, "engine, chunked": 3}


@pytest.mark.parametrize(("way", "requests"), [*WAYS.items(), ("series, chunked", 2), ("list", 2)])
@pytest.mark.parametrize(
    ("key", "needed", "gaps", "gets"),
    [
        (np.s_[:, 10:110, 20:60], 6 * 100 * 40 * 2, 6 * 99 * (700 - 40) * 2, 6),
        (np.s_[:, 500, 600], 6 * 2, 0, 6),
        (np.s_[2], 520 * 700 * 2, 0, 1),
        (np.s_[:, 5:10], 6 * 5 * 700 * 2, 0, 6),
    ],
)
def test_what_is_fetched_every_way(
    server: HttpServer,
    calls: list[int],
    way: str,
    requests: int,
    key: Any,
    needed: int,
    gaps: int,
    gets: int,
) -> None:
    cube = np.random.default_rng(0).integers(0, 2**16, (6, 520, 700), "<u2")
    server.files["/cube.raw"] = b"h" * 12 + cube.tobytes()
    for t, frame in enumerate(cube):
        server.files[f"/frames/{t:02d}.raw"] = b"h" * 12 + frame.tobytes()
    array = _open_cube(way, f"{server.url}/cube.raw", cube.shape)
    calls.clear()
    server.requests.clear()
    selected = array[key]
    if hasattr(selected, "compute"):
        selected = selected.compute(scheduler="sync")
    np.testing.assert_array_equal(selected, cube[key])
    assert sum(b - a for a, b in server.ranges()) <= 1.2 * needed + gaps
    assert (server.count("GET"), server.count("HEAD")) == (gets, 0)
    assert len(calls) == min(requests, gets)


def test_far_rows_are_not_joined(server: HttpServer) -> None:
    row = TUNING.remote_gap + 4096
    server.files["/wide.raw"] = bytes(20 * row)
    raw = RawArray(f"{server.url}/wide.raw", "u1", (20, row))
    raw[::2, 10:1000]
    assert server.ranges() == [(i * row + 10, i * row + 1000) for i in range(0, 20, 2)]


@pytest.mark.usefixtures("no_gaps")
def test_a_chunk_through_dask_asks_for_its_ranges_in_one_request(
    server: HttpServer, calls: list[int]
) -> None:
    server.files["/a.raw"] = DATA
    url = f"{server.url}/a.raw"
    x = from_raw(url, "u1", (1024, 1024), chunks=(256, -1))
    np.testing.assert_array_equal(x[::8, 5].compute(scheduler="sync"), ARRAY[::8, 5])
    assert calls == [32] * 4
    calls.clear()
    keywords: Any = {"dtype": "u1", "shape": (1024, 1024), "dims": ("y", "x")}
    ds = xr.open_dataset(url, engine="rawmmap", chunks={"y": 512}, **keywords)
    crop = ds["data"][100:600:4, 7:9].compute(scheduler="sync")
    np.testing.assert_array_equal(crop, ARRAY[100:600:4, 7:9])
    assert sorted(calls) == [22, 103]
    calls.clear()
    np.testing.assert_array_equal(
        xr.open_dataset(url, engine="rawmmap", **keywords)["data"][5::100, 3], ARRAY[5::100, 3]
    )
    assert calls == [11]


def test_long_ranges_are_fetched_in_pieces(
    server: HttpServer, raw: RawArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "rawmmap.sources.fetching.TUNING", replace(TUNING, remote_piece=300_000, remote_requests=2)
    )
    np.testing.assert_array_equal(raw[:], ARRAY)
    assert server.ranges() == [(i * 262_144, (i + 1) * 262_144) for i in range(4)]


def test_columns_of_large_files_take_bounded_memory(
    server: HttpServer, raw: RawArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rawmmap.access.TUNING", replace(TUNING, slab=2**17))
    monkeypatch.setattr("rawmmap.access.plan.__defaults__", (replace(TUNING, slab=2**17),))
    np.testing.assert_array_equal(raw[:, 7], ARRAY[:, 7])
    assert max(stop - start for start, stop in server.ranges()) <= 2**17


# Series and lists.


def series(server: HttpServer, count: int = 100) -> tuple[str, np.ndarray]:
    values = np.arange(count * 6, dtype="<i4").reshape(count, 2, 3)
    for step, member in enumerate(values):
        server.files[f"/run/u-{step:03d}.bin"] = member.tobytes()
    server.files["/run/readme.txt"] = b"x"
    return f"{server.url}/run/u-{{step:03d}}.bin", values


def test_a_series_is_listed_and_read_in_one_request(server: HttpServer) -> None:
    pattern, values = series(server)
    keywords: Any = {"dtype": "<i4", "shape": (2, 3), "dims": ("y", "x")}
    ds = xr.open_dataset(pattern, engine="rawmmap", chunks={"step": -1}, **keywords)
    heads = server.count("HEAD")
    assert heads == len(values)
    server.requests.clear()
    np.testing.assert_array_equal(ds["data"][:, 1, 2].compute(scheduler="sync"), values[:, 1, 2])
    np.testing.assert_array_equal(ds["data"].sel(step=70), values[70])
    assert server.count("HEAD") == 0
    assert server.count("GET") == len(values) + 1
    assert sum(b - a for a, b in server.ranges()) == len(values) * 4 + 24


def test_a_member_that_changed_is_refused(server: HttpServer) -> None:
    pattern, values = series(server, 5)
    raw = rawmmap.open(pattern, dtype="<i4", shape=(2, 3), dims=("y", "x"))
    again = pickle.loads(pickle.dumps(raw["data"].data))
    server.files["/run/u-003.bin"] = values[4].tobytes()
    with pytest.raises(OSError, match=r"another file.*u-003\.bin"):
        raw["data"].data[3]
    with pytest.raises(OSError, match=r"another file.*u-003\.bin"):
        again[:]
    np.testing.assert_array_equal(again[:3], values[:3])
    server.files["/run/u-003.bin"] = values[3].tobytes()
    del server.files["/run/u-001.bin"]
    with pytest.raises(FileNotFoundError, match=r"u-001\.bin"):
        again[:]


def test_a_list_is_asked_for_at_once(server: HttpServer) -> None:
    pattern, values = series(server)
    server.latency = 0.02
    urls = [pattern.format(step=step) for step in range(len(values))]
    x = from_raw(urls, "<i4", (2, 3), chunks=(-1, -1, -1))
    assert x.name == from_raw(urls, "<i4", (2, 3), chunks=(-1, -1, -1)).name
    server.requests.clear()
    np.testing.assert_array_equal(x[:, 0, 1].compute(scheduler="sync"), values[:, 0, 1])
    assert (server.count("HEAD"), server.count("GET")) == (0, len(values))


def test_long_lists_stay_small_in_pickles(server: HttpServer) -> None:
    pattern, values = series(server, 300)
    files = Files.of([pattern.format(step=step) for step in range(len(values))])
    assert len(pickle.dumps(files)) < 10 * len(values)
    assert pickle.loads(pickle.dumps(files)).identities == files.identities


# Credentials.


SECRETS = ("pass word", "pass%20word", "s3cr3t", "cGFzcyB3b3Jk")


def assert_hidden(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text], text


@pytest.fixture
def private(server: HttpServer) -> str:
    server.files["/a.raw"] = DATA
    server.files["/b.npy"] = b"\x93NUMPY\x01\x00"
    server.authorization = "Basic " + base64.b64encode(b"someone:pass word").decode()
    return f"http://someone:pass%20word@127.0.0.1:{server.server_port}/a.raw?key=s3cr3t&n=1"


KEYWORDS: Any = {"dtype": "u1", "shape": (1024, 1024), "dims": ("y", "x")}


def test_credentials_in_urls_are_shown_nowhere(
    server: HttpServer, private: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    public = f"{server.url}/a.raw?n=1"
    raw = RawArray(private, "u1", (1024, 1024))
    assert raw.url == public
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(raw))[5], ARRAY[5])
    assert {r.path for r in server.requests} == {"/a.raw?n=1&key=s3cr3t"}
    x = from_raw(private, "u1", (1024, 1024), chunks=(512, -1))
    ds = xr.open_dataset(private, engine="rawmmap", chunks={}, **KEYWORDS)
    assert ds.encoding["source"] == public
    np.testing.assert_array_equal(ds["data"][3], ARRAY[3])
    np.testing.assert_array_equal(rawmmap.refresh(ds)["data"][3], ARRAY[3])
    opened = rawmmap.open(private, **KEYWORDS)
    source = open_source(private)
    shown: list[Any] = [raw, raw.files, raw.files[0], raw.files.urls, x, x.dask, x.name, ds]
    shown += [ds.encoding, ds["data"].encoding, ds["data"].variable, opened, opened.files, source]
    shown += [opened.description, source.identity, raw.__dask_tokenize__(), dict(x.dask)]
    shown += [opened["data"], ds["data"].data.dask, ds._repr_html_(), x._repr_html_()]
    for item in shown:
        assert_hidden(repr(item) + str(item))
    messages = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith("asyncio"))
    assert_hidden(messages.replace("key=s3cr3t", ""))  # what aiohttp itself has asked for


@pytest.mark.parametrize("fault", ["500", "403", "404", "closed", "whole", "other etag"])
def test_credentials_are_not_in_errors(server: HttpServer, private: str, fault: str) -> None:
    raw = RawArray(private, "u1", (1024, 1024))
    server.fail(fault)
    with pytest.raises(OSError, match=r"a\.raw\?n=1") as caught:
        raw[0]
    assert_hidden(f"{caught.value} {caught.value!r} {caught.value.filename} {caught.value.args}")


def test_credentials_are_not_in_errors_of_descriptions(server: HttpServer, private: str) -> None:
    other = private.replace("a.raw", "none.raw")
    pattern = private.replace("a.raw", "{step:03d}.raw")
    refusals: list[Any] = [
        lambda: RawArray(private, "u1", 2**21),
        lambda: RawArray(private, "O", 1),
        lambda: RawArray(private, "u1", 1, mode="w"),  # type: ignore[arg-type]
        lambda: RawArray(other, "u1", 1),
        lambda: rawmmap.open(private),
        lambda: rawmmap.open(private, dtype="nonsense", shape=1),
        lambda: rawmmap.open(private, nonsense=1),
        lambda: rawmmap.open(other, **KEYWORDS),
        lambda: rawmmap.open(pattern, **KEYWORDS),
        lambda: rawmmap.open(private, format="npy"),
        lambda: xr.open_dataset(private, engine="rawmmap"),
        lambda: xr.open_dataset(private, engine="rawmmap", dtype="u1", shape=(3, -1), dims=("a",)),
        lambda: from_raw(private),
        lambda: from_raw([private, other], "u1", 1),
        lambda: from_raw(private, "u1", (1024, 1024), chunks=(5, 5, 5)),
        lambda: rawmmap.describe(private, **KEYWORDS),
        lambda: rawmmap.describe(pattern, **KEYWORDS),
        lambda: rawmmap.map_dataset(private, **KEYWORDS),
        lambda: rawmmap.to_raw(ARRAY, private),
        lambda: rawmmap.to_raw(xr.Dataset({"a": ("x", ARRAY[0])}), private),
        lambda: rawmmap.to_raw(xr.Dataset({"a": ("x", ARRAY[0])}), pattern),
        lambda: rawmmap.to_envi(private, **KEYWORDS),
        lambda: rawmmap.to_kerchunk(private, nonsense=1),
        lambda: rawmmap.to_kerchunk(f"simplecache::{private}", **KEYWORDS),
        lambda: rawmmap.open(f"simplecache::{other}", **KEYWORDS),
    ]
    for refusal in refusals:
        with pytest.raises((OSError, TypeError, ValueError)) as caught:
            refusal()
        assert_hidden(f"{caught.value} {caught.value!r} {caught.value.args}")


def test_credentials_are_not_in_what_is_written(
    server: HttpServer, private: str, tmp_path: Path
) -> None:
    ds = xr.open_dataset(private, engine="rawmmap", chunks={}, **KEYWORDS)
    rawmmap.to_raw(ds, tmp_path / "a.raw")
    assert_hidden((tmp_path / "a.raw.json").read_text())
    references = rawmmap.to_kerchunk(private, **KEYWORDS)
    assert f"{server.url}/a.raw?n=1" in repr(references)
    assert_hidden(repr(references))


def test_users_of_lists_must_be_the_same(server: HttpServer, private: str) -> None:
    x = from_raw([private, private], "u1", (1024, 1024))
    np.testing.assert_array_equal(x[1, 3].compute(scheduler="sync"), ARRAY[3])
    with pytest.raises(ValueError, match="same user and password") as caught:
        from_raw([private, private.replace("pass%20word", "other")], "u1", (1024, 1024))
    assert_hidden(str(caught.value))


# What is found beside a file, and the rest of the ways in.


def test_sidecars_and_headers(server: HttpServer) -> None:
    values = np.arange(6, dtype="<i2").reshape(2, 3)
    server.files["/d/a.bin"] = values.tobytes()
    server.files["/d/a.bin.json"] = (
        b'{"rawmmap": 1, "variables": {"v": {"dtype": "<i2", "dims": ["y", "x"], "shape": [2, 3]}}}'
    )
    server.files["/d/b.img"] = values.tobytes()
    server.files["/d/b.hdr"] = (
        b"ENVI\nsamples = 3\nlines = 2\nbands = 1\nheader offset = 0\ndata type = 2\n"
        b"interleave = bsq\nbyte order = 0\n"
    )
    server.files["/d/c.npy"] = _npy(values)
    for name in ("a.bin", "a.bin.json", "b.img", "b.hdr", "c.npy"):
        with xr.open_dataset(f"{server.url}/d/{name}", engine="rawmmap") as ds:
            (variable,) = ds.data_vars.values()
            np.testing.assert_array_equal(variable.squeeze(), values, err_msg=name)
    x = from_raw(f"{server.url}/d/a.bin")
    np.testing.assert_array_equal(x.compute(scheduler="sync"), values)


def test_few_requests_open_a_described_file(server: HttpServer) -> None:
    values = np.arange(6, dtype="<i2")
    server.files["/a.bin"] = values.tobytes()
    server.files["/a.bin.json"] = (
        b'{"rawmmap": 1, "variables": {"v": {"dtype": "<i2", "dims": ["x"], "shape": [6]}}}'
    )
    raw = rawmmap.open(f"{server.url}/a.bin")
    assert (server.count("HEAD"), server.count("GET")) == (3, 2)
    server.requests.clear()
    rawmmap.open(f"{server.url}/a.bin", dtype="<i2", shape=6)
    assert (server.count("HEAD"), server.count("GET")) == (1, 0)
    np.testing.assert_array_equal(raw["v"].data[:], values)
    server.files["/b.bin"] = values.tobytes()
    server.requests.clear()
    with pytest.raises(ValueError, match=r"b\.bin: nothing says"):
        rawmmap.open(f"{server.url}/b.bin")
    asked = [r.path for r in server.requests if r.method == "HEAD"]
    assert len(asked) == len(set(asked))
    assert server.count("GET") == 1


@pytest.mark.slow
def test_worker_processes_fetch_with_the_credentials(server: HttpServer, private: str) -> None:
    x = from_raw(private, "u1", (1024, 1024), chunks=(256, -1))
    assert_hidden(repr(x.dask) + repr(x))
    total = x.astype("i8").sum().compute(scheduler="processes", num_workers=2)
    assert total == ARRAY.sum(dtype="i8")


def _npy(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def test_refresh_sees_new_records_and_new_content(server: HttpServer) -> None:
    values = np.arange(12, dtype="<i4").reshape(4, 3)
    server.files["/r.bin"] = values[:2].tobytes()
    url = f"{server.url}/r.bin"
    ds = xr.open_dataset(
        url, engine="rawmmap", chunks={"t": 1}, dtype="<i4", shape=(-1, 3), dims=("t", "x")
    )
    server.files["/r.bin"] = values.tobytes()
    with pytest.raises(OSError, match="another file"):
        ds["data"].compute(scheduler="sync")
    new = rawmmap.refresh(ds)
    np.testing.assert_array_equal(new["data"].compute(scheduler="sync"), values)
    server.files["/r.bin"] = values[::-1].tobytes()
    newer = rawmmap.refresh(new)
    np.testing.assert_array_equal(newer["data"].compute(scheduler="sync"), values[::-1])
    assert newer["data"].data.name != new["data"].data.name
    assert rawmmap.refresh(newer)["data"].data.name == newer["data"].data.name


def test_tokens_follow_the_state_that_the_server_tells(server: HttpServer) -> None:
    for tells in ("etag", "modified"):
        server.tells = tells
        server.files["/t.raw"] = DATA
        url = f"{server.url}/t.raw"
        name = from_raw(url, "u1", 100).name
        assert from_raw(url, "u1", 100).name == name
        server.files["/t.raw"] = DATA[::-1]
        assert from_raw(url, "u1", 100).name != name
    server.tells = "nothing"
    raw = RawArray(url, "u1", 100)
    assert raw.__dask_tokenize__() == raw.__dask_tokenize__()
    assert pickle.loads(pickle.dumps(raw)).__dask_tokenize__() == raw.__dask_tokenize__()
    assert RawArray(url, "u1", 100).__dask_tokenize__() != raw.__dask_tokenize__()


def test_the_command_line_takes_urls(server: HttpServer, url: str) -> None:
    private = url.replace("//", "//u:s3cr3t@")
    options = ["--dtype", "u1", "--shape", "1024,1024", "--dims", "y,x"]
    done = CliRunner().invoke(main, ["info", private, *options])
    assert done.exit_code == 0, done.output
    assert "1048576 of 1048576 bytes" in done.output
    assert done.output.startswith(f"{url}: 1048576 bytes")
    server.fail("500")
    failed = CliRunner().invoke(main, ["info", private])
    assert failed.exit_code == 3
    assert "500" in failed.output
    assert_hidden(done.output + failed.output)
