"""Dimensions, coordinates and attributes of GrADS variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.formats.fill_value import fill_value_attrs
from rawmmap.formats.grads.descriptor import Descriptor
from rawmmap.formats.grads.variables import GridVariable
from rawmmap.layout import Arrangement, Values

__all__ = ["describe_grids", "fill_value_of"]

_LONGITUDE = {"units": "degrees_east", "standard_name": "longitude", "axis": "X"}
_LATITUDE = {"units": "degrees_north", "standard_name": "latitude", "axis": "Y"}
# What xarray decodes times by, so that no attribute may replace it.
_OF_TIME = frozenset({"units", "calendar"})


def describe_grids(
    descriptor: Descriptor,
    path: str,
    data: Sequence[Arrangement],
    files: tuple[str, ...] = (),
) -> Description:
    """Return the description of the variables.

    Parameters
    ----------
    descriptor : Descriptor
        What the descriptor file says.
    path : str
        The first data file.
    data : sequence of Arrangement
        Where the values of each variable lie, with the axes member, if there is an ensemble, time,
        level, if it has any, row and column.
    files : tuple of str
        All data files, where there are several.
    """
    coords = _describe_axes(descriptor)
    outer = () if descriptor.members is None else ("ens",)
    inner = ("lat", "lon") if descriptor.projection is None else ("y", "x")
    variables: dict[str, Variable] = {}
    levels: dict[str, Variable] = {}
    for variable, arrangement in zip(descriptor.variables, data, strict=True):
        dims: tuple[str, ...] = (*outer, "time")
        if variable.levels:
            dim = _name_levels(descriptor, variable.levels)
            levels |= _describe_levels(descriptor, dim, variable.levels)
            dims += (dim,)
        attrs = _describe_attrs(descriptor, variable, arrangement.dtype)
        variables[variable.name] = Variable((*dims, *inner), arrangement, attrs)
    coords |= levels
    renamed = {_rename(name, coords): variable for name, variable in variables.items()}
    attrs = {"title": descriptor.title} if descriptor.title else {}
    if descriptor.projection is not None:
        attrs["pdef"] = descriptor.projection
    attrs |= descriptor.attributes.get("global", {})
    return Description(path, {**coords, **renamed}, frozenset(coords), attrs, files=files)


def _rename(name: str, coords: dict[str, Variable]) -> str:
    """Return the name of a variable, with underscores after that of a coordinate."""
    while name in coords:
        name += "_"
    return name


def _describe_axes(descriptor: Descriptor) -> dict[str, Variable]:
    """Return the coordinates of all axes but the levels."""
    coords = {}
    if descriptor.members is not None:
        names = np.array([member.name for member in descriptor.members])
        coords["ens"] = Variable(("ens",), Values(names), _own(descriptor, "ens"))
    values, encoding = descriptor.time.encode()
    own = {k: v for k, v in _own(descriptor, "time").items() if k not in _OF_TIME}
    attrs = {"standard_name": "time", "axis": "T", **own, **encoding}
    coords["time"] = Variable(("time",), Values(values), attrs)
    if descriptor.projection is None:
        rows, columns = descriptor.grid
        y, x = descriptor.y.values(rows), descriptor.x.values(columns)
        coords["lat"] = Variable(("lat",), Values(y), {**_LATITUDE, **_own(descriptor, "lat")})
        coords["lon"] = Variable(("lon",), Values(x), {**_LONGITUDE, **_own(descriptor, "lon")})
    return coords


def _own(descriptor: Descriptor, name: str) -> dict[str, Any]:
    return dict(descriptor.attributes.get(name, {}))


def _name_levels(descriptor: Descriptor, count: int) -> str:
    """Return the dimension of a variable with some number of levels."""
    return "lev" if count == descriptor.z.length else f"lev_{count}"


def _describe_levels(descriptor: Descriptor, dim: str, count: int) -> dict[str, Variable]:
    """Return the coordinate of the first levels; none where ZDEF has fewer."""
    if count > descriptor.z.length:
        return {}
    values = descriptor.z.values(count)
    return {dim: Variable((dim,), Values(values), {"axis": "Z", **_own(descriptor, "lev")})}


def _describe_attrs(
    descriptor: Descriptor, variable: GridVariable, dtype: np.dtype[Any]
) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    if variable.title:
        attrs["long_name"] = variable.title
    if variable.original is not None:
        attrs["original_name"] = variable.original
    attrs |= descriptor.attributes.get(variable.name.lower(), {})
    fill = fill_value_of(descriptor, dtype)
    if fill is not None:
        attrs["_FillValue"] = fill
    return attrs


def fill_value_of(descriptor: Descriptor, dtype: np.dtype[Any]) -> Any:
    """Return UNDEF in the type of the values, or None where it is none of them."""
    undef = descriptor.undef
    if np.isnan(undef) and dtype.kind != "f":
        return None
    fill = fill_value_attrs(undef, dtype).get("_FillValue")
    return None if fill is not None and np.isinf(fill) else fill
