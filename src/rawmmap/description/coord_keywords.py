"""Coordinates from the keyword ``coords=``, without xarray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable, check_lengths
from rawmmap.errors import DescriptionError
from rawmmap.layout import Values

__all__ = ["add_coords"]


def add_coords(description: Description, coords: Any) -> Description:
    """Return a resolved description with coordinates whose values it holds.

    Parameters
    ----------
    description : Description
        What lies in the file; every length is known.
    coords : mapping
        Coordinates by name: values, ``(dims, values)``, ``(dims, values, attrs)``, or whatever has
        `dims`, `values` and `attrs`.

    Raises
    ------
    DescriptionError
        If one has the name of a variable of the file, or dimensions that do not fit those of the
        variables.
    TypeError
        If `coords` is not a mapping with strings as names.
    """
    path, variables = description.path, description.variables
    if not isinstance(coords, Mapping):
        raise TypeError(f"{path}: coords= must be a mapping {{name: values}}, not {coords!r}")
    repeated = sorted(str(name) for name in coords if name in variables)
    if repeated:
        raise DescriptionError(
            f"{path}: {repeated} are both variables of the file and in coords=; leave out the "
            "coordinates, or give them other names"
        )
    inline = {name: _as_variable(path, name, coords[name]) for name in coords}
    dims = {dim for variable in variables.values() for dim in variable.dims}
    for name, variable in inline.items():
        unknown = sorted(set(variable.dims) - dims)
        if unknown:
            raise DescriptionError(
                f"{path}: coords[{name!r}] has dims {variable.dims}, but {unknown} are not "
                f"dimensions of any variable of the file, which has {sorted(dims)}"
            )
    merged = {**variables, **inline}
    check_lengths(path, merged)
    return replace(description, variables=merged, coords=description.coords | set(inline))


def _as_variable(path: str, name: Any, coord: Any) -> Variable:
    subject = f"{path}: coords[{name!r}]"
    if not isinstance(name, str):
        raise TypeError(f"{subject}: names must be strings")
    dims: Any = None
    attrs: Any = {}
    values = coord
    if isinstance(coord, tuple):
        if len(coord) not in (2, 3, 4) or not isinstance(coord[0], str | tuple | list):
            raise TypeError(f"{subject} must be values or (dims, values, attrs), not {coord!r}")
        dims, values, *rest = coord
        attrs = rest[0] if rest else attrs
    elif hasattr(coord, "dims"):
        dims, values, attrs = coord.dims, coord.values, coord.attrs
    array = _as_array(subject, values)
    if dims is None:
        dims = (name,) * array.ndim
    names = (dims,) if isinstance(dims, str) else tuple(map(str, dims))
    if len(names) != array.ndim or len(set(names)) < len(names):
        raise DescriptionError(
            f"{subject} has {array.ndim} axes of shape {array.shape}, but dims {names}; "
            "give it as (dims, values)"
        )
    if attrs is not None and not isinstance(attrs, Mapping):
        raise TypeError(f"{subject} has the attributes {attrs!r}, which are not a mapping")
    return Variable(names, Values(array), dict(attrs or {}))


def _as_array(subject: str, values: Any) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(getattr(values, "values", values))
    except ValueError as error:
        raise DescriptionError(f"{subject}: {error}") from None
    if array.dtype.hasobject or array.dtype.kind == "T":
        return array.astype("U")
    return array
