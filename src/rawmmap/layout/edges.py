"""Where the pieces along one axis begin, and which of them a selection touches."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Edges", "Span"]


class Span(NamedTuple):
    """What a selection takes of one piece along one axis.

    Attributes
    ----------
    number : int
        The piece.
    target : slice or None
        Where it goes in the result; None for an axis that is dropped.
    local : slice or int
        Positions within the piece.
    """

    number: int
    target: slice | None
    local: slice | int


class Edges:
    """Where the pieces along an axis begin.

    Parameters
    ----------
    starts : range or sequence of int
        First position of each piece, ascending from 0.
    length : int
        Number of positions along the axis.

    Notes
    -----
    They pickle as the lengths of the pieces, compressed: a century of daily files as a few hundred
    bytes.
    """

    __slots__ = ("length", "starts")

    starts: range | npt.NDArray[np.int64]
    length: int

    def __init__(self, starts: Sequence[int] | npt.NDArray[Any], length: int) -> None:
        if not isinstance(starts, range):
            starts = np.array(starts, np.int64)
            starts.flags.writeable = False
        self.starts = starts
        self.length = length

    @classmethod
    def regular(cls, length: int, step: int) -> Edges:
        """Return the edges of pieces of `step` positions, of which the last may be shorter."""
        return cls(range(0, length, max(step, 1)), length)

    @classmethod
    def of_lengths(cls, lengths: Sequence[int] | npt.NDArray[Any]) -> Edges:
        """Return the edges of pieces of these lengths, some of which may be 0."""
        counts = np.asarray(lengths, np.int64)
        if counts.ndim != 1 or (counts < 0).any():
            raise ValueError("the lengths of pieces must be a list of integers, none negative")
        ends = np.cumsum(counts)
        return cls(ends - counts, int(ends[-1]) if ends.size else 0)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of positions of each piece."""
        starts = np.asarray(self.starts, np.int64)
        lengths = np.full(starts.size, self.length, np.int64)
        lengths[:-1] = starts[1:]
        lengths -= starts
        return lengths

    def __len__(self) -> int:
        return len(self.starts)

    def find(self, position: int) -> int:
        """Return the number of the piece that holds a position."""
        if isinstance(self.starts, range):
            return position // self.starts.step
        return int(self.starts.searchsorted(position, "right")) - 1

    def find_all(self, positions: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the number of the piece that holds each position."""
        if isinstance(self.starts, range):
            return positions // self.starts.step
        return self.starts.searchsorted(positions, "right") - 1

    def start_all(self, numbers: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """Return the first position of each of some pieces."""
        if isinstance(self.starts, range):
            return numbers * self.starts.step
        return self.starts[numbers]

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the first position of a piece, and past the last one."""
        following = number + 1
        end = self.starts[following] if following < len(self.starts) else self.length
        return int(self.starts[number]), int(end)

    def spans(self, positions: range | int) -> Iterator[Span]:
        """Yield the pieces that some positions touch, and what they take of each."""
        if isinstance(positions, int):
            number = self.find(positions)
            yield Span(number, None, positions - self.bounds(number)[0])
            return
        count = len(positions)
        backwards = positions.step < 0
        ascending = positions[::-1] if backwards else positions
        i = 0
        while i < count:
            number = self.find(ascending[i])
            start, stop = self.bounds(number)
            after = min(i - (ascending[i] - stop) // ascending.step, count)
            first, last = ascending[i] - start, ascending[after - 1] - start
            if backwards:
                end = first - ascending.step
                local = slice(last, None if end < 0 else end, -ascending.step)
                yield Span(number, slice(count - after, count - i), local)
            else:
                yield Span(number, slice(i, after), slice(first, last + 1, ascending.step))
            i = after

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Edges):
            return NotImplemented
        return self._state() == other._state()

    def __hash__(self) -> int:
        return hash(self._state())

    def _state(self) -> tuple[Any, ...]:
        starts = self.starts if isinstance(self.starts, range) else self.starts.tobytes()
        return self.length, starts

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self.starts, range):
            return Edges, (self.starts, self.length)
        return _restore, (zlib.compress(self.lengths.tobytes()),)

    def __repr__(self) -> str:
        return f"Edges({len(self)} pieces, length={self.length})"


def _restore(packed: bytes) -> Edges:
    return Edges.of_lengths(np.frombuffer(zlib.decompress(packed), np.int64))
