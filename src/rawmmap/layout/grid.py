"""Regular grids of chunks that are contiguous in their files, as chunked formats count them.

A chunked format knows an array as equal chunks, each of which is one run of bytes in C order. This
module finds the coarsest such grid in an arrangement, and where its chunks lie. Every arrangement
has one, in the worst case with chunks of a single element.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rawmmap.layout.bits import BitLayout
from rawmmap.layout.parts import Arrangement, Part, Values
from rawmmap.layout.strided import Layout

__all__ = ["Chunk", "ChunkGrid", "chunk_grid"]

# Lengths are searched for divisors up to this one.
_LARGEST_TRIED = 10**6


class Chunk(NamedTuple):
    """One chunk of a grid.

    Attributes
    ----------
    position : tuple of int
        Which one, along each axis.
    file : int
        Number of the file it lies in; -1 if its elements are known already.
    offset : int
        Its first byte in the file.
    data : bytes or None
        The elements, where they are known already.
    """

    position: tuple[int, ...]
    file: int
    offset: int
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class ChunkGrid:
    """A grid of equal chunks, each of which is one run of bytes.

    Attributes
    ----------
    data : Arrangement
        The array, transposed.
    axes : tuple of int
        The axis of the array as it was behind each axis of `data`.
    lengths : tuple of int
        Length of a chunk along each axis; it divides the length of the array.
    has_missing : bool
        Whether there are chunks without any elements.
    """

    data: Arrangement
    axes: tuple[int, ...]
    lengths: tuple[int, ...]
    has_missing: bool

    @property
    def nbytes(self) -> int:
        """Bytes of a chunk."""
        return math.prod(self.lengths) * self.data.dtype.itemsize

    @property
    def size(self) -> int:
        """Number of chunks, missing ones included."""
        return math.prod(n // c for n, c in zip(self.data.shape, self.lengths, strict=True))

    def chunks(self) -> Iterator[Chunk]:
        """Yield all chunks but the missing ones."""
        for part in self.data.parts():
            if isinstance(part.data, Layout):
                yield from self._of_layout(part, part.data)
            elif isinstance(part.data, Values):
                yield from self._of_values(part, part.data)

    def _of_layout(self, part: Part, layout: Layout) -> Iterator[Chunk]:
        positions = self._positions(part)
        if layout.shape == self.lengths:  # such as a file of a series
            yield Chunk(tuple(numbers.start for numbers in positions), part.file, layout.offset)
            return
        offsets = np.array(layout.offset, np.int64)
        for numbers, step, n in zip(positions, layout.strides, self.lengths, strict=True):
            offsets = offsets[..., None] + np.arange(len(numbers), dtype=np.int64) * (step * n)
        indices = itertools.product(*positions)
        for index, offset in zip(indices, offsets.ravel().tolist(), strict=True):
            yield Chunk(index, part.file, offset)

    def _of_values(self, part: Part, values: Values) -> Iterator[Chunk]:
        positions = self._positions(part)
        firsts = [numbers.start for numbers in positions]
        for index in itertools.product(*positions):
            key = tuple(
                slice((i - first) * c, (i - first + 1) * c)
                for i, first, c in zip(index, firsts, self.lengths, strict=True)
            )
            yield Chunk(index, -1, 0, values.array[key].tobytes())

    def _positions(self, part: Part) -> list[range]:
        """Return the numbers of the chunks of a part along each axis."""
        return [
            range(one.start // length, one.stop // length)
            for one, length in zip(part.index, self.lengths, strict=True)
        ]


def chunk_grid(data: Arrangement, limit: int, *, reorder: bool = False) -> ChunkGrid:
    """Return the coarsest grid of contiguous chunks of about `limit` bytes at most.

    Parameters
    ----------
    data : Arrangement
        An array of whole bytes: its pieces are layouts, values or missing.
    limit : int
        Bytes that a chunk should not exceed. Chunks divide the array evenly, so one is larger
        where the next smaller one would be far too small.
    reorder : bool
        Whether to transpose the array so that its axes go from the slowest to the fastest in the
        file. Those along which a piece has one element, or always the same, stay where they are.

    Raises
    ------
    TypeError
        If the pieces hold samples of a few bits.
    """
    steps = list(data.shape)
    layouts: dict[tuple[int, ...], Layout] = {}
    has_missing = False
    for part in data.parts():
        steps = [math.gcd(n, i.start, i.stop) for n, i in zip(steps, part.index, strict=True)]
        has_missing = has_missing or part.data is None
        if isinstance(part.data, Layout):
            known = layouts.get(part.data.strides)
            if known is None or known.size < part.data.size:
                layouts[part.data.strides] = part.data
        elif isinstance(part.data, BitLayout):
            raise TypeError("samples of a few bits do not start on bytes")
    axes = _storage_order(layouts.values(), data.ndim) if reorder else tuple(range(data.ndim))
    strides = [tuple(one[axis] for axis in axes) for one in layouts]
    lengths = _chunk_lengths([steps[axis] for axis in axes], strides, data.dtype.itemsize, limit)
    if axes != tuple(range(data.ndim)):
        data = data.transpose(axes)
    return ChunkGrid(data, axes, lengths, has_missing)


def _storage_order(layouts: Collection[Layout], ndim: int) -> tuple[int, ...]:
    """Return the axes from the slowest to the fastest in the largest layout."""
    if not layouts:
        return tuple(range(ndim))
    largest = max(layouts, key=lambda layout: layout.size)
    moving = [a for a in range(ndim) if largest.shape[a] > 1 and largest.strides[a]]
    by_step = iter(sorted(moving, key=lambda axis: -abs(largest.strides[axis])))
    return tuple(next(by_step) if axis in moving else axis for axis in range(ndim))


def _chunk_lengths(
    steps: Sequence[int], strides: Collection[tuple[int, ...]], itemsize: int, limit: int
) -> tuple[int, ...]:
    """Return the longest chunk that is contiguous in all pieces.

    Parameters
    ----------
    steps : sequence of int
        What the length of a chunk along each axis must divide, so that no piece cuts it.
    strides : collection of tuple of int
        Those of all layouts.
    itemsize, limit : int
        Bytes of an element, and of a chunk.
    """
    lengths = [1] * len(steps)
    nbytes = itemsize
    for axis in reversed(range(len(steps))):
        if steps[axis] > 1 and all(one[axis] == nbytes for one in strides):
            lengths[axis] = _choose_divisor(steps[axis], max(limit // nbytes, 1))
            nbytes *= lengths[axis]
    return tuple(lengths)


def _choose_divisor(n: int, most: int) -> int:
    """Return the divisor of `n` that is best for a chunk of `most` elements at most.

    Chunks that are too small cost requests, those that are too large cost bytes, which is worse.
    """
    if n <= most:
        return n
    divisors = _divisors(n)
    below = int(divisors[divisors <= most].max())
    above = int(divisors[divisors > most].min())
    return above if (above / most) ** 2 < most / below else below


def _divisors(n: int) -> npt.NDArray[np.int64]:
    tried = np.arange(1, min(math.isqrt(n), _LARGEST_TRIED) + 1, dtype=np.int64)
    small = tried[n % tried == 0]
    return np.concatenate([small, n // small])
