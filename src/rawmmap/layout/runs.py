"""The byte runs that hold the elements of a layout: what readers, writers and hints work from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from rawmmap.layout.strided import Layout

__all__ = ["Runs"]

# Number of run starts that are computed at a time, so that plans of huge files stay small.
_STARTS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Runs:
    """Byte runs of equal length, at the points of a grid.

    Attributes
    ----------
    first : int
        Byte at which the first run starts.
    length : int
        Bytes of each run.
    counts, steps : tuple of int
        The grid: number of runs along each axis, and bytes from one run to the next.
    packed : Layout
        Where the elements lie once the runs are written end to end.
    """

    first: int
    length: int
    counts: tuple[int, ...]
    steps: tuple[int, ...]
    packed: Layout

    @property
    def count(self) -> int:
        """Number of runs."""
        return math.prod(self.counts)

    @property
    def nbytes(self) -> int:
        """Bytes of all runs."""
        return self.count * self.length

    def points(self, shape: tuple[int, ...]) -> Layout:
        """Return the layout of the runs of many points, an array of `shape`, end to end."""
        return self.packed.repeated(shape, self.nbytes)

    def starts(self) -> npt.NDArray[np.int64]:
        """Return the first byte of every run, in the order in which `packed` expects them."""
        result = np.array([self.first], np.int64)
        for n, step in zip(self.counts, self.steps, strict=True):
            result = (result[:, None] + np.arange(n, dtype=np.int64) * step).ravel()
        return result

    def batches(self, limit: int = _STARTS_AT_ONCE) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the same starts, at most `limit` at a time, so that memory stays bounded."""
        if self.count <= limit or not self.counts:
            yield self.starts()
            return
        n, step = self.counts[0], self.steps[0]
        rest = Runs(self.first, self.length, self.counts[1:], self.steps[1:], self.packed)
        if rest.count <= limit:
            at_once = limit // rest.count
            for i in range(0, n, at_once):
                count = min(at_once, n - i)
                first = self.first + i * step
                yield Runs(
                    first, self.length, (count, *rest.counts), self.steps, self.packed
                ).starts()
            return
        for i in range(n):
            first = self.first + i * step
            yield from Runs(first, self.length, rest.counts, rest.steps, self.packed).batches(limit)
