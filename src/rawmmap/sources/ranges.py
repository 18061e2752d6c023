"""Byte ranges of a request, joined where they lie close together. Pure arithmetic, no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rawmmap.sources.base import Lengths, Starts

__all__ = ["JoinedRanges"]

Buffer = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class JoinedRanges:
    """Ranges of one file, and the fewer blocks that are fetched for them.

    ::

        ranges   ####   ##               ####
        blocks   [........]              [..]
                     gap     larger gap

    Attributes
    ----------
    first, last : array of int
        First byte of each block, and past its last.
    starts, lengths : array of int
        The ranges, in the order in which they were asked for; they may overlap.
    where : array of int
        Number of the block that holds each range.
    """

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    where: npt.NDArray[np.intp]

    @classmethod
    def of(cls, starts: Starts, lengths: Lengths, gap: int) -> Self:
        """Join ranges between which there are at most `gap` bytes."""
        begins = np.asarray(starts, np.int64)
        counts = np.broadcast_to(np.asarray(lengths, np.int64), begins.shape)
        if not begins.size:
            return cls(begins, begins, begins, counts, np.empty(0, np.intp))
        order = np.argsort(begins, kind="stable")
        low = begins[order]
        high = np.maximum.accumulate(low + counts[order])
        apart = low[1:] - high[:-1] > gap
        where = np.empty(begins.shape, np.intp)
        where[order] = np.concatenate([[0], np.cumsum(apart)])
        first = low[np.concatenate([[True], apart])]
        last = high[np.concatenate([apart, [True]])]
        return cls(first, last, begins, counts, where)

    def allocate(self) -> tuple[Buffer, list[Buffer]]:
        """Return the result, and the memory of each block: a part of it where nothing is joined."""
        result = np.empty(int(self.lengths.sum()), np.uint8)
        if self._is_direct:
            ends = np.cumsum(self.lengths)
            pairs = zip((ends - self.lengths).tolist(), ends.tolist(), strict=True)
            parts = [result[start:stop] for start, stop in pairs]
            return result, [parts[i] for i in np.argsort(self.where).tolist()]
        return result, [np.empty(n, np.uint8) for n in (self.last - self.first).tolist()]

    @property
    def _is_direct(self) -> bool:
        """Whether every block is just one range."""
        return self.first.size == self.starts.size

    def gather(self, result: Buffer, blocks: list[Buffer]) -> memoryview[Any]:
        """Return the bytes of all ranges, end to end."""
        if not self._is_direct:
            target = result.data
            for (start, stop), block, begin in self._moves():
                target[start:stop] = blocks[block].data[begin : begin + stop - start]
        return result.data

    def _moves(self) -> Iterator[tuple[tuple[int, int], int, int]]:
        """Yield where each range goes in the result, its block, and its start in the block."""
        ends = np.cumsum(self.lengths)
        begins = self.starts - self.first[self.where]
        places = zip((ends - self.lengths).tolist(), ends.tolist(), strict=True)
        yield from zip(places, self.where.tolist(), begins.tolist(), strict=True)
