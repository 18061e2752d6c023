"""ROI_PAC's ``.rsc`` beside a flat raster, whose type follows from the suffix of the data file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.header_files import HeaderFiles
from rawmmap.formats.interleave import arrange_raster
from rawmmap.formats.map_grid import MapGrid, label_grid
from rawmmap.formats.numbers import parse_count, parse_number
from rawmmap.formats.probe import Probe

__all__ = ["RoiPacReader"]

_SUFFIX = ".rsc"
_LONGEST = 2**20
_WIDTH = re.compile(rb"(?m)^[ \t]*WIDTH[ \t]+[0-9]")
_LENGTH = re.compile(rb"(?m)^[ \t]*FILE_LENGTH[ \t]+[0-9]")


class _Kind(NamedTuple):
    """What lies in files of a suffix."""

    dtype: str
    bands: int
    interleave: str


_COMPLEX, _RMG = _Kind("c8", 1, "bip"), _Kind("f4", 2, "bil")
_KINDS = {
    ".slc": _COMPLEX,
    ".int": _COMPLEX,
    ".amp": _Kind("f4", 2, "bip"),
    ".unw": _RMG,
    ".cor": _RMG,
    ".hgt": _RMG,
    ".msk": _RMG,
    ".trans": _RMG,
    ".dem": _Kind("i2", 1, "bip"),
    ".flg": _Kind("u1", 1, "bip"),
}


def _is_header(head: bytes) -> bool:
    return b"\0" not in head and bool(_WIDTH.search(head)) and bool(_LENGTH.search(head))


_FILES = HeaderFiles("a header of ROI_PAC", _is_header, (_SUFFIX,), ("",), replace=False)


class RoiPacReader:
    """Reads a header of ROI_PAC; the probe may be of the header or of the data file."""

    name = "roi_pac"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is such a header, or has one beside it, by its content."""
        named = probe.suffix == _SUFFIX
        return (named and _is_header(probe.head)) or _FILES.find_beside(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the raster, a variable named ``data``, and of its labels.

        Raises
        ------
        DescriptionError
            If the header is malformed, or the suffix of the data file is unknown.
        FileNotFoundError
            If the data file is missing.
        ShortFileError
            If the data file is too short.
        """
        header, data = _FILES.pair(probe)
        entries = _parse(header)
        try:
            return _describe(data, entries)
        except ShortFileError:
            raise
        except ValueError as error:
            raise DescriptionError(f"{header.name}: {error}") from error


def _parse(header: Probe) -> dict[str, str]:
    if header.size > _LONGEST:
        raise DescriptionError(
            f"{header.name}: {header.size} bytes are too many for a header of ROI_PAC; at most "
            f"{_LONGEST} are read"
        )
    with header.open() as file:
        lines = file.read(_LONGEST).decode("latin-1").splitlines()
    pairs = (line.split(None, 1) for line in lines if len(line.split()) > 1)
    return {key.upper(): value.strip() for key, value in pairs}


def _describe(data: Probe, entries: Mapping[str, str]) -> Description:
    suffix = data.suffix
    if suffix not in _KINDS:
        raise ValueError(
            f"the suffix {suffix!r} of {data.name} does not say what lies in it; those of "
            f"{sorted(_KINDS)} do"
        )
    dtype, bands, interleave = _KINDS[suffix]
    columns = parse_count("WIDTH", entries.get("WIDTH", ""), 1)
    rows = parse_count("FILE_LENGTH", entries.get("FILE_LENGTH", ""), 1)
    # ROI_PAC has no keyword for the byte order; GDAL takes and writes little-endian files.
    dims, layout = arrange_raster(interleave, f"<{dtype}", bands, rows, columns)
    if layout.extent[1] > data.size:
        raise ShortFileError(data.name, layout.extent[1], data.size)
    labels = label_grid(rows, columns, *_grid_of(entries))
    attrs: dict[str, Any] = {"grid_mapping": "spatial_ref"} if labels else {}
    attrs |= _scaling(entries) if suffix == ".dem" else {}
    variables = {"data": Variable(dims, layout, attrs), **labels}
    return Description(data.name, variables, frozenset(labels), dict(entries))


def _scaling(entries: Mapping[str, str]) -> dict[str, float]:
    """Return what makes heights of the samples, where that is not the samples themselves."""
    scale = parse_number("Z_SCALE", entries.get("Z_SCALE", "1"))
    offset = parse_number("Z_OFFSET", entries.get("Z_OFFSET", "0"))
    return {} if (scale, offset) == (1, 0) else {"scale_factor": scale, "add_offset": offset}


def _grid_of(entries: Mapping[str, str]) -> tuple[MapGrid | None, str]:
    """Return the grid, and the name of the reference system where it is known."""
    keys = ("X_FIRST", "X_STEP", "Y_FIRST", "Y_STEP")
    if not set(keys) <= set(entries):
        return None, ""
    left, width, top, height = (parse_number(key, entries[key]) for key in keys)
    projection = entries.get("PROJECTION", "").upper()
    geographic = {"LL": True}.get(projection, False if projection.startswith("UTM") else None)
    zone = projection.removeprefix("UTM")
    name = ""
    if entries.get("DATUM", "").upper() == "WGS84":
        name = "EPSG:4326" if geographic else name
        if geographic is False and zone.isdecimal() and 1 <= int(zone[:3]) <= 60:
            name = f"EPSG:{32600 + int(zone)}"
    return MapGrid(left, top, width, -height, geographic), name
