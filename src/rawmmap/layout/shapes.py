"""Types, shapes and strides: checks, and the lengths that follow from the size of a file."""

from __future__ import annotations

import math
import operator
import pickle
import zlib
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

__all__ = [
    "MAX_BYTES",
    "as_shape",
    "check_shape",
    "dense_strides",
    "dtype_state",
    "extent_of",
    "infer_shape",
    "pack_dtype",
    "plain_dtype",
    "unpack_dtype",
]

#: One past the largest position that a file can have (``off_t`` is signed).
MAX_BYTES = 2**63 - 1
# From so many fields on, compressing them makes a pickle shorter.
_MANY_FIELDS = 8


def plain_dtype(dtype: npt.DTypeLike | None) -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype whose values lie in a file as they lie in memory.

    Raises
    ------
    TypeError
        If values of `dtype` are pointers (objects, variable-width strings).
    ValueError
        If `dtype` has no bytes.
    """
    result = np.dtype(dtype)
    if result.hasobject or result.kind == "T":
        raise TypeError(
            f"dtype {result} holds pointers, which mean nothing in a file; "
            "use a dtype of fixed size, such as 'S10' or 'U10' for text"
        )
    if result.itemsize == 0:
        raise ValueError(f"dtype {result!r} has no bytes; give it a size, such as 'S10'")
    return result


def dtype_state(dtype: np.dtype[Any]) -> Any:
    """Return plain values, short when pickled, from which `numpy.dtype` makes `dtype` again."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return dtype_state(base), shape
    if dtype.fields is None:
        return dtype.str
    names = dtype.names or ()
    fields = [dtype.fields[name] for name in names]
    if any(len(field) > 2 for field in fields):
        return dtype  # titles cannot be written this way
    return {
        "names": names,
        "formats": tuple(dtype_state(field[0]) for field in fields),
        "offsets": tuple(field[1] for field in fields),
        "itemsize": dtype.itemsize,
    }


def pack_dtype(dtype: np.dtype[Any]) -> Any:
    """Return what `unpack_dtype` makes `dtype` of, short for records of many fields too."""
    state = dtype_state(dtype)
    if dtype.names is None or len(dtype.names) < _MANY_FIELDS:
        return state
    return zlib.compress(pickle.dumps(state, 4))


def unpack_dtype(state: Any) -> np.dtype[Any]:
    """Return the dtype that `pack_dtype` has packed."""
    if isinstance(state, bytes):
        state = pickle.loads(zlib.decompress(state))
    dtype: np.dtype[Any] = np.dtype(state)
    return dtype


def as_shape(shape: SupportsIndex | Sequence[SupportsIndex]) -> tuple[int, ...]:
    """Return `shape`, an integer or a sequence of integers, as a tuple of ints."""
    if isinstance(shape, tuple):
        return tuple(map(operator.index, shape))
    try:
        return (operator.index(shape),)  # type: ignore[arg-type]
    except TypeError:
        return tuple(operator.index(n) for n in shape)  # type: ignore[union-attr]


def dense_strides(itemsize: int, shape: tuple[int, ...], order: str) -> tuple[int, ...]:
    """Return the strides of elements that follow each other without gaps."""
    if order not in ("C", "F"):
        raise ValueError(f"order must be 'C' or 'F', not {order!r}")
    strides = []
    step = itemsize
    for n in reversed(shape) if order == "C" else shape:
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides)) if order == "C" else tuple(strides)


def extent_of(
    itemsize: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> tuple[int, int]:
    """Return the byte range ``(start, stop)`` of all elements; ``(offset, offset)`` if empty."""
    low = high = offset
    for n, step in zip(shape, strides, strict=True):
        if n == 0:
            return offset, offset
        if step < 0:
            low += (n - 1) * step
        else:
            high += (n - 1) * step
    return low, high + itemsize


def infer_shape(
    dtype: npt.DTypeLike,
    shape: SupportsIndex | Sequence[SupportsIndex] | None,
    *,
    size: int,
    offset: int = 0,
    order: str = "C",
    strides: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Return `shape` with the length that replaces a ``-1``, from the size of the file.

    Parameters
    ----------
    dtype : dtype-like
        Type of one element.
    shape : int, tuple of int or None
        ``-1`` is allowed once, on the major axis: the first for C order, the last for F order,
        the one with the largest stride where strides are given. ``None`` is the rest of the file
        in one dimension.
    size : int
        Bytes that the file has.
    offset : int
        Bytes before the data.
    order : {"C", "F"}
        Order of the axes.
    strides : sequence of int, optional
        Bytes from one element to the next along each axis.

    Raises
    ------
    ValueError
        If a length is negative, ``-1`` is repeated, combined with a zero or on another axis, the
        offset lies past the end of the file, or bytes are left over.
    """
    itemsize = plain_dtype(dtype).itemsize
    counts = check_shape(shape, order, strides)
    if -1 not in counts:
        return counts
    if offset < 0:
        raise ValueError(f"offset {offset} is negative; it counts bytes from the file's start")
    if offset > size:
        raise ValueError(f"offset {offset} lies past the end of the file, which has {size} bytes")
    available = size - offset
    step, last_step = _step_nbytes(itemsize, counts, strides)
    n, remainder = divmod(available, step)
    if remainder >= last_step:
        n, remainder = n + 1, 0
    if remainder:
        raise ValueError(
            f"the {available} bytes from offset {offset} to the end of the file hold {n} steps of "
            f"{step} bytes along axis {counts.index(-1)} and {remainder} bytes more; "
            + _explain_remainder(plain_dtype(dtype), available, step, remainder, offset)
        )
    return tuple(n if count == -1 else count for count in counts)


def _step_nbytes(
    itemsize: int, counts: tuple[int, ...], strides: Sequence[int] | None
) -> tuple[int, int]:
    """Return the bytes of a step along the axis of ``-1``, and of the last one, without its gap."""
    if strides is None:
        step = itemsize * math.prod(n for n in counts if n != -1)
        return step, step
    one = tuple(1 if n == -1 else n for n in counts)
    return strides[counts.index(-1)], extent_of(itemsize, one, tuple(strides), 0)[1]


def _explain_remainder(
    dtype: np.dtype[Any], available: int, step: int, remainder: int, offset: int
) -> str:
    """Return the likely reason why the bytes are not a whole number of steps, and what to do."""
    packed = packed_size(dtype)
    if packed < dtype.itemsize and available % (step // dtype.itemsize * packed) == 0:
        return (
            f"they are whole steps of the same fields without padding, which take {packed} bytes "
            f"in place of {dtype.itemsize}: was the file written packed? Make the dtype without "
            "align=True, or without gaps between its offsets"
        )
    # A record of one element is too short to tell markers from chance.
    if step > dtype.itemsize and available % (step + 8) == 0:
        return (
            f"steps of 8 bytes more would be exactly {available // (step + 8)}: Fortran record "
            "markers? Pass format='fortran' and the shape of one record; or start at "
            f"offset={offset + 4} and go on by {step + 8} bytes: with "
            f"record_dim= and record_nbytes={step + 8}, or with strides=; or put 4 bytes before "
            "and after each step into a structured dtype"
        )
    return (
        "give the length, or check dtype, shape and offset; if they are a header, pass "
        f"offset={offset + remainder}"
    )


def packed_size(dtype: np.dtype[Any]) -> int:
    """Return the bytes of all fields of `dtype`, without the padding between them."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return packed_size(base) * math.prod(shape)
    if dtype.fields is None:
        return dtype.itemsize
    return sum(packed_size(dtype.fields[name][0]) for name in dtype.names or ())


def check_shape(
    shape: SupportsIndex | Sequence[SupportsIndex] | None,
    order: str = "C",
    strides: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Return `shape` as a tuple of ints, with ``-1`` where the length follows from the file.

    Raises
    ------
    ValueError
        If a length is negative, or ``-1`` is repeated, combined with a zero or not on the
        major axis.
    """
    counts = (-1,) if shape is None else as_shape(shape)
    if any(n < -1 for n in counts):
        raise ValueError(f"shape {counts} has a negative length; only one -1 is allowed")
    if order not in ("C", "F"):
        raise ValueError(f"order must be 'C' or 'F', not {order!r}")
    if -1 not in counts:
        return counts
    major = _major_axis(counts, order, strides)
    if counts.count(-1) > 1 or counts[major] != -1:
        raise ValueError(
            f"shape {counts}: -1 is allowed once, on the major axis (axis {major} here)"
        )
    if 0 in counts:
        raise ValueError(f"shape {counts}: -1 beside a zero is ambiguous: any length fits")
    return counts


def _major_axis(counts: tuple[int, ...], order: str, strides: Sequence[int] | None) -> int:
    if strides is None:
        return 0 if order == "C" else len(counts) - 1
    if len(strides) != len(counts):
        raise ValueError(
            f"shape {counts} has {len(counts)} axes, "
            f"but strides {tuple(strides)} has {len(strides)}"
        )
    major = max(range(len(counts)), key=lambda axis: strides[axis])
    if strides[major] <= 0:
        raise ValueError(
            f"shape {counts}: -1 needs a positive stride along its axis, but strides "
            f"{tuple(strides)} has {strides[major]}"
        )
    return major
