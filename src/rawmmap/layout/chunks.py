"""Chunk shapes that are contiguous in the file and of a good size."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["auto_chunks"]


def auto_chunks(
    shape: Sequence[int],
    strides: Sequence[int],
    itemsize: int,
    limit: int,
    page: int,
) -> tuple[int, ...]:
    """Return chunk lengths, one per axis, for chunks that are contiguous slabs of the file.

    The fastest axes stay whole as long as a chunk fits into `limit`; the next slower axis is cut,
    on page boundaries where its step allows it; all slower axes have length 1.

    Parameters
    ----------
    shape, strides : sequence of int
        Element counts, and bytes from one element to the next; the axis with the largest
        stride is the slowest.
    itemsize : int
        Bytes of one element.
    limit : int
        Largest number of bytes of a chunk.
    page : int
        Bytes of a page.
    """
    chunks = [1] * len(shape)
    slab = itemsize
    for axis in sorted(range(len(shape)), key=lambda a: (abs(strides[a]), -a)):
        n = max(shape[axis], 1)
        if slab * n > limit:
            chunks[axis] = _slabs_per_chunk(n, slab, limit, page)
            break
        chunks[axis] = n
        slab *= n
    return tuple(chunks)


def _slabs_per_chunk(n: int, slab: int, limit: int, page: int) -> int:
    """Return how many of `n` slabs go into a chunk: evenly, and in whole pages if possible."""
    most = max(limit // slab, 1)
    even = math.ceil(n / math.ceil(n / most))
    paged = page // math.gcd(slab, page)
    if paged > most:
        return even
    return min(even + -even % paged, most - most % paged)
