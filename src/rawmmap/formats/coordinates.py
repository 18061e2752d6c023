"""Which variables label which, by CF's attribute ``coordinates``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rawmmap.description import Variable

__all__ = ["name_coordinates"]


def name_coordinates(
    variables: Mapping[str, Variable], coords: Collection[str], attrs: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the attributes of all variables and of the dataset, with ``coordinates`` in them.

    Parameters
    ----------
    variables : mapping of str to Variable
        What is exported.
    coords : collection of str
        Names of the coordinates among them.
    attrs : mapping
        Attributes of the dataset.

    Notes
    -----
    Follows section 5 of the CF conventions 1.11 and what xarray makes of it: a coordinate that is
    not named like a dimension is listed by the variables that it labels, or else by the dataset. An
    existing attribute is left as it is.
    """
    data = {name: v for name, v in variables.items() if name not in coords}
    named: dict[str, dict[str, Any]] = {name: dict(v.attrs) for name, v in variables.items()}
    listed: set[str] = set()
    for name, variable in data.items():
        labels = [c for c in coords if _labels(c, variables[c], variable)]
        listed.update(labels)
        if labels:
            named[name].setdefault("coordinates", " ".join(labels))
    dims = {dim for variable in variables.values() for dim in variable.dims}
    rest = [name for name in coords if name not in dims | listed]
    own = dict(attrs)
    if rest:
        own.setdefault("coordinates", " ".join(rest))
    return named, own


def _labels(name: str, coordinate: Variable, data: Variable) -> bool:
    return name not in data.dims and set(coordinate.dims) <= set(data.dims)
