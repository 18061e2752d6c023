"""What it costs to map and to drop, next to `numpy.memmap` and the bare `mmap` of Python.

python -m pytest benchmarks/test_mapping.py --benchmark-enable --benchmark-columns=median,iqr
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap
from rawmmap.mapping import map_window

WINDOW = 4096
SIZE = 1 << 20

Work = Callable[[], Any]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Give the path of a file of one mebibyte, and a descriptor of it."""
    path = tmp_path_factory.mktemp("mapping") / "file"
    path.write_bytes(bytes(SIZE))
    fd = os.open(path, os.O_RDONLY)
    yield str(path), fd
    os.close(fd)


def _bare(_: str, fd: int) -> None:
    mmap.mmap(fd, WINDOW, access=mmap.ACCESS_READ).close()


def _window(_: str, fd: int) -> int:
    return map_window(fd, 0, WINDOW)[0].size


@pytest.mark.parametrize("way", [_bare, _window], ids=["mmap.mmap", "map_window"])
@pytest.mark.benchmark(group="map and drop 4 KiB of an open file")
def test_window(way: Callable[[str, int], Any], file: tuple[str, int], benchmark: Any) -> None:
    assert benchmark(way, *file) in (None, WINDOW)


def _memmap(path: Path | str, dtype: str, shape: Any) -> Any:
    return np.memmap(path, dtype, "r", shape=shape)


@pytest.mark.parametrize("way", [_memmap, rawmmap.mmap], ids=["numpy.memmap", "rawmmap.mmap"])
@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("u1", None), ("<f4", (512, 512)), ("<f4", (-1, 512))],
    ids=["bytes", "matrix", "inferred"],
)
@pytest.mark.benchmark(group="map and drop a whole file")
def test_whole_file(
    way: Callable[..., Any], dtype: str, shape: Any, file: tuple[str, int], benchmark: Any
) -> None:
    if way is _memmap and shape == (-1, 512):
        pytest.skip("numpy.memmap takes no -1")
    benchmark.group = f"map and drop a whole file: {dtype} {shape}"
    assert benchmark(way, file[0], dtype, shape).nbytes == SIZE


@pytest.mark.parametrize("kind", ["numpy.memmap", "rawmmap.flush"])
@pytest.mark.benchmark(group="flush a page of a clean map")
def test_flush(kind: str, tmp_path: Path, benchmark: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    if kind == "numpy.memmap":
        old = np.memmap(path, "u1", "r+")
        benchmark(old.flush)
    else:
        new = rawmmap.mmap(path, mode="r+")
        benchmark(rawmmap.flush, new[:WINDOW])
    assert path.stat().st_size == SIZE
