"""Encoded datasets into files of their own."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from xarray import Dataset, Variable

from rawmmap.dask.to_raw import as_array
from rawmmap.description import LayoutTemplate
from rawmmap.description import Variable as Described
from rawmmap.description.arrange import arrange
from rawmmap.formats import sidecar
from rawmmap.layout import Layout
from rawmmap.writing import Draft, Replace, State, WritePlan
from rawmmap.xarray.writing.encoding import encode, unlimited

__all__ = ["described", "pieces_of", "write_encoded", "write_new"]


def write_new(
    ds: Dataset,
    target: str,
    encoding: Mapping[Any, Mapping[str, Any]] | None,
    unlimited_dims: Iterable[Hashable] | None,
) -> WritePlan:
    """Write a file of its own, in the place of an old one if there is one."""
    growing = unlimited(ds, unlimited_dims)
    if len(growing) > 1:
        raise ValueError(
            f"{target}: only one dimension can be the record axis, not "
            f"{sorted(map(str, growing))}; name it by unlimited_dims="
        )
    encoded = encode(ds, encoding, growing)
    dim = next(iter(growing), None)
    record_dim = None if dim is None else str(dim)
    return write_encoded(target, encoded.variables, encoded.attrs, record_dim, encoded.coords)


def write_encoded(
    target: str,
    variables: Mapping[str, Variable],
    attrs: Mapping[str, Any],
    record_dim: str | None,
    coords: frozenset[str] = frozenset(),
    old: State | None = None,
) -> WritePlan:
    """Write encoded variables into a file of their own; parts of them may come from the old one."""
    wanted = {name: described(variable) for name, variable in variables.items()}
    description, size = arrange(target, wanted, attrs, record_dim)
    text = sidecar.dumps(replace(description, coords=coords & set(wanted)))
    transaction = Replace(Draft.beside(target, size), text, old)
    batches = pieces_of(variables, description.resolve(size).variables)
    return WritePlan(transaction, batches)


def described(variable: Variable) -> Described:
    """Return an encoded variable without its values."""
    template = LayoutTemplate(np.dtype(variable.dtype), tuple(map(int, variable.shape)))
    return Described(tuple(map(str, variable.dims)), template, variable.attrs)


def pieces_of(
    variables: Mapping[str, Variable], placed: Mapping[str, Described]
) -> list[tuple[Any, Layout]]:
    """Return every array with its place in the file."""
    return [
        (as_array(variable.data), layout)
        for name, variable in variables.items()
        if isinstance(layout := placed[name].data, Layout)
    ]
