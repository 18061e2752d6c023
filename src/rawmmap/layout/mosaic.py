"""Arrays in many pieces: a grid of layouts, in one file or in many, that make one array.

A series of files, the tiles of a model, records of unequal length and an axis that is stored in
blocks are all a `Mosaic`. It is pure data: the positions at which its pieces begin along each axis,
and a rule that says what lies in each cell of the grid, so that a hundred thousand files cost
nothing until some of them are asked for. A cell may hold a mosaic again.

::

    axis 0   0      3        7   9
    axis 1   +------+--------+---+   Each cell holds a layout in a file, values, or nothing
             |      |        |   |   (the elements are missing).
           4 +------+--------+---+
             |      |        |   |
             +------+--------+---+
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from rawmmap.layout import cells as rules
from rawmmap.layout.bits import BitLayout
from rawmmap.layout.cells import Cell, Cells, Piece, Required
from rawmmap.layout.edges import Edges, Span
from rawmmap.layout.parts import Part, Values, filling_of, normalize_axes
from rawmmap.layout.points import PointPart, locate_points
from rawmmap.layout.stacks import Joined, Repeated, Stack, lengthen
from rawmmap.layout.strided import BasicKey, Layout
from rawmmap.layout.tiles import Tile, arrange_tiles

__all__ = ["Cell", "Cells", "Edges", "Mosaic", "PointPart", "Tile"]


@dataclass(frozen=True, slots=True, eq=False)
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
        What stands for missing elements; by default NaN for floats, and zero otherwise. Where
        stored elements have to be decoded it is a decoded value. That of a mosaic in a cell does
        not count.
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
        if self.fill_value is not None and not self._has_own_type(self.fill_value):
            fill_value = np.array(self.fill_value, self.dtype).reshape(())[()]
            object.__setattr__(self, "fill_value", fill_value)
        if self.order is None:
            put = object.__setattr__
            put(self, "selection", tuple(range(edges.length) for edges in self.edges))
            put(self, "order", tuple(range(len(self.edges))))

    def _has_own_type(self, value: Any) -> bool:
        """Return whether a fill value needs no conversion; elements to be decoded are bytes."""
        return isinstance(value, self.dtype.type) or (
            self.dtype.kind == "V" and not self.dtype.names
        )

    @classmethod
    def stack(
        cls,
        layout: Layout | BitLayout | Mosaic,
        shape: Sequence[int],
        files: Sequence[int] | None = None,
        fill_value: Any = None,
    ) -> Mosaic:
        """Return an array of `shape` of the same layout in many files, as new leading axes.

        Parameters
        ----------
        layout : Layout, BitLayout or Mosaic
            Where the elements lie in each file. The numbers of files in a mosaic count from that
            of the file.
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
        rule = Stack(layout, tuple(shape), _as_numbers(numbers))
        return cls(layout.dtype, outer + inner, rule, fill_value)

    @classmethod
    def concatenate(
        cls,
        cells: Sequence[Cell],
        axis: int = 0,
        fill_value: Any = None,
        lengths: Sequence[int] | None = None,
    ) -> Mosaic:
        """Return pieces one after another along an axis; they may differ in length there.

        Parameters
        ----------
        cells : sequence of Cell
            The pieces.
        axis : int
            The axis, counted from the last one if negative.
        fill_value : object, optional
            What stands for the elements of missing pieces.
        lengths : sequence of int, optional
            Length of each piece along the axis; needed only where pieces are missing.
        """
        pieces = [cell.data for cell in cells if cell.data is not None]
        if not pieces or (lengths is None and len(pieces) < len(cells)):
            raise ValueError(
                "the length of a missing piece is unknown: give lengths= of all pieces"
            )
        axis = _normalize_axis(axis, pieces[0].ndim)
        for piece in pieces:
            _check_continues(piece, pieces[0], axis)
        if lengths is None:
            lengths = [piece.shape[axis] for piece in pieces]
        for cell, n in zip(cells, lengths, strict=True):
            if cell.data is not None and cell.data.shape[axis] != n:
                raise ValueError(f"a piece has length {cell.data.shape[axis]}, not {n}")
        edges = [Edges.regular(n, n) for n in pieces[0].shape]
        edges[axis] = Edges.of_lengths(lengths)
        rule = rules.Listed(tuple(cells), axis)
        return cls(pieces[0].dtype, tuple(edges), rule, fill_value)

    @classmethod
    def join(
        cls,
        layout: Layout | BitLayout | Mosaic,
        lengths: Sequence[int] | npt.NDArray[Any],
        axis: int = 0,
        files: Sequence[int] | None = None,
        fill_value: Any = None,
        shape: Sequence[int] = (),
    ) -> Mosaic:
        """Return files of the same layout but for the length of one axis, joined along that axis.

        Parameters
        ----------
        layout : Layout, BitLayout or Mosaic
            Where the elements lie in a file, whatever its length along the axis; a mosaic must be
            as long as the longest of them.
        lengths : sequence of int
            Length of each file along the axis.
        axis : int
            The axis, counted from the last one if negative.
        files : sequence of int, optional
            Number of the file of each, -1 for one that is missing; by default they count up from 0.
        fill_value : object, optional
            What stands for the elements of missing files.
        shape : sequence of int, optional
            Lengths of new leading axes, along which there are further files of the same lengths;
            `files` has them in C order, those to be joined last.
        """
        axis = _normalize_axis(axis, layout.ndim)
        along = Edges.of_lengths(lengths)
        count = math.prod(shape) * len(along)
        numbers = range(count) if files is None else files
        if len(numbers) != count:
            raise ValueError(f"{len(numbers)} files, but {len(along)} lengths")
        longest = lengthen(layout, axis, int(along.lengths.max(initial=0)))
        edges = [Edges.regular(n, n) for n in layout.shape]
        edges[axis] = along
        rule = Joined(longest, along, axis, _as_numbers(numbers), tuple(shape))
        outer = tuple(Edges.regular(n, 1) for n in shape)
        return cls(layout.dtype, outer + tuple(edges), rule, fill_value)

    @classmethod
    def repeat(cls, values: npt.ArrayLike, lengths: Sequence[int] | npt.NDArray[Any]) -> Mosaic:
        """Return known values, each repeated as often as its length says, as `numpy.repeat` does.

        Parameters
        ----------
        values : array-like
            One axis of values.
        lengths : sequence of int
            Number of elements for each.
        """
        held, edges = Values(values), Edges.of_lengths(lengths)
        if held.shape != (len(edges),):
            raise ValueError(f"values of shape {held.shape}, but {len(edges)} lengths")
        return cls(held.dtype, (edges,), Repeated(held, edges))

    @classmethod
    def tiles(
        cls,
        tiles: Sequence[Tile],
        shape: tuple[int, int] | None = None,
        fill_value: Any = None,
    ) -> Mosaic:
        """Return rectangles of the last two axes, side by side as the tiles of a model are.

        Parameters
        ----------
        tiles : sequence of Tile
            They must not overlap; what none of them covers is missing.
        shape : tuple of int, optional
            Lengths of the last two axes; by default up to the last of the tiles.
        fill_value : object, optional
            What stands for missing elements.
        """
        rule = arrange_tiles([Tile(*tile) for tile in tiles], shape)
        first = rule.tiles[0].data
        outer = tuple(Edges.regular(n, n) for n in first.shape[:-2])
        return cls(first.dtype, outer + rule.edges, rule, fill_value)

    @classmethod
    def blocks(cls, layout: Layout | BitLayout | Mosaic, outer: int, inner: int) -> Mosaic:
        """Return a layout with two of its axes joined: the blocks, and the elements of a block.

        Parameters
        ----------
        layout : Layout, BitLayout or Mosaic
            One file's elements.
        outer, inner : int
            The axis that counts the blocks, and the one that counts within a block. The joined
            axis replaces `outer`.
        """
        length = layout.shape[inner]
        edges = [Edges.regular(n, n) for n in layout.shape]
        edges[outer] = Edges.regular(layout.shape[outer] * length, length)
        del edges[inner]
        return cls(layout.dtype, tuple(edges), rules.Blocks(layout, outer, inner))

    @property
    def shape(self) -> tuple[int, ...]:
        """Element counts."""
        return tuple(len(self.positions(axis)) for axis in self.axes)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, missing ones included."""
        return self.size * self.dtype.itemsize

    @property
    def axes(self) -> tuple[int | range, ...]:
        """The axis of the grid behind each axis; see `order`."""
        assert self.order is not None
        return self.order

    def positions(self, axis: int | range) -> range:
        """Return the positions that are selected along one of the `axes`."""
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
        axes = iter(self.axes)
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
        positions = self.positions(axis)
        picked = positions[item if isinstance(item, slice) else operator.index(item)]
        if isinstance(picked, range) and len(picked) < 2:
            # The step of a single position means nothing, and might be too large for NumPy.
            picked = range(picked.start, picked.start + len(picked))
        if isinstance(axis, int):
            selection[axis] = picked
        if isinstance(picked, range):
            order.append(axis if isinstance(axis, int) else picked)

    def transpose(self, axes: Sequence[int]) -> Mosaic:
        """Return the mosaic with its axes in the order of `axes`, as `numpy.transpose` does."""
        order = normalize_axes(axes, self.ndim)
        return replace(self, order=tuple(self.axes[axis] for axis in order))

    def field(self, name: str, order: str = "C") -> Mosaic:
        """Return the mosaic of one field of a structured dtype; see `Layout.field`."""
        one = Layout(self.dtype, (), (), 0).field(name, order)
        fill = None if self.fill_value is None else self.fill_value[name]
        return replace(
            self,
            dtype=one.dtype,
            edges=self.edges + tuple(Edges.regular(n, n) for n in one.shape),
            cells=rules.fields_of(self.cells, name, order),
            fill_value=fill if not one.shape else None,
            selection=self.selection + tuple(range(n) for n in one.shape),
            order=(*self.axes, *range(len(self.edges), len(self.edges) + one.ndim)),
        )

    def fields(self, names: list[str]) -> Mosaic:
        """Return the mosaic of several fields of a structured dtype."""
        fill = None if self.fill_value is None else self.fill_value[names]
        cells = rules.fields_of(self.cells, tuple(names))
        return replace(self, dtype=self.dtype[names], cells=cells, fill_value=fill)

    def required_sizes(self) -> Iterator[Required]:
        """Yield how many bytes files must have, without looking at each cell where possible."""
        whole = tuple(range(edges.length) for edges in self.edges)
        if self.selection == whole and hasattr(self.cells, "required"):
            if self.size:
                yield from self.cells.required()
            return
        yield from rules.required_of(Cell(part.data, part.file) for part in self.parts())

    def parts(self) -> Iterator[Part]:
        """Yield the pieces that the selection touches; they fill the result exactly once."""
        if not self.size:
            return
        for chosen in self._spans(range(len(self.edges))):
            index, data, file = self._piece(chosen)
            if isinstance(data, Mosaic):
                yield from (_shifted(part, index, file) for part in data.parts())
            else:
                yield Part(index, data, file)

    def _spans(self, axes: Sequence[int]) -> Iterator[tuple[Span, ...]]:
        """Yield, piece by piece, what the selection takes of each along some axes of the grid."""
        if not axes:
            yield ()
            return
        *slower, fastest = axes
        edges, selected = self.edges[fastest], self.selection[fastest]
        single = list(edges.spans(selected)) if len(edges) == 1 else None
        for chosen in self._spans(slower):
            for span in single or edges.spans(selected):
                yield (*chosen, span)

    def _piece(self, chosen: Sequence[Span]) -> tuple[tuple[slice, ...], Piece | None, int]:
        """Return what the selection takes of one cell: where it goes, the piece, and its file."""
        data, file = self.cells.cell(tuple(span.number for span in chosen))
        index = tuple(
            cast("slice", chosen[axis].target) if isinstance(axis, int) else slice(0, 1)
            for axis in self.axes
        )
        piece = None if data is None else self._arrange(data, chosen)
        return index, piece, -1 if piece is None or isinstance(piece, Values) else file

    def _arrange(self, data: Piece, chosen: Sequence[Span]) -> Piece:
        """Return what a selection takes of a cell, with the axes of the result."""
        part = data[tuple(span.local for span in chosen)]
        kept = [axis for axis, span in enumerate(chosen) if span.target is not None]
        wanted = [axis for axis in self.axes if isinstance(axis, int)]
        if wanted != kept:
            part = part.transpose([kept.index(axis) for axis in wanted])
        if len(wanted) < self.ndim:
            part = part[tuple(slice(None) if isinstance(a, int) else None for a in self.axes)]
        return part

    def point_parts(self, points: Sequence[npt.NDArray[np.intp]]) -> Iterator[PointPart]:
        """Yield the cells that points touch, and which points lie in each of them.

        Parameters
        ----------
        points : sequence of numpy.ndarray
            Positions along the leading axes, of one common shape, none of them negative.
        """
        flat = [np.ravel(positions) for positions in points]
        count = len(flat)
        if not flat[0].size or 0 in self.shape[count:]:
            return
        axes = [axis for axis in self.axes[:count] if isinstance(axis, int)]
        others = [axis for axis in range(len(self.edges)) if axis not in axes]
        where = [
            (self.positions(axis), self.edges[axis] if isinstance(axis, int) else None)
            for axis in self.axes[:count]
        ]
        for chosen, numbers, local in locate_points(flat, where):
            spans = {
                axis: Span(number, slice(None), slice(None))
                for axis, number in zip(axes, numbers, strict=True)
            }
            for rest in self._spans(others):
                spans.update(zip(others, rest, strict=True))
                index, data, file = self._piece([spans[a] for a in range(len(self.edges))])
                if not isinstance(data, Mosaic):
                    yield PointPart(chosen, Part(index[count:], data, file), local)
                    continue
                for picked, part, inside in data.point_parts(local):
                    yield PointPart(chosen[picked], _shifted(part, index[count:], file), inside)

    def filling(self) -> Any:
        """Return what stands for missing elements, where they need not be decoded."""
        return filling_of(self.fill_value, self.dtype)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mosaic):
            return NotImplemented
        return self._state() == other._state()

    def __hash__(self) -> int:
        return hash(self._state())

    def _state(self) -> tuple[Any, ...]:
        # NaN equals nothing, but two mosaics that it fills are equal: compare its bytes.
        fill = None if self.fill_value is None else np.asarray(self.fill_value).tobytes()
        return self.dtype, self.edges, self.cells, fill, self.selection, self.order


def _shifted(part: Part, index: tuple[slice, ...], file: int) -> Part:
    """Return a part of a mosaic in a cell, as one of the mosaic around it."""
    within = [
        slice(outer.start + inner.start, outer.start + inner.stop)
        for outer, inner in zip(index, part.index, strict=True)
    ]
    return Part(tuple(within), part.data, part.file if part.file < 0 else file + part.file)


def _as_numbers(files: Sequence[int]) -> range | tuple[int, ...]:
    return files if isinstance(files, range) else tuple(files)


def _normalize_axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} is out of bounds for {ndim} axes")
    return axis % ndim


def _check_continues(piece: Piece, first: Piece, axis: int) -> None:
    others = [data.shape[:axis] + data.shape[axis + 1 :] for data in (piece, first)]
    if piece.dtype != first.dtype or others[0] != others[1]:
        raise ValueError(
            f"a piece of dtype {piece.dtype} and shape {piece.shape} does not continue "
            f"one of dtype {first.dtype} and shape {first.shape} along axis {axis}"
        )
