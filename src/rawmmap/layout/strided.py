"""Where every element of an array lies in a file: dtype, shape, strides and offset.

A `Layout` is pure data. Slicing one gives a `Layout` again, so a chunk, a crop, a field of a record
and a whole variable are the same thing, and there is one way to read it and one way to write it.
`Layout.runs` turns it into the byte runs that hold its elements, which is what readers, writers
and read-ahead hints work from.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from rawmmap.layout.parts import Part, full_index, normalize_axes
from rawmmap.layout.runs import Runs
from rawmmap.layout.shapes import (
    MAX_BYTES,
    as_shape,
    dense_strides,
    extent_of,
    pack_dtype,
    plain_dtype,
    unpack_dtype,
)

__all__ = ["BasicKey", "Layout"]

BasicItem = SupportsIndex | slice | EllipsisType | None
BasicKey = BasicItem | tuple[BasicItem, ...]


@dataclass(frozen=True, slots=True, init=False)
class Layout:
    """Where every element of an array lies in a file.

    Parameters
    ----------
    dtype : dtype-like
        Type of one element, byte order included. Objects are refused; a subarray dtype becomes
        trailing dimensions, as in NumPy.
    shape : int or tuple of int
        Element counts.
    strides : tuple of int
        Bytes from one element to the next along each axis; may be negative, zero, or leave gaps.
    offset : int
        Byte of the file at which the element of index ``(0, ..., 0)`` starts.

    Raises
    ------
    TypeError
        If the dtype holds pointers.
    ValueError
        If shape and strides differ in length, a count is negative, or an element would lie before
        the start of the file or past byte 2**63 - 1.

    Examples
    --------
    >>> layout = Layout.dense(">f4", (3, 4), offset=20)
    >>> layout[1:, ::2]
    Layout(dtype='>f4', shape=(2, 2), strides=(16, 8), offset=36)
    >>> layout[1:, ::2].extent
    (36, 64)
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    def __init__(
        self,
        dtype: npt.DTypeLike,
        shape: SupportsIndex | Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex],
        offset: SupportsIndex,
    ) -> None:
        plain = plain_dtype(dtype)
        counts = as_shape(shape)
        steps = tuple(operator.index(s) for s in strides)
        if plain.subdtype is not None:
            base, inner = plain.subdtype
            steps += dense_strides(base.itemsize, inner, "C")
            counts += inner
            plain = base
        if len(steps) != len(counts):
            raise ValueError(
                f"shape {counts} has {len(counts)} axes, but strides {steps} has {len(steps)}"
            )
        if any(n < 0 for n in counts):
            raise ValueError(f"shape {counts} has a negative length")
        start = operator.index(offset)
        if start < 0:
            raise ValueError(f"offset {start} is negative; it counts bytes from the file's start")
        low, high = extent_of(plain.itemsize, counts, steps, start)
        if low < 0:
            raise ValueError(
                f"with shape {counts}, strides {steps} and offset {start} an element would lie "
                f"{-low} bytes before the start of the file"
            )
        if high > MAX_BYTES:
            raise ValueError(
                f"with shape {counts}, strides {steps} and offset {start} the data would end at "
                f"byte {high}, past the largest position of a file, 2**63 - 1"
            )
        _set(self, plain, counts, steps, start)

    @classmethod
    def dense(
        cls,
        dtype: npt.DTypeLike,
        shape: SupportsIndex | Sequence[SupportsIndex],
        *,
        offset: SupportsIndex = 0,
        order: str = "C",
    ) -> Layout:
        """Return the layout of elements that follow each other without gaps.

        Parameters
        ----------
        dtype, shape, offset
            As for `Layout`.
        order : {"C", "F"}
            ``"C"``: the last axis is the fastest; ``"F"``: the first one is.
        """
        plain = plain_dtype(dtype)
        counts = as_shape(shape)
        return cls(plain, counts, dense_strides(plain.itemsize, counts, order), offset)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, gaps not counted."""
        return self.size * self.dtype.itemsize

    @property
    def extent(self) -> tuple[int, int]:
        """Byte range ``(start, stop)`` of all elements; ``(offset, offset)`` where empty."""
        return extent_of(self.dtype.itemsize, self.shape, self.strides, self.offset)

    @property
    def contiguous(self) -> bool:
        """Whether the elements follow each other in C order without gaps, as NumPy counts it."""
        if 0 in self.shape:
            return True
        expected = self.dtype.itemsize
        for n, step in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if n > 1 and step != expected:
                return False
            expected *= n
        return True

    def __getitem__(self, key: BasicKey) -> Layout:
        """Return the layout of ``array[key]`` for integers, slices, ``...`` and ``None``.

        Raises
        ------
        IndexError
            For too many indices, an integer out of bounds, a second ``...``, or an index of another
            kind.
        """
        items = tuple(key) if isinstance(key, tuple) else (key,)
        shape, strides = self.shape, self.strides
        ndim = len(shape)
        used = 0
        has_ellipsis = False
        for item in items:
            if item is Ellipsis:
                if has_ellipsis:
                    raise IndexError("an index can only have a single ellipsis ('...')")
                has_ellipsis = True
            elif item is not None:
                used += 1
        if used > ndim:
            raise IndexError(
                f"too many indices for array: array is {ndim}-dimensional, but {used} were indexed"
            )
        offset = self.offset
        counts: list[int] = []
        steps: list[int] = []
        axis = 0
        for item in items:
            if type(item) is slice:
                n = shape[axis]
                try:
                    start, stop, step = item.indices(n)
                except (TypeError, ValueError) as error:
                    raise IndexError(f"{item}: {error}") from None
                n = len(range(start, stop, step))
                if n:
                    offset += start * strides[axis]
                counts.append(n)
                # The stride of a single element means nothing, and might be too large for NumPy.
                steps.append(step * strides[axis] if n > 1 else strides[axis])
                axis += 1
            elif item is None:
                counts.append(1)
                steps.append(0)
            elif item is Ellipsis:
                skipped = ndim - used
                counts.extend(shape[axis : axis + skipped])
                steps.extend(strides[axis : axis + skipped])
                axis += skipped
            else:
                offset += _normalize_index(item, axis, shape[axis]) * strides[axis]
                axis += 1
        return _set(
            object.__new__(Layout),
            self.dtype,
            (*counts, *shape[axis:]),
            (*steps, *strides[axis:]),
            offset,
        )

    def field(self, name: str, order: str = "C") -> Layout:
        """Return the layout of one field of a structured dtype.

        Parameters
        ----------
        name : str
            The field.
        order : {"C", "F"}
            Order of the axes inside the field, if there are any.

        Raises
        ------
        KeyError
            If there is no field of that name.
        """
        fields = self.dtype.fields
        if fields is None or name not in fields:
            raise KeyError(f"dtype {self.dtype} has no field {name!r}")
        dtype, start = fields[name][:2]
        inner = dense_strides(dtype.base.itemsize, dtype.shape, order)
        return Layout(
            dtype.base, self.shape + dtype.shape, self.strides + inner, self.offset + start
        )

    def fields(self, names: list[str]) -> Layout:
        """Return the layout of several fields, elements of a dtype with gaps as NumPy makes it."""
        return Layout(self.dtype[names], self.shape, self.strides, self.offset)

    def transpose(self, axes: Sequence[int]) -> Layout:
        """Return the layout with its axes in the order of `axes`, as `numpy.transpose` does."""
        order = normalize_axes(axes, self.ndim)
        return _set(
            object.__new__(Layout),
            self.dtype,
            tuple(self.shape[a] for a in order),
            tuple(self.strides[a] for a in order),
            self.offset,
        )

    def shifted(self, distance: int) -> Layout:
        """Return the same layout `distance` bytes further on in the file."""
        return _set(
            object.__new__(Layout), self.dtype, self.shape, self.strides, self.offset + distance
        )

    def parts(self) -> Iterator[Part]:
        """Yield the only part, which lies in file number 0."""
        yield Part(full_index(self.shape), self, 0)

    def repeated(self, shape: tuple[int, ...], step: int) -> Layout:
        """Return the layout of an array of `shape` such layouts, `step` bytes apart."""
        steps = dense_strides(step, shape, "C")
        return _set(
            object.__new__(Layout),
            self.dtype,
            shape + self.shape,
            steps + self.strides,
            self.offset,
        )

    def view(self, buffer: Any) -> npt.NDArray[Any]:
        """Return the array that this layout describes in `buffer`: a view, never a copy.

        `buffer` stays alive as long as the array does.
        """
        return np.ndarray(self.shape, self.dtype, buffer, self.offset, self.strides)

    def runs(self, gap: int = 0) -> Runs:
        """Return the byte runs of equal length that hold all elements.

        Parameters
        ----------
        gap : int
            Runs that are at most this many unwanted bytes apart are joined.

        Returns
        -------
        Runs
            In ascending order along every axis. Runs can overlap only where the layout itself
            does.
        """
        low, _ = self.extent
        if 0 in self.shape:
            return Runs(low, 0, (0,), (0,), Layout.dense(self.dtype, self.shape))
        by_step = sorted(
            (axis for axis, n in enumerate(self.shape) if n > 1 and self.strides[axis]),
            key=lambda axis: abs(self.strides[axis]),
        )
        length = self.dtype.itemsize
        inner = 0
        for axis in by_step:
            step = abs(self.strides[axis])
            if step - length > gap:
                break
            length += (self.shape[axis] - 1) * step
            inner += 1
        outer = by_step[: inner - 1 : -1] if inner else by_step[::-1]
        packed_steps = [0] * self.ndim
        for axis in by_step[:inner]:
            packed_steps[axis] = self.strides[axis]
        step = length
        for axis in reversed(outer):
            packed_steps[axis] = step if self.strides[axis] > 0 else -step
            step *= self.shape[axis]
        packed_offset = sum(
            -s * (n - 1) for n, s in zip(self.shape, packed_steps, strict=True) if s < 0
        )
        packed = _set(
            object.__new__(Layout), self.dtype, self.shape, tuple(packed_steps), packed_offset
        )
        return Runs(
            low,
            length,
            tuple(self.shape[axis] for axis in outer),
            tuple(abs(self.strides[axis]) for axis in outer),
            packed,
        )

    def point_runs(
        self, points: Sequence[npt.NDArray[np.intp]], gap: int = 0
    ) -> tuple[Runs, npt.NDArray[np.int64]]:
        """Return the runs of the elements that `points` selects along the leading axes.

        Returns
        -------
        runs : Runs
            The runs of what each point picks, as if it were the first element of each axis.
        starts : numpy.ndarray
            The first bytes of the runs of all points, point by point.
        """
        runs = self[(0,) * len(points)].runs(gap)
        shift = np.zeros(points[0].shape, np.int64)
        for positions, step in zip(points, self.strides, strict=False):
            shift += positions * step
        return runs, (shift.reshape(-1, 1) + runs.starts()).ravel()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (pack_dtype(self.dtype), self.shape, self.strides, self.offset)

    def __repr__(self) -> str:
        dtype = self.dtype if self.dtype.names else self.dtype.str
        return (
            f"Layout(dtype={dtype!r}, shape={self.shape}, strides={self.strides}, "
            f"offset={self.offset})"
        )


def _set(
    layout: Layout,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
) -> Layout:
    """Fill in a layout whose values are known to be valid; slicing must stay cheap."""
    put = object.__setattr__
    put(layout, "dtype", dtype)
    put(layout, "shape", shape)
    put(layout, "strides", strides)
    put(layout, "offset", offset)
    return layout


def _restore(dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Layout:
    return _set(object.__new__(Layout), unpack_dtype(dtype), shape, strides, offset)


def _normalize_index(item: Any, axis: int, n: int) -> int:
    if isinstance(item, bool):
        raise IndexError("a boolean is a mask; a layout takes integers and slices only")
    try:
        index = operator.index(item)
    except TypeError:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`) and None are valid indices of a "
            f"layout, not {type(item).__name__}"
        ) from None
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
    return index + n if index < 0 else index
