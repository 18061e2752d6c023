"""Positional writes: arrays, and bytes of other files, into an open file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.files.io import read_up_to, write_all
from rawmmap.layout import Layout
from rawmmap.layout.runs import Runs

__all__ = ["copy_bytes", "copy_elements", "copy_runs", "scatter"]

# Bytes that are in memory at a time while a file is copied: few enough to stay in the processor's
# cache. Larger buffers take twice as long, and so do copy_file_range and sendfile on ext4.
_SLAB = 2**20


def scatter(fd: int, layout: Layout, values: npt.NDArray[Any]) -> None:
    """Store `values`, of the shape of `layout`, run by run, and touch no other byte."""
    if not layout.nbytes:
        return
    runs = layout.runs()
    if runs.packed.contiguous:
        data = np.ascontiguousarray(values, runs.packed.dtype)
    else:
        data = np.empty(runs.nbytes, "u1")
        runs.packed.view(data)[...] = values
    # A view, though it may have no dtype that a memoryview knows.
    view = np.ravel(data).view(np.uint8).data
    at = 0
    for starts in runs.batches():
        for first in starts.tolist():
            write_all(fd, view[at : at + runs.length], first)
            at += runs.length


def copy_bytes(source: int, fd: int, position: int) -> None:
    """Write the file `source` into `fd` from `position` on, in order, and keep its holes.

    The file never reaches past what is written, so that a reader sees complete records only.
    """
    size = os.fstat(source).st_size
    overwrites = os.fstat(fd).st_size > position
    # A hole stands for zeros, which the file may not have where it is overwritten.
    for start, stop in [(0, size)] if overwrites else _data_ranges(source, size):
        _copy_range(source, start, fd, position + start, stop - start)
    if os.fstat(fd).st_size < position + size:
        os.ftruncate(fd, position + size)


def copy_runs(source: int, at: int, fd: int, runs: Runs) -> None:
    """Write bytes of the file `source`, end to end from `at` on, to runs of `fd`."""
    most = max(_SLAB // runs.length, 1) if runs.length else 1
    for starts in runs.batches(most):
        if len(starts) == 1:
            _copy_range(source, at, fd, int(starts[0]), runs.length)
            at += runs.length
            continue
        data = _read(source, at, memoryview(bytearray(len(starts) * runs.length)))
        for i, start in enumerate(starts.tolist()):
            write_all(fd, data[i * runs.length : (i + 1) * runs.length], start)
        at += len(data)


def _copy_range(source: int, start: int, fd: int, position: int, nbytes: int) -> None:
    buffer = memoryview(bytearray(min(nbytes, _SLAB)))
    for first in range(0, nbytes, _SLAB):
        data = _read(source, start + first, buffer[: min(_SLAB, nbytes - first)])
        write_all(fd, data, position + first)


def _read(fd: int, start: int, view: memoryview) -> memoryview:
    """Fill `view` from `start` on, and return it."""
    n = read_up_to(fd, view, start)
    if n < len(view):
        raise OSError(errno.EIO, f"the draft ends at byte {start + n}, too early")
    return view


def _data_ranges(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a file that are not holes."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    stop = 0
    while stop < size:
        try:
            start = os.lseek(fd, stop, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # nothing but a hole up to the end
        stop = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, stop


def copy_elements(source: int, packed: Layout, fd: int, layout: Layout) -> None:
    """Write elements that the file `source` has at `packed` to `layout` of `fd`."""
    for key in _blocks(layout.shape, layout.dtype.itemsize) if layout.nbytes else ():
        runs = packed[key].runs()
        view = memoryview(bytearray(runs.nbytes))
        at = 0
        for starts in runs.batches():
            for start in starts.tolist():
                _read(source, start, view[at : at + runs.length])
                at += runs.length
        scatter(fd, layout[key], runs.packed.view(view))


def _blocks(
    shape: tuple[int, ...], itemsize: int, most: int = _SLAB
) -> Iterator[tuple[slice, ...]]:
    """Yield slices that cut an array in C order into blocks of about `most` bytes."""
    nbytes = int(np.prod(shape, dtype=object)) * itemsize
    axis = next((i for i, n in enumerate(shape) if n > 1), None)
    if nbytes <= most or axis is None:
        yield tuple(slice(0, n) for n in shape)
        return
    n = shape[axis]
    step = max(most // (nbytes // n), 1)
    for first in range(0, n, step):
        part = slice(first, min(first + step, n))
        inner = (*shape[:axis], part.stop - part.start, *shape[axis + 1 :])
        if step > 1:
            yield (*(slice(0, k) for k in shape[:axis]), part, *map(_whole, shape[axis + 1 :]))
            continue
        for key in _blocks(inner, itemsize, most):
            yield (*key[:axis], part, *key[axis + 1 :])


def _whole(n: int) -> slice:
    return slice(0, n)
