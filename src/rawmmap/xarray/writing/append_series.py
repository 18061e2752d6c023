"""Further files of a series, for values that continue one of its dimensions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from xarray import Variable

from rawmmap.dask.to_raw import as_array
from rawmmap.description import Description
from rawmmap.description.members import Members
from rawmmap.description.naming import name_files
from rawmmap.description.patterns import VARIABLE, Pattern
from rawmmap.formats import sidecar
from rawmmap.layout import Layout, Values
from rawmmap.writing import ReplaceSeries, WritePlan
from rawmmap.xarray.writing.append import encode_new
from rawmmap.xarray.writing.checks import check_record_axis_kept
from rawmmap.xarray.writing.existing import Existing
from rawmmap.xarray.writing.request import WriteRequest
from rawmmap.xarray.writing.series import labels_of

__all__ = ["append_files"]


def append_files(request: WriteRequest, pattern: Pattern) -> WritePlan:
    """Plan further files of a series; those that exist do not change."""
    request.check_keeps_encoding()
    dim = str(request.append_dim)
    existing = Existing.open(request.target, pattern)
    listed = _check_listed(existing, dim)
    check_record_axis_kept(existing, request.requested_record_dims - set(pattern.names))
    new = encode_new(existing, request, dim)
    labels = {**listed.values, dim: _new_labels(existing, request, dim)}
    names, read = name_files(pattern, labels)
    _check_new(listed, read, dim)
    fields = [name for name in labels if name != VARIABLE]
    groups = list(_place_in_groups(existing, listed))
    transaction = ReplaceSeries.of(
        os.path.dirname(request.target),
        names,
        tuple(size for size, _ in groups),
        len(fields),
        request.target,
        sidecar.dumps(_lengthen(existing, listed, new, read[dim], dim)),
        existing.state,
    )
    shape = [len(labels[name]) for name in fields]
    count = len(names) // len(groups)
    batches = [
        (as_array(new[name].data), transaction.layout(layout, shape, number * count))
        for number, (_, layouts) in enumerate(groups)
        for name, layout in layouts.items()
    ]
    return WritePlan(transaction, batches)


def _check_listed(existing: Existing, dim: str) -> Members:
    """Return the files of a series that lists the values of a field."""
    members = existing.description.members
    assert members is not None
    if dim not in members.values:
        raise ValueError(
            f"append_dim={dim!r} is not a field of which the sidecar lists the values, "
            f"{sorted(set(members.values) - {VARIABLE})}; other series take new files as they are, "
            "by rawmmap.to_raw of an array"
        )
    return members


def _new_labels(existing: Existing, request: WriteRequest, dim: str) -> npt.NDArray[Any]:
    labels = labels_of(request.dataset, dim)
    # Without a coordinate they are positions.
    return labels if dim in request.dataset.variables else labels + existing.sizes[dim]


def _check_new(listed: Members, read: Mapping[str, npt.NDArray[Any]], dim: str) -> None:
    """Refuse names of files that belong to the series already."""
    both = np.isin(read[dim].astype("U"), listed.values[dim].astype("U"))
    if both.any():
        raise ValueError(
            f"append_dim={dim!r}: there are files of {dim}={read[dim][both][0]} already; correct "
            "them by region="
        )


def _place_in_groups(
    existing: Existing, listed: Members
) -> Iterator[tuple[int, dict[str, Layout]]]:
    """Yield the size of a file and the layouts in it, for each variable where they are apart."""
    description = existing.description
    inside = {name: v for name, v in description.variables.items() if v.in_file}
    names = list(listed.values[VARIABLE]) if VARIABLE in listed.values else [None]
    sizes = existing.files.sizes
    for number, name in enumerate(names):
        size = int(sizes[number * len(sizes) // len(names)])
        chosen = inside if name is None else {str(name): inside[str(name)]}
        placed = replace(description, variables=chosen).resolve(size).variables
        yield size, {key: v.data for key, v in placed.items() if isinstance(v.data, Layout)}


def _lengthen(
    existing: Existing,
    listed: Members,
    new: Mapping[str, Variable],
    read: npt.NDArray[Any],
    dim: str,
) -> Description:
    """Return the description of the series with its new files."""
    description = existing.description
    longer = {}
    for name, variable in new.items():
        described = description.variables[name]
        if isinstance(described.data, Values):
            axis = described.dims.index(dim)
            both = [described.data.array, np.asarray(variable.values)]
            whole = np.concatenate(both, axis=axis).astype(described.data.dtype)
            longer[name] = replace(described, data=Values(whole))
    values = {**listed.values, dim: np.concatenate([listed.values[dim], read])}
    return replace(
        description,
        variables={**description.variables, **longer},
        members=replace(listed, values=values),
    )
