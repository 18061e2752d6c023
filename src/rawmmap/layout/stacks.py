"""Rules for many files of the same layout: as new axes, or joined along an axis of theirs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rawmmap.layout.bits import BitLayout
from rawmmap.layout.cells import Cell, Required, required_of
from rawmmap.layout.edges import Edges
from rawmmap.layout.parts import Values
from rawmmap.layout.strided import Layout

if TYPE_CHECKING:
    from rawmmap.layout.mosaic import Mosaic

__all__ = ["Joined", "Repeated", "Stack", "lengthen"]

Numbers = range | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """The same layout in every file of a series.

    Attributes
    ----------
    layout : Layout, BitLayout or Mosaic
        What each file holds.
    shape : tuple of int
        Lengths of the leading axes, which count the files.
    files : range or tuple of int
        The file of each, in C order; -1 for one that is missing.
    """

    layout: Layout | BitLayout | Mosaic
    shape: tuple[int, ...]
    files: Numbers

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return the layout, with new leading axes, in the file of this cell."""
        file = self.files[_ravel(index, self.shape)]
        if file < 0:
            return Cell(None)
        return Cell(self.layout[(None,) * len(self.shape)], file)

    def required(self) -> Iterator[Required]:
        """Yield what all files need."""
        yield from _required_of_each(self.layout, self.files)


@dataclass(frozen=True, slots=True)
class Joined:
    """Files of the same layout but for the length of one axis, one after another along it.

    Attributes
    ----------
    layout : Layout, BitLayout or Mosaic
        What the longest file holds; a shorter one holds the beginning of it.
    edges : Edges
        Where the files begin along the axis.
    axis : int
        The axis of the layout.
    files : range or tuple of int
        The file of each, in C order, the joined axis last; -1 for one that is missing.
    shape : tuple of int
        Lengths of leading axes, along which there are further files of the same lengths.
    """

    layout: Layout | BitLayout | Mosaic
    edges: Edges
    axis: int
    files: Numbers
    shape: tuple[int, ...] = ()

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return the layout in the file of this cell, of the length that it has there."""
        leading = len(self.shape)
        number = index[leading + self.axis]
        file = self.files[_ravel(index, self.shape) * len(self.edges) + number]
        if file < 0:
            return Cell(None)
        start, stop = self.edges.bounds(number)
        return Cell(self._beginning(stop - start)[(None,) * leading], file)

    def _beginning(self, length: int) -> Layout | BitLayout | Mosaic:
        return self.layout[(slice(None),) * self.axis + (slice(length),)]

    def required(self) -> Iterator[Required]:
        """Yield what each file needs."""
        if isinstance(self.layout, Layout):
            yield Required(self.files, np.tile(self._needed(self.layout), math.prod(self.shape)))
            return
        lengths, numbers = np.unique(self.edges.lengths, return_inverse=True)
        files = np.asarray(self.files, np.int64).reshape(-1, len(self.edges))
        for which, length in enumerate(lengths.tolist()):
            chosen = files[:, numbers == which].ravel().tolist()
            yield from _required_of_each(self._beginning(length), chosen)

    def _needed(self, layout: Layout) -> npt.NDArray[np.int64]:
        """Return the bytes that a file of each length needs."""
        lengths = self.edges.lengths
        one = layout[(slice(None),) * self.axis + (slice(0, 1),)]
        further = max(layout.strides[self.axis], 0)
        needed = np.where(lengths > 0, one.extent[1] + (lengths - 1) * further, 0)
        return needed if one.size else np.zeros_like(lengths)


@dataclass(frozen=True, slots=True)
class Repeated:
    """One known value for all elements of each piece.

    Attributes
    ----------
    values : Values
        One for each piece.
    edges : Edges
        Where the pieces begin.
    """

    values: Values
    edges: Edges

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return the value of this piece, as often as it has elements; it takes no memory."""
        start, stop = self.edges.bounds(index[0])
        return Cell(Values(np.broadcast_to(self.values.array[index[0]], (stop - start,))))

    def required(self) -> Iterator[Required]:
        """Yield nothing: the values are known."""
        return iter(())


def lengthen(layout: Any, axis: int, length: int) -> Any:
    """Return a layout of another length along an axis, which must not be longer for a mosaic.

    Raises
    ------
    ValueError
        If a mosaic is shorter than that.
    """
    if isinstance(layout, BitLayout):
        return BitLayout(layout.packing, lengthen(layout.grid, axis, length))
    if isinstance(layout, Layout):
        shape = (*layout.shape[:axis], length, *layout.shape[axis + 1 :])
        return Layout(layout.dtype, shape, layout.strides, layout.offset)
    if layout.shape[axis] < length:
        raise ValueError(
            f"a file has up to {length} steps along axis {axis}, but the layout of all of them "
            f"has {layout.shape[axis]}; give that of the longest file"
        )
    return layout[(slice(None),) * axis + (slice(length),)]


def _ravel(index: Sequence[int], shape: tuple[int, ...]) -> int:
    """Return the number of a cell among those of some leading axes, in C order."""
    number = 0
    for position, n in zip(index, shape, strict=False):
        number = number * n + position
    return number


def _required_of_each(layout: Any, files: Sequence[int]) -> Iterator[Required]:
    """Yield what files need that all hold the same."""
    for (inner,), nbytes in required_of([Cell(layout)]):
        if inner:
            yield Required([file + inner if file >= 0 else -1 for file in files], nbytes)
        else:
            yield Required(files, nbytes)
