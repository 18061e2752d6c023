"""Fixtures of the mapping tests: other processes, and a disk that is soon full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.recording.plugin import count

Python = Callable[..., str]


@pytest.fixture(scope="session")
def python() -> Python:
    """Run a program in a new interpreter; return what it printed, or fail with what it said."""

    def run(code: str, *arguments: object, timeout: float = 60) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stderr}"
        return done.stdout.strip()

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if not sys.platform.startswith("linux") or mount is None or os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root on Linux only")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    count("fault", "full disks")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """A file of the bytes 0 to 239."""
    path = tmp_path / "counted.bin"
    path.write_bytes(bytes(range(240)))
    return path
