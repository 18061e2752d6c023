"""The ``.grd`` of R's package raster, beside the ``.gri`` that holds the data."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.fill_value import fill_value_attrs
from rawmmap.formats.header_files import HeaderFiles
from rawmmap.formats.interleave import arrange_raster
from rawmmap.formats.map_grid import MapGrid, is_geographic, label_grid
from rawmmap.formats.numbers import parse_count, parse_number
from rawmmap.formats.probe import Probe
from rawmmap.layout import Values

__all__ = ["RrasterReader"]

_LONGEST = 2**24
_TYPES = {
    "LOG1S": "i1",
    "INT1S": "i1",
    "INT1U": "u1",
    "INT2S": "i2",
    "INT2U": "u2",
    "INT4S": "i4",
    "INT4U": "u4",
    "INT8S": "i8",
    "INT8U": "u8",
    "FLT4S": "f4",
    "FLT8S": "f8",
}


def _is_header(head: bytes) -> bool:
    lower = head.lower()
    return b"[georeference]" in lower and b"[data]" in lower and b"nrows" in lower


_FILES = HeaderFiles(
    "a header of R's raster", _is_header, (".grd", ".GRD"), (".gri",), append=False
)


class RrasterReader:
    """Reads a ``.grd``; the probe may be of it or of the ``.gri`` of its name."""

    name = "rraster"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is such a header, or has one of its name, by its content."""
        return _FILES.find_header(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the raster, a variable named ``data``, and of its labels.

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


def _parse(header: Probe) -> dict[str, dict[str, str]]:
    if header.size > _LONGEST:
        raise ValueError(f"{header.size} bytes are too many; at most {_LONGEST} are read")
    with header.open() as file:
        text = file.read(_LONGEST).decode("utf-8", "replace")
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(f"malformed: {str(error).splitlines()[0]}") from error
    return {name.lower(): dict(parser[name]) for name in parser.sections()}


def _describe(data: Probe, sections: Mapping[str, Mapping[str, str]]) -> Description:
    grid, entries = sections.get("georeference", {}), sections.get("data", {})
    rows, columns = (parse_count(key, grid.get(key, ""), 1) for key in ("nrows", "ncols"))
    bands = parse_count("nbands", entries.get("nbands", "1"), 1)
    dtype = _dtype(entries)
    dims, layout = arrange_raster(entries.get("bandorder", "BIL"), dtype, bands, rows, columns)
    if layout.extent[1] > data.size:
        raise ShortFileError(data.name, layout.extent[1], data.size)
    labels = label_grid(rows, columns, *_grid_of(grid, rows, columns))
    attrs: dict[str, Any] = {"grid_mapping": "spatial_ref"} if labels else {}
    attrs |= _fill_value(entries, dtype)
    names = sections.get("description", {}).get("layername", "").split(":")
    if len(names) == bands and any(names):
        labels["band_name"] = Variable(("band",), Values(np.array(names)))
    variables = {"data": Variable(dims, layout, attrs), **labels}
    notes = {f"{key}": value for key, value in sections.get("general", {}).items() if value}
    return Description(data.name, variables, frozenset(labels), notes)


def _dtype(entries: Mapping[str, str]) -> np.dtype[Any]:
    code = _TYPES.get(entries.get("datatype", "").upper())
    if code is None:
        raise ValueError(
            f"datatype {entries.get('datatype', '')[:80]!r} is none of {sorted(_TYPES)}"
        )
    order = {"little": "<", "big": ">"}.get(entries.get("byteorder", "little").lower())
    if order is None:
        raise ValueError(f"byteorder {entries['byteorder'][:80]!r} is neither little nor big")
    return np.dtype(order + code)


def _fill_value(entries: Mapping[str, str], dtype: np.dtype[Any]) -> dict[str, Any]:
    text = entries.get("nodatavalue", "NA")
    if text.upper() in ("NA", ""):
        return {}
    try:
        return fill_value_attrs(text, dtype)
    except ValueError as error:
        raise ValueError(f"nodatavalue {text[:80]!r} is not a number") from error


def _grid_of(entries: Mapping[str, str], rows: int, columns: int) -> tuple[MapGrid | None, str]:
    """Return the grid, and the reference system where it is given as well-known text."""
    wkt = entries.get("wkt", "")
    keys = ("xmin", "xmax", "ymin", "ymax")
    if not set(keys) <= set(entries):
        return None, wkt
    left, right, bottom, top = (parse_number(key, entries[key]) for key in keys)
    geographic = is_geographic(wkt)
    if geographic is None and "proj=longlat" in entries.get("projection", "").replace(" ", ""):
        geographic = True
    width, height = (right - left) / columns, (top - bottom) / rows
    return MapGrid(left, top, width, height, geographic), wkt
