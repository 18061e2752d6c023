"""A part of a file, overwritten."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from xarray import Dataset, Variable

from rawmmap.dask.to_raw import as_array
from rawmmap.layout import Arrangement, Layout, Values
from rawmmap.writing import InPlace, InPlaceParts, WritePlan
from rawmmap.xarray.writing.checks import check_lengths, check_record_axis_kept
from rawmmap.xarray.writing.existing import Existing
from rawmmap.xarray.writing.labels import check_labels, check_labels_unless_replaced, native_index
from rawmmap.xarray.writing.request import WriteRequest

__all__ = ["write_region"]


def write_region(request: WriteRequest) -> WritePlan:
    """Plan to write values into variables of a file, in place."""
    request.check_keeps_encoding()
    ds, target, region = request.dataset, request.target, request.region
    existing = Existing.open(target, request.pattern)
    check_record_axis_kept(existing, request.requested_record_dims)
    unknown = sorted(str(name) for name in ds.variables if name not in existing.placed)
    if unknown:
        raise ValueError(
            f"{target}: {unknown} are not in the file, and mode 'r+' writes only into "
            "existing variables; mode 'a' adds variables"
        )
    ds, slices = _locate(existing, ds, region)
    arrays: list[Any] = []
    parts: list[Arrangement] = []
    known: list[tuple[str, Variable, Values]] = []
    for name, variable in existing.encoded(ds).items():
        key = tuple(slices.get(dim, slice(None)) for dim in variable.dims)
        part = existing.placed[name].arrangement[key]
        lengths = dict(zip(variable.dims, part.shape, strict=True))
        check_lengths(existing, name, variable, lengths)
        if isinstance(part, Values):
            known.append((name, variable, part))
        else:
            arrays.append(as_array(variable.data))
            parts.append(part)
    if region is None:
        check_labels_unless_replaced(existing, ds)
    else:
        check_labels(existing, ds, slices)
    for name, variable, part in known:
        _check_equal(existing, name, variable, part)
    transaction = _change(existing, target, parts)
    return WritePlan(transaction, list(zip(arrays, transaction.layouts, strict=True)))


def _change(
    existing: Existing, target: str, parts: Sequence[Arrangement]
) -> InPlace | InPlaceParts:
    layouts = [part for part in parts if isinstance(part, Layout)]
    if len(layouts) == len(parts) and len(existing.files) == 1:
        return InPlace.of(target, layouts, existing.state)
    return InPlaceParts.of(target, parts, existing.files, existing.state)


def _check_equal(existing: Existing, name: str, variable: Variable, part: Values) -> None:
    """Refuse other values than those that the sidecar has."""
    ours, theirs = np.asarray(variable.values), part.array
    equal_nan = ours.dtype.kind in "fc"
    if not np.array_equal(ours, theirs, equal_nan=equal_nan):
        raise ValueError(
            f"{existing.description.path}: the values of {name!r} are in the sidecar, and those of "
            f"the data differ; drop them by drop_vars({name!r}), or write the whole dataset again"
        )


def _locate(existing: Existing, ds: Dataset, region: Any) -> tuple[Dataset, dict[Any, slice]]:
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
        return _find_slice(existing, ds, str(dim))
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


def _find_slice(existing: Existing, ds: Dataset, dim: str) -> slice:
    """Return where the coordinate of the data lies within that of the file."""
    if dim not in ds.variables:
        return slice(0, ds.sizes[dim])
    if dim not in existing.placed:
        raise ValueError(f"region {dim!r} is 'auto', but the file has no coordinate {dim!r}")
    wanted = native_index(ds, dim)
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
