"""Datasets into flat files with a sidecar: request, encode, arrange, store."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Literal

from dask.delayed import Delayed
from xarray import DataArray, Dataset

from rawmmap.dask.store import store
from rawmmap.dask.to_raw import local_pattern, local_target
from rawmmap.errors import name_file
from rawmmap.formats.series import series_label
from rawmmap.writing import WritePlan
from rawmmap.xarray.writing.add import add
from rawmmap.xarray.writing.append import append
from rawmmap.xarray.writing.append_series import append_files
from rawmmap.xarray.writing.create import create
from rawmmap.xarray.writing.region import write_region
from rawmmap.xarray.writing.request import Mode, WriteRequest
from rawmmap.xarray.writing.series import create_series

__all__ = ["to_raw"]


def to_raw(
    ds: Dataset | DataArray,
    path: str | os.PathLike[str],
    *,
    mode: Mode | None = None,
    append_dim: str | None = None,
    region: Mapping[str, Any] | Literal["auto"] | None = None,
    encoding: Mapping[Any, Mapping[str, Any]] | None = None,
    unlimited_dims: Iterable[Hashable] | None = None,
    compute: bool = True,
) -> Delayed | None:
    """Write a dataset; `rawmmap.xarray.accessor.RawmmapAccessor.to_raw` says how."""
    target, pattern = local_target(path), local_pattern(path)
    if pattern is not None:
        target = os.path.abspath(series_label(pattern))
    with name_file(target if pattern is None else pattern.text):
        request = WriteRequest.check(
            ds, target, mode, append_dim, region, encoding, unlimited_dims, pattern
        )
        plan = plan_write(request)
    return store(plan, compute)


def plan_write(request: WriteRequest) -> WritePlan:
    """Return what will be written, and where; nothing is written yet."""
    if request.mode == "r+":
        return write_region(request)
    if request.pattern is not None:
        write_files = create_series if request.append_dim is None else append_files
        return write_files(request, request.pattern)
    if request.append_dim is not None:
        return append(request)
    if request.mode == "a" and os.path.exists(request.target):
        return add(request)
    return create(request)
