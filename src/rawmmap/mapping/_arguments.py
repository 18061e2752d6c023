"""The arguments of `mmap`: what can be checked before the file is touched."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, SupportsIndex, TypeGuard, TypeVar

import numpy as np

from rawmmap.errors import name_file
from rawmmap.files.opening import MODES, File, check_regular, name_of
from rawmmap.layout import MAX_BYTES, Layout, as_shape, infer_shape

__all__ = [
    "Shape",
    "as_counts",
    "as_integer",
    "check_emptying",
    "check_keywords",
    "check_nbytes",
    "check_numbers",
    "positional_error",
    "refuse_memmap_order",
]

P = ParamSpec("P")
R = TypeVar("R")
Shape = SupportsIndex | Sequence[SupportsIndex]

# Tuples, since what callers pass may not be hashable.
_ORDERS = ("C", "F")
_MODES = tuple(MODES)
_GROWS = (True, False, "sparse")
# The modes of numpy.memmap, and ours.
_MEMMAP_MODES = {
    "r": "r",
    "r+": "r+",
    "w+": "w+",
    "c": "c",
    "readonly": "r",
    "readwrite": "r+",
    "write": "w+",
    "copyonwrite": "c",
}
# NumPy 1 has at most 32 axes and NumPy 2 has 64; what it refuses must be refused in time.
_FEW_AXES = 32


def as_integer(number: SupportsIndex, keyword: str) -> int:
    """Return a number as an int, or say which keyword is not one."""
    try:
        return operator.index(number)
    except TypeError:
        hint = ""
        if _is_memmap_mode(number):
            hint = f"; pass mode={_MEMMAP_MODES[number]!r} by its keyword"
        raise TypeError(
            f"{keyword} must be an integer, not {number!r} ({type(number).__name__}){hint}"
        ) from None


def as_counts(shape: Shape) -> tuple[int, ...]:
    """Return element counts as a tuple of ints, or say what is wrong with them."""
    try:
        return as_shape(shape)
    except TypeError:
        pass
    if _is_memmap_mode(shape):
        raise _order_error(shape)
    raise TypeError(f"shape must be an integer or a tuple of integers, not {shape!r}")


def _is_memmap_mode(shape: object) -> TypeGuard[str]:
    return isinstance(shape, str) and shape in _MEMMAP_MODES


def _order_error(mode: str) -> TypeError:
    return TypeError(
        f"the third argument is the shape, not {mode!r}; the order of arguments is (file, dtype, "
        f"shape, offset), unlike numpy.memmap: pass mode={_MEMMAP_MODES[mode]!r} by its keyword"
    )


def refuse_memmap_order(position: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator: a mode in the place of a shape that has its keyword is explained.

    Python itself would only say that there are two values for `shape`.

    Parameters
    ----------
    position : int
        Number of the positional argument that is the shape.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            third: object = args[position] if len(args) > position else None
            if "shape" in kwargs and _is_memmap_mode(third):
                with name_file(name_of(args[position - 2])):
                    raise _order_error(third)
            return function(*args, **kwargs)

        return call

    return decorate


def positional_error(shape: object, extra: tuple[Any, ...]) -> TypeError:
    """Return the error for more positional arguments than there are."""
    hint = "pass order, mode, grow and shared by their keywords"
    if _is_memmap_mode(shape):
        hint = f"in the order of numpy.memmap? Pass mode={_MEMMAP_MODES[shape]!r} by its keyword"
    count = 4 + len(extra)
    return TypeError(f"the arguments are (file, dtype, shape, offset), not these {count}: {hint}")


def check_keywords(order: str, mode: str | None, grow: object, shared: object) -> None:
    """Refuse what the keywords cannot be."""
    if order not in _ORDERS:
        raise ValueError(f"order must be 'C' or 'F', not {order!r}")
    if mode not in _MODES:
        raise ValueError(f"mode must be 'r', 'r+', 'w+', 'c' or None, not {mode!r}")
    if grow not in _GROWS:
        raise ValueError(f"grow must be True, False or 'sparse', not {grow!r}")
    if shared not in (True, False):
        raise ValueError(f"shared must be True or False, not {shared!r}")


def check_emptying(file: File, counts: tuple[int, ...], grow: object) -> None:
    """Refuse what a file that is emptied first can never satisfy."""
    if -1 in counts:
        check_regular(file)
        raise ValueError(
            f"shape {counts} takes a length from the size of the file, which mode='w+' empties; "
            "give all lengths"
        )
    if not grow and 0 not in counts:
        raise ValueError(
            f"mode='w+' empties the file, and grow={grow} forbids to lengthen it again for the "
            f"shape {counts}; pass grow=True, or mode='r+' to keep the existing bytes"
        )


def check_numbers(dtype: np.dtype[Any], counts: tuple[int, ...], offset: int, order: str) -> None:
    """Refuse what no file can satisfy."""
    if offset < 0:
        raise ValueError(f"offset {offset} is negative; it counts bytes from the file's start")
    if min(counts, default=0) < 0:
        # A file that ends at `offset` makes every valid shape an empty one.
        counts = infer_shape(dtype, counts, size=offset, offset=offset, order=order)
    check_nbytes(dtype, counts, offset, order)


def check_nbytes(dtype: np.dtype[Any], shape: tuple[int, ...], offset: int, order: str) -> int:
    """Return the bytes of all elements, after making sure that such an array can exist."""
    nbytes = dtype.itemsize * math.prod(shape)
    if offset + nbytes > MAX_BYTES:
        Layout.dense(dtype, shape, offset=offset, order=order)
    if not nbytes or len(shape) + dtype.ndim > _FEW_AXES:
        try:
            np.empty(shape if not nbytes else (0,) * len(shape), dtype)
        except ValueError as error:
            raise ValueError(
                f"there is no array of dtype {dtype} and shape {shape}: {error}"
            ) from None
    return nbytes
