"""GDAL's virtual format with raw bands."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from rawmmap.exports.raster import Raster, as_raster
from rawmmap.exports.subject import open_subject, relative, target_path
from rawmmap.files.replace import replacing
from rawmmap.layout import Layout

__all__ = ["to_vrt"]

_TYPES = {
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


def to_vrt(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    variable: str | None = None,
    **keywords: Any,
) -> Path:
    """Write a GDAL virtual dataset (VRT) whose raw bands are the very bytes of a file.

    A variable of two dimensions becomes one band, one of three dimensions a band per index of the
    leading one. Lines and pixels are the dimensions known as y and x (by the attribute ``axis``,
    the standard name or the name), in whichever order; otherwise the last two. `_FillValue`,
    `scale_factor`, `add_offset`, `units`, the text attributes, evenly spaced coordinates and the
    text of a CF grid mapping go along. A boolean is a ``Byte`` of 0 and 1.

    Parameters
    ----------
    path : path-like
        The data file, its sidecar or its header. It is not changed.
    target : path-like, optional
        The VRT, by default ``<path>.vrt``; an existing VRT is replaced. It lies in the folder of
        the data file or in one above it: GDAL refuses to follow a raw VRT elsewhere unless its
        option ``GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE`` says otherwise.
    variable : str, optional
        The variable, where there are several.
    **keywords
        The words of `rawmmap.describe` that describe the file.

    Returns
    -------
    pathlib.Path
        The VRT, which names the data file relative to itself.

    Raises
    ------
    FileExistsError
        If `target` is there and is no VRT.
    FileNotFoundError
        If there is no such file.
    ValueError
        If nothing describes the file, or GDAL cannot express the type or the layout.

    Notes
    -----
    Follows the description of ``VRTRawRasterBand`` in the VRT driver's documentation of GDAL
    3.12. Type ``Int64`` needs GDAL 3.5, ``Int8`` 3.7 and ``Float16`` 3.11. The bands describe
    the file as it is now: after it has grown, export it again.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from rawmmap.exports import to_vrt
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(12, dtype=">i2").tofile(path)
    >>> to_vrt(path, dtype=">i2", shape=(3, 4), dims=("y", "x")).name
    'a.raw.vrt'
    >>> folder.cleanup()
    """
    subject = open_subject(path, **keywords)
    raster = as_raster(subject, variable)
    place = target_path(subject, target, ".vrt", _is_vrt, "VRT")
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
    code = _TYPES.get(f"{raster.dtype.kind}{raster.dtype.itemsize}")
    if code is None:
        raise ValueError(
            f"{_who(raster)}: GDAL has no type for {raster.dtype}; it has those of {sorted(_TYPES)}"
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
