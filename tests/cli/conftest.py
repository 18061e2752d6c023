"""What the tests of the command share: the command in this process, and in one of its own."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from rawmmap.cli import main

# Before version 8.2 of click both streams were one unless asked for; after it they never are.
_SPLIT: Any = (
    {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
)


@dataclass(frozen=True)
class Result:
    """What a command left."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, one after the other."""
        return self.stdout + self.stderr


Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Run the command in this process; an error that it does not report is raised."""

    def run_main(*words: str | os.PathLike[str]) -> Result:
        result = CliRunner(**_SPLIT).invoke(main, [os.fspath(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return run_main


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A header of 20 bytes, then big-endian float32 of shape (2, 3, 4)."""
    path = tmp_path / "u.bin"
    path.write_bytes(bytes(20) + np.arange(24, dtype=">f4").tobytes())
    return path
