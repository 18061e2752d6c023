"""What the tests of the command share: the command in this process, and in one of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rawmmap.cli import main

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Run the command in this process; an error that it does not report is raised."""

    def run_main(*words: str | os.PathLike[str]) -> Result:
        result = CliRunner().invoke(main, [os.fspath(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run_main


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A header of 20 bytes, then big-endian float32 of shape (2, 3, 4)."""
    path = tmp_path / "u.bin"
    path.write_bytes(bytes(20) + np.arange(24, dtype=">f4").tobytes())
    return path
