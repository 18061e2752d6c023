"""ISCE's ``.xml`` beside a flat raster.

The names of types are those of ISCE's images; positions are taken as GDAL takes them, of the outer
corner of the first pixel.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.header_files import HeaderFiles, locate_data
from rawmmap.formats.interleave import arrange_raster
from rawmmap.formats.map_grid import MapGrid, label_grid
from rawmmap.formats.numbers import parse_count, parse_number
from rawmmap.formats.probe import Probe
from rawmmap.formats.xml import parse_xml
from rawmmap.layout.samples import Samples, parse_dtype
from rawmmap.sources import split_chain

__all__ = ["IsceReader"]

_SUFFIX = ".xml"
_MARK = b"<imageFile"
_TYPES = {
    "BYTE": "u1",
    "CHAR": "u1",
    "SHORT": "i2",
    "INT": "i4",
    "LONG": "i8",
    "FLOAT": "f4",
    "DOUBLE": "f8",
    "CBYTE": "ci1",
    "CSHORT": "ci2",
    "CINT": "ci4",
    "CFLOAT": "c8",
    "CDOUBLE": "c16",
}


def _is_header(head: bytes) -> bool:
    return _MARK in head


_FILES = HeaderFiles("a header of ISCE", _is_header, (_SUFFIX,), ("",), replace=False)


class IsceReader:
    """Reads the header of an image of ISCE; the probe may be of the header or of the data file."""

    name = "isce"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is such a header, or has one beside it, by its content."""
        return _FILES.find_header(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the image, a variable named ``data``, and of its labels.

        Raises
        ------
        DescriptionError
            If the header is malformed, or says something that is not implemented.
        FileNotFoundError
            If the data file is missing.
        ShortFileError
            If the data file is too short.
        """
        header = _FILES.find_header(probe)
        if header is None:
            raise DescriptionError(f"{probe.name}: there is no header of ISCE beside it")
        top = parse_xml(header)
        if top.tag != "imageFile":
            raise DescriptionError(f"{header.name}: {top.tag[:80]!r} is not an imageFile")
        properties = _properties(top)
        data = probe if header is not probe else _find_data(header, properties)
        try:
            return _describe(data, properties, top)
        except (DescriptionError, ShortFileError):
            raise
        except (ValueError, KeyError) as error:
            raise DescriptionError(f"{header.name}: {error}") from error


def _find_data(header: Probe, properties: Mapping[str, str]) -> Probe:
    """Return the data file: the one that the header is named after, else the one that it names."""
    name, rest = split_chain(header.name)
    stem, suffix = os.path.splitext(name)
    names = [stem + rest] if suffix.lower() == _SUFFIX else []
    if properties.get("file_name"):
        # Headers name files where they were written; what is left of that is the last part.
        last = properties["file_name"].replace("\\", "/").rsplit("/", 1)[-1]
        names.append(locate_data(header, last))
    for name in names:
        data = header.neighbour(name)
        if data is not None:
            return data
    raise FileNotFoundError(2, f"there is no data file of {header.name}", (names or [""])[0])


def _properties(element: ET.Element) -> dict[str, str]:
    """Return the values of the properties of an element by name, which is in any case."""
    return {
        child.get("name", "").strip().lower(): (child.findtext("value") or child.text or "").strip()
        for child in element.findall("property")
    }


def _describe(data: Probe, properties: Mapping[str, str], top: ET.Element) -> Description:
    values = {key: _get(properties, key) for key in ("width", "length", "data_type")}
    columns, rows = (parse_count(key, values[key], 1) for key in ("width", "length"))
    bands = parse_count("number_bands", properties.get("number_bands", "1"), 1)
    dtype, samples = _dtype(values["data_type"].upper(), _get(properties, "byte_order"))
    scheme = properties.get("scheme", "bip")
    dims, layout = arrange_raster(scheme, dtype, bands, rows, columns)
    if layout.extent[1] > data.size:
        raise ShortFileError(data.name, layout.extent[1], data.size)
    labels = label_grid(rows, columns, _grid_of(top))
    attrs = {"grid_mapping": "spatial_ref"} if labels else {}
    variables = {"data": Variable(dims, layout, attrs, samples=samples), **labels}
    return Description(data.name, variables, frozenset(labels))


def _get(properties: Mapping[str, str], key: str) -> str:
    if not properties.get(key):
        raise ValueError(f"the property {key} is missing")
    return properties[key]


def _dtype(name: str, order: str) -> tuple[np.dtype[np.generic], Samples | None]:
    if name not in _TYPES:
        raise ValueError(f"data_type {name[:80]!r} is none of {sorted(_TYPES)}")
    sign = {"l": "<", "b": ">"}.get(order[:1].lower())
    if sign is None:
        raise ValueError(f"byte_order {order[:80]!r} is neither l (little) nor b (big)")
    return parse_dtype(sign + _TYPES[name])


def _grid_of(top: ET.Element) -> MapGrid | None:
    """Return the grid of the two coordinates; None where they count pixels."""
    axes = {
        component.get("name", "").strip().lower(): _properties(component)
        for component in top.findall("component")
    }
    numbers = []
    for name in ("coordinate1", "coordinate2"):
        axis = axes.get(name, {})
        if not axis.get("startingvalue") or not axis.get("delta"):
            return None
        numbers += [parse_number(f"{name}.{key}", axis[key]) for key in ("startingvalue", "delta")]
    left, width, top_edge, height = numbers
    if (left, top_edge) == (0, 0) and (width, abs(height)) == (1, 1):
        return None
    return MapGrid(left, top_edge, width, -height)
