"""Control over what the page cache holds of a file.

How the cache was filled changes the rate at which warm data is read by a factor of three, so every
contestant's files are evicted and refilled in the same way before it is timed.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

__all__ = ["PAGE", "evict", "evictable", "files_below", "pages_in_cache", "refill", "supported"]

PAGE = mmap.PAGESIZE
_REFILL_BYTES = 4 << 20
_MINCORE_BYTES = 8 << 30

supported = hasattr(os, "posix_fadvise") and hasattr(os, "preadv")


def files_below(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files among `paths` and those in the folders among them, sorted."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file())
        else:
            yield path


def evict(paths: Iterable[Path], *, tries: int = 20) -> None:
    """Drop every page of the files from the page cache.

    Raises
    ------
    RuntimeError
        If pages stay, which they do while some process maps them.
    """
    for path in files_below(paths):
        fd = os.open(path, os.O_RDONLY)
        try:
            for attempt in range(tries):
                # Dirty pages cannot be dropped, so they are written first.
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                left = pages_in_cache(path)
                if not left:
                    break
                time.sleep(0.01 * attempt)
            else:
                raise RuntimeError(f"{path}: {left} pages stay in the page cache; who maps them?")
        finally:
            os.close(fd)


def evictable(folder: Path) -> bool:
    """Return whether the pages of files in `folder` can be dropped; those of tmpfs cannot."""
    probe = folder / "probe"
    probe.write_bytes(bytes(PAGE))
    try:
        evict([probe], tries=5)
    except RuntimeError:
        return False
    finally:
        probe.unlink()
    return True


def refill(paths: Iterable[Path]) -> None:
    """Read the files from first byte to last by positional reads of 4 MiB."""
    buffer = bytearray(_REFILL_BYTES)
    for path in files_below(paths):
        fd = os.open(path, os.O_RDONLY)
        try:
            position = 0
            while count := os.preadv(fd, [buffer], position):
                position += count
        finally:
            os.close(fd)


def pages_in_cache(path: Path, ranges: Iterable[tuple[int, int]] | None = None) -> int:
    """Return how many pages of a file are in the page cache.

    Parameters
    ----------
    path : Path
        The file.
    ranges : iterable of (int, int), optional
        Half-open byte ranges to look at; the whole file where absent.
    """
    size = os.path.getsize(path)
    if not size:
        return 0
    mincore = ctypes.CDLL(None, use_errno=True).mincore
    mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    if ranges is None:
        steps = range(0, size, _MINCORE_BYTES)
        ranges = [(start, min(start + _MINCORE_BYTES, size)) for start in steps]
    total = 0
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
    view = np.frombuffer(mapped, np.uint8)
    try:
        for start, stop in ranges:
            first = start - start % PAGE
            flags = np.zeros(-(-(stop - first) // PAGE), np.uint8)
            if mincore(view.ctypes.data + first, stop - first, flags.ctypes.data):
                raise OSError(ctypes.get_errno(), f"mincore failed on {path}")
            total += int(np.count_nonzero(flags & 1))
    finally:
        del view
        mapped.close()
    return total
