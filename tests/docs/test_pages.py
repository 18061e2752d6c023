"""Every block of code in the README and the pages runs, and prints what the page shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.blocks import FENCE, PAGES, ROOT, read_blocks

RUNNER = Path(__file__).parent / "run_page.py"
# Sphinx runs the pages that have cells alone; the README begins with what CI runs by itself.
RUN_HERE = [
    page
    for page in PAGES
    if page.name != "README.md"
    and any(block.language in ("python", "sh") for block in read_blocks(page) if block.runs)
]
# Pictures, tables of contents and the like, and output that follows no block.
MARKUP = {
    "text",
    "{toctree}",
    "{eval-rst}",
    "{include}",
    "{image}",
    "{figure}",
    "{glossary}",
    "{raw}",
}
# What pages show together with the library, and what not everybody has who runs the tests.
NEEDS = {
    "coming-from.md": ("rioxarray",),
    "command.md": ("netCDF4", "zarr"),
    "distributed.md": ("cubed", "cubed_xarray"),
    "exports.md": ("kerchunk",),
    "howto.md": ("netCDF4", "zarr"),
}
# Blocks that other tests run: see test_sidecar_docs.
ELSEWHERE = {("sidecar.md", "c"), ("sidecar.md", "fortran")}

# Of other libraries; and where another process of this machine has a cluster, too.
IGNORED_WARNINGS = ["::PendingDeprecationWarning", ":Port 8787 is already in use"]


def by_name(page: Path) -> str:
    """Name a test after its page."""
    return page.name


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN_HERE, ids=by_name)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    missing = [name for name in NEEDS.get(page.name, ()) if find_spec(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}")
    warnings = ["-W", "error"]
    for ignored in IGNORED_WARNINGS:
        warnings += ["-W", f"ignore{ignored}"]
    command = [sys.executable, *warnings, str(RUNNER), str(page)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_a_block_that_does_not_run_says_why(page: Path) -> None:
    for block in read_blocks(page):
        language = block.language.split(" ")[0]
        if block.runs or block.installs or language in MARKUP or (page.name, language) in ELSEWHERE:
            continue
        if language == "json":
            json.loads(block.text)
        elif language == "toml":
            tomllib.loads(block.text)
        else:
            where = f"{page.name}, line {block.line}"
            assert language == "{code-block}", f"{where}: {block.language}"
            assert block.options.get("caption", "").startswith("Not run"), where


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_blocks_of_code_are_fenced(page: Path) -> None:
    prose = FENCE.sub("", page.read_text("utf-8"))
    assert re.findall(r"\n\n {4,}.*", prose) == []


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_the_extras_that_are_to_be_installed_exist(page: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for line in re.findall(r"pip install .*", page.read_text("utf-8")):
        for extras in re.findall(r"\[([a-z,]+)\]", line):
            assert set(extras.split(",")) <= set(project["optional-dependencies"]), line


def test_the_fortran_of_the_sidecar_reads_the_file(tmp_path: Path) -> None:
    compiler = shutil.which("gfortran")
    if compiler is None:
        pytest.skip("no gfortran")
    blocks = {block.language: block for block in read_blocks(ROOT / "docs" / "sidecar.md")}
    (tmp_path / "write.py").write_text(blocks["python"].text)
    (tmp_path / "last.f90").write_text(blocks["fortran"].text)
    subprocess.run([sys.executable, "write.py"], cwd=tmp_path, check=True)
    subprocess.run(
        [compiler, "-Wall", "-Werror", "-o", "last", "last.f90"], cwd=tmp_path, check=True
    )
    shown = subprocess.run(["./last"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["6.0", "7.0", "8.0", "9.0", "10.0", "11.0"]


def test_the_picture_of_the_home_page_is_what_its_script_draws(tmp_path: Path) -> None:
    script = shutil.copy(ROOT / "docs" / "home_picture.py", tmp_path)
    subprocess.run([sys.executable, str(script)], check=True)
    assert (tmp_path / "home.svg").read_text() == (ROOT / "docs" / "home.svg").read_text()
