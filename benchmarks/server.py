"""A server of files by HTTP with ranges, in a process of its own, that answers late.

``python benchmarks/server.py FOLDER MILLISECONDS`` serves until its standard input is closed, and
prints its port first. ``/-/count`` returns how many requests and bytes there were since it was last
asked for.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Served", "serve"]


class Served:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def count(self) -> tuple[int, int]:
        """Return the number of requests and of bytes since the last call."""
        with urllib.request.urlopen(f"{self.url}/-/count", timeout=60) as answer:
            requests, nbytes = json.load(answer)
        return requests, nbytes


@contextmanager
def serve(folder: Path, milliseconds: float) -> Generator[Served]:
    """Run a server of the files in a folder, which waits before each answer."""
    command = [sys.executable, __file__, str(folder), str(milliseconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Served(int(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(60)


async def _run(folder: Path, milliseconds: float) -> None:
    from aiohttp import web

    counts = [0, 0]

    @web.middleware
    async def answer_late(request: Any, handler: Any) -> Any:
        await asyncio.sleep(milliseconds / 1e3)
        response = await handler(request)
        counts[0] += 1
        return response

    async def prepare(request: Any, response: Any) -> None:
        if request.method == "GET":
            counts[1] += response.content_length or 0

    async def count(request: Any) -> Any:
        counted = list(counts)
        counts[:] = -1, 0  # this request is counted once it is answered
        return web.json_response(counted)

    app = web.Application(middlewares=[answer_late])
    app.on_response_prepare.append(prepare)
    app.router.add_get("/-/count", count)
    app.router.add_static("/", folder)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=512)
    await site.start()
    server: Any = site._server
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), float(sys.argv[2])))
