"""Records at the end of a file: whole ones, in order, so that a reader never sees a part of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
from dask.delayed import Delayed, delayed

from rawmmap.dask.writing import Writing
from rawmmap.layout import Layout
from rawmmap.sources.writing import Tail

__all__ = ["append_records"]

# Records are put together in memory, so many bytes of them at a time.
_BATCH = 2**26

# An array, the axis that counts its records, and where those new records go.
Column = tuple[Any, int, Layout]


def append_records(
    goal: Tail, columns: Sequence[Column], nbytes: int, compute: bool
) -> Delayed | None:
    """Add records to a file, some at a time.

    Parameters
    ----------
    goal : Tail
        The end of the file.
    columns : sequence of (array, int, Layout)
        NumPy and Dask arrays, the axis of each along which the records are counted, and where its
        elements go; together they make up the records.
    nbytes : int
        Bytes of one record.
    compute : bool
        Whether to write now.

    Returns
    -------
    dask.delayed.Delayed or None
        With ``compute=False``, what writes the records once it is computed.
    """
    batches = list(_batches(goal, columns, nbytes))
    if compute:
        _append_now(goal, batches)
        return None
    begun = delayed(_begin, pure=False)(goal)
    last = begun
    for start, stop, blocks, layouts in batches:
        # Each batch waits for the one before it: the file must not reach past what is written.
        last = delayed(_append, pure=False)(last, start, stop, blocks, layouts)
    return Writing(delayed(_finish, pure=False)(last), goal)


Batch = tuple[int, int, list[Any], list[Layout]]


def _batches(goal: Tail, columns: Sequence[Column], nbytes: int) -> Iterator[Batch]:
    """Yield the bytes that some records fill, their parts of every array, and where those go."""
    count = goal.nbytes // nbytes
    at_once = max(_BATCH // nbytes, 1)
    for first in range(0, count, at_once):
        last = min(first + at_once, count)
        keys = [(slice(None),) * axis + (slice(first, last),) for _, axis, _ in columns]
        blocks = [array[key] for (array, _, _), key in zip(columns, keys, strict=True)]
        layouts = [layout[key] for (_, _, layout), key in zip(columns, keys, strict=True)]
        yield goal.start + first * nbytes, goal.start + last * nbytes, blocks, layouts


def _append_now(goal: Tail, batches: Sequence[Batch]) -> None:
    goal.check()
    try:
        goal.begin()
        for start, stop, blocks, layouts in batches:
            # Written from here and not from tasks: when one fails, Dask does not wait for the
            # others, which might then write after the file was cut back.
            goal.write(_assembled(start, stop, dask.compute(*blocks), layouts), start)
        goal.finish()
    except BaseException:
        goal.abandon()
        raise


def _begin(goal: Tail) -> Tail:
    goal.begin()
    return goal


def _append(goal: Tail, start: int, stop: int, blocks: list[Any], layouts: list[Layout]) -> Tail:
    try:
        goal.write(_assembled(start, stop, blocks, layouts), start)
    except BaseException:
        goal.abandon()
        raise
    return goal


def _finish(goal: Tail) -> None:
    goal.finish()


def _assembled(
    start: int, stop: int, blocks: Sequence[Any], layouts: Sequence[Layout]
) -> memoryview:
    """Return the bytes of whole records."""
    buffer: npt.NDArray[np.uint8] = np.zeros(stop - start, np.uint8)
    for block, layout in zip(blocks, layouts, strict=True):
        layout.shifted(-start).view(buffer)[...] = block
    return buffer.data
