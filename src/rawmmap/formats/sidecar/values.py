"""NumPy values of any type as plain JSON, without loss."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.layout import plain_dtype
from rawmmap.layout.samples import NAMES, Coded, Samples, parse_dtype

__all__ = [
    "MAX_BYTES",
    "check_memory",
    "decode_array",
    "decode_attrs",
    "decode_dtype",
    "encode_array",
    "encode_attrs",
    "encode_dtype",
    "parse_stored",
]

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_ARRAY_KINDS = "biufcSUmM"

# The form of `numpy.dtype.str`. NumPy accepts more spellings, some with warnings.
_DTYPE = re.compile(r"[<>|]?[biufcSUVmM]\d{1,10}(\[\d{0,9}[A-Za-zμ]{1,2}\])?")
#: Largest number of bytes of a sidecar, and of all values in it. They are for coordinates; larger
#: arrays belong into the data file.
MAX_BYTES = 2**28


def encode_attrs(attrs: Mapping[Any, Any], owner: str) -> dict[str, Any]:
    """Return attributes as plain JSON; NumPy values become ``{"dtype": ..., "values": ...}``.

    Raises
    ------
    TypeError
        If JSON cannot hold a name or a value; the message starts with `owner`.
    """
    for name in attrs:
        if not isinstance(name, str) or not _is_text(name):
            raise TypeError(f"{owner}: attribute names must be strings, not {name!r}")
    return {name: _encode(value, f"{owner}: attribute {name!r}") for name, value in attrs.items()}


def decode_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes from what `encode_attrs` made of them."""
    return {name: _decode(value) for name, value in attrs.items()}


def _encode(value: Any, what: str) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind == "U":
            return _encode(array.tolist(), what)
        if array.dtype.kind not in _ARRAY_KINDS or _is_extended(array.dtype):
            raise TypeError(f"{what} is {array.dtype}, which JSON cannot hold")
        return encode_array(array)
    if isinstance(value, str) and not _is_text(value):
        raise TypeError(f"{what} is {value!r}, with a lone surrogate, which UTF-8 cannot hold")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return {"dtype": f"|S{max(len(value), 1)}", "values": value.decode("latin-1")}
    if isinstance(value, float):
        return value if math.isfinite(value) else encode_array(np.array(value))
    if isinstance(value, list | tuple):
        return [_encode(item, what) for item in value]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value) or _is_array(value):
            raise TypeError(f"{what} is a mapping that JSON cannot hold: {dict(value)!r}")
        return {key: _encode(item, what) for key, item in value.items()}
    raise TypeError(
        f"{what} is {value!r}, of type {type(value).__name__}, which JSON cannot hold; use "
        "numbers, strings, lists or NumPy arrays of them"
    )


def _is_extended(dtype: np.dtype[Any]) -> bool:
    """Return whether numbers are longer than double precision, and of a size that varies."""
    return dtype.itemsize > {"f": 8, "c": 16}.get(dtype.kind, dtype.itemsize)


def _is_text(value: str) -> bool:
    """Return whether UTF-8 can hold a string: it has no lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_array(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"dtype", "values"}


def _decode(value: Any) -> Any:
    if _is_array(value):
        if isinstance(value["values"], str) and decode_dtype(value["dtype"]).kind == "S":
            return value["values"].encode("latin-1")
        array = decode_array(value)
        return array if array.ndim else array[()]
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict):
        return {key: _decode(item) for key, item in value.items()}
    return value


def encode_array(array: npt.NDArray[Any]) -> dict[str, Any]:
    """Return an array as ``{"dtype": ..., "values": nested lists}``.

    Floats that are not finite become ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``; complex numbers
    become pairs; bytes become strings of the characters 0 to 255; dates become ISO strings;
    durations become counts.
    """
    dtype = array.dtype.newbyteorder("<")
    kind = dtype.kind
    if kind == "c":
        pairs = np.stack([array.real, array.imag], axis=-1)
        return {"dtype": dtype.str, "values": _name_non_finite(pairs.tolist())}
    if kind == "f":
        return {"dtype": dtype.str, "values": _name_non_finite(array.tolist())}
    if kind == "M":
        return {"dtype": dtype.str, "values": np.datetime_as_string(array).tolist()}
    if kind == "m":
        return {"dtype": dtype.str, "values": array.astype(np.int64).tolist()}
    if kind == "S":
        return {"dtype": dtype.str, "values": np.char.decode(array, "latin-1").tolist()}
    return {"dtype": dtype.str, "values": array.tolist()}


def _name_non_finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_name_non_finite(item) for item in value]
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def decode_array(encoded: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Return the array that `encode_array` encoded.

    Raises
    ------
    TypeError, ValueError
        If the values are not of that dtype.
    """
    dtype = decode_dtype(encoded["dtype"])
    values = encoded["values"]
    if dtype.kind == "c":
        pairs = np.array(_parse_non_finite(values), np.float64)
        if pairs.shape[-1:] != (2,):
            raise ValueError("complex numbers must be pairs [real, imaginary]")
        return _convert_floats(np.ascontiguousarray(pairs).view(np.complex128)[..., 0], dtype)
    if dtype.kind == "f":
        return _convert_floats(np.array(_parse_non_finite(values), np.float64), dtype)
    if dtype.kind == "V":
        raise ValueError(f"values cannot be of type {dtype}")
    if dtype.kind in "SU":
        return _decode_texts(values, dtype)
    if dtype.kind == "m":
        return np.array(values, np.int64).astype(dtype)
    if dtype.kind in "biu":
        if any(isinstance(value, str) for value in _iterate_leaves(values)):
            raise TypeError(f"{dtype} values must be numbers, not strings")
        array = np.array(values)
        if array.dtype.kind == "f" and _are_integers(values):
            array = np.array(values, dtype)  # NumPy makes floats of large integers
        if array.size and array.dtype.kind not in "biu":
            raise TypeError(f"{dtype} values must be integers, not {array.dtype}")
        if array.size and not (array.astype(dtype) == array).all():
            raise ValueError(f"some values do not fit into {dtype}")
        return array.astype(dtype)
    return np.array(values, dtype)


def _decode_texts(values: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return strings as an array; all of its elements take as much memory as the longest one."""
    length = dtype.itemsize // (4 if dtype.kind == "U" else 1)
    count = sum(1 for _ in _iterate_leaves(values))
    if count * 4 * length > MAX_BYTES:
        raise ValueError(f"{count} values of type {dtype} are too many for a description")
    for value in _iterate_leaves(values):
        if not isinstance(value, str):
            raise TypeError(f"{dtype} values must be strings, not {value!r}")
        if len(value) > length:
            raise ValueError(f"a text of {len(value)} characters does not fit into {dtype}")
    texts = np.array(values, f"U{length}")
    return np.asarray(np.char.encode(texts, "latin-1") if dtype.kind == "S" else texts, dtype)


def check_memory(document: Any) -> None:
    """Refuse a sidecar whose values take too much memory: a short text may ask for very much.

    Raises
    ------
    ValueError
        If all arrays in it take more than `MAX_BYTES` together.
    """
    total = 0
    pending = [document]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            pending.extend(item.values())
            total += _count_bytes(item)
        if total > MAX_BYTES:
            raise ValueError(
                f"the values are too many: they take more than {MAX_BYTES} bytes; put them into "
                "the data file"
            )


def _count_bytes(entry: Mapping[str, Any]) -> int:
    """Return the bytes of the array, or of the fill value, that an object of a sidecar holds."""
    attrs = entry.get("attrs")
    filled = isinstance(attrs, dict) and "_FillValue" in attrs
    pieces = entry.get("pieces")
    held = [piece["values"] for piece in _iterate_leaves(pieces or []) if _has_values(piece)]
    held += [entry["values"]] if "values" in entry else []
    if "dtype" not in entry or not (held or filled):
        return 0
    try:
        itemsize = decode_dtype(entry["dtype"]).itemsize
    except (TypeError, ValueError):
        return 0  # refused later, by the name of its variable
    return itemsize * (sum(1 for _ in _iterate_leaves(held)) + filled)


def _has_values(piece: Any) -> bool:
    return isinstance(piece, dict) and "values" in piece


def _iterate_leaves(value: Any) -> Iterator[Any]:
    """Yield what nested lists hold, in no particular order."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        else:
            yield item


def _are_integers(value: Any) -> bool:
    return all(map(_are_integers, value)) if isinstance(value, list) else isinstance(value, int)


def _convert_floats(array: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    try:
        with np.errstate(over="raise", under="ignore"):
            return np.asarray(array, dtype)
    except FloatingPointError:
        raise ValueError(f"values are too large for {dtype}") from None


def _parse_non_finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_parse_non_finite(item) for item in value]
    if isinstance(value, str):
        if value not in _NON_FINITE:
            raise ValueError(
                f"{value!r} is not a number; allowed strings are {sorted(_NON_FINITE)}"
            )
        return _NON_FINITE[value]
    return value


def decode_dtype(text: Any) -> np.dtype[Any]:
    """Return the dtype of a NumPy dtype string such as ``">f4"``.

    Raises
    ------
    TypeError, ValueError
        If it is not a string, or not the name of a plain type of fixed size.
    """
    if not isinstance(text, str):
        raise TypeError(f"a dtype must be a string such as '>f4', not {text!r}")
    if not _DTYPE.fullmatch(text):
        raise ValueError(f"{text!r} is not a plain NumPy dtype, such as '>f4' or 'S10'")
    try:
        dtype = plain_dtype(text)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a NumPy dtype of fixed size: {error}") from error
    if text[0] not in "<>" and dtype.byteorder != "|":
        raise ValueError(f"{text!r} has no byte order; write '<{text}' or '>{text}'")
    return dtype


def encode_dtype(dtype: np.dtype[Any], samples: Samples | None) -> str:
    """Return the name of the type of elements in the data file.

    Raises
    ------
    TypeError
        If samples of this kind have no name.
    """
    if isinstance(samples, Coded):
        return samples.name
    if samples is not None and samples.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise TypeError(f"a sidecar has no name for the samples {samples!r}")
    return dtype.str


def parse_stored(text: Any) -> tuple[np.dtype[Any], Samples | None]:
    """Return what the name of the type of elements in the data file means; see `encode_dtype`.

    Raises
    ------
    TypeError, ValueError
        As for `decode_dtype`.
    """
    if isinstance(text, str) and text[1:] in NAMES:
        return parse_dtype(text)
    return decode_dtype(text), None
