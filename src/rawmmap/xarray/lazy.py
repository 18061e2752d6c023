"""Lazy arrays for xarray: indexing with integers and slices, and transposing, read nothing.

xarray's own lazy arrays hold indexing with arrays until the values are needed, and then pass it on
to a `RawArray`, which accepts every key that NumPy accepts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from xarray.backends import BackendArray
from xarray.core import indexing

from rawmmap.array import RawArray
from rawmmap.errors import name_file

__all__ = ["LazyArray"]


class LazyArray(indexing.ExplicitlyIndexedNDArrayMixin):
    """A variable of a file; its elements are read when its values are needed."""

    # Not `array`: xarray expects one of its own arrays under that name.
    __slots__ = ("dtype", "raw", "shape")

    def __init__(self, raw: RawArray) -> None:
        self.raw = raw
        self.shape = raw.shape  # type: ignore[misc]
        self.dtype = raw.dtype  # type: ignore[misc]

    def get_duck_array(self) -> npt.NDArray[Any]:
        """Return the values."""
        return self.raw.load()

    async def async_get_duck_array(self) -> npt.NDArray[Any]:
        """Return the values, read in another thread."""
        return await asyncio.to_thread(self.get_duck_array)

    def __getitem__(self, indexer: indexing.ExplicitIndexer) -> Self:
        self._check_and_raise_if_non_basic_indexer(indexer)
        return type(self)(self.raw.part(indexer.tuple))

    def _oindex_get(self, indexer: indexing.OuterIndexer) -> Any:
        with name_file(self.raw.url):
            key = _with_slices(indexer.tuple, self.shape)
        if any(isinstance(k, np.ndarray) for k in key):
            return indexing.LazilyIndexedArray(
                _IndexingAdapter(self.raw), indexing.OuterIndexer(key)
            )
        return type(self)(self.raw.part(key))

    def _vindex_get(self, indexer: indexing.VectorizedIndexer) -> Any:
        return indexing.LazilyIndexedArray(_IndexingAdapter(self.raw)).vindex[indexer]

    def transpose(self, order: Sequence[int]) -> Self:
        """Return the array with its axes in another order."""
        return type(self)(self.raw.transpose(order))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.raw!r})"


class _IndexingAdapter(BackendArray):
    """Passes xarray's explicit indexers on to a `RawArray`."""

    __slots__ = ("dtype", "raw", "shape")

    def __init__(self, raw: RawArray) -> None:
        self.raw = raw
        self.shape = raw.shape
        self.dtype = raw.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if isinstance(key, indexing.VectorizedIndexer):
            return indexing.NumpyVIndexAdapter(self.raw)[key.tuple]  # type: ignore[no-untyped-call]
        if isinstance(key, indexing.OuterIndexer):
            return _read_outer(self.raw, key.tuple)
        return self.raw[key.tuple]

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        return await asyncio.to_thread(self.__getitem__, key)


def _read_outer(array: RawArray, key: tuple[Any, ...]) -> Any:
    """Return the elements that the key selects along every axis independently.

    NumPy would pair the arrays of a key; open grids keep them apart. Integers, which NumPy would
    treat as arrays, are applied first, and so are evenly spaced arrays, as slices.
    """
    key = _with_slices(key, array.shape)
    part = array.part(tuple(slice(None) if isinstance(k, np.ndarray) else k for k in key))
    axes = [k for k in key if not isinstance(k, int | np.integer)]
    array_axes = [axis for axis, k in enumerate(axes) if isinstance(k, np.ndarray)]
    if not array_axes:
        return part[...]
    grid = iter(np.ix_(*(axes[axis] for axis in array_axes)))
    values = part[
        tuple(next(grid) if axis in array_axes else slice(None) for axis in range(part.ndim))
    ]
    if array_axes[-1] - array_axes[0] == len(array_axes) - 1:
        return values
    return np.moveaxis(values, range(len(array_axes)), array_axes)


def _with_slices(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return a key with slices in place of evenly spaced arrays of positions."""
    # xarray leaves out trailing axes, such as that of the characters of a string.
    return tuple(_as_slice(k, n) for k, n in zip(key, shape, strict=False))


def _as_slice(k: Any, n: int) -> Any:
    """Return positions on an axis of length `n` as a slice where they are evenly spaced.

    Raises
    ------
    IndexError
        If a position is out of bounds, which a slice would clip.
    """
    if not isinstance(k, np.ndarray) or not k.size or k.dtype.kind == "b":
        return k
    if k.min() < -n or k.max() >= n:
        raise IndexError(
            f"index {k.min() if k.min() < -n else k.max()} is out of bounds for an axis of length "
            f"{n}"
        )
    k = np.where(k < 0, k + n, k)
    first, step = int(k[0]), int(k[1]) - int(k[0]) if k.size > 1 else 1
    stop = first + step * k.size
    if not step or not (np.diff(k) == step).all():
        return k
    return slice(first, None if stop < 0 else stop, step)
