"""NumPy's indexing rules, as data: what a key asks of a layout.

A key with integers and slices only is a smaller `Layout`. Any other key that NumPy accepts is a
layout whose leading axes are picked by arrays of positions, and a place in the result for the axes
of those arrays.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.layout.strided import Layout

__all__ = ["Selection", "select"]

_BASIC = (slice, int, type(None), type(Ellipsis))


@dataclass(frozen=True, slots=True)
class Selection:
    """What a key asks of a layout.

    Attributes
    ----------
    layout : Layout
        The elements that the basic part of the key leaves, with the axes that `points` picks first.
    points : tuple of arrays of int
        Positions along the leading axes of `layout`, of one common shape, none of them negative.
        Empty for a basic key.
    place : int
        Axis of the result at which the axes of `points` belong.
    scalar : bool
        Whether NumPy returns a scalar, and not an array of no axes.
    """

    layout: Layout
    points: tuple[npt.NDArray[np.intp], ...] = ()
    place: int = 0
    scalar: bool = False

    @property
    def ndim(self) -> int:
        """Number of axes of the result."""
        if not self.points:
            return self.layout.ndim
        return self.layout.ndim - len(self.points) + self.points[0].ndim

    def arrange(self, result: npt.NDArray[Any]) -> Any:
        """Return `result`, whose leading axes are those of `points`, as NumPy would give it."""
        if self.scalar:
            return result[()]
        if not self.place:
            return result
        width = self.points[0].ndim
        return np.moveaxis(result, range(width), range(self.place, self.place + width))

    def to_stored_order(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return `values`, broadcast to NumPy's result, with the axes of `points` in front."""
        if not self.points:
            return np.broadcast_to(values, self.layout.shape)
        picked = self.points[0].shape
        rest = self.layout.shape[len(self.points) :]
        whole = np.broadcast_to(values, rest[: self.place] + picked + rest[self.place :])
        width = len(picked)
        return np.moveaxis(whole, range(self.place, self.place + width), range(width))


def select(layout: Layout, key: Any) -> Selection:
    """Return what ``array[key]`` asks of an array that lies as `layout` says.

    Raises
    ------
    IndexError
        For every key that NumPy refuses.
    """
    items = tuple(key) if isinstance(key, tuple) else (key,)
    if all(type(item) in _BASIC for item in items):
        return _basic(layout, items)
    if isinstance(key, np.ndarray) and key.dtype.kind == "U" and key.ndim == 1:
        key = key.tolist()
    if isinstance(key, str) or (isinstance(key, list) and key and _all_names(key)):
        return Selection(_fields(layout, key))
    items = tuple(_normal(item) for item in items)
    if not any(isinstance(item, np.ndarray) for item in items):
        return _basic(layout, items)
    return _advanced(layout, _expanded(items, layout.ndim))


def _basic(layout: Layout, items: tuple[Any, ...]) -> Selection:
    part = layout[items]
    return Selection(part, scalar=not part.shape and not any(i is Ellipsis for i in items))


def _all_names(key: list[Any]) -> bool:
    return all(isinstance(item, str) for item in key)


def _fields(layout: Layout, key: str | list[str]) -> Layout:
    dtype = layout.dtype
    try:
        if isinstance(key, str):
            return layout.field(key)
        return Layout(dtype[key], layout.shape, layout.strides, layout.offset)
    except (KeyError, ValueError):
        raise IndexError(
            f"dtype {dtype} has not the fields {key!r}; it has {dtype.names}"
        ) from None


def _normal(item: Any) -> Any:
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
        raise IndexError(f"{item!r} is no index: {error}") from None
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


def _axes_taken(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype.kind == "b" else 1


def _expanded(items: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    """Return a key with a position for every axis and at most one, possibly empty, ellipsis."""
    used = sum(map(_axes_taken, items))
    if used > ndim:
        raise IndexError(
            f"too many indices for array: array is {ndim}-dimensional, but {used} were indexed"
        )
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    return items if dots else (*items, Ellipsis)


def _advanced(layout: Layout, items: tuple[Any, ...]) -> Selection:
    spare = layout.ndim - sum(map(_axes_taken, items))
    shape = layout.shape
    basic: list[Any] = []  # a key that keeps every picked axis whole
    picked: list[int] = []  # positions of those axes in layout[basic]
    arrays: list[npt.NDArray[Any]] = []
    lengths: list[tuple[int, int]] = []  # axis and length that each array picks from
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
            for i, array in enumerate(_positions(item, axis, shape)):
                picked.append(len(basic))
                arrays.append(array)
                lengths.append((axis + i, shape[axis + i] if _axes_taken(item) else 1))
                # A boolean scalar picks from an axis that it brings along itself.
                basic.append(None if _axes_taken(item) == 0 else slice(None))
            axis += _axes_taken(item)
    points = _aligned(arrays, lengths)
    part = layout[tuple(basic)]
    rest = [a for a in range(part.ndim) if a not in picked]
    adjacent = groups[-1] - groups[0] == len(groups) - 1
    return Selection(part.transpose([*picked, *rest]), points, before if adjacent else 0)


def _aligned(
    arrays: list[npt.NDArray[Any]], lengths: list[tuple[int, int]]
) -> tuple[npt.NDArray[np.intp], ...]:
    """Return positions of one common shape, counted from the start of their axes."""
    try:
        empty = 0 in np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        shapes = " ".join(str(array.shape) for array in arrays)
        raise IndexError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {shapes}"
        ) from None
    # NumPy looks at integers always, but not at arrays that pick nothing.
    found = [
        _in_bounds(array, *where, checked=not empty or array.ndim == 0)
        for array, where in zip(arrays, lengths, strict=True)
    ]
    return tuple(np.broadcast_arrays(*found))


def _positions(item: Any, axis: int, shape: tuple[int, ...]) -> list[npt.NDArray[Any]]:
    """Return the positions that an integer or array picks, one array per axis that it takes."""
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


def _in_bounds(
    array: npt.NDArray[Any], axis: int, n: int, *, checked: bool
) -> npt.NDArray[np.intp]:
    """Return positions counted from the start."""
    if checked and array.size and (array.min() < -n or array.max() >= n):
        worst = array.min() if array.min() < -n else array.max()
        raise IndexError(f"index {worst} is out of bounds for axis {axis} with size {n}")
    positions = array.astype(np.intp)
    return np.where(positions < 0, positions + n, positions)
