"""Changes to a file that is there: variables added, a dimension lengthened, a part overwritten."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import Delayed, delayed
from xarray import Dataset, Variable

from rawmmap.dask.store import store
from rawmmap.dask.to_raw import as_array
from rawmmap.description import Description, LayoutTemplate, Records
from rawmmap.description.arrange import plan
from rawmmap.formats import sidecar
from rawmmap.layout import Layout, Values
from rawmmap.writing import Append, Draft, InPlace, State, WritePlan, write_sidecar
from rawmmap.xarray.writing.covering import check_covered
from rawmmap.xarray.writing.create import described, pieces_of, write_encoded
from rawmmap.xarray.writing.encoding import Encoded, encode, unlimited
from rawmmap.xarray.writing.existing import Existing
from rawmmap.xarray.writing.labels import check_labels, check_labels_unless_replaced

__all__ = ["add", "append", "overwrite"]

# Variables of so many bytes at the most go into a sidecar.
_SMALL = 2**20


def add(
    ds: Dataset,
    target: str,
    encoding: Mapping[Any, Mapping[str, Any]] | None,
    unlimited_dims: Iterable[Hashable] | None,
    compute: bool,
) -> Delayed | None:
    """Add variables to a file, or replace those that it has."""
    existing = Existing.open(target)
    records = existing.description.records
    _check_growing(existing, set() if unlimited_dims is None else unlimited(ds, unlimited_dims))
    check_labels_unless_replaced(existing, ds)
    new = encode(ds, encoding, dimensions=existing.sizes)
    attrs = {**existing.description.attrs, **new.attrs}
    coords = existing.description.coords | new.coords
    if existing.grows and records is None:
        return _add_values(
            existing, new, replace(existing.description, attrs=attrs, coords=coords), compute
        )
    if existing.grows:
        check_covered(existing)
        variables = {
            name: new.variables[name] if name in new.variables else existing.variable(name)
            for name in {**existing.placed, **new.variables}
        }
        return write_encoded(
            target,
            variables,
            attrs,
            records.dim if records else None,
            compute,
            coords,
            existing.state,
        )
    size = existing.source.identity.size
    planned, end = plan(target, {n: described(v) for n, v in new.variables.items()}, {}, None, size)
    whole = replace(
        existing.description,
        variables={**existing.description.variables, **planned.variables},
        coords=coords,
        attrs=attrs,
    )
    draft = Draft.to_be_copied(target, end - size)
    pieces = pieces_of(new.variables, planned.resolve(end).variables)
    batches = [(array, layout.shifted(-size)) for array, layout in pieces]
    transaction = Append(draft, size, existing.state, sidecar.dumps(whole))
    return store(WritePlan(transaction, batches), compute)


def _check_growing(existing: Existing, growing: Collection[Hashable]) -> None:
    records = existing.description.records
    if set(growing) - {records.dim if records else None}:
        raise ValueError(
            f"{existing.description.path}: the record axis of a file is chosen when it is written "
            f"anew, not when it is changed; unlimited_dims={sorted(map(str, growing))}"
        )


def _add_values(
    existing: Existing, new: Encoded, whole: Description, compute: bool
) -> Delayed | None:
    """Put small variables into the sidecar of a file whose end says how long its variables are."""
    inside = {n for n, placed in existing.placed.items() if isinstance(placed.data, Layout)}
    moved = sorted(inside & set(new.variables))
    nbytes = sum(v.nbytes for v in new.variables.values())
    if moved or nbytes > _SMALL:
        what = f"{moved} are in it already" if moved else f"{nbytes} bytes are more than {_SMALL}"
        raise ValueError(
            f"{whole.path}: a -1 in the sidecar's shapes stands for the rest of the file, so that "
            f"variables can be added to the sidecar only, if they are small and new: {what}; write "
            "the whole dataset to another path, with mode='w'"
        )
    task = delayed(_write_values, pure=False)(whole, existing.state, new.variables)
    if not compute:
        return task  # type: ignore[no-any-return]
    task.compute(scheduler="sync")
    return None


def _write_values(whole: Description, before: State, new: Mapping[str, Variable]) -> None:
    held = {
        name: replace(described(variable), data=Values(variable.data))
        for name, variable in new.items()
    }
    text = sidecar.dumps(replace(whole, variables={**whole.variables, **held}))
    before.check(whole.path)
    write_sidecar(whole.path, text)


def append(
    ds: Dataset, target: str, dim: str, compute: bool, growing: Collection[Hashable] = ()
) -> Delayed | None:
    """Lengthen a dimension of a file."""
    existing = Existing.open(target)
    _check_growing(existing, growing)
    if dim not in existing.sizes:
        raise ValueError(
            f"{target}: append_dim={dim!r} is none of the file's dimensions {existing.sizes}"
        )
    longer = {name for name, placed in existing.placed.items() if dim in placed.dims}
    _check_complete(existing, ds, longer, dim)
    new = existing.encoded(ds.drop_vars([name for name in ds.variables if name not in longer]))
    for name, variable in new.items():
        _check_lengths(existing, name, variable, {dim: variable.sizes[dim]})
    check_labels(existing, ds, {}, skip=dim)
    records = existing.description.records
    inside = all(isinstance(existing.placed[name].data, Layout) for name in longer)
    if records is not None and records.dim == dim and inside:
        return _append_records(existing, new, records, compute)
    goal = _longer(existing, new, dim)
    if goal is not None:
        return _append_in_place(existing, new, dim, goal, compute)
    check_covered(existing)
    return _append_anew(existing, new, dim, compute)


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


def _check_lengths(
    existing: Existing, name: str, variable: Variable, expected: Mapping[Any, int]
) -> None:
    """Refuse a variable whose lengths are not those of the file, but for those expected."""
    wanted = {**existing.sizes, **expected}
    for dim, n in variable.sizes.items():
        if n != wanted[str(dim)]:
            raise ValueError(
                f"{existing.description.path}: variable {name!r} has length {n} along {dim!r}, but "
                f"{wanted[str(dim)]} is needed"
            )


def _append_records(
    existing: Existing, new: Mapping[str, Variable], records: Records, compute: bool
) -> Delayed | None:
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
    draft = Draft.to_be_copied(existing.description.path, count * records.nbytes)
    return store(WritePlan(Append(draft, start, existing.state), pieces), compute)


def _longer(existing: Existing, new: Mapping[str, Variable], dim: str) -> Append | None:
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
    goal = Append(Draft.to_be_copied(description.path, count * step), size, existing.state)
    if template.grows:
        return goal
    longer_template = template.with_length(axis, template.shape[axis] + count)
    longer = {**description.variables, name: replace(old, data=longer_template)}
    text = sidecar.dumps(replace(description, variables=longer))
    return replace(goal, text=text)


def _append_in_place(
    existing: Existing, new: Mapping[str, Variable], dim: str, goal: Append, compute: bool
) -> Delayed | None:
    """Lengthen the one variable that ends with the file."""
    ((name, variable),) = new.items()
    layout = existing.placed[name].data
    assert isinstance(layout, Layout)
    shape = tuple(variable.sizes[d] for d in variable.dims)
    part = Layout(layout.dtype, shape, layout.strides, 0)
    return store(WritePlan(goal, [(as_array(variable.data), part)]), compute)


def _append_anew(
    existing: Existing, new: Mapping[str, Variable], dim: str, compute: bool
) -> Delayed | None:
    """Write the file anew, with the old values and the new ones one after the other."""
    variables = {}
    for name in existing.placed:
        variable = existing.variable(name)
        if name in new:
            axis = variable.dims.index(dim)
            both = da.concatenate([variable.data, new[name].data], axis=axis)
            # Concatenation forgets the byte order.
            variable = Variable(variable.dims, both.astype(variable.dtype), variable.attrs)
        variables[name] = variable
    description = existing.description
    record_dim = description.records.dim if description.records else None
    return write_encoded(
        description.path,
        variables,
        description.attrs,
        record_dim,
        compute,
        description.coords,
        existing.state,
    )


def overwrite(
    ds: Dataset, target: str, region: Any, compute: bool, growing: Collection[Hashable] = ()
) -> Delayed | None:
    """Write values into variables of a file, in place."""
    existing = Existing.open(target)
    _check_growing(existing, growing)
    unknown = sorted(str(name) for name in ds.variables if name not in existing.placed)
    if unknown:
        raise ValueError(
            f"{target}: {unknown} are not in the file, and mode 'r+' writes only into what is "
            "there; mode 'a' adds variables"
        )
    ds, slices = _located(existing, ds, region)
    arrays, parts = [], []
    for name, variable in existing.encoded(ds).items():
        layout = existing.placed[name].data
        if not isinstance(layout, Layout):
            raise ValueError(f"{target}: the values of {name!r} are in the sidecar; use mode 'a'")
        part = layout[tuple(slices.get(dim, slice(None)) for dim in variable.dims)]
        lengths = dict(zip(variable.dims, part.shape, strict=True))
        _check_lengths(existing, name, variable, lengths)
        arrays.append(as_array(variable.data))
        parts.append(part)
    if region is None:
        check_labels_unless_replaced(existing, ds)
    else:
        check_labels(existing, ds, slices)
    transaction = InPlace.of(target, parts, existing.state)
    return store(
        WritePlan(transaction, list(zip(arrays, transaction.layouts, strict=True))), compute
    )


def _located(existing: Existing, ds: Dataset, region: Any) -> tuple[Dataset, dict[Any, slice]]:
    """Return the data to write, and the slices of the file that it goes into."""
    if region is None:
        return ds, {}
    if region == "auto":
        region = dict.fromkeys(ds.dims, "auto")
    if not isinstance(region, Mapping):
        raise TypeError(f"region is a dict of slices by dimension, or 'auto', not {region!r}")
    strange = sorted(str(dim) for dim in region if dim not in ds.dims)
    if strange:
        raise ValueError(f"region has {strange}, none of {dict(ds.sizes)}")
    slices = {dim: _one_slice(existing, ds, dim, part) for dim, part in region.items()}
    ds = ds.drop_vars(
        [dim for dim, part in region.items() if part == "auto" and dim in ds.variables]
    )
    outside = sorted(str(n) for n, v in ds.variables.items() if not set(v.dims) & set(slices))
    if outside:
        raise ValueError(
            f"{outside} have no dimension of the region {sorted(map(str, slices))}; drop them by "
            f"drop_vars({outside})"
        )
    return ds, slices


def _one_slice(existing: Existing, ds: Dataset, dim: Hashable, part: Any) -> slice:
    if part == "auto":
        return _found(existing, ds, str(dim))
    if not isinstance(part, slice):
        raise TypeError(f"region {dim!r} is a slice or 'auto', not {part!r}")
    start, stop, step = part.start or 0, part.stop, part.step
    n = existing.sizes.get(str(dim), 0)
    stop = n if stop is None else stop
    if step not in (None, 1) or start < 0 or stop < 0:
        raise ValueError(f"region {dim!r} is {part}; it needs step 1 and no negative bounds")
    if stop - start != ds.sizes[dim] or stop > n:
        raise ValueError(
            f"region {dim!r} is {part}, of the {n} that the file has, but the data has length "
            f"{ds.sizes[dim]}"
        )
    return slice(start, stop)


def _found(existing: Existing, ds: Dataset, dim: str) -> slice:
    """Return where the coordinate of the data lies within that of the file."""
    if dim not in ds.variables:
        return slice(0, ds.sizes[dim])
    if dim not in existing.placed:
        raise ValueError(f"region {dim!r} is 'auto', but the file has no coordinate {dim!r}")
    wanted = ds.indexes[dim]
    there = existing.index(dim, ds.variables[dim])
    at = there.get_indexer(wanted)
    if (at < 0).any():
        raise ValueError(
            f"region {dim!r} is 'auto', but {int((at < 0).sum())} of the {len(at)} values of the "
            "data's coordinate are not in the file's"
        )
    if at.size and (np.diff(at) != 1).any():
        raise ValueError(f"region {dim!r} is 'auto', but the data is not contiguous in the file")
    first = int(at[0]) if at.size else 0
    return slice(first, first + len(at))
