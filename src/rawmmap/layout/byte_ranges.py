"""Ranges of bytes in ascending order that are computed when they are asked for.

A file of a hundred million records with a gap in each has as many ranges that no variable covers.
They are kept as they arise: some ranges, repeated at equal distances, one after another.
"""

from __future__ import annotations

import bisect
import itertools
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

__all__ = ["ByteRanges", "concatenate", "from_bounds", "repeat"]

Range = tuple[int, int]

# Ranges up to which the text of a sequence shows all of them.
_MOST_SHOWN = 20


class ByteRanges(Sequence[Range]):
    """Ranges of bytes, ``(first, past the last)``, that neither overlap nor touch.

    It is equal to any sequence of the same ranges; a slice of it is a list.
    """

    __slots__ = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _get(self, number: int) -> Range:
        """Return the range of a number that is not negative."""

    @abstractmethod
    def shifted(self, nbytes: int) -> ByteRanges:
        """Return the same ranges so many bytes further on."""

    @abstractmethod
    def split_first(self) -> tuple[Range, ByteRanges]:
        """Return the first range, and the others."""

    @abstractmethod
    def split_last(self) -> tuple[ByteRanges, Range]:
        """Return all ranges but the last, and the last."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of all ranges."""

    @overload
    def __getitem__(self, key: int) -> Range: ...
    @overload
    def __getitem__(self, key: slice) -> list[Range]: ...
    def __getitem__(self, key: int | slice) -> Range | list[Range]:
        if isinstance(key, slice):
            return [self._get(number) for number in range(*key.indices(len(self)))]
        return self._get(range(len(self))[key])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if len(self) <= _MOST_SHOWN:
            return repr(list(self))
        shown = ", ".join(map(repr, self[:3]))
        return f"[{shown}, ..., {self[-1]}: {len(self)} ranges of {self.nbytes} bytes]"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Explicit(ByteRanges):
    """Some ranges."""

    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def _get(self, number: int) -> Range:
        return int(self.starts[number]), int(self.stops[number])

    def __iter__(self) -> Iterator[Range]:
        return zip(self.starts.tolist(), self.stops.tolist(), strict=True)

    def shifted(self, nbytes: int) -> ByteRanges:
        return _Explicit(self.starts + nbytes, self.stops + nbytes)

    def split_first(self) -> tuple[Range, ByteRanges]:
        return self._get(0), _Explicit(self.starts[1:], self.stops[1:])

    def split_last(self) -> tuple[ByteRanges, Range]:
        return _Explicit(self.starts[:-1], self.stops[:-1]), self._get(-1)

    @property
    def nbytes(self) -> int:
        return int((self.stops - self.starts).sum())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Repeated(ByteRanges):
    """The ranges of a step, at every one of so many steps."""

    ranges: ByteRanges
    times: int
    step: int

    def __len__(self) -> int:
        return self.times * len(self.ranges)

    def _get(self, number: int) -> Range:
        step, within = divmod(number, len(self.ranges))
        start, stop = self.ranges[within]
        return start + step * self.step, stop + step * self.step

    def __iter__(self) -> Iterator[Range]:
        for shift in range(0, self.times * self.step, self.step):
            yield from ((start + shift, stop + shift) for start, stop in self.ranges)

    def shifted(self, nbytes: int) -> ByteRanges:
        return _Repeated(self.ranges.shifted(nbytes), self.times, self.step)

    def split_first(self) -> tuple[Range, ByteRanges]:
        first, rest = self.ranges.split_first()
        others = repeat(self.ranges.shifted(self.step), self.times - 1, self.step)
        return first, concatenate([rest, others])

    def split_last(self) -> tuple[ByteRanges, Range]:
        rest, last = self.ranges.shifted((self.times - 1) * self.step).split_last()
        return concatenate([repeat(self.ranges, self.times - 1, self.step), rest]), last

    @property
    def nbytes(self) -> int:
        return self.times * self.ranges.nbytes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Joined(ByteRanges):
    """Ranges and then others, each sequence with the number of ranges up to its end."""

    parts: tuple[ByteRanges, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return self.ends[-1]

    def _get(self, number: int) -> Range:
        part = bisect.bisect_right(self.ends, number)
        return self.parts[part][number - (self.ends[part - 1] if part else 0)]

    def __iter__(self) -> Iterator[Range]:
        return itertools.chain.from_iterable(self.parts)

    def shifted(self, nbytes: int) -> ByteRanges:
        return _Joined(tuple(part.shifted(nbytes) for part in self.parts), self.ends)

    def split_first(self) -> tuple[Range, ByteRanges]:
        first, rest = self.parts[0].split_first()
        return first, concatenate([rest, *self.parts[1:]])

    def split_last(self) -> tuple[ByteRanges, Range]:
        rest, last = self.parts[-1].split_last()
        return concatenate([*self.parts[:-1], rest]), last

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts)


def from_bounds(starts: Any = (), stops: Any = ()) -> ByteRanges:
    """Return the ranges with these first bytes, and bytes past the last."""
    return _Explicit(np.asarray(starts, np.int64), np.asarray(stops, np.int64))


def concatenate(several: Sequence[ByteRanges]) -> ByteRanges:
    """Return ranges one after another; those that touch become one."""
    parts: list[ByteRanges] = []
    for part in several:
        if not len(part):
            continue
        if parts and parts[-1][-1][1] == part[0][0]:
            before, (start, _) = parts.pop().split_last()
            (_, stop), part = part.split_first()
            parts += [p for p in (before,) if len(p)]
            parts.append(from_bounds([start], [stop]))
        parts += [p for p in (part,) if len(p)]
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return from_bounds()
    return _Joined(tuple(parts), tuple(itertools.accumulate(map(len, parts))))


def repeat(ranges: ByteRanges, count: int, step: int) -> ByteRanges:
    """Return ranges at each of `count` steps of so many bytes; those that touch become one.

    Parameters
    ----------
    ranges : ByteRanges
        Those of the first step, from its first byte to the last at most.
    count : int
        Number of steps.
    step : int
        Bytes of a step.
    """
    if count <= 0 or not len(ranges):
        return from_bounds()
    if count == 1:
        return ranges
    (start, stop), rest = ranges.split_first()
    if ranges[-1][1] < start + step:
        return _Repeated(ranges, count, step)
    if not len(rest):
        return from_bounds([start], [stop + (count - 1) * step])
    # The last range of each step goes on into the next one.
    within, (last, end) = rest.split_last()
    across = concatenate([within, from_bounds([last], [stop + step])])
    tail = (count - 1) * step
    return concatenate(
        [
            from_bounds([start], [stop]),
            _Repeated(across, count - 1, step),
            within.shifted(tail),
            from_bounds([last + tail], [end + tail]),
        ]
    )
