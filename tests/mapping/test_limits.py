"""Limits of the system: they end in an array or in an error that names them, never in a crash."""

from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the interpreter keeps a descriptor per map")
def test_a_thousand_maps_with_few_descriptors(counted: Path, python: Any) -> None:
    code = """
import resource, sys, rawmmap
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
arrays = [rawmmap.mmap(sys.argv[1]) for _ in range(1000)]
handles = [rawmmap.Mapping(sys.argv[1]) for _ in range(1000)]
print(sum(int(a[1]) for a in arrays) + sum(int(m.array[2]) for m in handles))
"""
    assert python(code, counted) == "3000"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="no descriptor is kept")
def test_running_out_of_descriptors_says_why(counted: Path, python: Any) -> None:
    code = """
import resource, sys, rawmmap
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
arrays, said = [], ""
try:
    with open(sys.argv[1], "rb") as file:
        while True:
            arrays.append(rawmmap.mmap(file))
except OSError as error:
    said = f"{error.errno} {'ulimit -n' in str(error)} {'3.13' in str(error)}"
arrays.clear()
print(said, len(rawmmap.mmap(sys.argv[1])))
"""
    assert python(code, counted) == f"{errno.EMFILE} True True 240"


@linux
def test_a_hundred_thousand_windows(counted: Path, python: Any) -> None:
    """Arrays, or an error that names the limit; and all is well after they are dropped."""
    code = """
import resource, sys, rawmmap
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
arrays = []
try:
    for _ in range(100_000):
        arrays.append(rawmmap.mmap(sys.argv[1], "u1", 10))
except OSError as error:
    said = str(error)
    assert "vm.max_map_count" in said or "ulimit -n" in said, said
assert all(a[9] == 9 for a in arrays)
arrays.clear()
print(rawmmap.mmap(sys.argv[1])[5])
"""
    assert python(code, counted) == "5"


@linux
@pytest.mark.parametrize(
    "arguments", [{"mode": "c"}, {"mode": "r+", "shared": False}, {"mode": "r"}]
)
def test_files_larger_than_memory(tmp_path: Path, arguments: Any) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    size = min(4 * memory, 8 << 40)
    path = tmp_path / "large"
    path.touch()
    try:
        os.truncate(path, size)
    except OSError:
        pytest.skip("this file system has no files larger than memory")
    a = rawmmap.mmap(path, "u1", **arguments)
    assert a.size == size
    assert a[size - 1] == 0
    if a.flags.writeable:
        a[size // 2] = 1
        assert a[size // 2] == 1
        assert path.stat().st_blocks == 0


@linux
def test_a_file_too_large_to_grow(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=f"from 0 to {2**62} bytes"):
        rawmmap.mmap(tmp_path / "huge", "u1", 2**62, mode="w+", grow="sparse")
    assert not (tmp_path / "huge").exists()


def test_threads_map_and_drop_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(np.arange(4096, dtype="<u4").tobytes())
    failures: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for i in range(first, 4096, 8):
                a = rawmmap.mmap(path, "<u4", 1, 4 * i, mode="r+")
                assert a[0] == i
                a[0] += 1
                rawmmap.flush(a, wait=False)
                rawmmap.mapping_of(a).resident()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert path.read_bytes() == np.arange(1, 4097, dtype="<u4").tobytes()


def test_one_array_of_another_thread_keeps_the_map(counted: Path) -> None:
    m = rawmmap.Mapping(counted)
    held, done = threading.Event(), threading.Event()
    seen: list[int] = []

    def hold() -> None:
        a = m.array
        held.set()
        done.wait(10)
        seen.append(int(a[7]))

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(BufferError):
        m.close()
    done.set()
    thread.join()
    assert seen == [7]
    m.close()
