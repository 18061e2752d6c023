"""Rules that say what lies in each cell of a mosaic, and how long each file must be for them.

They are small: a hundred thousand files of the same layout are one layout and a range.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, Union

import numpy as np
import numpy.typing as npt

from rawmmap.layout.bits import BitLayout
from rawmmap.layout.parts import Values
from rawmmap.layout.strided import Layout

if TYPE_CHECKING:
    from rawmmap.layout.mosaic import Mosaic

__all__ = [
    "Blocks",
    "Cell",
    "Cells",
    "Fields",
    "Listed",
    "Piece",
    "Required",
    "fields_of",
    "required_of",
    "required_bytes",
    "required_sizes",
]

Piece: TypeAlias = Union[Layout, BitLayout, Values, "Mosaic"]


class Cell(NamedTuple):
    """What lies in one cell of a mosaic.

    Attributes
    ----------
    data : Layout, BitLayout, Values, Mosaic or None
        The elements, with the axes of the mosaic; None where they are missing.
    file : int
        Number of the file that a layout refers to. The numbers in a mosaic count from it.
    """

    data: Piece | None
    file: int = 0


class Required(NamedTuple):
    """How many bytes some files must have.

    Attributes
    ----------
    files : sequence of int
        Their numbers; negative ones are missing files, of which nothing is required.
    nbytes : int or numpy.ndarray
        Least number of bytes, of all of them or of each.
    """

    files: Sequence[int]
    nbytes: int | npt.NDArray[np.int64]


class Cells(Protocol):
    """The rule that says what lies in each cell; small, hashable and picklable.

    A rule may have a method ``required()`` that yields `Required` for all of its cells, where that
    can be told without looking at each of them.
    """

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return what lies in the cell number `index` of the grid."""


def required_sizes(data: Any) -> Iterator[Required]:
    """Yield the bytes that the files of an arrangement must have, not cell by cell if possible."""
    if hasattr(data, "required_sizes"):
        yield from data.required_sizes()
    else:
        yield from required_of(Cell(part.data, part.file) for part in data.parts())


def required_bytes(several: Iterable[Any], count: int) -> npt.NDArray[np.int64]:
    """Return how many bytes each of `count` files must have for some arrangements."""
    needed = np.zeros(count, np.int64)
    for data in several:
        for files, nbytes in required_sizes(data):
            if len(files) == 1 and files[0] >= 0:
                needed[files[0]] = max(needed[files[0]], int(np.max(nbytes)))
                continue
            numbers = np.asarray(files, np.intp)
            present = numbers >= 0
            np.maximum.at(needed, numbers[present], np.broadcast_to(nbytes, len(numbers))[present])
    return needed


def required_of(cells: Iterable[Cell]) -> Iterator[Required]:
    """Yield the bytes that the files of some cells must have, file by file."""
    needed: dict[int, int] = {}
    for data, file in cells:
        for number, nbytes in _needs(data):
            needed[file + number] = max(needed.get(file + number, 0), nbytes)
    for file, nbytes in needed.items():
        yield Required((file,), nbytes)


def _needs(data: Piece | None) -> Iterator[tuple[int, int]]:
    """Yield the bytes that a piece needs of each file, counted from that of its cell."""
    if isinstance(data, Layout | BitLayout):
        if data.size:
            yield 0, data.extent[1]
    elif data is not None and not isinstance(data, Values):
        for files, nbytes in data.required_sizes():
            for file, n in zip(files, np.broadcast_to(nbytes, len(files)).tolist(), strict=True):
                if file >= 0:
                    yield file, n


@dataclass(frozen=True, slots=True)
class Listed:
    """Cells one after another along one axis."""

    cells: tuple[Cell, ...]
    axis: int

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return the cell of this number."""
        return self.cells[index[self.axis]]

    def required(self) -> Iterator[Required]:
        """Yield what each file needs."""
        return required_of(self.cells)


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of one layout."""

    layout: Layout | BitLayout | Mosaic
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

    def required(self) -> Iterator[Required]:
        """Yield what the file needs."""
        return required_of([Cell(self.layout)])


@dataclass(frozen=True, slots=True)
class Fields:
    """One or several fields of the elements in other cells."""

    cells: Cells
    key: str | tuple[str, ...]
    order: str = "C"

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Return the fields of what lies in this cell."""
        data, file = self.cells.cell(index)
        if data is None:
            return Cell(None)
        return Cell(_fields_of_piece(data, self.key, self.order), file)


def _fields_of_piece(data: Any, key: str | tuple[str, ...], order: str) -> Any:
    if isinstance(key, tuple):
        return data.fields(list(key))
    return data.field(key) if isinstance(data, Values) else data.field(key, order)


def fields_of(cells: Any, key: str | tuple[str, ...], order: str = "C") -> Cells:
    """Return the rule for one or several fields of the elements."""
    result: Cells
    if hasattr(cells, "layout"):
        result = replace(cells, layout=_fields_of_piece(cells.layout, key, order))
    else:
        result = Fields(cells, key, order)
    return result
