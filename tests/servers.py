"""Servers on this machine that tests fetch from: HTTP with ranges, and moto's S3; both may fail."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.recording.plugin import count

__all__ = ["HttpServer", "Request", "S3Server", "run_http", "run_s3"]


class Request(NamedTuple):
    """A request that a server got."""

    method: str
    path: str
    range: tuple[int, int] | None


class HttpServer(ThreadingHTTPServer):
    """Serves files from memory, by ranges.

    Attributes
    ----------
    files : dict
        Contents by path, such as ``"/a.raw"``.
    tells : {"etag", "modified", "nothing"}
        What an answer says of the state of a file.
    fault : callable, optional
        Of the number of a GET request since it was set, from 0: how its answer is wrong.
    heads : {"sized", "unsized", "refused"}
        Whether answers to HEAD say the size, say nothing of it, or are refused.
    latency : float
        Seconds before each answer.
    authorization : str, optional
        What must be in the Authorization header.
    requests : list of Request
        What was asked for.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.tells = "etag"
        self.heads = "sized"
        self.latency = 0.0
        self.authorization: str | None = None
        self.requests: list[Request] = []
        self.connections: set[socket.socket] = set()
        self.lock = threading.Lock()
        self.released = threading.Event()
        self._fault: Callable[[int], str | None] | None = None
        self._count = 0

    @property
    def url(self) -> str:
        """Where the files are, without a slash at the end."""
        return f"http://127.0.0.1:{self.server_port}"

    def fail(self, fault: str | Callable[[int], str | None] | None) -> None:
        """Let answers to GET requests be wrong from now on: all, or by their number from 0."""
        with self.lock:
            self._fault = (lambda _: fault) if isinstance(fault, str) else fault
            self._count = 0

    def next_fault(self) -> str | None:
        """Return how the next answer is wrong."""
        with self.lock:
            number, self._count = self._count, self._count + 1
            fault = None if self._fault is None else self._fault(number)
        if fault is not None:
            count("fault", f"answers of a web server: {fault}")
        return fault

    def ranges(self, path: str | None = None) -> list[tuple[int, int]]:
        """Return the ranges that were asked for, of one file or of all, in ascending order."""
        return sorted(
            r.range for r in self.requests if r.range is not None and path in (None, r.path)
        )

    def count(self, method: str) -> int:
        """Return the number of requests of a method."""
        return sum(r.method == method for r in self.requests)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""

    def vanish(self) -> None:
        """Stop, and cut all connections."""
        self.released.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: HttpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def do_HEAD(self) -> None:
        self._note()
        data = self._find()
        if data is not None and self.server.heads == "refused":
            self._answer(403, b"", 0)
        elif data is not None:
            self._answer(200, b"", len(data), data)

    def do_GET(self) -> None:
        wanted = self._note()
        data = self._find()
        if data is None:
            return
        fault = self.server.next_fault()
        if fault in ("hang", "closed at once"):
            if fault == "hang":
                self.server.released.wait(20)
            self.close_connection = True
            return
        if fault is not None and fault.isdecimal():
            self._answer(int(fault), b"no", 2)
            return
        if wanted is None or fault == "whole":
            self._answer(200, data, len(data), data)
            return
        self._send_range(data, *wanted, fault)

    def _send_range(self, data: bytes, start: int, stop: int, fault: str | None) -> None:
        if start >= len(data):
            self._answer(416, b"", 0, None, f"bytes */{len(data)}")
            return
        body = data[start:stop]
        stop = start + len(body)
        told = f"bytes {start}-{stop - 1}/{len(data)}"
        if fault == "closed":
            self._answer(206, body[:-1], len(body), data, told)
            self.close_connection = True
            return
        if fault == "short":
            body = body[:-1]
        elif fault == "long":
            body += b"\0"
        elif fault == "elsewhere":
            body = data[start + 1 : stop + 1]
            told = f"bytes {start + 1}-{stop}/{len(data)}"
        elif fault == "other size":
            told = f"bytes {start}-{stop - 1}/{len(data) + 1}"
        elif fault == "other etag":
            data = b"x" + data
        self._answer(206, body, len(body), data, None if fault == "untold" else told)

    def _note(self) -> tuple[int, int] | None:
        time.sleep(self.server.latency)
        told = self.headers.get("Range")
        wanted = None
        if told is not None:
            first, last = told.removeprefix("bytes=").split("-")
            wanted = int(first), int(last) + 1
        self.server.requests.append(Request(self.command, self.path, wanted))
        return wanted

    def _find(self) -> bytes | None:
        """Return the file that was asked for, or answer that there is none."""
        server, path = self.server, self.path.partition("?")[0]
        if server.authorization not in (None, self.headers.get("Authorization")):
            self._answer(401, b"", 0)
        elif path in server.files:
            return server.files[path]
        elif path.endswith("/") and (names := self._names_below(path)):
            links = "".join(f'<a href="{name}">{name}</a>\n' for name in sorted(names)).encode()
            self._answer(200, links, len(links), None, None, "text/html")
        else:
            self._answer(404, b"", 0)
        return None

    def _names_below(self, folder: str) -> set[str]:
        below = [path.removeprefix(folder) for path in self.server.files if path.startswith(folder)]
        return {name.partition("/")[0] + "/" * ("/" in name) for name in below}

    def _answer(
        self,
        status: int,
        body: bytes,
        length: int,
        data: bytes | None = None,
        content_range: str | None = None,
        kind: str = "application/octet-stream",
    ) -> None:
        self.send_response(status)
        if self.server.heads == "unsized" and status == 200:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", kind)
        self.send_header("Accept-Ranges", "bytes")
        if content_range is not None:
            self.send_header("Content-Range", content_range)
        if data is not None and self.server.tells != "nothing":
            digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
            if self.server.tells == "etag":
                self.send_header("ETag", f'"{digest}"')
            else:
                moment = int(digest[:7], 16)
                self.send_header("Last-Modified", self.date_time_string(moment))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def run_http() -> Iterator[HttpServer]:
    """Run an HTTP server in a thread."""
    server = HttpServer()
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.vanish()
        thread.join()


class S3Server:
    """moto's S3, behind a count of requests and faults.

    Attributes
    ----------
    fault : callable, optional
        Of a request: the status of a wrong answer; "whole" to ignore its range; or None.
    latency : float
        Seconds before each answer.
    requests : list of Request
        What was asked for.
    """

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.fault: Callable[[Request], int | str | None] = lambda _: None
        self.latency = 0.0
        self.requests: list[Request] = []
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._call, threaded=True)

    @property
    def options(self) -> dict[str, Any]:
        """The `storage_options` with which it is reached."""
        return {
            "key": "test-key-id",
            "secret": "test-secret",
            "client_kwargs": {
                "endpoint_url": f"http://127.0.0.1:{self._server.server_port}",
                "region_name": "eu-central-1",
            },
            "config_kwargs": {"retries": {"total_max_attempts": 1}},
        }

    def _call(self, environ: Any, start_response: Any) -> Any:
        told = environ.get("HTTP_RANGE")
        wanted = None
        if told is not None:
            first, last = told.removeprefix("bytes=").split("-")
            wanted = int(first), int(last) + 1
        request = Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], wanted)
        self.requests.append(request)
        time.sleep(self.latency)
        status = self.fault(request)
        if status == "whole":
            environ.pop("HTTP_RANGE", None)
        if status in ("whole", None):
            return self._app(environ, start_response)
        start_response(f"{status} Injected", [("Content-Length", "0")])
        return [b""]

    def serve_forever(self) -> None:
        """Answer until `stop`."""
        self._server.serve_forever(0.02)

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def run_s3() -> Iterator[S3Server]:
    """Run moto's S3 in a thread."""
    server = S3Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
