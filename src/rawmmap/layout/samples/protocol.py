"""What every kind of samples can do, and the simplest kind: another byte order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rawmmap.layout.shapes import pack_dtype, unpack_dtype

__all__ = ["ByteOrder", "Samples", "is_native", "native"]


class Samples(Protocol):
    """A pair of functions between what a file stores and what users work with."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    @property
    def stored(self) -> np.dtype[Any]:
        """Type of the elements in the file."""

    @property
    def writable(self) -> bool:
        """Whether `encode` works."""

    def decode(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the values of stored elements, also of some fields of them."""

    def encode(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what to store for values of `dtype`."""


@dataclass(frozen=True, slots=True)
class ByteOrder:
    """Values in this machine's byte order of elements that may be stored in another one."""

    stored: np.dtype[Any]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.stored.newbyteorder("=")

    @property
    def writable(self) -> bool:
        """True: every value can be stored."""
        return True

    def decode(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the values: the same array where the byte order is this machine's."""
        if is_native(stored.dtype):
            return stored
        return stored.astype(stored.dtype.newbyteorder("="))

    def encode(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return `values` in the byte order of the file."""
        return values.astype(self.stored, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (pack_dtype(self.stored),)


def _restore(stored: Any) -> ByteOrder:
    return ByteOrder(unpack_dtype(stored))


def native(dtype: np.dtype[Any]) -> ByteOrder | None:
    """Return what gives elements of `dtype` this machine's byte order; None if they have it."""
    return None if is_native(dtype) else ByteOrder(dtype)


def is_native(dtype: np.dtype[Any]) -> bool:
    """Return whether `dtype` has this machine's byte order, in all its fields."""
    # NumPy's own attribute overlooks fields that have more than one element.
    return dtype == dtype.newbyteorder("=")
