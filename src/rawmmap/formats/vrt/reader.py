"""GDAL's virtual format: where the raw bands of a raster lie.

The elements are those of GDAL's documentation, "GDAL Virtual Format", with bands of the subclass
``VRTRawRasterBand``; all else that bands can be made of is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.fill_value import fill_value_attrs
from rawmmap.formats.header_files import locate_data
from rawmmap.formats.interleave import join_planes
from rawmmap.formats.map_grid import MapGrid, is_geographic, label_grid
from rawmmap.formats.numbers import parse_count, parse_integer, parse_number
from rawmmap.formats.probe import Probe
from rawmmap.formats.vrt.writer import TYPES
from rawmmap.formats.xml import parse_xml
from rawmmap.layout import Layout, Mosaic, Values
from rawmmap.layout.samples import Samples, parse_dtype

__all__ = ["VrtReader"]

_MARK = b"<VRTDataset"
_DTYPES = {name: np.dtype(code) for code, name in TYPES.items() if code != "b1"}
_ORDERS = {"LSB": "<", "MSB": ">", "VAX": "<"}
# Floats of a VAX by the IEEE floats that they become, as GDAL reads them.
_VAX = {"f4": "vaxf4", "f8": "vaxd8"}
# What says nothing about the values of a band, or where they lie.
_HARMLESS = {"ColorInterp", "ColorTable", "CategoryNames", "Histograms", "Metadata", "Overview"}
_BAND = _HARMLESS | {
    "Description",
    "UnitType",
    "NoDataValue",
    "Scale",
    "Offset",
    "SourceFilename",
    "ImageOffset",
    "PixelOffset",
    "LineOffset",
    "ByteOrder",
}
_TOP = {
    "SRS",
    "GeoTransform",
    "Metadata",
    "VRTRasterBand",
    "GCPList",
    "OverviewList",
    "BlockXSize",
    "BlockYSize",
}


@dataclass(frozen=True, slots=True)
class _Band:
    """One band: its file, where its pixels lie there, and what is said of its values."""

    file: str
    layout: Layout
    samples: Samples | None
    label: str
    units: str
    fill: float | None
    scale: float
    offset: float


class VrtReader:
    """Reads a VRT of raw bands; the probe is of the VRT."""

    name = "vrt"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is a VRT with raw bands, by its content."""
        # The first band follows the reference system, which hardly ever takes 4 KiB.
        return _MARK in probe.head[:1024] and b"VRTRawRasterBand" in probe.head

    def read(self, probe: Probe) -> Description:
        """Return the description of the bands, and of their labels.

        Bands of one type and byte order are one variable, ``data``; others are a variable each.

        Raises
        ------
        DescriptionError
            If the VRT is malformed, or has bands that are not raw.
        FileNotFoundError
            If a data file is missing.
        ShortFileError
            If a data file is too short.
        """
        top = _parse(probe)
        try:
            rows, columns = (
                parse_count(key, top.get(key, ""), 1) for key in ("rasterYSize", "rasterXSize")
            )
            bands = _bands(probe, top, rows, columns)
            labels = _map_labels(top, rows, columns)
            return _describe(probe, bands, labels, _metadata(top))
        except DescriptionError:
            raise
        except ShortFileError:
            raise
        except ValueError as error:
            raise DescriptionError(f"{probe.name}: {error}") from error


def _parse(probe: Probe) -> ET.Element:
    top = parse_xml(probe)
    if top.tag != "VRTDataset":
        raise DescriptionError(f"{probe.name}: the document is {top.tag[:80]!r}, not VRTDataset")
    if top.get("subClass"):
        raise DescriptionError(
            f"{probe.name}: subClass {top.get('subClass')!r} of VRTDataset is not implemented"
        )
    for element in top:
        if element.tag not in _TOP:
            raise DescriptionError(f"{probe.name}: the element {element.tag} is not implemented")
    return top


def _bands(probe: Probe, top: ET.Element, rows: int, columns: int) -> list[_Band]:
    elements = top.findall("VRTRasterBand")
    if not elements:
        raise ValueError("there are no bands")
    sizes: dict[str, int | None] = {}
    locate = cache(partial(locate_data, probe))
    bands = []
    for number, element in enumerate(elements, 1):
        try:
            band = _band(element, rows, columns, locate)
        except (DescriptionError, ValueError) as error:
            text = str(error).removeprefix(f"{probe.name}: ")
            raise ValueError(f"band {number}: {text}") from error
        if band.file not in sizes:
            data = probe.neighbour(band.file)
            sizes[band.file] = None if data is None else data.size
        size = sizes[band.file]
        if size is None:
            raise FileNotFoundError(
                2, f"the data file that {probe.name} names does not exist", band.file
            )
        if band.layout.extent[1] > size:
            raise ShortFileError(band.file, band.layout.extent[1], size)
        bands.append(band)
    return bands


def _band(element: ET.Element, rows: int, columns: int, locate: Callable[[str], str]) -> _Band:
    if element.get("subClass") != "VRTRawRasterBand":
        kind = element.get("subClass", "sources of other files")
        raise ValueError(f"only raw bands are read, not {kind[:80]}; open the VRT with rioxarray")
    for child in element:
        if child.tag not in _BAND:
            raise ValueError(f"the element {child.tag[:80]} is not implemented")
    code = element.get("dataType", "Byte")
    if code not in _DTYPES:
        raise ValueError(f"dataType {code[:80]!r} is none of {sorted(_DTYPES)}")
    source = element.find("SourceFilename")
    if source is None or not source.text:
        raise ValueError("it has no SourceFilename")
    if source.get("relativeToVRT", source.get("relativetoVRT", "1")) != "1":
        raise ValueError("relativeToVRT must be 1: the data lie beside the VRT or below it")
    return _Band(
        locate(source.text),
        *_arrange(element, _DTYPES[code], rows, columns),
        element.findtext("Description", "").strip(),
        element.findtext("UnitType", "").strip(),
        _float(element, "NoDataValue"),
        parse_number("Scale", element.findtext("Scale", "1")),
        parse_number("Offset", element.findtext("Offset", "0")),
    )


def _arrange(
    element: ET.Element, dtype: np.dtype[Any], rows: int, columns: int
) -> tuple[Layout, Samples | None]:
    """Return where the pixels lie, and how they are stored."""
    dtype, samples = _stored_type(element.findtext("ByteOrder", "").strip().upper(), dtype)
    offset = _integer(element, "ImageOffset", 0)
    pixel = _integer(element, "PixelOffset", dtype.itemsize)
    line = _integer(element, "LineOffset", pixel * columns)
    if offset < 0 or pixel <= 0:
        raise ValueError(f"ImageOffset {offset} must not be negative, PixelOffset {pixel} not 0")
    return Layout(dtype, (rows, columns), (line, pixel), offset), samples


def _stored_type(order: str, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], Samples | None]:
    """Return the type of stored pixels in a byte order, and what makes them floats."""
    if not order and dtype.itemsize > 1:
        raise ValueError(f"ByteOrder is missing: it is one of {sorted(_ORDERS)}")
    if order and order not in _ORDERS:
        raise ValueError(f"ByteOrder {order[:80]!r} is none of {sorted(_ORDERS)}")
    if order == "VAX" and dtype.kind not in "iu":
        if dtype.str[1:] not in _VAX:
            raise ValueError(f"ByteOrder VAX of {dtype} is not implemented; of {[*_VAX]} it is")
        return parse_dtype("<" + _VAX[dtype.str[1:]])
    return np.dtype(_ORDERS.get(order, "<") + dtype.str[1:]), None


def _integer(element: ET.Element, key: str, default: int) -> int:
    return parse_integer(key, element.findtext(key, str(default)))


def _float(element: ET.Element, key: str) -> float | None:
    text = element.findtext(key)
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{key} {text[:80]!r} is not a number") from None


def _describe(
    probe: Probe, bands: Sequence[_Band], labels: dict[str, Variable], notes: dict[str, str]
) -> Description:
    files = tuple(dict.fromkeys(band.file for band in bands))
    number_of = {file: number for number, file in enumerate(files)}
    numbers = [number_of[band.file] for band in bands]
    if len({(band.layout.dtype, band.samples) for band in bands}) == 1:
        data = join_planes([band.layout for band in bands], numbers)
        attrs, samples = _attrs(bands, labels), bands[0].samples
        variables = {"data": Variable(("band", "y", "x"), data, attrs, samples=samples)}
        names = [band.label for band in bands]
        if any(names):
            labels = {**labels, "band_name": Variable(("band",), Values(np.array(names)))}
    else:
        variables = {
            f"band_{i}": Variable(
                ("y", "x"),
                Mosaic.stack(band.layout, (), (number,)),
                _attrs([band], labels),
                samples=band.samples,
            )
            for i, (band, number) in enumerate(zip(bands, numbers, strict=True), 1)
        }
    return Description(
        files[0], {**variables, **labels}, frozenset(labels), notes, overlap=True, files=files
    )


def _attrs(bands: Sequence[_Band], labels: dict[str, Variable]) -> dict[str, Any]:
    """Return the attributes of CF where all bands have the same; else lists, as rioxarray has."""
    attrs: dict[str, Any] = {"grid_mapping": "spatial_ref"} if "spatial_ref" in labels else {}
    samples = bands[0].samples
    dtype = bands[0].layout.dtype if samples is None else samples.dtype
    fills = {str(band.fill) for band in bands}
    if len(fills) == 1 and bands[0].fill is not None:
        attrs |= fill_value_attrs(bands[0].fill, dtype)
    elif len(fills) > 1:
        attrs["nodatavals"] = [math.nan if band.fill is None else band.fill for band in bands]
    scales, offsets = [band.scale for band in bands], [band.offset for band in bands]
    if len(set(zip(scales, offsets, strict=True))) > 1:
        return attrs | {"scales": scales, "offsets": offsets}
    attrs |= {"scale_factor": scales[0]} if scales[0] != 1 else {}
    attrs |= {"add_offset": offsets[0]} if offsets[0] != 0 else {}
    units = {band.units for band in bands}
    return attrs | ({"units": units.pop()} if len(units) == 1 and units != {""} else {})


def _map_labels(top: ET.Element, rows: int, columns: int) -> dict[str, Variable]:
    wkt = top.findtext("SRS", "").strip()
    text = top.findtext("GeoTransform")
    if text is None:
        return label_grid(rows, columns, wkt=wkt)
    try:
        numbers = [float(word) for word in text.split(",")]
        grid = MapGrid.from_geotransform(numbers, geographic=is_geographic(wkt))
    except ValueError as error:
        raise ValueError(f"GeoTransform {text[:200]!r}: {error}") from error
    return label_grid(rows, columns, grid, wkt, " ".join(map(repr, numbers)))


def _metadata(top: ET.Element) -> dict[str, str]:
    """Return the metadata of the default domain."""
    return {
        item.get("key", ""): item.text or ""
        for metadata in top.findall("Metadata")
        if not metadata.get("domain")
        for item in metadata.findall("MDI")
        if item.get("key")
    }
