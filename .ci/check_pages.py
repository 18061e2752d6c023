"""Look at the built pages with headless Chromium: ``check_pages.py HTML [--screenshots FOLDER]``.

Fails where a link or an anchor leads nowhere within the pages, where the console shows an error,
where a page is wider than the window at 1280 or 400 pixels, where a table does not fit at 1280, and
where text is hardly to be told from its background, light or dark. Nothing outside of this machine
is asked for. Skipped, with a message, where there is no Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import functools
import http.server
import shutil
import sys
import tempfile
import threading
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WIDTHS = (1280, 400)
THEMES = ("light", "dark")
INSPECT = (Path(__file__).parent / "inspect_page.js").read_text("utf-8")


class Tab:
    """A tab of the browser, driven by the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.errors: list[str] = []
        self.loaded = False

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command, and return its result; events that come before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        await self._socket.send_json(message)
        while True:
            answer = await self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    async def open(self, url: str) -> None:
        """Load a page, and wait until it is there."""
        self.errors, self.loaded = [], False
        await self.call("Page.navigate", url=url)
        while not self.loaded:
            await self._receive()

    async def evaluate(self, code: str) -> Any:
        """Return the value of an expression of JavaScript."""
        result = await self.call("Runtime.evaluate", expression=code, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    async def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json(timeout=60)
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(parameters["exceptionDetails"].get("text")))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
            self.errors.append(str([x.get("value") for x in parameters["args"]]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            entry = parameters["entry"]
            self.errors.append(f"{entry['text']} {entry.get('url', '')}")
        return message


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback interface, and yield the URL."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextlib.asynccontextmanager
async def start_browser(browser: str) -> AsyncIterator[Tab]:
    """Start the browser with a profile of its own, and yield a tab of it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            browser,
            *OPTIONS,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port = await find_port(Path(profile))
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    pages = [x for x in await answer.json() if x["type"] == "page"]
                url = pages[0]["webSocketDebuggerUrl"]
                async with session.ws_connect(url, max_msg_size=2**28) as socket:
                    tab = Tab(socket)
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await tab.call(f"{domain}.enable")
                    yield tab
        finally:
            process.terminate()
            await process.wait()


async def find_port(profile: Path) -> int:
    """Wait until the browser says where it listens."""
    for _ in range(600):
        with contextlib.suppress(OSError, IndexError, ValueError):
            return int((profile / "DevToolsActivePort").read_text().splitlines()[0])
        await asyncio.sleep(0.1)
    raise TimeoutError("the browser did not start within 60 s")


async def show(tab: Tab, width: int, theme: str) -> None:
    """Give the window a width, and the system a theme."""
    await tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    feature = {"name": "prefers-color-scheme", "value": theme}
    await tab.call("Emulation.setEmulatedMedia", features=[feature])


async def save_screenshot(tab: Tab, path: Path) -> None:
    """Save a picture of the whole page, 6000 pixels of it at most."""
    height = min(await tab.evaluate("document.documentElement.scrollHeight"), 6000)
    width = await tab.evaluate("window.innerWidth")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    picture = await tab.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
    path.write_bytes(base64.b64decode(picture["data"]))


async def check_page(tab: Tab, url: str, name: str, screenshots: Path | None) -> dict[str, Any]:
    """Look at one page, in each theme and width; return its links, anchors and what is wrong."""
    problems = []
    facts: dict[str, Any] = {}
    await tab.open(url)
    for theme in THEMES:
        for width in WIDTHS:
            await show(tab, width, theme)
            facts = await tab.evaluate(INSPECT)
            problems += [f"{width} px, {theme}: {problem}" for problem in facts["problems"]]
            if screenshots is not None:
                picture = f"{name.replace('/', '-').removesuffix('.html')}-{width}-{theme}.png"
                await save_screenshot(tab, screenshots / picture)
    facts["problems"] = problems + [f"console: {error}" for error in tab.errors]
    return facts


def find_broken_links(base: str, pages: dict[str, dict[str, Any]], folder: Path) -> list[str]:
    """Return the links within the pages that lead nowhere."""
    broken = []
    for name, facts in pages.items():
        for link in sorted(set(facts["links"])):
            if not link.startswith(base):
                continue
            path, fragment = urllib.parse.urldefrag(link.removeprefix(base))
            target = urllib.parse.unquote(path.split("?")[0]) or "index.html"
            anchors = pages[target]["anchors"] if target in pages else None
            if anchors is None and not (folder / target).is_file():
                broken.append(f"{name}: {target} does not exist")
            elif anchors is not None and fragment and urllib.parse.unquote(fragment) not in anchors:
                broken.append(f"{name}: {target} has no anchor #{fragment}")
    return broken


async def check(browser: str, folder: Path, names: list[str], screenshots: Path | None) -> int:
    """Look at all pages; return the number of problems."""
    pages: dict[str, dict[str, Any]] = {}
    with serve(folder) as base:
        async with start_browser(browser) as tab:
            for name in names:
                pages[name] = await check_page(tab, base + name, name, screenshots)
        problems = find_broken_links(base, pages, folder)
    problems += [f"{name}: {x}" for name, facts in pages.items() for x in facts["problems"]]
    for problem in problems:
        print(problem)
    print(f"{len(pages)} pages, each in {len(WIDTHS)} widths and {len(THEMES)} themes")
    return len(problems)


def main() -> int:
    """Read the command line, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--only", default="", help="pages whose names contain this")
    arguments = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"skipped: none of {', '.join(BROWSERS)} is installed")
        return 0
    folder = arguments.folder.resolve()
    paths = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.html")))
    names = [name for name in paths if arguments.only in name and not name.startswith("_")]
    if arguments.screenshots is not None:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    return int(asyncio.run(check(browser, folder, names, arguments.screenshots)) > 0)


if __name__ == "__main__":
    sys.exit(main())
