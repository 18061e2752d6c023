"""Lispix and Ripple: a ``.rpl`` of keys and values, separated by tabs, beside a ``.raw``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.header_files import HeaderFiles
from rawmmap.formats.numbers import parse_count, parse_number
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout, Values

__all__ = ["RippleReader"]

_LONGEST = 2**16
_DIMS = {
    "vector": ("height", "width", "depth"),
    "image": ("depth", "height", "width"),
    "dont-care": ("height", "width"),
}
_KINDS = {"signed": "i", "unsigned": "u", "float": "f"}
_ORDERS = {"big-endian": ">", "little-endian": "<"}
_REQUIRED = (b"width", b"height", b"data-type", b"data-length", b"record-by")
# What became the layout, or a coordinate.
_USED = {
    "key",
    "width",
    "height",
    "depth",
    "offset",
    "data-length",
    "data-type",
    "byte-order",
    "record-by",
}


def _is_header(head: bytes) -> bool:
    if b"\0" in head or b"record-by" not in head.lower():
        return False
    keys = {line.split(b"\t")[0].strip().lower() for line in head.split(b"\n")}
    return keys.issuperset(_REQUIRED)


_FILES = HeaderFiles("a header of Ripple", _is_header, (".rpl",), (".raw",), append=False)


class RippleReader:
    """Reads a ``.rpl``; the probe may be of it or of the ``.raw`` of its name."""

    name = "ripple"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is such a header, or has one of its name, by its content."""
        return _FILES.find_header(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the data, a variable named ``data``, and of its axes.

        Raises
        ------
        DescriptionError
            If the header is malformed, or says something that is not implemented.
        FileNotFoundError
            If the data file is missing.
        ShortFileError
            If the data file is too short.
        """
        header, data = _FILES.pair(probe)
        try:
            return _describe(data, _parse(header))
        except ShortFileError:
            raise
        except ValueError as error:
            raise DescriptionError(f"{header.name}: {error}") from error


def _parse(header: Probe) -> dict[str, str]:
    if header.size > _LONGEST:
        raise ValueError(f"{header.size} bytes are too many; at most {_LONGEST} are read")
    with header.open() as file:
        lines = file.read(_LONGEST).decode("latin-1").splitlines()
    entries: dict[str, str] = {}
    for line in lines:
        key, tab, value = line.partition("\t")
        # What follows a semicolon is a comment.
        if tab and not key.startswith(";"):
            entries[key.strip().lower()] = value.split(";")[0].strip()
    return entries


def _describe(data: Probe, entries: Mapping[str, str]) -> Description:
    word = entries.get("record-by", "").lower()
    if word not in _DIMS:
        raise ValueError(f"record-by {word[:80]!r} is none of {sorted(_DIMS)}")
    dims = _DIMS[word]
    lengths = {dim: parse_count(dim, entries.get(dim, "1"), 1) for dim in _DIMS["vector"]}
    if word == "dont-care" and lengths["depth"] != 1:
        raise ValueError(f"depth {lengths['depth']} with record-by dont-care; it must be 1")
    offset = parse_count("offset", entries.get("offset", "0"))
    layout = Layout.dense(_dtype(entries), [lengths[dim] for dim in dims], offset=offset)
    if layout.extent[1] > data.size:
        raise ShortFileError(data.name, layout.extent[1], data.size)
    labels = {dim: label for dim in dims if (label := _axis(entries, dim, lengths[dim]))}
    notes = {k: v for k, v in entries.items() if k not in _USED and not _is_axis_key(k)}
    variables = {"data": Variable(dims, layout), **labels}
    return Description(data.name, variables, frozenset(labels), notes)


def _dtype(entries: Mapping[str, str]) -> np.dtype[Any]:
    kind = _KINDS.get(entries.get("data-type", "").lower())
    size = parse_count("data-length", entries.get("data-length", ""), 1)
    if kind is None or size not in (1, 2, 4, 8) or (kind == "f" and size < 4):
        raise ValueError(
            f"data-type {entries.get('data-type', '')[:80]!r} of data-length {size} is not read"
        )
    order = _ORDERS.get(entries.get("byte-order", "").lower(), "")
    if not order and size > 1:
        raise ValueError(
            f"byte-order {entries.get('byte-order', '')[:80]!r} is none of {sorted(_ORDERS)}"
        )
    return np.dtype(f"{order}{kind}{size}")


def _is_axis_key(key: str) -> bool:
    dim, _, what = key.partition("-")
    return dim in _DIMS["vector"] and what in ("origin", "scale", "units")


def _axis(entries: Mapping[str, str], dim: str, n: int) -> Variable | None:
    """Return the coordinate of a dimension that is calibrated."""
    scale = entries.get(f"{dim}-scale")
    if dim == "depth" and "ev-per-chan" in entries:
        scale = entries["ev-per-chan"]
    if scale is None:
        return None
    start = parse_number(f"{dim}-origin", entries.get(f"{dim}-origin", "0"))
    values = start + parse_number(f"{dim}-scale", scale) * np.arange(n)
    units = entries.get(f"{dim}-units", "eV" if "ev-per-chan" in entries and dim == "depth" else "")
    return Variable((dim,), Values(values), {"units": units} if units else {})
