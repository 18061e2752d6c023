"""Datasets into series of files: one for each combination of values of the leading dimensions."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from xarray import Dataset, Variable

from rawmmap.dask.to_raw import as_array
from rawmmap.description import Description
from rawmmap.description import Variable as Described
from rawmmap.description.arrange import arrange
from rawmmap.description.members import Members
from rawmmap.description.naming import name_files
from rawmmap.description.patterns import VARIABLE, Pattern
from rawmmap.formats import sidecar
from rawmmap.layout import Layout, Values
from rawmmap.writing import ReplaceSeries, WritePlan
from rawmmap.xarray.writing.create import describe_variable
from rawmmap.xarray.writing.encoding import Encoded, encode
from rawmmap.xarray.writing.request import WriteRequest
from rawmmap.xarray.writing.samples import decode_samples

__all__ = ["create_series", "labels_of"]

# Bytes of all variables that are the same for all files, and go into the sidecar.
_MOST_INLINE = 2**24


@dataclass(frozen=True, slots=True)
class _Member:
    """One file, or those of one variable: what lies where in it, and its size."""

    description: Description
    size: int


def create_series(request: WriteRequest, pattern: Pattern) -> WritePlan:
    """Plan the files of a series, in the places of old ones if there are any."""
    ds, fields = request.dataset, tuple(name for name in pattern.names if name != VARIABLE)
    labels = {field: labels_of(ds, field) for field in fields}
    record_dim = _record_dim(request, fields)
    encoded = encode(ds, request.encoding, request.record_dims)
    # Labels of the files are for the sidecar: nobody should have to open all files for them.
    labelling = {n for n in ds.coords if set(ds.variables[n].dims) <= set(fields)}
    inside = _choose_inside(encoded.variables, fields, labelling)
    if VARIABLE in pattern.names:
        labels = {VARIABLE: np.array(list(inside)), **labels}
    names, read = name_files(pattern, labels)
    groups = [[name] for name in inside] if VARIABLE in pattern.names else [list(inside)]
    members = [
        _arrange_member(request.target, encoded, group, len(fields), record_dim) for group in groups
    ]
    described = _describe(encoded, members, Members(pattern, read))
    transaction = ReplaceSeries.of(
        os.path.dirname(request.target),
        names,
        tuple(member.size for member in members),
        len(fields),
        request.target,
        sidecar.dumps(described),
    )
    shape = [len(labels[field]) for field in fields]
    batches = list(_pair(encoded, members, transaction, shape))
    return WritePlan(transaction, batches)


def labels_of(ds: Dataset, field: str) -> npt.NDArray[Any]:
    """Return the values of a field; without a coordinate they are positions."""
    if field not in ds.dims:
        raise ValueError(
            f"the field {field!r} is none of the dimensions {dict(ds.sizes)} of the data; "
            f"expand_dims({field!r}) adds one"
        )
    if not ds.sizes[field]:
        raise ValueError(f"the dimension {field!r} has no values, so there would be no files")
    if field not in ds.variables:
        return np.arange(ds.sizes[field])
    if ds.variables[field].dims != (field,):
        raise ValueError(f"the coordinate {field!r} has dims {ds.variables[field].dims}")
    return np.asarray(ds.variables[field].values)


def _record_dim(request: WriteRequest, fields: Sequence[str]) -> str | None:
    """Return the dimension of the records of each file; a field may grow by files anyway."""
    dims = request.record_dims - set(fields)
    named = request.pattern is not None and VARIABLE in request.pattern.names
    if len(dims) > 1 or (dims and named):
        raise ValueError(
            f"unlimited_dims={sorted(map(str, dims))}: at most one dimension can be the record "
            f"axis of each file, and none with the field {{{VARIABLE}}}"
        )
    return str(next(iter(dims))) if dims else None


def _choose_inside(
    variables: Mapping[str, Variable], fields: tuple[str, ...], labelling: Collection[Any]
) -> list[str]:
    """Return the variables that lie in the files: those with all leading dimensions."""
    inside, nbytes = [], 0
    for name, variable in variables.items():
        if variable.dims[: len(fields)] == fields and name not in labelling:
            inside.append(name)
        elif set(fields) <= set(variable.dims) and name not in labelling:
            raise ValueError(
                f"variable {name!r} has dims {variable.dims}, but the fields {fields} of the "
                f"pattern must be its leading dimensions, in this order: "
                f"transpose({', '.join(map(repr, fields))}, ...)"
            )
        else:
            nbytes += variable.nbytes
            if nbytes > _MOST_INLINE:
                raise ValueError(
                    f"variable {name!r} of {variable.nbytes} bytes has not all of the dimensions "
                    f"{fields}, so it would go into the sidecar, which takes {_MOST_INLINE} bytes: "
                    "drop it, and write it to a file of its own"
                )
    if not inside:
        raise ValueError(f"no variable has the dimensions {fields} of the pattern")
    return inside


def _arrange_member(
    target: str, encoded: Encoded, names: Sequence[str], axes: int, record_dim: str | None
) -> _Member:
    """Return what lies where in each file of some variables."""
    wanted = {name: _without_axes(encoded.variables[name], axes) for name in names}
    growing = any(record_dim in variable.dims for variable in wanted.values())
    return _Member(*arrange(target, wanted, {}, record_dim if growing else None))


def _without_axes(variable: Variable, axes: int) -> Described:
    described = describe_variable(variable)
    template: Any = described.data
    shape = template.shape[axes:]
    return replace(described, dims=described.dims[axes:], data=replace(template, shape=shape))


def _describe(encoded: Encoded, members: Sequence[_Member], series: Members) -> Description:
    """Return the description of all files together."""
    series.check()
    inside = {name: v for member in members for name, v in member.description.variables.items()}
    variables = {
        name: inside[name] if name in inside else _inline(variable)
        for name, variable in encoded.variables.items()
    }
    return Description(
        series.pattern.text,
        variables,
        encoded.coords & set(variables),
        encoded.attrs,
        members[0].description.records,
        members=series,
    )


def _inline(variable: Variable) -> Described:
    plain = decode_samples(variable)
    return replace(describe_variable(plain), data=Values(np.asarray(plain.values)))


def _pair(
    encoded: Encoded, members: Sequence[_Member], transaction: ReplaceSeries, shape: Sequence[int]
) -> Iterator[tuple[Any, Layout]]:
    """Yield every array with where it goes in the files."""
    count = len(transaction.names) // len(members)
    for number, (description, size) in enumerate((m.description, m.size) for m in members):
        for name, placed in description.resolve(size).variables.items():
            layout = placed.data
            if isinstance(layout, Layout):
                array = as_array(encoded.variables[name].data)
                yield array, transaction.layout(layout, shape, number * count)
