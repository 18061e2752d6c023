"""Samples of types that NumPy lacks: their names, and how their bytes are ordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rawmmap.layout.samples import floats, integers
from rawmmap.layout.samples.protocol import Samples
from rawmmap.layout.shapes import plain_dtype

__all__ = ["NAMES", "Coded", "mappable_dtype", "nearest_dtype", "parse_dtype"]

Bytes = npt.NDArray[np.uint8]

# Samples that are converted at a time, so that intermediate results stay in the cache.
_BLOCK = 2**15


class Code(NamedTuple):
    """How samples of one type are coded.

    Attributes
    ----------
    nbytes : int
        Bytes of one sample.
    unit : int
        Bytes of which ``<`` reverses the order.
    dtype : numpy.dtype
        Type of the values.
    decode, encode : callable
        Between rows of bytes, the most significant one first, and values.
    """

    nbytes: int
    unit: int
    dtype: np.dtype[Any]
    decode: Callable[[Bytes], npt.NDArray[Any]]
    encode: Callable[[npt.NDArray[Any]], Bytes]


def _code(nbytes: int, unit: int, dtype: str, decode: Any, encode: Any, *words: Any) -> Code:
    return Code(nbytes, unit, np.dtype(dtype), partial(decode, *words), partial(encode, *words))


_CODES = {
    "i3": _code(3, 3, "i4", integers.decode_24, integers.encode_24, "i4"),
    "u3": _code(3, 3, "u4", integers.decode_24, integers.encode_24, "u4"),
    "ci1": _code(2, 1, "c8", integers.decode_pairs, integers.encode_pairs, 1),
    "ci2": _code(4, 2, "c8", integers.decode_pairs, integers.encode_pairs, 2),
    "ci4": _code(8, 4, "c16", integers.decode_pairs, integers.encode_pairs, 4),
    "ibm4": _code(4, 4, "f4", floats.decode_ibm, floats.encode_ibm, 4),
    "ibm8": _code(8, 8, "f8", floats.decode_ibm, floats.encode_ibm, 8),
    # A VAX stores words of 16 bits, the most significant one first, each little-endian.
    "vaxf4": _code(4, 2, "f4", floats.decode_vax, floats.encode_vax, 4, 8),
    "vaxd8": _code(8, 2, "f8", floats.decode_vax, floats.encode_vax, 8, 8),
    "vaxg8": _code(8, 2, "f8", floats.decode_vax, floats.encode_vax, 8, 11),
    "bf2": _code(2, 2, "f4", floats.decode_bfloat, floats.encode_bfloat),
}

#: Names of the types, without the byte order in front.
NAMES = tuple(_CODES)

# Common spellings of types that NumPy does not know, and NumPy's codes for them.
_KINDS = {"int": "i", "uint": "u", "float": "f", "complex": "c"}
_ENDINGS = {"be": ">", "le": "<", "_be": ">", "_le": "<"}


@dataclass(frozen=True, slots=True)
class Coded:
    """Samples of a type that NumPy lacks.

    Parameters
    ----------
    name : str
        ``<`` or ``>`` and one of `NAMES`.
    """

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def _code(self) -> Code:
        return _CODES[self.name[1:]]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self._code.dtype

    @property
    def stored(self) -> np.dtype[Any]:
        """Type of the elements in the file: so many bytes."""
        return np.dtype(f"V{self._code.nbytes}")

    @property
    def writable(self) -> bool:
        """True: samples of whole bytes can be stored."""
        return True

    def decode(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the values of stored samples: always a copy."""
        code = self._code
        flat = np.ascontiguousarray(stored).reshape(-1)
        values = np.empty(flat.size, code.dtype)
        with np.errstate(all="ignore"):
            for start in range(0, flat.size, _BLOCK):
                rows = flat[start : start + _BLOCK].view(np.uint8).reshape(-1, code.nbytes)
                values[start : start + _BLOCK] = code.decode(self._swapped(rows))
        return values.reshape(stored.shape)

    def encode(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what to store for values of `dtype`.

        Raises
        ------
        ValueError
            If a value is out of the range of the samples.
        """
        code = self._code
        flat = np.ascontiguousarray(values, code.dtype).reshape(-1)
        stored = np.empty(flat.size, self.stored)
        rows = stored.view(np.uint8).reshape(-1, code.nbytes)
        with np.errstate(all="ignore"):
            for start in range(0, flat.size, _BLOCK):
                try:
                    encoded = code.encode(flat[start : start + _BLOCK])
                except ValueError as error:
                    raise ValueError(f"samples of type {self.name!r}: {error}") from None
                rows[start : start + _BLOCK] = self._swapped(encoded)
        return stored.reshape(np.shape(values))

    def _swapped(self, rows: Bytes) -> Bytes:
        """Return rows of bytes in the file's order from the most significant first, or back."""
        unit = self._code.unit
        if self.name[0] == ">" or unit == 1:
            return rows
        if unit == 3:
            return rows[:, ::-1]
        words = np.ascontiguousarray(rows).view(f"u{unit}")
        return words.byteswap().view(np.uint8)


def parse_dtype(dtype: npt.DTypeLike | None) -> tuple[np.dtype[Any], Samples | None]:
    """Return the type of the elements in the file, and how they become values.

    Parameters
    ----------
    dtype : dtype-like
        A NumPy dtype, for which there is nothing to decode, or the name of a type that NumPy
        lacks, such as ``"<i3"``; see `NAMES`.

    Raises
    ------
    TypeError
        If the dtype holds pointers, is unknown, or lacks its byte order.
    ValueError
        If it has no bytes.
    """
    if isinstance(dtype, str):
        if dtype[:1] in ("<", ">") and dtype[1:] in _CODES:
            samples = Coded(dtype)
            return samples.stored, samples
        if dtype in _CODES:
            raise TypeError(f"dtype {dtype!r} lacks its byte order; write '<{dtype}' or '>{dtype}'")
    try:
        return plain_dtype(dtype), None
    except TypeError as error:
        near = nearest_dtype(dtype)
        if near is not None:
            raise TypeError(f"dtype {dtype!r} is not a NumPy dtype; write {near!r}") from error
        if "dtype" in str(error):
            raise
        raise TypeError(f"dtype {dtype!r}: {error}") from error


def nearest_dtype(dtype: Any) -> str | None:
    """Return NumPy's spelling of a type such as ``int16be``, or None."""
    if not isinstance(dtype, str):
        return None
    text = dtype.lower().replace(" ", "").replace("-", "")
    order = next((code for ending, code in _ENDINGS.items() if text.endswith(ending)), "<")
    text = text.rstrip("_").removesuffix("be").removesuffix("le").rstrip("_")
    kind = text.rstrip("0123456789")
    bits = text[len(kind) :]
    if kind not in _KINDS or not bits or int(bits) % 8:
        return None
    return f"{order}{_KINDS[kind]}{int(bits) // 8}"


def mappable_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype, if a map can show its values as they are in the file.

    Raises
    ------
    TypeError, ValueError
        As for `parse_dtype`, and if they need to be decoded.
    """
    plain, samples = parse_dtype(dtype)
    if samples is not None:
        raise TypeError(
            f"values of dtype {dtype!r} have to be decoded, and a map shows bytes as they are; "
            "use rawmmap.RawArray, rawmmap.from_raw or xarray.open_dataset"
        )
    return plain
