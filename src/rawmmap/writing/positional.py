"""Positional writes: arrays, and bytes of other files, into an open file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.files.io import write_all
from rawmmap.layout import Layout

__all__ = ["blocks", "copy_bytes", "scatter"]

# Bytes that are in memory at a time while a file is copied.
_SLAB = 2**24


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
        for first in range(start, stop, _SLAB):
            data = _read(source, first, min(_SLAB, stop - first))
            write_all(fd, memoryview(data), position + first)
    if os.fstat(fd).st_size < position + size:
        os.ftruncate(fd, position + size)


def _read(fd: int, start: int, nbytes: int) -> bytes:
    os.lseek(fd, start, os.SEEK_SET)
    data = bytearray()
    while len(data) < nbytes:
        piece = os.read(fd, nbytes - len(data))
        if not piece:
            raise OSError(errno.EIO, f"a temporary file ends at byte {start + len(data)}")
        data += piece
    return bytes(data)


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


def blocks(shape: tuple[int, ...], itemsize: int, most: int = _SLAB) -> Iterator[tuple[slice, ...]]:
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
        for key in blocks(inner, itemsize, most):
            yield (*key[:axis], part, *key[axis + 1 :])


def _whole(n: int) -> slice:
    return slice(0, n)
