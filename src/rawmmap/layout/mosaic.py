"""Arrays in many pieces: a grid of layouts, in one file or in many, that make one array.

A series of files, the tiles of a model, records of unequal length and an axis that is stored in
blocks are all a `Mosaic`. It is pure data: the positions at which its pieces begin along each axis,
and a rule that says what lies in each cell of the grid, so that a hundred thousand files cost
nothing until some of them are asked for.

::

    axis 0   0      3        7   9
    axis 1   +------+--------+---+   Each cell holds a layout in a file, values, or nothing
             |      |        |   |   (the elements are missing).
           4 +------+--------+---+
             |      |        |   |
             +------+--------+---+
"""

from __future__ import annotations

import bisect
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from rawmmap.layout.bits import BitLayout
from rawmmap.layout.parts import Part, Values
from rawmmap.layout.strided import BasicKey, Layout

__all__ = ["Blocks", "Cell", "Cells", "Edges", "Listed", "Mosaic", "PointPart", "Stack"]

Piece = Layout | BitLayout | Values


class Cell(NamedTuple):
    """What lies in one cell of a mosaic.

    Attributes
    ----------
    data : Layout, Values or None
        The elements, with the axes of the mosaic; None where they are missing.
    file : int
        Number of the file that a layout refers to.
    """

    data: Piece | None
    file: int = 0


class Cells(Protocol):
    """The rule that says what lies in each cell; small, hashable and picklable."""

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return what lies in the cell number `index` of the grid."""


class Edges(NamedTuple):
    """Where the pieces along an axis begin.

    Attributes
    ----------
    starts : range or tuple of int
        First position of each piece, ascending from 0.
    length : int
        Number of positions along the axis.
    """

    starts: range | tuple[int, ...]
    length: int

    @classmethod
    def regular(cls, length: int, step: int) -> Edges:
        """Return the edges of pieces of `step` positions, of which the last may be shorter."""
        return cls(range(0, length, max(step, 1)), length)

    @classmethod
    def of_lengths(cls, lengths: Sequence[int]) -> Edges:
        """Return the edges of pieces of these lengths, some of which may be 0."""
        ends = tuple(itertools.accumulate(lengths, initial=0))
        return cls(ends[:-1], ends[-1])

    def find(self, position: int) -> int:
        """Return the number of the piece that holds a position."""
        if isinstance(self.starts, range):
            return position // self.starts.step
        return bisect.bisect_right(self.starts, position) - 1

    def find_all(self, positions: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the number of the piece that holds each position."""
        if isinstance(self.starts, range):
            return positions // self.starts.step
        return np.searchsorted(np.array(self.starts), positions, side="right") - 1

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the first position of a piece, and past the last one."""
        following = number + 1
        end = self.starts[following] if following < len(self.starts) else self.length
        return self.starts[number], end


class _Span(NamedTuple):
    """What a selection takes of one piece along one axis."""

    number: int
    target: slice | None  # where it goes in the result; None for an axis that is dropped
    local: slice | int  # positions within the piece


class PointPart(NamedTuple):
    """The points of a selection that lie in one cell, and what each of them takes there.

    Attributes
    ----------
    chosen : numpy.ndarray
        Numbers of the points, in C order of their arrays.
    part : Part
        The elements; its leading axes are those that the points pick from, its index counts
        along the other axes of the result.
    points : tuple of numpy.ndarray
        Positions along the leading axes of the part.
    """

    chosen: npt.NDArray[np.intp]
    part: Part
    points: tuple[npt.NDArray[np.intp], ...]


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A grid of layouts that together make one array.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of one element, the same in all pieces.
    edges : tuple of Edges
        Where the pieces begin along each axis of the grid.
    cells : Cells
        What lies in each cell.
    fill_value : object, optional
        What stands for missing elements; by default NaN for floats, and zero otherwise.
    selection : tuple of range or int, optional
        Positions that are selected along each axis of the grid; an int drops the axis.
    order : tuple of int or range, optional
        The axis of the grid behind each axis of the array; for an axis that a key has added, its
        positions, of which there is one or none.
    """

    dtype: np.dtype[Any]
    edges: tuple[Edges, ...]
    cells: Cells
    fill_value: Any = None
    selection: tuple[range | int, ...] = ()
    order: tuple[int | range, ...] | None = None

    def __post_init__(self) -> None:
        if self.order is None:
            put = object.__setattr__
            put(self, "selection", tuple(range(edges.length) for edges in self.edges))
            put(self, "order", tuple(range(len(self.edges))))

    @classmethod
    def stack(
        cls,
        layout: Layout,
        shape: Sequence[int],
        files: Sequence[int] | None = None,
        fill_value: Any = None,
    ) -> Mosaic:
        """Return an array of `shape` of the same layout in many files, as new leading axes.

        Parameters
        ----------
        layout : Layout
            Where the elements lie in each file.
        shape : sequence of int
            Lengths of the leading axes.
        files : sequence of int, optional
            Number of the file of each, in C order, -1 for one that is missing; by default they
            count up from 0. A `range` takes no memory.
        fill_value : object, optional
            What stands for the elements of missing files.
        """
        count = math.prod(shape)
        numbers = range(count) if files is None else files
        if len(numbers) != count:
            raise ValueError(f"{len(numbers)} files do not fill an array of shape {tuple(shape)}")
        outer = tuple(Edges.regular(n, 1) for n in shape)
        inner = tuple(Edges.regular(n, n) for n in layout.shape)
        if not isinstance(numbers, range):
            numbers = tuple(numbers)
        rule = Stack(layout, tuple(shape), numbers)
        return cls(layout.dtype, outer + inner, rule, fill_value)

    @classmethod
    def concatenate(cls, cells: Sequence[Cell], axis: int = 0, fill_value: Any = None) -> Mosaic:
        """Return pieces one after another along an axis; they may differ in length there."""
        data = [cell.data for cell in cells]
        if not data or any(piece is None for piece in data):
            raise ValueError("the length of a missing piece is unknown: use edges and cells")
        pieces = cast("list[Piece]", data)
        first = pieces[0]
        for piece in pieces:
            if piece.dtype != first.dtype or _others(piece, axis) != _others(first, axis):
                raise ValueError(
                    f"a piece of dtype {piece.dtype} and shape {piece.shape} does not continue "
                    f"one of dtype {first.dtype} and shape {first.shape} along axis {axis}"
                )
        edges = [Edges.regular(n, n) for n in first.shape]
        edges[axis] = Edges.of_lengths([piece.shape[axis] for piece in pieces])
        return cls(first.dtype, tuple(edges), Listed(tuple(cells), axis), fill_value)

    @classmethod
    def blocks(cls, layout: Layout, outer: int, inner: int) -> Mosaic:
        """Return a layout with two of its axes joined: the blocks, and the elements of a block.

        Parameters
        ----------
        layout : Layout
            One file's elements.
        outer, inner : int
            The axis that counts the blocks, and the one that counts within a block. The joined
            axis replaces `outer`.
        """
        length = layout.shape[inner]
        edges = [Edges.regular(n, n) for n in layout.shape]
        edges[outer] = Edges.regular(layout.shape[outer] * length, length)
        del edges[inner]
        return cls(layout.dtype, tuple(edges), Blocks(layout, outer, inner))

    @property
    def shape(self) -> tuple[int, ...]:
        """Element counts."""
        return tuple(len(self._positions(axis)) for axis in self._order)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._order)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, missing ones included."""
        return self.size * self.dtype.itemsize

    @property
    def _order(self) -> tuple[int | range, ...]:
        assert self.order is not None
        return self.order

    def _positions(self, axis: int | range) -> range:
        """Return the positions that are selected along an axis."""
        return axis if isinstance(axis, range) else cast("range", self.selection[axis])

    def __getitem__(self, key: BasicKey) -> Mosaic:
        """Return the mosaic of ``array[key]`` for integers, slices, ``...`` and ``None``.

        Raises
        ------
        IndexError
            As for `Layout`.
        """
        # A layout of the same shape checks the key and says which axes stay.
        Layout(np.uint8, self.shape, (0,) * self.ndim, 0)[key]
        items = list(key) if isinstance(key, tuple) else [key]
        used = sum(item is not None and item is not Ellipsis for item in items)
        if Ellipsis not in [item for item in items if item is Ellipsis]:
            items.append(Ellipsis)
        selection = list(self.selection)
        order: list[int | range] = []
        axes = iter(self._order)
        for item in items:
            if item is None:
                order.append(range(1))
            elif item is Ellipsis:
                order.extend(itertools.islice(axes, self.ndim - used))
            else:
                self._select(next(axes), item, selection, order)
        return replace(self, selection=tuple(selection), order=tuple(order))

    def _select(
        self,
        axis: int | range,
        item: Any,
        selection: list[range | int],
        order: list[int | range],
    ) -> None:
        """Apply an integer or a slice to one axis."""
        positions = self._positions(axis)
        picked = positions[item if isinstance(item, slice) else operator.index(item)]
        if isinstance(axis, int):
            selection[axis] = picked
        if isinstance(picked, range):
            order.append(axis if isinstance(axis, int) else picked)

    def transpose(self, axes: Sequence[int]) -> Mosaic:
        """Return the mosaic with its axes in the order of `axes`, as `numpy.transpose` does."""
        return replace(self, order=tuple(self._order[axis] for axis in axes))

    def parts(self) -> Iterator[Part]:
        """Yield the pieces that the selection touches; they fill the result exactly once."""
        if not self.size:
            return
        spans = [list(self._spans(axis)) for axis in range(len(self.edges))]
        for chosen in itertools.product(*spans):
            cell = self.cells.cell(tuple(span.number for span in chosen))
            targets = {axis: span.target for axis, span in enumerate(chosen)}
            index = tuple(
                cast("slice", targets[axis]) if isinstance(axis, int) else slice(0, 1)
                for axis in self._order
            )
            data = None if cell.data is None else self._arrange(cell.data, chosen)
            is_layout = data is not None and not isinstance(data, Values)
            yield Part(index, data, cell.file if is_layout else -1)

    def _arrange(self, data: Piece, chosen: tuple[_Span, ...]) -> Piece:
        """Return what a selection takes of a cell, with the axes of the result."""
        part = data[tuple(span.local for span in chosen)]
        kept = [axis for axis, span in enumerate(chosen) if span.target is not None]
        wanted = [axis for axis in self._order if isinstance(axis, int)]
        if wanted != kept:
            part = part.transpose([kept.index(axis) for axis in wanted])
        if len(wanted) < self.ndim:
            part = part[tuple(slice(None) if isinstance(a, int) else None for a in self._order)]
        return part

    def _spans(self, axis: int) -> Iterator[_Span]:
        """Yield the pieces along one axis of the grid that the selection touches."""
        positions, edges = self.selection[axis], self.edges[axis]
        if isinstance(positions, int):
            number = edges.find(positions)
            yield _Span(number, None, positions - edges.bounds(number)[0])
            return
        count = len(positions)
        backwards = positions.step < 0
        ascending = positions[::-1] if backwards else positions
        i = 0
        while i < count:
            number = edges.find(ascending[i])
            start, stop = edges.bounds(number)
            after = i + -(-(stop - ascending[i]) // ascending.step)
            after = min(after, count)
            first, last = ascending[i] - start, ascending[after - 1] - start
            if backwards:
                end = first - ascending.step
                local = slice(last, None if end < 0 else end, -ascending.step)
                yield _Span(number, slice(count - after, count - i), local)
            else:
                yield _Span(number, slice(i, after), slice(first, last + 1, ascending.step))
            i = after

    def point_parts(self, points: Sequence[npt.NDArray[np.intp]]) -> Iterator[PointPart]:
        """Yield the cells that points touch, and which points lie in each of them.

        Parameters
        ----------
        points : sequence of numpy.ndarray
            Positions along the leading axes, of one common shape, none of them negative.
        """
        flat = [np.ravel(positions) for positions in points]
        if not flat[0].size:
            return
        numbers = np.stack([self._find_cells(i, p) for i, p in enumerate(flat)])
        _, group = np.unique(numbers, axis=1, return_inverse=True)
        by_group = np.argsort(group.ravel(), kind="stable")
        starts = np.flatnonzero(np.diff(group.ravel()[by_group], prepend=-1))
        for chosen in np.split(by_group, starts[1:]):
            lows = [int(p[chosen].min()) for p in flat]
            key = tuple(
                slice(low, int(p[chosen].max()) + 1) for low, p in zip(lows, flat, strict=True)
            )
            local = tuple(p[chosen] - low for low, p in zip(lows, flat, strict=True))
            for part in self[key].parts():
                rest = Part(part.index[len(points) :], part.data, part.file)
                yield PointPart(chosen, rest, local)

    def _find_cells(self, axis: int, positions: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        grid_axis = self._order[axis]
        if isinstance(grid_axis, range):
            return np.zeros_like(positions)
        selected = self._positions(grid_axis)
        return self.edges[grid_axis].find_all(selected.start + positions * selected.step)

    def filling(self) -> Any:
        """Return what stands for missing elements."""
        if self.fill_value is not None:
            return self.fill_value
        return np.nan if self.dtype.kind in "fc" else np.zeros((), self.dtype)[()]


@dataclass(frozen=True, slots=True)
class Stack:
    """The same layout in every file of a series."""

    layout: Layout
    shape: tuple[int, ...]
    files: range | tuple[int, ...]

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return the layout, with new leading axes, in the file of this cell."""
        number = 0
        for position, n in zip(index, self.shape, strict=False):
            number = number * n + position
        file = self.files[number]
        if file < 0:
            return Cell(None)
        return Cell(self.layout[(None,) * len(self.shape)], file)


@dataclass(frozen=True, slots=True)
class Listed:
    """Cells one after another along one axis."""

    cells: tuple[Cell, ...]
    axis: int

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return the cell of this number."""
        return self.cells[index[self.axis]]


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of one layout."""

    layout: Layout
    outer: int
    inner: int

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return one block; the axis within the block replaces the joined axis."""
        ndim = self.layout.ndim
        block = self.layout[(slice(None),) * self.outer + (index[self._joined],)]
        axes = [axis for axis in range(ndim) if axis != self.outer]
        rest = [axis for axis in axes if axis != self.inner]
        rest.insert(self._joined, self.inner)
        return Cell(block.transpose([axes.index(axis) for axis in rest]))

    @property
    def _joined(self) -> int:
        """Number of the joined axis in the mosaic."""
        return self.outer - (self.inner < self.outer)


def _others(piece: Piece, axis: int) -> tuple[int, ...]:
    return piece.shape[:axis] + piece.shape[axis + 1 :]
