"""Fixtures of the comparisons: the files, small by default, and the clock's settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dask
import pytest

from . import cache, run
from .cases import Workload


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the comparisons."""
    group = parser.getgroup("benchmarks")
    group.addoption("--bench-full", action="store_true", help="files of 2 GiB instead of MiB")
    group.addoption("--bench-folder", type=Path, help="where the files go and stay")


@pytest.fixture(scope="session")
def work(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """Give the files that the cases read."""
    if not cache.supported:
        pytest.skip("this system lacks posix_fadvise or preadv")
    folder = request.config.getoption("--bench-folder", default=None)
    full = request.config.getoption("--bench-full", default=False)
    make = run.full_workload if full else run.quick_workload
    return make(folder or tmp_path_factory.mktemp("benchmarks"))


@pytest.fixture(autouse=True)
def _chunk_size() -> Iterator[None]:
    with dask.config.set({"array.chunk-size": "64MiB"}):
        yield
