"""What the data of a variable can do, whatever it is made of: the protocol of arrangements.

A `Layout`, a `Mosaic` of many layouts and `Values` that are known already all have a dtype and a
shape, and all of them can be sliced and transposed without reading anything. `Arrangement.parts`
says what to put where in the result, so that nothing above asks which one it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from rawmmap.layout.bits import BitLayout
    from rawmmap.layout.strided import BasicKey, Layout

__all__ = ["Arrangement", "Part", "Values", "filling_of", "full_index", "normalize_axes"]


def full_index(shape: Sequence[int]) -> tuple[slice, ...]:
    """Return the slices that select all of an array of `shape`."""
    return tuple(slice(0, n) for n in shape)


def filling_of(fill_value: Any, dtype: np.dtype[Any]) -> Any:
    """Return what stands for missing elements of `dtype`: NaN for floats, zero for all others."""
    if fill_value is not None:
        return fill_value
    return np.nan if dtype.kind in "fc" else np.zeros((), dtype)[()]


def normalize_axes(axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return a permutation of the axes, counted from the first, as `numpy.transpose` takes it.

    Raises
    ------
    ValueError
        If an axis is missing, repeated or out of bounds.
    """
    order = tuple(axis + ndim if axis < 0 else axis for axis in axes)
    if sorted(order) != list(range(ndim)):
        raise ValueError(f"axes {tuple(axes)} are not a permutation of the {ndim} axes")
    return order


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of an arrangement.

    Attributes
    ----------
    index : tuple of slice
        Where it goes in the result.
    data : Layout, BitLayout, Values or None
        Where its elements lie in a file, the elements themselves, or None where they are missing.
    file : int
        Number of the file that a layout refers to; -1 where there is none.
    """

    index: tuple[slice, ...]
    data: Layout | BitLayout | Values | None
    file: int = 0


class Arrangement(Protocol):
    """The data of a variable: types and shapes, sliced without reading anything."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one element as it is stored."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Element counts."""

    @property
    def ndim(self) -> int:
        """Number of axes."""

    @property
    def size(self) -> int:
        """Number of elements."""

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, gaps not counted."""

    def __getitem__(self, key: BasicKey) -> Self:
        """Return the arrangement of ``array[key]``."""

    def transpose(self, axes: Sequence[int]) -> Self:
        """Return the arrangement with its axes in the order of `axes`."""

    def parts(self) -> Iterator[Part]:
        """Yield the pieces, which together fill the result exactly once."""


class Values:
    """Elements that are known already, such as those of a coordinate in a sidecar.

    Parameters
    ----------
    array : array-like
        The elements; they are not copied and must not be changed afterwards.

    Notes
    -----
    Two of them are equal if their dtypes, shapes and bytes are.
    """

    __slots__ = ("array",)

    def __init__(self, array: npt.ArrayLike) -> None:
        self.array: npt.NDArray[Any] = np.asarray(array)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one element."""
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Element counts."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.array.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.array.size

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.array.nbytes

    def __getitem__(self, key: BasicKey) -> Values:
        """Return a view, ``array[key]``, for integers, slices, ``...`` and ``None``."""
        return Values(self.array[key])

    def field(self, name: str) -> Values:
        """Return one field of a structured dtype: a view."""
        return Values(self.array[name])

    def fields(self, names: list[str]) -> Values:
        """Return several fields of a structured dtype: a view."""
        return Values(self.array[names])

    def transpose(self, axes: Sequence[int]) -> Values:
        """Return the values with their axes in the order of `axes`: a view."""
        return Values(self.array.transpose(axes))

    def parts(self) -> Iterator[Part]:
        """Yield the one part that there is."""
        yield Part(full_index(self.shape), self, -1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Values):
            return NotImplemented
        return self._state() == other._state()

    def __hash__(self) -> int:
        return hash(self._state())

    def _state(self) -> tuple[Any, ...]:
        return self.dtype.str, self.shape, self.array.tobytes()

    def __repr__(self) -> str:
        return f"Values(dtype={self.dtype.str!r}, shape={self.shape})"
