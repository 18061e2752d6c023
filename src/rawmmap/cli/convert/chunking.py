"""Chunks for a copy: read in long runs from the source, written in long runs to the target."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

__all__ = ["choose_chunks", "is_contiguous"]


def choose_chunks(
    shape: Sequence[int],
    preferred: Sequence[int],
    itemsize: int,
    limit: int,
    order: Literal["C", "F"],
) -> tuple[int, ...]:
    """Return chunk lengths for copying an array from one order of its axes to another.

    Parameters
    ----------
    shape : sequence of int
        Element counts.
    preferred : sequence of int
        Chunk lengths that are contiguous in the source. They are kept if they are contiguous in the
        target, too.
    itemsize, limit : int
        Bytes of an element, and most bytes of a chunk.
    order : {"C", "F"}
        Order of the axes in the target.

    Returns
    -------
    tuple of int
        Otherwise chunks are as long as possible along both the first and the last axis, one of
        which is the fastest in the source and the other one in the target.
    """
    if is_contiguous(shape, preferred, order):
        return tuple(preferred)
    lengths = [1] * len(shape)
    most = max(limit // itemsize, 1)
    outer = [0, len(shape) - 1]
    for axes in (outer, range(1, len(shape) - 1)):
        _lengthen(lengths, shape, axes, most)
    return tuple(lengths)


def _lengthen(lengths: list[int], shape: Sequence[int], axes: Sequence[int], most: int) -> None:
    """Double the lengths along some axes in turn, while a chunk has at most so many elements."""
    while True:
        before = list(lengths)
        for axis in axes:
            longer = min(2 * lengths[axis], shape[axis])
            if math.prod(lengths) // max(lengths[axis], 1) * longer <= most:
                lengths[axis] = longer
        if lengths == before:
            return


def is_contiguous(shape: Sequence[int], chunk: Sequence[int], order: Literal["C", "F"]) -> bool:
    """Return whether each chunk lies in one piece in a dense array of an order of the axes.

    That is so if it is one step long along the slowest axes, of any length along the next one, and
    complete along all others.
    """
    axes = list(zip(shape, chunk, strict=True))[:: 1 if order == "C" else -1]
    rest = list(itertools.dropwhile(lambda axis: axis[1] == 1, axes))
    return all(n <= length for n, length in rest[1:])
