"""Datasets into new files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from xarray import Variable

from rawmmap.dask.to_raw import as_array
from rawmmap.description import LayoutTemplate
from rawmmap.description import Variable as Described
from rawmmap.description.arrange import arrange
from rawmmap.formats import sidecar
from rawmmap.layout import Layout
from rawmmap.writing import Draft, Replace, State, WritePlan
from rawmmap.xarray.writing.encoding import encode
from rawmmap.xarray.writing.request import WriteRequest
from rawmmap.xarray.writing.samples import samples_of

__all__ = ["describe_variable", "pair_with_layouts", "plan_file"]


def create(request: WriteRequest) -> WritePlan:
    """Plan a new file, in the place of an old one if there is one."""
    record_dims = request.record_dims
    if len(record_dims) > 1:
        raise ValueError(
            f"{request.target}: only one dimension can be the record axis, not "
            f"{sorted(map(str, record_dims))}; name it by unlimited_dims="
        )
    encoded = encode(request.dataset, request.encoding, record_dims)
    dim = next(iter(record_dims), None)
    return plan_file(
        request.target,
        encoded.variables,
        encoded.attrs,
        None if dim is None else str(dim),
        encoded.coords,
    )


def plan_file(
    target: str,
    variables: Mapping[str, Variable],
    attrs: Mapping[str, Any],
    record_dim: str | None,
    coords: frozenset[str] = frozenset(),
    old: State | None = None,
) -> WritePlan:
    """Plan a file of encoded variables; parts of them may come from the old file.

    Without a variable along `record_dim` the file has no records.
    """
    wanted = {name: describe_variable(variable) for name, variable in variables.items()}
    if not any(record_dim in variable.dims for variable in wanted.values()):
        record_dim = None
    description, size = arrange(target, wanted, attrs, record_dim)
    text = sidecar.dumps(replace(description, coords=coords & set(wanted)))
    transaction = Replace(Draft.plan_beside(target, size), text, old)
    batches = pair_with_layouts(variables, description.resolve(size).variables)
    return WritePlan(transaction, batches)


def describe_variable(variable: Variable) -> Described:
    """Return an encoded variable without its values."""
    template = LayoutTemplate(np.dtype(variable.dtype), tuple(map(int, variable.shape)))
    dims = tuple(map(str, variable.dims))
    return Described(dims, template, variable.attrs, samples=samples_of(variable))


def pair_with_layouts(
    variables: Mapping[str, Variable], placed: Mapping[str, Described]
) -> list[tuple[Any, Layout]]:
    """Return every array with where it goes in the file."""
    return [
        (as_array(variable.data), layout)
        for name, variable in variables.items()
        if isinstance(layout := placed[name].data, Layout)
    ]
