"""Where the pixels of an ENVI raster lie on a map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rawmmap.description.model import Variable
from rawmmap.formats.envi.header import Header
from rawmmap.formats.map_grid import MapGrid, label_grid

__all__ = ["cf_units", "describe_map"]

_UNITS = {
    "nanometers": "nm",
    "micrometers": "um",
    "millimeters": "mm",
    "centimeters": "cm",
    "meters": "m",
    "wavenumber": "cm-1",
    "ghz": "GHz",
    "mhz": "MHz",
    "degrees": "degrees",
}
# EPSG codes by the names of datums: of longitudes and latitudes, of the zones of UTM in the north
# and in the south, and the zones that there are.
_DATUMS = {
    "wgs-84": (4326, 32600, 32700, range(1, 61)),
    "wgs84": (4326, 32600, 32700, range(1, 61)),
    "north america 1983": (4269, 26900, None, range(1, 24)),
    "north america 1927": (4267, 26700, None, range(1, 23)),
    "european 1950": (4230, 23000, None, range(28, 39)),
}


def cf_units(unit: str) -> str:
    """Return ENVI's name of a unit as the CF conventions abbreviate it."""
    return _UNITS.get(unit.lower(), unit)


class _MapInfo(NamedTuple):
    """What `map info` says: GDAL's six numbers, and the reference system."""

    numbers: tuple[float, float, float, float, float, float]
    geographic: bool
    units: str
    crs: str

    @property
    def grid(self) -> MapGrid | None:
        """The grid of one that is not rotated."""
        return MapGrid.from_geotransform(self.numbers, geographic=self.geographic, units=self.units)


def describe_map(header: Header) -> dict[str, Variable]:
    """Return the coordinates of pixel centres and the reference system, as far as known.

    Raises
    ------
    DescriptionError
        If `map info` is malformed.
    """
    wkt = header.entries.get("coordinate system string", "").strip()
    lengths = header.count("lines"), header.count("samples")
    items = header.items("map info")
    if not items:
        return label_grid(*lengths, wkt=wkt)
    try:
        info = _parse(items)
        grid = info.grid
    except ValueError as error:
        raise header.error(
            "map info is not a projection, then the pixel (x, y), its position (x, y) and the "
            f"size of pixels (x, y): {error}"
        ) from error
    return label_grid(*lengths, grid, wkt or info.crs, " ".join(map(repr, info.numbers)))


def _parse(items: Sequence[str]) -> _MapInfo:
    words = [item for item in items if "=" not in item]
    options = dict(_option(item) for item in items if "=" in item)
    column, row, east, north, width, height = map(float, words[1:7])
    degrees = float(options.get("rotation", "0"))
    if not all(map(math.isfinite, (column, row, east, north, width, height, degrees))):
        raise ValueError("a number is not finite")
    left, top = east - (column - 1) * width, north + (row - 1) * height
    geographic = words[0].lower().startswith("geographic")
    units = cf_units(options.get("units", ""))
    numbers = _rotate(left, top, width, height, degrees)
    return _MapInfo(numbers, geographic, units, _name_crs(words, options))


def _rotate(
    left: float, top: float, width: float, height: float, degrees: float
) -> tuple[float, float, float, float, float, float]:
    """Return GDAL's six numbers; it turns pixels about the outer corner of the first one."""
    if degrees == 0:
        return left, width, 0.0, top, 0.0, -height
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return left, cosine * width, sine * width, top, sine * height, -cosine * height


def _option(item: str) -> tuple[str, str]:
    key, _, value = item.partition("=")
    return key.strip().lower(), value.strip()


def _name_crs(words: Sequence[str], options: Mapping[str, str]) -> str:
    """Return the code of a reference system that the words of `map info` name, or ""."""
    names = {word.lower() for word in words[7:]}
    datum = next((_DATUMS[name] for name in names if name in _DATUMS), None)
    if datum is None:
        return ""
    degrees, north, south, zones = datum
    projection = words[0].lower()
    if projection == "geographic lat/lon":
        return f"EPSG:{degrees}"
    zone = int(words[7]) if words[7].isdecimal() and len(words[7]) < 3 else 0
    base = {"north": north, "south": south}.get(words[8].lower()) if len(words) > 8 else None
    return f"EPSG:{base + zone}" if projection == "utm" and base and zone in zones else ""
