"""What other systems lack or do otherwise, as far as this one can stand in for them.

Each test takes functions away before the library is imported, in an interpreter of its own, and
then goes one path through all of it.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import rawmmap
from rawmmap.layout import Layout
from rawmmap.layout.chunks import auto_chunks
from rawmmap.layout.pages import window
from tests.interpreters import run_python

ROOT = Path(__file__).parents[1]

#: Imports what the library stands on, so that only the library misses what is taken away.
LIBRARIES = """
import ctypes, errno, mmap, os, sys
import dask.array, fsspec, numpy, pandas, xarray
import concurrent.futures, multiprocessing.util, shutil, subprocess, tempfile, threading
"""

REMOVE = """
def remove(module, *names):
    for name in dir(module):
        if name.startswith(names) and hasattr(module, name):
            delattr(module, name)
"""

#: Name of what is missing, and what takes it away.
MISSING = {
    "positional reads and writes": 'remove(os, "pread", "pwrite", "preadv", "pwritev", "RWF_")',
    "advice and reservations": 'remove(os, "posix_fadvise", "posix_fallocate", "POSIX_FADV_")',
    "holes": 'remove(os, "SEEK_DATA", "SEEK_HOLE")',
    "calls of the C library": """
class Nothing:
    def __init__(self, *_, **__):
        pass
ctypes.CDLL = Nothing
""",
    "advice for maps": 'remove(mmap, "MADV_", "MAP_NORESERVE", "MAP_POPULATE")',
    "file locks": """
import fcntl
def refuse(*_):
    raise OSError(errno.ENOSYS, "this system has no locks")
fcntl.flock = refuse
""",
    "flags and numbers of files": """
remove(os, "O_NOFOLLOW", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK", "fstatvfs", "major")
remove(os, "register_at_fork")
""",
    "windows that begin off multiples of 64 KiB": "mmap.ALLOCATIONGRANULARITY = 65536",
    # The branches for Windows, on this system's calls.
    "everything that Windows lacks": """
remove(os, "pread", "pwrite", "preadv", "pwritev", "RWF_", "posix_f", "POSIX_FADV_", "SEEK_DATA",
       "SEEK_HOLE", "O_NOFOLLOW", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK", "fstatvfs",
       "major", "minor", "register_at_fork", "getuid", "geteuid", "fchmod", "fchown", "chown")
remove(mmap, "MADV_", "MAP_", "PROT_")
mmap.ALLOCATIONGRANULARITY = 65536
sys.modules["fcntl"] = None
sys.platform = "win32"
""",
}

PATH = f"""
sys.path.insert(0, {str(ROOT)!r})
from tests.vertical import main
main()
print("done")
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="takes away what Linux has")
@pytest.mark.parametrize("missing", MISSING)
def test_the_library_without(missing: str, tmp_path: Path) -> None:
    before = LIBRARIES + REMOVE + MISSING[missing]
    assert run_python(PATH, before=before, cwd=tmp_path) == "done\n"


@pytest.mark.parametrize("granularity", [4096, 16384, 65536])
def test_windows_begin_on_multiples(granularity: int) -> None:
    for start, stop in [(0, 1), (1, 2), (4095, 4097), (65535, 65537), (2**40, 2**41)]:
        origin, end = window(start, stop, granularity)
        assert origin % granularity == 0
        assert origin <= start < origin + granularity
        assert end >= stop


@pytest.mark.parametrize("page", [4096, 16384, 65536])
def test_chunks_are_cut_on_pages(page: int) -> None:
    layout = Layout.dense("<f4", (1000, 256, 256))
    chunks = auto_chunks(layout.shape, layout.strides, 4, 2**24, page)
    assert chunks[1:] == (256, 256)
    assert chunks[0] * 256 * 256 * 4 % page == 0
    assert 0 < chunks[0] * 256 * 256 * 4 <= 2**24


Change = Callable[[Path], object]


def write_array(path: Path) -> object:
    return rawmmap.to_raw(np.zeros(100, "u1"), path)


def write_dataset(path: Path) -> object:
    import xarray as xr

    return rawmmap.to_raw(xr.Dataset({"a": ("x", np.zeros(100, "u1"))}), path)


@pytest.mark.parametrize("change", [write_array, write_dataset])
def test_a_file_that_cannot_be_replaced_while_it_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    """Windows refuses to rename onto a file that is open or mapped anywhere."""
    path = tmp_path / "a.bin"
    change(path)
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}

    rename = os.replace

    def refuse(source: str, target: str) -> None:
        if target == str(path):
            raise PermissionError(errno.EACCES, "Access is denied", source, 5, target)
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    mapped = rawmmap.mmap(path)
    with pytest.raises(PermissionError, match="drop arrays that are mapped") as caught:
        change(path)
    monkeypatch.undo()
    assert caught.value.filename == str(path)
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before
    assert mapped.sum() == 0
    del mapped
    change(path)
