"""Index coordinates that file and data share: writing never relabels what is in the file."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from xarray import Dataset

from rawmmap.xarray.writing.existing import Existing

__all__ = ["check_continued", "check_labels", "check_labels_unless_replaced", "native_index"]

# Labels at the end of a coordinate, and spread over all of it, that tell whether it is sorted:
# reading all of them, one from each record, could mean to read the whole file for each new record.
_LAST = 64
_SPREAD = 64


def check_labels(
    existing: Existing, ds: Dataset, slices: Mapping[Any, slice], skip: Hashable = None
) -> None:
    """Refuse data whose index coordinates are not those of the file.

    Parameters
    ----------
    existing : Existing
        The file.
    ds : Dataset
        The data.
    slices : mapping of str to slice
        The part of the file that the data goes into, by dimension.
    skip : str, optional
        A dimension along which the data continues the file.

    Raises
    ------
    ValueError
        If values differ.
    """
    for dim in _shared_dims(existing, ds):
        if dim != skip:
            part = existing.index(dim, ds.variables[dim], slices.get(dim, slice(None)))
            new = native_index(ds, dim)
            if not new.equals(part):
                raise ValueError(_explain(existing, dim, new, part))


def check_labels_unless_replaced(existing: Existing, ds: Dataset) -> None:
    """Refuse the same, but where every variable along the dimension is replaced too."""
    for dim in _shared_dims(existing, ds):
        along = {name for name, variable in existing.placed.items() if dim in variable.dims}
        kept = sorted(along - set(map(str, ds.variables)))
        if not kept:
            continue
        theirs = existing.index(dim, ds.variables[dim])
        new = native_index(ds, dim)
        if not new.equals(theirs):
            raise ValueError(
                f"{_explain(existing, dim, new, theirs)}; or replace {kept} too, which "
                f"the file has along {dim!r}"
            )


def check_continued(existing: Existing, ds: Dataset, dim: str) -> None:
    """Refuse labels that do not continue the index coordinate of the file along `dim`.

    Those of a strictly monotonic coordinate have to go on in its direction; others must not repeat
    a label of the file.

    Raises
    ------
    ValueError
        If they do not.
    """
    n = existing.sizes[dim]
    if dim not in _shared_dims(existing, ds) or not n or not ds.sizes[dim]:
        return
    new = native_index(ds, dim)
    old = existing.index(dim, ds.variables[dim], _sample(n))
    if n > 1 and _direction(old):
        rest = old[-1:].append(new)
        steps = rest[1:] > rest[:-1] if _direction(old) > 0 else rest[1:] < rest[:-1]
        wrong, what = ~steps, "does not continue"
    else:
        old = existing.index(dim, ds.variables[dim])
        wrong, what = new.isin(old) & new.notna(), "is already one of"
    if wrong.any():
        raise ValueError(
            f"{existing.description.path}: along append_dim={dim!r} the label {new[wrong][0]} of "
            f"the data {what} the labels of the file, {old[0]} to {old[-1]}; select "
            "the new part of the data, by ds.sel or ds.isel, and correct what is in the file by "
            "region="
        )


def native_index(ds: Dataset, dim: str) -> pd.Index[Any]:
    """Return an index in this machine's byte order; pandas before 3 joins durations in no other."""
    dtype = ds.variables[dim].dtype
    if dtype.isnative:
        return ds.indexes[dim]
    index: pd.Index[Any] = pd.Index(ds.variables[dim].values.astype(dtype.newbyteorder("=")))
    return index


def _sample(n: int) -> npt.NDArray[np.int64]:
    """Return positions that tell whether labels are sorted, since a record axis can be long."""
    spread = np.linspace(0, n - 1, _SPREAD).astype(np.int64)
    return np.union1d(spread, np.arange(max(n - _LAST, 0), n))


def _direction(labels: pd.Index[Any]) -> int:
    """Return 1 if labels increase strictly, -1 if they decrease strictly, or 0."""
    if not labels.is_unique:
        return 0
    return int(labels.is_monotonic_increasing) - int(labels.is_monotonic_decreasing)


def _shared_dims(existing: Existing, ds: Dataset) -> list[str]:
    """Return the dimensions that have a coordinate in the data and in the file."""
    return [
        dim
        for dim in map(str, ds.dims)
        if dim in ds.indexes and dim in existing.placed and existing.placed[dim].dims == (dim,)
    ]


def _explain(existing: Existing, dim: str, ours: Any, theirs: Any) -> str:
    return (
        f"{existing.description.path}: the coordinate {dim!r} of the data, {_format_index(ours)}, "
        f"is not that of the file, {_format_index(theirs)}, so values would get other labels; "
        "align the data first, by ds.reindex or ds.sel, or drop its coordinate by "
        f"drop_vars({dim!r})"
    )


def _format_index(index: Any) -> str:
    first = ", ".join(str(value) for value in index[:3])
    return f"[{first}{', ...' if len(index) > 3 else ''}] of length {len(index)}"
