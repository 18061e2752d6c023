"""Arrays whose records lie between markers, and may be cut into parts.

::

    stream    0                40               80     100       of all bytes but the markers
    file    4 |  part 0    | 8 |   part 1    | 8 | part 2 | 4

A *stream* is what a program reads that never sees the markers: the payload of all records, one
after another. An array that is plain in the stream is, in the file, a mosaic of what lies within
single parts, and of the few elements that a cut divides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.layout.cells import Cell, Required
from rawmmap.layout.edges import Edges
from rawmmap.layout.mosaic import Mosaic
from rawmmap.layout.parts import Values
from rawmmap.layout.strided import Layout

__all__ = [
    "CutRecords",
    "DividedElements",
    "JoinedRecords",
    "Stream",
    "UnequalRecords",
    "cut_records",
    "find_divided",
]

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stream:
    """Parts of a file that follow each other, with markers between them.

    Attributes
    ----------
    parts : Edges
        Where each part begins in the stream.
    start : int
        Byte of the file at which the first part begins, after its marker.
    gap : int
        Bytes from the end of a part to the beginning of the next.
    """

    parts: Edges
    start: int
    gap: int

    def shift(self, number: int) -> int:
        """Return how many bytes further on a part lies in the file than in the stream."""
        return self.start + number * self.gap

    def runs(self, positions: Positions, nbytes: int | Positions) -> tuple[Positions, Positions]:
        """Return the byte ranges of the file that hold pieces of the stream.

        Parameters
        ----------
        positions : array of int
            Where each piece begins in the stream.
        nbytes : int or array of int
            Bytes of all of them or of each, at least one.

        Returns
        -------
        starts, lengths : array of int
            Piece by piece, as many ranges for each as it lies in parts.
        """
        first = self.parts.find_all(positions)
        counts = self.parts.find_all(positions + nbytes - 1) - first + 1
        piece = np.repeat(np.arange(positions.size), counts)
        inside = np.arange(piece.size) - np.repeat(np.cumsum(counts) - counts, counts)
        part = first[piece] + inside
        starts = np.maximum(self.parts.start_all(part), positions[piece])
        begins = np.append(np.asarray(self.parts.starts), self.parts.length)
        stops = np.minimum(begins[part + 1], (positions + nbytes)[piece])
        ranges = starts + self.start + part * self.gap, stops - starts
        return ranges[0][stops > starts], ranges[1][stops > starts]


@dataclass(frozen=True, slots=True)
class DividedElements:
    """Elements that a cut divides, which were read together with the cuts.

    Attributes
    ----------
    positions : tuple of int
        Where each begins in the stream, ascending.
    data : bytes
        Their bytes; of all records, one after another, where records are alike.
    """

    positions: tuple[int, ...] = ()
    data: bytes = b""

    def values(self, position: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Values:
        """Return the elements at one position, in an array of `shape`."""
        number = int(np.searchsorted(self.positions, position))
        step = len(self.data) // len(self.positions)
        block = self.data[number * step : (number + 1) * step]
        return Values(np.frombuffer(block, dtype).reshape(shape))


@dataclass(frozen=True, slots=True)
class CutRecords:
    """Equal records at equal distances, each of them cut at the same bytes.

    Attributes
    ----------
    layout : Layout
        All records, along the first axis; the first one in bytes of the stream, the distance of the
        others in bytes of the file.
    stream : Stream
        The parts of the first record.
    edges : tuple of Edges
        The grid of the other axes.
    divided : DividedElements
        The elements that the cuts divide.
    """

    layout: Layout
    stream: Stream
    edges: tuple[Edges, ...]
    divided: DividedElements

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return what lies in this cell: of all records, elements of one part or a divided one."""
        bounds = [e.bounds(i) for e, i in zip(self.edges, index[1:], strict=True)]
        layout = self.layout[(slice(None), *(slice(*b) for b in bounds))]
        return _take(layout, layout[0], self.stream, self.divided)

    def required(self) -> Iterator[Required]:
        """Yield what the file needs."""
        if self.layout.size:
            last = self.stream.parts.find(self.layout[0].extent[1] - 1)
            yield Required((0,), self.layout.extent[1] + self.stream.shift(last))


def cut_records(layout: Layout, stream: Stream, divided: DividedElements) -> Mosaic:
    """Return equal records, cut into the parts of a stream, as one array; see `CutRecords`."""
    one = layout[0]
    found = _find_positions(one, _cuts_within(one, np.asarray(stream.parts.starts)))
    edges = tuple(Edges(_steps(p, n), n) for p, n in zip(found, one.shape, strict=True))
    count = layout.shape[0]
    rule = CutRecords(layout, stream, edges, divided)
    return Mosaic(layout.dtype, (Edges.regular(count, count), *edges), rule)


def find_divided(layout: Layout, cuts: Positions) -> Positions:
    """Return where the elements of a dense array begin that a cut divides, in bytes."""
    inside = _cuts_within(layout, cuts) - layout.offset
    item = layout.dtype.itemsize
    return np.unique(inside[inside % item != 0] // item * item) + layout.offset


@dataclass(frozen=True, slots=True)
class JoinedRecords:
    """Records of any lengths that make one array, one after another along an axis.

    Attributes
    ----------
    layout : Layout
        The elements of the longest record, dense, in bytes from its start.
    axis : int
        The axis that runs through the records.
    numbers : range
        The records of the stream that hold elements.
    lengths : Edges
        Where each of them begins along the axis.
    records : Edges
        Where each record begins in the stream.
    stream : Stream
        The parts of all records.
    """

    layout: Layout
    axis: int
    numbers: range
    lengths: Edges
    records: Edges
    stream: Stream

    def find_divided(self) -> Positions:
        """Return where the elements begin in the stream that a cut divides."""
        inside, piece = self._cuts
        item = self.layout.dtype.itemsize
        divided = inside % item != 0
        starts = self.records.start_all(self.numbers.start + piece * self.numbers.step)
        positions = starts + self.layout.offset + inside // item * item
        return np.unique(positions[divided])

    def arrange(self, divided: DividedElements) -> Mosaic:
        """Return the array."""
        inside, piece = self._cuts
        one = Layout(self.layout.dtype, self.layout.shape, self.layout.strides, 0)
        found = _find_positions(one, inside)
        found[self.axis] = found[self.axis] + self.lengths.start_all(piece)
        edges = [Edges(_steps(p, n), n) for p, n in zip(found, one.shape, strict=True)]
        length, starts = self.lengths.length, np.asarray(self.lengths.starts)
        edges[self.axis] = Edges(_steps(found[self.axis], length, starts), length)
        rule = UnequalRecords(self, tuple(edges), divided)
        return Mosaic(self.layout.dtype, tuple(edges), rule)

    def find_ranges(self, start: int, stop: int) -> tuple[Positions, Positions]:
        """Return the byte ranges of the file that hold some positions along the axis, and all else.

        Parameters
        ----------
        start, stop : int
            First position along the axis, and past the last one; at least one in between.

        Returns
        -------
        starts, lengths : array of int
            In the order of the file, divided elements included.
        """
        first, last = self.lengths.find(start), self.lengths.find(stop - 1)
        begins = np.asarray(self.lengths.starts)[first : last + 1]
        counts = self.lengths.lengths[first : last + 1].copy()
        skipped = np.maximum(start - begins, 0)
        counts -= skipped
        counts[-1] = stop - max(int(begins[-1]), start)
        row = math.prod(n for i, n in enumerate(self.layout.shape) if i != self.axis)
        row *= self.layout.dtype.itemsize
        numbers = np.asarray(self.numbers[first : last + 1], np.int64)
        positions = self.records.start_all(numbers) + self.layout.offset + skipped * row
        return self.stream.runs(positions[counts > 0], counts[counts > 0] * row)

    @property
    def _cuts(self) -> tuple[Positions, Positions]:
        """Where cuts lie between the elements of a record, in bytes, and which piece that is."""
        starts = np.asarray(self.stream.parts.starts)
        number = self.records.find_all(starts)
        cuts = starts[starts != self.records.start_all(number)]
        number = self.records.find_all(cuts)
        piece, rest = np.divmod(number - self.numbers.start, self.numbers.step)
        chosen = (rest == 0) & (piece >= 0) & (piece < len(self.numbers))
        piece = piece[chosen]
        inside = cuts[chosen] - self.records.start_all(number[chosen]) - self.layout.offset
        others = [n for i, n in enumerate(self.layout.shape) if i != self.axis]
        nbytes = self.lengths.lengths[piece] * math.prod(others) * self.layout.dtype.itemsize
        chosen = (inside > 0) & (inside < nbytes)
        return inside[chosen], piece[chosen]


@dataclass(frozen=True, slots=True)
class UnequalRecords:
    """Records of any lengths, one after another along an axis.

    Attributes
    ----------
    joined : JoinedRecords
        Where they lie.
    edges : tuple of Edges
        The grid.
    divided : DividedElements
        The elements that cuts divide.
    """

    joined: JoinedRecords
    edges: tuple[Edges, ...]
    divided: DividedElements

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return what lies in this cell: elements of one part of a record, or a divided one."""
        joined, axis = self.joined, self.joined.axis
        bounds = [e.bounds(i) for e, i in zip(self.edges, index, strict=True)]
        piece = joined.lengths.find(bounds[axis][0])
        first = joined.lengths.bounds(piece)[0]
        bounds[axis] = (bounds[axis][0] - first, bounds[axis][1] - first)
        layout = joined.layout[tuple(slice(*b) for b in bounds)]
        layout = layout.shifted(joined.records.bounds(joined.numbers[piece])[0])
        return _take(layout, layout, joined.stream, self.divided)

    def required(self) -> Iterator[Required]:
        """Yield what the file needs."""
        joined = self.joined
        stop = joined.records.bounds(joined.numbers[-1])[1] if joined.numbers else 0
        if stop:
            part = joined.stream.parts.find(stop - 1)
            yield Required((0,), stop + joined.stream.shift(part))


def _take(layout: Layout, one: Layout, stream: Stream, divided: DividedElements) -> Cell:
    """Return elements that lie in one part of the stream, or that a cut divides."""
    start, stop = one.extent
    part = stream.parts.find(start)
    if stop <= stream.parts.bounds(part)[1]:
        return Cell(layout.shifted(stream.shift(part)))
    return Cell(divided.values(start, layout.dtype, layout.shape), -1)


def _cuts_within(layout: Layout, cuts: Positions) -> Positions:
    """Return those of some cuts that lie within a dense array."""
    start, stop = layout.extent
    return cuts[(cuts > start) & (cuts < stop)]


def _find_positions(layout: Layout, cuts: Positions) -> list[Positions]:
    """Return the position, along each axis, of the elements of a dense array that hold cuts."""
    rest = cuts - layout.offset
    found: list[Positions] = [np.zeros_like(rest)] * layout.ndim
    for axis in sorted(range(layout.ndim), key=lambda axis: -layout.strides[axis]):
        if layout.shape[axis] > 1:
            found[axis], rest = np.divmod(rest, layout.strides[axis])
    return found


def _steps(found: Positions, length: int, starts: npt.ArrayLike = (0,)) -> Positions:
    """Return where pieces begin so that each position of `found` is alone along its axis."""
    steps = np.sort(np.concatenate([np.asarray(starts, np.int64), found, found + 1]))
    repeated = np.zeros(steps.size, bool)
    repeated[1:] = steps[1:] == steps[:-1]
    return steps[~repeated & (steps < max(length, 1))]
