"""Data appended along a dimension of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import dask.array as da
from xarray import Dataset, Variable

from rawmmap.dask.to_raw import as_array
from rawmmap.description import LayoutTemplate, Records
from rawmmap.formats import sidecar
from rawmmap.layout import Layout
from rawmmap.writing import Append, Draft, WritePlan
from rawmmap.xarray.writing.checks import check_lengths, check_record_axis_kept
from rawmmap.xarray.writing.covering import check_covered
from rawmmap.xarray.writing.create import plan_file
from rawmmap.xarray.writing.existing import Existing
from rawmmap.xarray.writing.labels import check_continued, check_labels
from rawmmap.xarray.writing.request import WriteRequest

__all__ = ["append", "encode_new"]


def append(request: WriteRequest) -> WritePlan:
    """Plan to lengthen a dimension of a file."""
    request.check_keeps_encoding()
    dim = str(request.append_dim)
    existing = Existing.open(request.target)
    check_record_axis_kept(existing, request.requested_record_dims)
    new = encode_new(existing, request, dim)
    longer = set(new)
    records = existing.description.records
    inside = all(isinstance(existing.placed[name].data, Layout) for name in longer)
    if records is not None and records.dim == dim and inside:
        return _append_records(existing, new, records)
    end = _plan_in_place(existing, new, dim)
    if end is not None:
        return _append_in_place(existing, new, dim, end)
    check_covered(existing)
    return _rewrite(existing, new, dim)


def encode_new(existing: Existing, request: WriteRequest, dim: str) -> dict[str, Variable]:
    """Return the variables that get longer, in the encoding of the file.

    Raises
    ------
    ValueError
        If they do not continue it.
    """
    ds = request.dataset
    if dim not in existing.sizes:
        raise ValueError(
            f"{existing.description.path}: append_dim={dim!r} is none of the file's dimensions "
            f"{existing.sizes}"
        )
    longer = {name for name, placed in existing.placed.items() if dim in placed.dims}
    _check_complete(existing, ds, longer, dim)
    new = existing.encoded(ds.drop_vars([name for name in ds.variables if name not in longer]))
    for name, variable in new.items():
        check_lengths(existing, name, variable, {dim: variable.sizes[dim]})
    check_labels(existing, ds, {}, skip=dim)
    check_continued(existing, ds, dim)
    return new


def _check_complete(existing: Existing, ds: Dataset, longer: set[str], dim: str) -> None:
    missing = sorted(longer - set(map(str, ds.variables)))
    if missing:
        raise ValueError(
            f"{existing.description.path}: {missing} have dimension {dim!r} in the file and are "
            "not in the data; all variables along a dimension are appended together"
        )
    unknown = sorted(str(n) for n, v in ds.variables.items() if n not in existing.placed)
    if unknown:
        raise ValueError(
            f"{existing.description.path}: {unknown} are not in the file; add them first, by "
            "mode='a' without append_dim, or drop them"
        )
    wrong = sorted(str(n) for n, v in ds.variables.items() if (dim in v.dims) != (n in longer))
    if wrong:
        raise ValueError(
            f"{existing.description.path}: {wrong} have dimension {dim!r} either in the data or in "
            "the file, but not in both"
        )


def _append_records(existing: Existing, new: Mapping[str, Variable], records: Records) -> WritePlan:
    length = existing.source.identity.size
    first = records.count(length)
    count = next(iter(new.values())).sizes[records.dim]
    # What a killed writer has left of a record is overwritten.
    start = records.offset + first * records.nbytes
    placed = existing.description.resolve(start + count * records.nbytes).variables
    pieces = []
    for name, variable in new.items():
        axis = variable.dims.index(records.dim)
        if isinstance(layout := placed[name].data, Layout):
            part = layout[(slice(None),) * axis + (slice(first, None),)]
            pieces.append((as_array(variable.data), part.shifted(-start)))
    draft = Draft.plan_copy(existing.description.path, count * records.nbytes)
    return WritePlan(Append(draft, start, existing.state), pieces)


def _plan_in_place(existing: Existing, new: Mapping[str, Variable], dim: str) -> Append | None:
    """Return the end of the file, if the one variable that gets longer fills it to there."""
    description, size = existing.description, existing.source.identity.size
    name, *others = new
    old, layout = description.variables[name], existing.placed[name].data
    template = old.data
    if others or not isinstance(layout, Layout) or not layout.size or description.records:
        return None
    if not isinstance(template, LayoutTemplate) or template.shape is None:
        return None
    axis = old.dims.index(dim)
    slowest = layout.transpose([axis, *(a for a in range(layout.ndim) if a != axis)])
    dense = Layout.dense(layout.dtype, layout.shape, offset=layout.offset, order=template.order)
    step = slowest.strides[0]
    fills = layout.offset + layout.nbytes == size and step * layout.shape[axis] == layout.nbytes
    if layout != dense or not fills or not step:
        return None
    count = new[name].sizes[dim]
    goal = Append(Draft.plan_copy(description.path, count * step), size, existing.state)
    if template.grows:
        return goal
    longer_template = template.with_length(axis, template.shape[axis] + count)
    longer = {**description.variables, name: replace(old, data=longer_template)}
    text = sidecar.dumps(replace(description, variables=longer))
    return replace(goal, text=text)


def _append_in_place(
    existing: Existing, new: Mapping[str, Variable], dim: str, goal: Append
) -> WritePlan:
    """Lengthen the one variable that ends with the file."""
    ((name, variable),) = new.items()
    layout = existing.placed[name].data
    assert isinstance(layout, Layout)
    shape = tuple(variable.sizes[d] for d in variable.dims)
    part = Layout(layout.dtype, shape, layout.strides, 0)
    return WritePlan(goal, [(as_array(variable.data), part)])


def _rewrite(existing: Existing, new: Mapping[str, Variable], dim: str) -> WritePlan:
    """Rewrite the file, with the old values and the new ones one after the other."""
    variables = {}
    for name in existing.placed:
        variable = existing.variable(name)
        if name in new:
            axis = variable.dims.index(dim)
            both = da.concatenate([variable.data, new[name].data], axis=axis)
            # Concatenation forgets the byte order.
            data = both.astype(variable.dtype)
            variable = Variable(variable.dims, data, variable.attrs, variable.encoding)
        variables[name] = variable
    description = existing.description
    record_dim = description.records.dim if description.records else None
    return plan_file(
        description.path,
        variables,
        description.attrs,
        record_dim,
        description.coords,
        existing.state,
    )
