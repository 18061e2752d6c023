"""Types of keywords: what a caller passed, converted, or an error that names file and keyword."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NoReturn

import numpy as np

from rawmmap.description.checks import convert_fill_value
from rawmmap.description.model import field_dtype
from rawmmap.errors import DescriptionError
from rawmmap.layout.bits import Packing
from rawmmap.layout.samples import Samples, nearest_dtype, parse_dtype

__all__ = [
    "as_bool",
    "as_dims",
    "as_dtype",
    "as_integer",
    "as_names",
    "as_packing",
    "as_shape",
    "refuse_type",
    "split_attrs",
    "suggest",
]


# Words of other libraries for what is said by a keyword here.
_BYTE_ORDER = "the byte order is part of dtype=, such as '>f4'"
_WRITING = "to change a file, use rawmmap.map_dataset(path, mode='r+') or rawmmap.mmap"
_ELSEWHERE = {
    **dict.fromkeys(("byteorder", "byte_order", "endian", "endianness"), _BYTE_ORDER),
    **dict.fromkeys(("header", "header_size", "headersize", "seek", "skip"), "offset"),
    **dict.fromkeys(("mode", "shared"), _WRITING),
    "dimensions": "dims",
    "dim": "dims",
    "type": "dtype",
}


def suggest(keyword: str, known: Iterable[str]) -> str:
    """Return an error text for an unknown keyword, with the nearest known one, or all of them."""
    known = list(known)
    meant = _ELSEWHERE.get(keyword.lower(), "")
    if " " in meant:
        return f"unknown keyword {keyword!r}; {meant}"
    near = [meant] if meant in known else difflib.get_close_matches(keyword, known, 1, 0.55)
    hint = f"did you mean {near[0]}=?" if near else f"the known ones are {', '.join(sorted(known))}"
    return f"unknown keyword {keyword!r}; {hint}"


def as_dtype(subject: str, dtype: Any) -> tuple[np.dtype[Any], Samples | None]:
    """Return the type of elements in the file, and their code where NumPy has no type for it."""
    try:
        return parse_dtype(dtype)
    except TypeError as error:
        near = nearest_dtype(dtype)
        text = error if near is None else f"not a NumPy dtype; write {near!r}"
        raise TypeError(f"{subject}dtype={dtype!r}: {text}") from error
    except (ValueError, SyntaxError) as error:
        raise DescriptionError(f"{subject}dtype={dtype!r}: {error}") from error


def as_packing(
    subject: str, dtype: np.dtype[Any] | None, bits: Any, bit_order: Any
) -> Packing | None:
    """Return how samples of `dtype` are packed, if they are; None is the one that they need."""
    if bits is None:
        if bit_order is not None:
            raise DescriptionError(f"{subject}bit_order={bit_order!r} needs bits=")
        return None
    try:
        packing = Packing.of(bits, "msb" if bit_order is None else bit_order)
        packing.check(packing.dtype if dtype is None else dtype)
    except TypeError as error:
        raise TypeError(f"{subject}{error}") from error
    except ValueError as error:
        raise DescriptionError(f"{subject}{error}") from error
    return packing


def as_shape(subject: str, key: str, value: Any) -> tuple[int, ...] | None:
    """Return an integer or several as a tuple; None for a keyword that was left out."""
    if value is None:
        return None
    if isinstance(value, str | bytes | Mapping | Set):
        refuse_type(subject, key, value, "an integer or a tuple of integers, such as (100, 69)")
    items = value if isinstance(value, Iterable) else (value,)
    try:
        return tuple(operator.index(n) for n in items)
    except TypeError:
        refuse_type(subject, key, value, "an integer or a tuple of integers, such as (100, 69)")


def as_integer(subject: str, key: str, value: Any) -> int:
    """Return a number of bytes."""
    try:
        number = operator.index(value)
    except TypeError:
        refuse_type(subject, key, value, "an integer, a number of bytes")
    if number < 0:
        raise DescriptionError(
            f"{subject}{key}={number} is negative; it counts bytes"
            + (" from the file's start" if key == "offset" else "")
        )
    return number


def as_bool(subject: str, key: str, value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool | np.bool_):
        refuse_type(subject, key, value, "True or False")
    return bool(value)


def as_dims(subject: str, dims: Any) -> tuple[str, ...] | None:
    """Return one name or several as a tuple; None for a keyword that was left out."""
    if dims is None:
        return None
    if isinstance(dims, Mapping) or not isinstance(dims, str | Sequence):
        refuse_type(subject, "dims", dims, "a name or a tuple of names of dimensions")
    names = (dims,) if isinstance(dims, str) else tuple(dims)
    for name in names:
        if not isinstance(name, str):
            refuse_type(subject, "dims", dims, "a name or a tuple of names of dimensions")
    if isinstance(dims, str) and "," in dims:
        names = tuple(part.strip() for part in dims.split(","))
        raise DescriptionError(f"{subject}dims={dims!r} is one name; write {names}")
    return names


def as_names(key: str, names: Any) -> frozenset[str]:
    """Return one name of a variable or several; none for a keyword that was left out."""
    if names is None:
        return frozenset()
    several = isinstance(names, Iterable) and not isinstance(names, str | bytes)
    result = list(names) if several else [names]
    if not all(isinstance(name, str) for name in result):
        raise TypeError(f"{key} must be a name or several, not {names!r}")
    return frozenset(result)


def refuse_type(subject: str, key: str, value: Any, wanted: str) -> NoReturn:
    """Raise the error for a keyword of the wrong type."""
    items = value if isinstance(value, list | tuple) else [value]
    item = next((n for n in items if not isinstance(n, str | int | np.integer)), value)
    raise TypeError(f"{subject}{key}={value!r} must be {wanted}, not {type(item).__name__}")


def split_attrs(
    subject: str, attrs: Any, of_fields: Any, dtype: np.dtype[Any]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the attributes of a variable, and the keywords of single fields of its dtype."""
    if attrs is not None and not isinstance(attrs, Mapping):
        refuse_type(subject, "attrs", attrs, "a mapping of attributes")
    if of_fields is not None and dtype.names is None:
        raise DescriptionError(
            f"{subject}fields= describes the fields of a structured dtype, but {dtype} has none"
        )
    common = dict(attrs or {})
    if dtype.names is None:
        return _convert_fill(subject, common, dtype), {}
    extra = {
        name: _field_keywords(subject, name, keywords, dtype)
        for name, keywords in (of_fields or {}).items()
    }
    for name in [n for n in common if n in _field_names(dtype) and isinstance(common[n], Mapping)]:
        of_field = extra.setdefault(name, {})
        of_field["attrs"] = {**common.pop(name), **of_field.get("attrs", {})}
    for name, keywords in extra.items():
        plain = field_dtype(dtype, name)
        keywords["attrs"] = _convert_fill(subject, dict(keywords.get("attrs", {})), plain)
    return common, extra


def _field_keywords(subject: str, name: Any, keywords: Any, dtype: np.dtype[Any]) -> dict[str, Any]:
    names = _field_names(dtype)
    if name not in names:
        raise DescriptionError(
            f"{subject}fields= names {name!r}, but the dtype has the fields {sorted(names)}"
        )
    if not isinstance(keywords, Mapping):
        refuse_type(subject, "fields", keywords, "a mapping {field: dict(dims=, attrs=)}")
    allowed = ("dims", "attrs")
    for keyword in keywords:
        if keyword not in allowed:
            raise TypeError(f"{subject}fields[{name!r}]: {suggest(str(keyword), allowed)}")
    result = dict(keywords)
    if result.get("dims") is not None:
        result["dims"] = as_dims(f"{subject}fields[{name!r}]: ", result["dims"])
    if not isinstance(result.get("attrs", {}), Mapping):
        refuse_type(
            subject, f"fields[{name!r}] attrs", keywords["attrs"], "a mapping of attributes"
        )
    return {key: value for key, value in result.items() if value is not None}


def _field_names(dtype: np.dtype[Any], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for name in dtype.names or ():
        assert dtype.fields is not None
        inner = dtype.fields[name][0].base
        names |= _field_names(inner, f"{prefix}{name}.") if inner.names else {prefix + name}
    return names


def _convert_fill(subject: str, attrs: dict[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return attributes whose fill value has the variable's type, as a sidecar would give them."""
    if dtype.subdtype is not None or dtype.kind == "U":
        return attrs
    try:
        return convert_fill_value(attrs, dtype, "attrs")
    except ValueError as error:
        raise DescriptionError(f"{subject}{error}") from error
