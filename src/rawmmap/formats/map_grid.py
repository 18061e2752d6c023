"""Grids of pixels on a map: coordinates of their centres, and the reference system.

The coordinate ``spatial_ref`` and its attributes are those of rioxarray and of the CF conventions
(1.11, section 5.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from rawmmap.description.model import Variable
from rawmmap.layout import Values

__all__ = ["MapGrid", "is_geographic", "label_grid"]


@dataclass(frozen=True, slots=True)
class MapGrid:
    """Where pixels lie on a map.

    Attributes
    ----------
    left, top : float
        Position of the outer corner of the first pixel.
    width, height : float
        Size of a pixel, along x and downwards along y.
    geographic : bool or None
        Whether positions are longitudes and latitudes in degrees; None where that is unknown.
    units : str
        Units of the positions on a projected map, if known.

    Raises
    ------
    ValueError
        If a number is not finite, or a size zero.
    """

    left: float
    top: float
    width: float
    height: float
    geographic: bool | None = None
    units: str = ""

    def __post_init__(self) -> None:
        numbers = (self.left, self.top, self.width, self.height)
        if not np.isfinite(numbers).all() or self.width == 0 or self.height == 0:
            raise ValueError(
                f"pixels of {self.width} by {self.height} at {self.left}, {self.top}: sizes must "
                "not be zero, and all numbers must be finite"
            )

    @classmethod
    def from_geotransform(cls, numbers: Sequence[float], **attributes: Any) -> Self | None:
        """Return the grid of GDAL's six numbers; None for one that is rotated."""
        left, width, shear_x, top, shear_y, height = numbers
        if shear_x or shear_y:
            return None
        return cls(left, top, width, -height, **attributes)

    @property
    def geotransform(self) -> str:
        """GDAL's six numbers, as text."""
        numbers = (self.left, self.width, 0.0, self.top, 0.0, -self.height)
        return " ".join(map(repr, numbers))

    def _attrs(self, axis: str) -> dict[str, Any]:
        if self.geographic is None:
            return {"axis": axis}
        if self.geographic:
            names = {"X": ("longitude", "degrees_east"), "Y": ("latitude", "degrees_north")}
            name, units = names[axis]
            return {"axis": axis, "standard_name": name, "units": units}
        attrs = {"axis": axis, "standard_name": f"projection_{axis.lower()}_coordinate"}
        return attrs | ({"units": self.units} if self.units else {})

    def centres(self, rows: int, columns: int) -> dict[str, Variable]:
        """Return the coordinates ``y`` and ``x`` of the centres of pixels."""
        x = self.left + (np.arange(columns) + 0.5) * self.width
        y = self.top - (np.arange(rows) + 0.5) * self.height
        return {
            "y": Variable(("y",), Values(y), self._attrs("Y")),
            "x": Variable(("x",), Values(x), self._attrs("X")),
        }


def label_grid(
    rows: int, columns: int, grid: MapGrid | None = None, wkt: str = "", geotransform: str = ""
) -> dict[str, Variable]:
    """Return the coordinates ``y``, ``x`` and ``spatial_ref``, as far as they are known.

    Parameters
    ----------
    rows, columns : int
        Element counts of the raster.
    grid : MapGrid, optional
        Where its pixels lie.
    wkt : str
        The coordinate reference system as well-known text, or such as ``"EPSG:4326"``.
    geotransform : str
        GDAL's six numbers of a rotated grid, which has no coordinates of one dimension.
    """
    labels = {} if grid is None else grid.centres(rows, columns)
    attrs: dict[str, Any] = {"spatial_ref": wkt} if wkt else {}
    if wkt and not wkt.startswith("EPSG:"):
        attrs["crs_wkt"] = wkt
    if grid is not None:
        geotransform = grid.geotransform
    if geotransform:
        attrs["GeoTransform"] = geotransform
    if attrs:
        labels["spatial_ref"] = Variable((), Values(np.int64(0)), attrs)
    return labels


def is_geographic(wkt: str) -> bool | None:
    """Return whether well-known text describes longitudes and latitudes; None for other text."""
    start = wkt.lstrip().upper()
    if start.startswith(("GEOGCS", "GEOGCRS", "GEODCRS", "GEOGRAPHICCRS")):
        return True
    return False if start.startswith(("PROJCS", "PROJCRS", "PROJECTEDCRS")) else None
