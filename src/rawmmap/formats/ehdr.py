"""ESRI's header beside a flat raster (``.bil``, ``.bip``, ``.bsq``)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.header_files import find_data, find_header
from rawmmap.formats.probe import HEAD_BYTES, Probe
from rawmmap.layout import Layout, Values

__all__ = ["EhdrReader"]

_SUFFIXES = (".bil", ".bip", ".bsq", ".flt", ".dem", ".img", ".dat", ".raw", ".bin", "")
_LONGEST = 2**16
_AXES = {"bil": ("y", "band", "x"), "bip": ("y", "x", "band"), "bsq": ("band", "y", "x")}
_TYPES = {
    ("U", 8): "u1",
    ("U", 16): "u2",
    ("U", 32): "u4",
    ("S", 8): "i1",
    ("S", 16): "i2",
    ("S", 32): "i4",
    ("F", 32): "f4",
}
_PIXEL_TYPES = {"": "U", "UNSIGNEDINT": "U", "SIGNEDINT": "S", "FLOAT": "F"}
_ORDERS = {"I": "<", "LSBFIRST": "<", "M": ">", "MSBFIRST": ">"}
# Grids of floats have the corner of the lowest pixel instead, which is not implemented.
_REFUSED = ("XLLCORNER", "XLLCENTER", "YLLCORNER", "YLLCENTER", "CELLSIZE")
_ROWS = re.compile(rb"(?im)^[ \t]*NROWS[ \t]+[0-9]")
_COLUMNS = re.compile(rb"(?im)^[ \t]*NCOLS[ \t]+[0-9]")
# A grid in text, with numbers instead of a data file, starts with the same words.
_NUMBERS = re.compile(rb"(?m)^[ \t]*[-+.0-9]")


def _is_header(head: bytes) -> bool:
    if b"\0" in head or _NUMBERS.search(head):
        return False
    return _ROWS.search(head) is not None and _COLUMNS.search(head) is not None


class EhdrReader:
    """Reads an ESRI header; the probe may be of the header or of the data file."""

    name = "ehdr"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is an ESRI header, or has one beside it, by its content."""
        return _is_header(probe.head) or find_header(probe, _is_header) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the raster, a variable named ``data``, and of its labels.

        Raises
        ------
        DescriptionError
            If the header is malformed, or says something that is not implemented.
        ShortFileError
            If the data file is too short for it.
        """
        if _is_header(probe.head):
            header, data = probe, find_data(probe, _SUFFIXES)
        else:
            found = find_header(probe, _is_header)
            if found is None:
                raise DescriptionError(f"{probe.name}: there is no ESRI header beside it")
            header, data = found, probe
        entries = _parse(header)
        try:
            dims, layout = _layout_of(entries)
            if layout.extent[1] > data.size:
                raise ShortFileError(data.name, layout.extent[1], data.size)
            attrs = _fill_value(entries, layout.dtype)
            labels = _labels(entries)
        except ShortFileError:
            raise
        except ValueError as error:
            raise DescriptionError(f"{header.name}: {error}") from error
        variables = {"data": Variable(dims, layout, attrs), **labels}
        return Description(data.name, variables, frozenset(labels))


def _parse(header: Probe) -> dict[str, str]:
    """Return the values by keyword, in upper case; lines of any other form are comments."""
    if header.size > _LONGEST:
        raise DescriptionError(
            f"{header.name}: {header.size} bytes are too many for an ESRI header; at most "
            f"{_LONGEST} are read"
        )
    with header.open() as file:
        raw = file.read(max(_LONGEST, HEAD_BYTES))
    entries: dict[str, str] = {}
    for line in raw.decode("latin-1").splitlines():
        words = line.split()
        if len(words) < 2:
            continue
        key, value = words[0].upper(), words[1]
        if entries.setdefault(key, value) != value:
            raise DescriptionError(f"{header.name}: the keyword {key[:80]!r} has two values")
    return entries


def _layout_of(entries: Mapping[str, str]) -> tuple[tuple[str, ...], Layout]:
    for key in _REFUSED:
        if key in entries:
            raise ValueError(f"{key} is not implemented")
    dtype = _dtype(entries)
    rows, columns = _count(entries, "NROWS"), _count(entries, "NCOLS")
    bands = _count(entries, "NBANDS", 1)
    if 0 in (rows, columns, bands):
        raise ValueError(f"NROWS {rows}, NCOLS {columns}, NBANDS {bands}: none of them can be 0")
    name = entries.get("LAYOUT", "BIL").lower()
    if name not in _AXES:
        raise ValueError(f"LAYOUT {name[:80]!r} is none of {sorted(_AXES)}")
    size = dtype.itemsize
    _check_gaps(entries, {"bil": bands, "bip": bands, "bsq": 1}[name] * columns * size)
    lengths = {"y": rows, "band": bands, "x": columns}
    dims = _AXES[name]
    shape = [lengths[dim] for dim in dims]
    return dims, Layout.dense(dtype, shape, offset=_count(entries, "SKIPBYTES", 0))


def _check_gaps(entries: Mapping[str, str], row: int) -> None:
    """Refuse gaps between rows and bands: GDAL ignores these keywords, so nothing confirms them."""
    band_row = row // _count(entries, "NBANDS", 1) if _is_bil(entries) else row
    for key, dense in {"TOTALROWBYTES": row, "BANDROWBYTES": band_row, "BANDGAPBYTES": 0}.items():
        n = _count(entries, key, dense)
        if n != dense:
            raise ValueError(
                f"{key} {n} leaves gaps in the file, which are not implemented; without them "
                f"it is {dense}"
            )


def _is_bil(entries: Mapping[str, str]) -> bool:
    return entries.get("LAYOUT", "BIL").upper() == "BIL"


def _dtype(entries: Mapping[str, str]) -> np.dtype[Any]:
    kind = entries.get("PIXELTYPE", "").upper()
    bits = _count(entries, "NBITS", 32 if kind == "FLOAT" else 8)
    code = _TYPES.get((_PIXEL_TYPES.get(kind, "?"), bits))
    if code is None:
        raise ValueError(f"NBITS {bits} with PIXELTYPE {kind[:80] or 'UNSIGNEDINT'} is not read")
    order = entries.get("BYTEORDER", "I" if bits == 8 else "").upper()
    if order not in _ORDERS:
        raise ValueError(f"BYTEORDER {order[:80]!r} is none of {sorted(_ORDERS)}")
    return np.dtype(_ORDERS[order] + code)


def _count(entries: Mapping[str, str], key: str, default: int | None = None) -> int:
    if key not in entries and default is not None:
        return default
    value = entries.get(key, "")
    if not re.fullmatch("[0-9]{1,18}", value):
        raise ValueError(f"{key} {value[:80]!r} is not a count")
    return int(value)


def _number(entries: Mapping[str, str], key: str) -> float:
    value = float(entries[key])
    if not math.isfinite(value):
        raise ValueError(f"{key} {value} is not finite")
    return value


def _fill_value(entries: Mapping[str, str], dtype: np.dtype[Any]) -> dict[str, Any]:
    text = entries.get("NODATA", entries.get("NODATA_VALUE"))
    if text is None:
        return {}
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(f"NODATA {text[:80]!r} is not a number") from error
    plain = dtype.newbyteorder("=").type
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return {"_FillValue": plain(value)}
    limits = np.iinfo(dtype)
    fits = limits.min <= value <= limits.max and value == int(value)
    return {"_FillValue": plain(int(value))} if fits else {}


def _labels(entries: Mapping[str, str]) -> dict[str, Variable]:
    """Return the coordinates of the centres of pixels."""
    if not {"ULXMAP", "ULYMAP", "XDIM", "YDIM"} <= set(entries):
        return {}
    left, top, width, height = (_number(entries, k) for k in ("ULXMAP", "ULYMAP", "XDIM", "YDIM"))
    x = left + np.arange(_count(entries, "NCOLS")) * width
    y = top - np.arange(_count(entries, "NROWS")) * height
    return {
        "y": Variable(("y",), Values(y), {"axis": "Y"}),
        "x": Variable(("x",), Values(x), {"axis": "X"}),
    }
