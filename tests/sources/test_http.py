"""Files behind a real HTTP server, which sometimes fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from rawmmap import RawArray

pytest.importorskip("aiohttp")

DATA = bytes(range(256)) * 4096


class Server(ThreadingHTTPServer):
    """Serves one file with ranges and an ETag; `fault` says how it fails."""

    daemon_threads = True
    fault: str | None = None
    etag = '"first"'
    ranges: list[tuple[int, int]]


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(200, b"", len(DATA))

    def do_GET(self) -> None:
        fault = self.server.fault
        if fault == "500":
            self._answer(500, b"no", 2)
            return
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        start, stop = int(first), int(last) + 1
        self.server.ranges.append((start, stop))
        body = DATA[start:stop]
        if fault == "closed":
            self._answer(206, body[:1], len(body))
            self.close_connection = True
            return
        if fault == "short":
            body = body[:-1]
        self._answer(206, body, len(body))

    def _answer(self, status: int, body: bytes, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", self.server.etag)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.ranges = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def raw(server: Server) -> RawArray:
    return RawArray(f"http://127.0.0.1:{server.server_port}/a.raw", "u1", (1024, 1024))


def test_ranges_of_a_selection(server: Server, raw: RawArray) -> None:
    array = np.frombuffer(DATA, "u1").reshape(1024, 1024)
    np.testing.assert_array_equal(raw[3:5, 7], array[3:5, 7])
    assert server.ranges == [(3 * 1024 + 7, 4 * 1024 + 8)]
    server.ranges.clear()
    np.testing.assert_array_equal(raw[[0, 1000], [1, 2]], array[[0, 1000], [1, 2]])
    assert sorted(server.ranges) == [(1, 2), (1000 * 1024 + 2, 1000 * 1024 + 3)]


@pytest.mark.parametrize("fault", ["500", "closed", "short"])
def test_failed_answers_are_os_errors(server: Server, raw: RawArray, fault: str) -> None:
    server.fault = fault
    with pytest.raises(OSError, match=r"a\.raw"):
        raw[0]
    server.fault = None
    assert raw[0, 5] == 5


def test_another_etag_is_refused(server: Server, raw: RawArray) -> None:
    server.etag = '"second"'
    with pytest.raises(OSError, match="another file"):
        raw[0]


def test_a_server_that_is_gone_is_an_os_error(server: Server, raw: RawArray) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(OSError, match=r"a\.raw"):
        raw[0]
