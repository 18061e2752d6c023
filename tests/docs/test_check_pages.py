"""The check of the built pages finds what it looks for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

SCRIPT = ROOT / ".ci" / "check_pages.py"
PAGE = "<!DOCTYPE html><title>x</title><link rel=icon href='data:,'><article>{}</article>"


def check(folder: Path) -> tuple[int, str]:
    """Run the check on the pages of a folder; return its exit code and what it prints."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("no Chromium")
    if find_spec("aiohttp") is None:
        pytest.skip("no aiohttp")
    command = [sys.executable, str(SCRIPT), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not result.stderr
    return result.returncode, result.stdout


@pytest.mark.slow
def test_good_pages_pass(tmp_path: Path) -> None:
    links = "<p id=a><a href=b.html#c>b</a> <a href=#a>a</a> <a href=https://example.org>x</a>"
    (tmp_path / "index.html").write_text(PAGE.format(links))
    (tmp_path / "b.html").write_text(PAGE.format("<h1 id=c>c</h1>"))
    code, output = check(tmp_path)
    assert code == 0, output
    assert output.startswith("2 pages, each in 2 widths and 2 themes")


BAD = {
    "<a href=gone.html>x</a>": "gone.html does not exist",
    "<a href=#gone>x</a>": "0-1.html has no anchor #gone",
    "<script>console.error('oh')</script>": "console: ['oh']",
    "<script>nothing.at.all</script>": "console: Uncaught",
    "<img src=gone.png>": "console: Failed to load resource",
    "<svg width=9 height=9><text y=9>too long</text></svg>": "1280 px, light: ",
    "<p style='width: 1000px'>x": "400 px, light: 1008 px wide",
    "<pre style='overflow: auto; width: 9px'>too long": "1280 px, light: ",
    "<style>@media (prefers-color-scheme: dark) { html { background: black } }</style>x": (
        "1280 px, dark: contrast 1.00"
    ),
}


@pytest.mark.slow
def test_bad_pages_fail(tmp_path: Path) -> None:
    for number, body in enumerate(BAD):
        (tmp_path / f"0-{number}.html").write_text(PAGE.format(body))
    code, output = check(tmp_path)
    assert code == 1
    for number, problem in enumerate(BAD.values()):
        assert f"0-{number}.html: {problem}" in output
