"""Index coordinates that file and data share: writing never relabels what is in the file."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import pandas as pd
from xarray import Dataset

from rawmmap.xarray.writing.existing import Existing

__all__ = ["check_labels", "check_labels_unless_replaced"]


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
    for dim, ours, theirs in _shared(existing, ds):
        part = theirs[slices.get(dim, slice(None))]
        if dim != skip and not ours.equals(part):
            raise ValueError(_explain(existing, dim, ours, part))


def check_labels_unless_replaced(existing: Existing, ds: Dataset) -> None:
    """Refuse the same, but where every variable along the dimension is replaced too."""
    for dim, ours, theirs in _shared(existing, ds):
        along = {name for name, variable in existing.placed.items() if dim in variable.dims}
        kept = sorted(along - set(map(str, ds.variables)))
        if kept and not ours.equals(theirs):
            raise ValueError(
                f"{_explain(existing, dim, ours, theirs)}; or replace {kept} too, which the file "
                f"has along {dim!r}"
            )


def _shared(existing: Existing, ds: Dataset) -> Iterator[tuple[str, Any, Any]]:
    """Yield the dimensions whose coordinates both have, and the labels of both."""
    for dim in map(str, ds.dims):
        if dim in ds.indexes and dim in existing.placed and existing.placed[dim].dims == (dim,):
            ours: pd.Index[Any] = ds.indexes[dim]
            yield dim, ours, existing.index(dim, ds.variables[dim])


def _explain(existing: Existing, dim: str, ours: Any, theirs: Any) -> str:
    return (
        f"{existing.description.path}: the coordinate {dim!r} of the data, {_shown(ours)}, is not "
        f"that of the file, {_shown(theirs)}, so values would get other labels; align the data "
        f"first, by ds.reindex or ds.sel, or drop its coordinate by drop_vars({dim!r})"
    )


def _shown(index: Any) -> str:
    shown = ", ".join(str(value) for value in index[:3])
    return f"[{shown}{', ...' if len(index) > 3 else ''}] of length {len(index)}"
