"""Attribute metadata of GrADS descriptor files: lines ``@ name type attribute value``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rawmmap.formats.grads.lines import Line, shorten
from rawmmap.formats.numbers import parse_number

__all__ = ["parse_attributes"]

_TYPES = {
    "Byte": "u1",
    "Int16": "i2",
    "UInt16": "u2",
    "Int32": "i4",
    "UInt32": "u4",
    "Float32": "f4",
    "Float64": "f8",
}
# GrADS applies none of these to flat grids, but xarray would.
_DECODED = frozenset(
    {"_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "dtype"}
)


def parse_attributes(lines: Sequence[Line]) -> dict[str, dict[str, Any]]:
    """Return the attributes by the name that has them, in lower case.

    Texts of the same name are joined, as lines. Attributes that would change values, such as
    ``scale_factor``, are left out: for flat grids they are no more than a remark in GrADS.

    Raises
    ------
    ValueError
        If one is malformed.
    """
    values: dict[tuple[str, str], list[Any]] = {}
    for line in lines:
        words = line.text[1:].split(maxsplit=3)
        if len(words) < 4:
            raise ValueError(
                f"line {line.number}: {shorten(line.text)} is not an attribute: name, type, "
                "attribute and value"
            )
        owner, kind, name = words[:3]
        value = _parse_value(kind, words[3], line)
        if name not in _DECODED:
            values.setdefault((owner.lower(), name), []).append(value)
    attributes: dict[str, dict[str, Any]] = {}
    for (owner, name), parts in values.items():
        # Long comments are written as many lines of one attribute.
        texts = all(isinstance(part, str) for part in parts)
        attributes.setdefault(owner, {})[name] = "\n".join(parts) if texts else parts[-1]
    return attributes


def _parse_value(kind: str, text: str, line: Line) -> Any:
    if kind == "String":
        return text.strip()
    if kind not in _TYPES:
        raise ValueError(
            f"line {line.number}: the type {shorten(kind)} of an attribute is none of String, "
            f"{', '.join(_TYPES)}"
        )
    try:
        numbers = [parse_number("a value", word) for word in text.replace(",", " ").split()]
        signed_byte = kind == "Byte" and min(numbers, default=0) < 0
        dtype = np.dtype("i1" if signed_byte else _TYPES[kind])
        with np.errstate(all="ignore"):
            values = np.array(numbers).astype(dtype)
    except ValueError as error:
        raise ValueError(f"line {line.number}: {error}") from error
    if not numbers or (dtype.kind in "iu" and (values != numbers).any()):
        raise ValueError(f"line {line.number}: {shorten(text)} is not a value of type {kind}")
    return values[0] if len(values) == 1 else values
