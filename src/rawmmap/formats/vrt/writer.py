"""GDAL's virtual format with raw bands."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from rawmmap.files.replace import replacing
from rawmmap.formats.described_file import DescribedFile, relative, target_path
from rawmmap.formats.raster import Raster, as_raster
from rawmmap.layout import Layout

__all__ = ["TYPES", "write_vrt"]

TYPES = {
    "b1": "Byte",
    "u1": "Byte",
    "i1": "Int8",
    "u2": "UInt16",
    "i2": "Int16",
    "u4": "UInt32",
    "i4": "Int32",
    "u8": "UInt64",
    "i8": "Int64",
    "f2": "Float16",
    "f4": "Float32",
    "f8": "Float64",
    "c8": "CFloat32",
    "c16": "CFloat64",
}
# GDAL keeps spacings and lengths in a C int, and reads a line with all between its pixels.
_INT_MAX = 2**31 - 1
_MOST_BANDS = 65_536
_USED = {"_FillValue", "missing_value", "scale_factor", "add_offset", "units", "grid_mapping"}
# What XML 1.0 cannot hold, and the surrogates by which Python keeps undecodable file names.
_NO_TEXT = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_vrt(
    subject: DescribedFile, target: str | os.PathLike[str] | None, variable: str | None
) -> Path:
    """Write what `rawmmap.to_vrt` promises, for a file that is described already."""
    raster = as_raster(subject, variable)
    place = target_path(subject, target, ".vrt", _is_vrt, "a VRT")
    name = relative(subject, place)
    if name.startswith("../"):
        raise ValueError(
            f"{place} is neither in the folder of {subject.path} nor above it: GDAL would refuse "
            "to follow it; write the VRT beside the data"
        )
    document = _document(raster, name)
    ET.indent(document)
    with replacing(str(place)) as draft:
        ET.ElementTree(document).write(draft, "utf-8")
    return place


def _is_vrt(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<VRTDataset" in file.read(1024)


def _document(raster: Raster, source: str) -> ET.Element:
    code = TYPES.get(f"{raster.dtype.kind}{raster.dtype.itemsize}")
    if code is None:
        raise ValueError(
            f"{_who(raster)}: GDAL has no type for {raster.dtype}; it has those of {sorted(TYPES)}"
        )
    bands, lines, pixels = raster.layout.shape
    _check_lengths(raster, bands, lines, pixels)
    top = ET.Element("VRTDataset", {"rasterXSize": str(pixels), "rasterYSize": str(lines)})
    if raster.wkt is not None:
        _add(top, "SRS", raster.wkt)
    if raster.transform is not None:
        _add(top, "GeoTransform", ", ".join(map(repr, raster.transform)))
    notes = dict(_notes(raster))
    if notes:
        metadata = ET.SubElement(top, "Metadata")
        for key, value in notes.items():
            _add(metadata, "MDI", value, key=key)
    for i, label in enumerate(raster.band_names()):
        band = ET.SubElement(
            top,
            "VRTRasterBand",
            {"dataType": code, "band": str(i + 1), "subClass": "VRTRawRasterBand"},
        )
        _fill_band(band, raster, raster.layout[i], label, source)
    return top


def _check_lengths(raster: Raster, bands: int, lines: int, pixels: int) -> None:
    if max(lines, pixels) > _INT_MAX or bands > _MOST_BANDS:
        raise ValueError(
            f"{_who(raster)}: {bands} bands of {lines} lines of {pixels} pixels; GDAL takes at "
            f"most {_MOST_BANDS} bands, and {_INT_MAX} lines and pixels"
        )


def _fill_band(band: ET.Element, raster: Raster, layout: Layout, label: str, source: str) -> None:
    pixel, line = _spacings(raster, layout)
    _add(band, "Description", label)
    fill, scale, shift = raster.fill(), raster.number("scale_factor"), raster.number("add_offset")
    if fill is not None:
        _add(band, "NoDataValue", _number(fill))
    units = raster.attrs.get("units")
    if isinstance(units, str):
        _add(band, "UnitType", units)
    if shift is not None:
        _add(band, "Offset", _number(shift))
    if scale is not None:
        _add(band, "Scale", _number(scale))
    _add(band, "SourceFilename", source, relativeToVRT="1")
    _add(band, "ImageOffset", str(layout.offset))
    _add(band, "PixelOffset", str(pixel))
    _add(band, "LineOffset", str(line))
    _add(band, "ByteOrder", "MSB" if raster.big else "LSB")


def _spacings(raster: Raster, layout: Layout) -> tuple[int, int]:
    """Return the bytes from pixel to pixel and from line to line, as GDAL can have them."""
    lines, pixels = layout.shape
    pixel = layout.strides[1] if pixels > 1 else layout.dtype.itemsize
    line = layout.strides[0] if lines > 1 else pixel * pixels
    if pixel <= 0:
        raise ValueError(
            f"{_who(raster)}: pixels follow each other at {pixel} bytes; GDAL only reads forwards "
            "along a line"
        )
    if pixel * pixels > _INT_MAX or (lines > 1 and abs(line) > _INT_MAX):
        raise ValueError(
            f"{_who(raster)}: a line spans {pixel * pixels} bytes, and lines lie {line} bytes "
            f"apart; GDAL takes at most {_INT_MAX} for each"
        )
    return pixel, line if abs(line) <= _INT_MAX else pixel


def _notes(raster: Raster) -> Iterator[tuple[str, str]]:
    """Yield the attributes that have no element of their own, as text."""
    for key, value in raster.attrs.items():
        if key in _USED:
            continue
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, bool | int | float | np.number | np.bool_):
            yield key, str(value)


def _number(value: float) -> str:
    return "nan" if isinstance(value, float) and math.isnan(value) else repr(value)


def _add(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    for part in (text, *attributes.values()):
        bad = _NO_TEXT.search(part)
        if bad is not None:
            raise ValueError(f"{tag} {part!r} holds {bad[0]!r}, which XML cannot hold")
    ET.SubElement(parent, tag, attributes).text = text


def _who(raster: Raster) -> str:
    return f"{raster.subject.path}: variable {raster.name!r}"
