"""ESRI's header beside a flat raster (``.bil``, ``.bip``, ``.bsq``) or a grid of floats (``.flt``).

The keywords are those of Esri's "BIL, BIP, and BSQ raster files", and of the header that the tool
"Raster To Float" writes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.fill_value import fill_value_attrs
from rawmmap.formats.header_files import HeaderFiles
from rawmmap.formats.interleave import INTERLEAVED_DIMS
from rawmmap.formats.map_grid import MapGrid, is_geographic, label_grid
from rawmmap.formats.numbers import parse_count, parse_number
from rawmmap.formats.probe import HEAD_BYTES, Probe
from rawmmap.layout import Layout
from rawmmap.layout.bits import BitLayout, Packing

__all__ = ["EhdrReader"]

_SUFFIXES = (".bil", ".bip", ".bsq", ".flt", ".dem", ".img", ".dat", ".raw", ".bin", "")
_LONGEST = 2**16
_TYPES = {
    ("U", 8): "u1",
    ("U", 16): "u2",
    ("U", 32): "u4",
    ("S", 8): "i1",
    ("S", 16): "i2",
    ("S", 32): "i4",
    ("F", 32): "f4",
}
_SIZES = (1, 2, 4, 8, 16, 32)
_PIXEL_TYPES = {"": "U", "UNSIGNEDINT": "U", "SIGNEDINT": "S", "FLOAT": "F"}
_ORDERS = {"I": "<", "LSBFIRST": "<", "M": ">", "MSBFIRST": ">"}
# What old ARC/INFO projections do not begin with, and well-known text does.
_WKT = ("GEOGCS", "PROJCS", "COMPD_CS", "LOCAL_CS", "GEOGCRS", "GEODCRS", "PROJCRS", "COMPOUNDCRS")
_ROWS = re.compile(rb"(?im)^[ \t]*NROWS[ \t]+[0-9]")
_COLUMNS = re.compile(rb"(?im)^[ \t]*NCOLS[ \t]+[0-9]")
# A grid in text, with numbers instead of a data file, starts with the same words.
_NUMBERS = re.compile(rb"(?m)^[ \t]*[-+.0-9]")


def _is_header(head: bytes) -> bool:
    # Most texts say nothing of rows, which this tells sooner than patterns do.
    if b"\0" in head or b"NROWS" not in head.upper() or _NUMBERS.search(head):
        return False
    return _ROWS.search(head) is not None and _COLUMNS.search(head) is not None


_FILES = HeaderFiles("an ESRI header", _is_header, (".hdr", ".HDR"), _SUFFIXES)


class EhdrReader:
    """Reads an ESRI header; the probe may be of the header or of the data file."""

    name = "ehdr"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is an ESRI header, or has one beside it, by its content."""
        return _FILES.find_header(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the raster, a variable named ``data``, and of its labels.

        Raises
        ------
        DescriptionError
            If the header is malformed, or says something that is not implemented.
        ShortFileError
            If the data file is too short for it.
        """
        header, data = _FILES.pair(probe)
        entries = _parse(header)
        try:
            dims, layout = _layout_of(entries, data.size)
            if layout.extent[1] > data.size:
                raise ShortFileError(data.name, layout.extent[1], data.size)
            attrs = _fill_value(entries, layout.dtype)
            labels = _labels(entries, _projection(data))
        except ShortFileError:
            raise
        except ValueError as error:
            raise DescriptionError(f"{header.name}: {error}") from error
        if "spatial_ref" in labels:
            attrs["grid_mapping"] = "spatial_ref"
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


def _layout_of(entries: Mapping[str, str], size: int) -> tuple[tuple[str, ...], Layout | BitLayout]:
    """Return dims, and where the samples lie in a file of `size` bytes."""
    lengths = {"y": _count(entries, "NROWS"), "x": _count(entries, "NCOLS")}
    lengths["band"] = _count(entries, "NBANDS", 1)
    if 0 in lengths.values():
        raise ValueError(
            f"NROWS {lengths['y']}, NCOLS {lengths['x']}, NBANDS {lengths['band']}: none of them "
            "can be 0"
        )
    name = entries.get("LAYOUT", "BIL").lower()
    if name not in INTERLEAVED_DIMS:
        raise ValueError(f"LAYOUT {name[:80]!r} is none of {sorted(INTERLEAVED_DIMS)}")
    offset = _count(entries, "SKIPBYTES", 0)
    bits = _bits(entries, math.prod(lengths.values()), size - offset)
    dims = INTERLEAVED_DIMS[name]
    shape = tuple(lengths[dim] for dim in dims)
    if bits not in _SIZES:
        raise ValueError(f"NBITS {bits} is not read; it can be {_SIZES}")
    strides = _bit_strides(entries, name, shape, bits)
    if bits < 8:
        _check_unsigned(entries, bits)
        grid = Layout(np.uint8, shape, strides, 8 * offset)
        return dims, BitLayout(Packing(bits, "msb"), grid)
    return dims, Layout(_dtype(entries, bits), shape, [step // 8 for step in strides], offset)


def _check_unsigned(entries: Mapping[str, str], bits: int) -> None:
    word = entries.get("PIXELTYPE", "").upper()
    if _PIXEL_TYPES.get(word) != "U":
        raise ValueError(f"PIXELTYPE {word[:80]} with NBITS {bits} is not read; UNSIGNEDINT is")


def _bit_strides(
    entries: Mapping[str, str], name: str, shape: tuple[int, ...], bits: int
) -> tuple[int, ...]:
    """Return the bits from one sample to the next along each axis; rows start on a byte."""
    gap = 8 * _count(entries, "BANDGAPBYTES", 0)
    if gap and name != "bsq":
        raise ValueError(f"BANDGAPBYTES {gap // 8} is for LAYOUT BSQ, and not for {name.upper()}")
    if name == "bip":
        _, columns, bands = shape
        return _row_bits(entries, "TOTALROWBYTES", columns * bands * bits), bands * bits, bits
    if name == "bsq":
        _, rows, columns = shape
        row = _row_bits(entries, "TOTALROWBYTES", columns * bits)
        return rows * row + gap, row, bits
    _, bands, columns = shape
    row = _row_bits(entries, "BANDROWBYTES", columns * bits)
    return _row_bits(entries, "TOTALROWBYTES", bands * row), row, bits


def _row_bits(entries: Mapping[str, str], key: str, dense: int) -> int:
    """Return the bits of a row, which a keyword may make longer than its samples."""
    least = -(-dense // 8)
    n = _count(entries, key, least)
    if n < least:
        raise ValueError(f"{key} {n} is too short for a row, which takes {least} bytes")
    return 8 * n


def _bits(entries: Mapping[str, str], count: int, nbytes: int) -> int:
    """Return the bits of a sample, which follow from the size of the file of some grids."""
    if "NBITS" in entries:
        return _count(entries, "NBITS")
    if _is_float(entries):
        return 32
    if "CELLSIZE" not in entries:
        return 8
    bits = next((bits for bits in (8, 16, 32) if nbytes * 8 == count * bits), None)
    if bits is None:
        raise ValueError(
            f"NBITS is missing, and {nbytes} bytes are not {count} samples of 8, 16 or 32 bits"
        )
    return bits


def _is_float(entries: Mapping[str, str]) -> bool:
    return entries.get("PIXELTYPE", "").upper() == "FLOAT"


def _dtype(entries: Mapping[str, str], bits: int) -> np.dtype[Any]:
    word = entries.get("PIXELTYPE", "").upper()
    kind = _PIXEL_TYPES.get(word, "?")
    if not word and "CELLSIZE" in entries and bits == 32:
        kind = "F"  # the tool that writes grids of floats does not say so
    elif not word and entries.get("NODATA", entries.get("NODATA_VALUE", "")).startswith("-"):
        kind = "S"  # as GDAL takes it: unsigned samples cannot have that value
    code = _TYPES.get((kind, bits))
    if code is None:
        raise ValueError(f"NBITS {bits} with PIXELTYPE {word[:80] or 'UNSIGNEDINT'} is not read")
    order = entries.get("BYTEORDER", "I" if bits == 8 else "").upper()
    if order not in _ORDERS:
        raise ValueError(f"BYTEORDER {order[:80]!r} is none of {sorted(_ORDERS)}")
    return np.dtype(_ORDERS[order] + code)


def _count(entries: Mapping[str, str], key: str, default: int | None = None) -> int:
    if key not in entries and default is not None:
        return default
    return parse_count(key, entries.get(key, ""))


def _number(entries: Mapping[str, str], key: str) -> float:
    return parse_number(key, entries[key])


def _fill_value(entries: Mapping[str, str], dtype: np.dtype[Any]) -> dict[str, Any]:
    text = entries.get("NODATA", entries.get("NODATA_VALUE"))
    try:
        return {} if text is None else fill_value_attrs(text, dtype)
    except ValueError as error:
        raise ValueError(f"NODATA {str(text)[:80]!r} is not a number") from error


def _labels(entries: Mapping[str, str], wkt: str) -> dict[str, Variable]:
    """Return the coordinates of the centres of pixels, and the reference system."""
    rows, columns = _count(entries, "NROWS"), _count(entries, "NCOLS")
    return label_grid(rows, columns, _grid_of(entries, rows, is_geographic(wkt)), wkt)


def _grid_of(entries: Mapping[str, str], rows: int, geographic: bool | None) -> MapGrid | None:
    if {"ULXMAP", "ULYMAP", "XDIM", "YDIM"} <= set(entries):
        x, y, width, height = (_number(entries, k) for k in ("ULXMAP", "ULYMAP", "XDIM", "YDIM"))
        return MapGrid(x - width / 2, y + height / 2, width, height, geographic)
    if "CELLSIZE" not in entries:
        return None
    size = _number(entries, "CELLSIZE")
    left, bottom = (_lowest(entries, axis, size) for axis in "XY")
    if left is None or bottom is None:
        return None
    return MapGrid(left, bottom + rows * size, size, size, geographic)


def _lowest(entries: Mapping[str, str], axis: str, size: float) -> float | None:
    """Return the outer edge of the lowest pixel along an axis."""
    if f"{axis}LLCORNER" in entries:
        return _number(entries, f"{axis}LLCORNER")
    if f"{axis}LLCENTER" in entries:
        return _number(entries, f"{axis}LLCENTER") - size / 2
    return None


def _projection(data: Probe) -> str:
    """Return the well-known text in the file ``.prj`` beside the data, or ""."""
    file = data.sibling(".prj", replace=True) or data.sibling(".PRJ", replace=True)
    if file is None or file.size > len(file.head):
        return ""
    text = file.head.decode("utf-8", "replace").strip()
    return text if text.upper().startswith(_WKT) else ""
