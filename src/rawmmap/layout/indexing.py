"""NumPy's indexing rules as data: the elements of a layout that a key selects.

A key of integers and slices gives a smaller `Layout`. Any other key that NumPy accepts gives a
layout with arrays of positions along its leading axes, and the axis of the result at which the axes
of those arrays belong.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.layout.strided import Layout

__all__ = ["Selection", "convert_for_assignment", "select"]

_BASIC = (slice, int, type(None), type(Ellipsis))


@dataclass(frozen=True, slots=True)
class Selection:
    """The elements that a key selects.

    Attributes
    ----------
    layout : Layout
        The elements that the basic part of the key selects; the axes that `points` indexes come
        first.
    points : tuple of arrays of int
        Positions along the leading axes of `layout`, of one common shape, none of them negative.
        Empty for a basic key.
    axis : int
        Axis of the result at which the axes of `points` start.
    scalar : bool
        Whether NumPy returns a scalar rather than an array without axes.
    """

    layout: Layout
    points: tuple[npt.NDArray[np.intp], ...] = ()
    axis: int = 0
    scalar: bool = False

    @property
    def ndim(self) -> int:
        """Number of axes of the result."""
        if not self.points:
            return self.layout.ndim
        return self.layout.ndim - len(self.points) + self.points[0].ndim

    def arrange(self, result: npt.NDArray[Any]) -> Any:
        """Return `result`, which has the axes of `points` first, with its axes in NumPy's order."""
        if self.scalar:
            return result[()]
        if not self.axis:
            return result
        width = self.points[0].ndim
        return np.moveaxis(result, range(width), range(self.axis, self.axis + width))

    def to_stored_order(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return `values`, broadcast to the shape of the result, with the axes of `points` first.

        The inverse of `arrange`.
        """
        if not self.points:
            return np.broadcast_to(values, self.layout.shape)
        picked = self.points[0].shape
        rest = self.layout.shape[len(self.points) :]
        result = np.broadcast_to(values, rest[: self.axis] + picked + rest[self.axis :])
        width = len(picked)
        return np.moveaxis(result, range(self.axis, self.axis + width), range(width))


def select(layout: Layout, key: Any) -> Selection:
    """Return the elements that ``array[key]`` selects, where `layout` describes the array.

    Raises
    ------
    IndexError
        For every key that NumPy refuses.
    """
    items = tuple(key) if isinstance(key, tuple) else (key,)
    if all(type(item) in _BASIC for item in items):
        return _select_basic(layout, items)
    if isinstance(key, np.ndarray) and key.dtype.kind == "U" and key.ndim == 1:
        key = key.tolist()
    if isinstance(key, str) or (isinstance(key, list) and key and _are_names(key)):
        return Selection(_select_fields(layout, key))
    items = tuple(_normalize_index(item) for item in items)
    if not any(isinstance(item, np.ndarray) for item in items):
        return _select_basic(layout, items)
    return _select_advanced(layout, _append_ellipsis(items, layout.ndim))


def _select_basic(layout: Layout, items: tuple[Any, ...]) -> Selection:
    part = layout[items]
    return Selection(part, scalar=not part.shape and not any(i is Ellipsis for i in items))


def _are_names(key: list[Any]) -> bool:
    return all(isinstance(item, str) for item in key)


def _select_fields(layout: Layout, key: str | list[str]) -> Layout:
    dtype = layout.dtype
    try:
        if dtype.names is None:
            raise KeyError(key)
        return layout.field(key) if isinstance(key, str) else layout.fields(key)
    except (KeyError, ValueError):
        raise IndexError(
            f"no field {key!r} in dtype {dtype}; its fields are {dtype.names}"
        ) from None


def _normalize_index(item: Any) -> Any:
    """Return an index as None, Ellipsis, slice, int, or an array of bool or int."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if not isinstance(item, bool | np.bool_ | np.ndarray | list | tuple):
        try:
            return operator.index(item)
        except TypeError:
            pass
    try:
        array = np.asarray(item)
    except ValueError as error:
        raise IndexError(f"{item!r} is not a valid index: {error}") from None
    if array.size == 0 and not isinstance(item, np.ndarray):
        array = array.astype(np.intp)
    if array.dtype.kind not in "biu":
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and integer or boolean arrays "
            f"are valid indices, not {type(item).__name__} of {array.dtype}"
        )
    if array.ndim == 0 and array.dtype.kind != "b":
        return int(array)
    return array


def _count_axes(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype.kind == "b" else 1


def _append_ellipsis(items: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    """Return a key with exactly one ellipsis, after checking how many axes it indexes."""
    used = sum(map(_count_axes, items))
    if used > ndim:
        raise IndexError(
            f"too many indices for array: array is {ndim}-dimensional, but {used} were indexed"
        )
    ellipses = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    return items if ellipses else (*items, Ellipsis)


def _select_advanced(layout: Layout, items: tuple[Any, ...]) -> Selection:
    spare = layout.ndim - sum(map(_count_axes, items))
    shape = layout.shape
    basic: list[Any] = []  # a key that keeps every indexed axis whole
    picked: list[int] = []  # positions of those axes in layout[basic]
    arrays: list[npt.NDArray[Any]] = []
    lengths: list[tuple[int, int]] = []  # axis that each array indexes, and its length
    groups: list[int] = []  # which items of the key are advanced
    axis = before = 0
    for number, item in enumerate(items):
        if item is Ellipsis:
            basic += [slice(None)] * spare
            axis += spare
        elif item is None:
            basic.append(None)
        elif isinstance(item, slice):
            basic.append(item)
            axis += 1
        else:
            if not groups:
                before = len(basic)
            groups.append(number)
            for i, array in enumerate(_positions_of(item, axis, shape)):
                picked.append(len(basic))
                arrays.append(array)
                lengths.append((axis + i, shape[axis + i] if _count_axes(item) else 1))
                # A boolean scalar indexes a new axis of length 1.
                basic.append(None if _count_axes(item) == 0 else slice(None))
            axis += _count_axes(item)
    points = _align_points(arrays, lengths)
    part = layout[tuple(basic)]
    rest = [a for a in range(part.ndim) if a not in picked]
    adjacent = groups[-1] - groups[0] == len(groups) - 1
    return Selection(part.transpose([*picked, *rest]), points, before if adjacent else 0)


def _align_points(
    arrays: list[npt.NDArray[Any]], lengths: list[tuple[int, int]]
) -> tuple[npt.NDArray[np.intp], ...]:
    """Return positions, broadcast to one shape and counted from the start of their axes."""
    try:
        empty = 0 in np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        shapes = " ".join(str(array.shape) for array in arrays)
        raise IndexError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {shapes}"
        ) from None
    # NumPy always checks integers, but not arrays that select nothing.
    positions = [
        _normalize_positions(array, *where, checked=not empty or array.ndim == 0)
        for array, where in zip(arrays, lengths, strict=True)
    ]
    return tuple(np.broadcast_arrays(*positions))


def _positions_of(item: Any, axis: int, shape: tuple[int, ...]) -> list[npt.NDArray[Any]]:
    """Return the positions that an integer or array selects, one array per axis."""
    if not isinstance(item, np.ndarray) or item.dtype.kind != "b":
        return [np.asarray(item)]
    if item.ndim == 0:
        return [np.zeros(int(item), np.intp)]
    for i, n in enumerate(item.shape):
        # NumPy lets a mask of length 0 pass along any axis.
        if n not in (0, shape[axis + i]):
            raise IndexError(
                f"boolean index did not match indexed array along axis {axis + i}; size of axis "
                f"is {shape[axis + i]} but size of corresponding boolean axis is {n}"
            )
    return list(item.nonzero())


def _normalize_positions(
    array: npt.NDArray[Any], axis: int, n: int, *, checked: bool
) -> npt.NDArray[np.intp]:
    """Return positions counted from the start."""
    if checked and array.size and (array.min() < -n or array.max() >= n):
        worst = array.min() if array.min() < -n else array.max()
        raise IndexError(f"index {worst} is out of bounds for axis {axis} with size {n}")
    positions = array.astype(np.intp)
    return np.where(positions < 0, positions + n, positions)


def convert_for_assignment(values: Any, dtype: np.dtype[Any], ndim: int) -> npt.NDArray[Any]:
    """Return values of `dtype`, converted by the rules of assignment to an array of `ndim` axes."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(
            "a masked array cannot be written, since a flat file cannot keep its mask: fill it "
            "first, by values.filled(value)"
        )
    if isinstance(values, np.ndarray):
        array = values.astype(dtype, copy=False)
        while array.ndim > ndim and array.shape[0] == 1:
            array = array[0]  # NumPy drops leading axes of length 1 of arrays
        return array
    if dtype.names is not None:
        return np.asarray(values, dtype)
    array = np.empty(np.shape(values), dtype)
    array[...] = values
    return array
