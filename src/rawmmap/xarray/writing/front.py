"""Datasets into flat files with a sidecar."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, Literal

from dask.delayed import Delayed
from xarray import DataArray, Dataset

from rawmmap.dask.store import store
from rawmmap.dask.to_raw import local_target
from rawmmap.formats import sidecar
from rawmmap.formats.sidecar.values import encode_attrs
from rawmmap.writing import WritePlan
from rawmmap.xarray.writing.add import add
from rawmmap.xarray.writing.append import append
from rawmmap.xarray.writing.create import write_new
from rawmmap.xarray.writing.encoding import UnknownVariableError, check_names, unlimited
from rawmmap.xarray.writing.region import write_region

__all__ = ["Mode", "to_raw"]

Mode = Literal["w", "a", "r+"]

# Errors to which the name of the file is added; others are somebody's own.
_PLAIN = (TypeError, ValueError, UnknownVariableError)

# xarray's own names for an array without one, and for the name that an array shares with another.
_ARRAY_VARIABLE = "__xarray_dataarray_variable__"
_ARRAY_NAME = "__xarray_dataarray_name__"


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
    target = local_target(path)
    with _naming(target):
        chosen = _chosen_mode(mode, append_dim, region)
        dataset = as_dataset(ds)
        check_names(dataset)
        if sidecar.is_sidecar(target):
            raise ValueError(f"{target} is a sidecar; name the data file that it describes")
        if chosen == "w" or (chosen == "a" and append_dim is None and not os.path.exists(target)):
            plan: WritePlan | Delayed = write_new(dataset, target, encoding, unlimited_dims)
        else:
            keywords: dict[str, Any] = dict(append_dim=append_dim, region=region, mode=chosen)
            plan = _change(dataset, target, encoding, unlimited_dims, **keywords)
        return _execute(plan, compute)


def _execute(plan: WritePlan | Delayed, compute: bool) -> Delayed | None:
    """Write what was planned; values that go into the sidecar alone are one task, not a plan."""
    if isinstance(plan, WritePlan):
        return store(plan, compute)
    if not compute:
        return plan
    plan.compute(scheduler="sync")
    return None


def _change(
    ds: Dataset,
    target: str,
    encoding: Mapping[Any, Mapping[str, Any]] | None,
    unlimited_dims: Iterable[Hashable] | None,
    *,
    append_dim: Any,
    region: Any,
    mode: str,
) -> WritePlan | Delayed:
    """Plan a change of an existing file."""
    if append_dim is None and mode == "a":
        return add(ds, target, encoding, unlimited_dims)
    if encoding:
        raise ValueError(f"encoding={encoding!r}, but what is there keeps its own encoding")
    check_attrs(ds)
    growing = set() if unlimited_dims is None else unlimited(ds, unlimited_dims)
    if append_dim is not None:
        return append(ds, target, append_dim, growing)
    return write_region(ds, target, region, growing)


@contextlib.contextmanager
def _naming(target: str) -> Iterator[None]:
    """Let errors in plain words name the file, unless they do."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if type(error) not in _PLAIN or target in str(error):
            raise
        raise type(error)(f"{target}: {error}") from error


def check_attrs(ds: Dataset) -> None:
    """Refuse attributes that no sidecar can hold, also where the file keeps its own."""
    encode_attrs(ds.attrs, "the dataset")
    for name, variable in ds.variables.items():
        encode_attrs(variable.attrs, f"variable {name!r}")


def _chosen_mode(mode: str | None, append_dim: Any, region: Any) -> str:
    if mode not in (None, "w", "a", "r+"):
        raise ValueError(f"mode must be 'w', 'a' or 'r+', not {mode!r}")
    if append_dim is not None and region is not None:
        raise ValueError("append_dim and region cannot be given together")
    if append_dim is not None and mode not in (None, "a"):
        raise ValueError(f"append_dim={append_dim!r} needs mode 'a', not {mode!r}")
    if region is not None and mode not in (None, "a", "r+"):
        raise ValueError(f"region={region!r} needs mode 'r+', not {mode!r}")
    return "r+" if region is not None else "a" if append_dim is not None else mode or "w"


def as_dataset(x: Dataset | DataArray) -> Dataset:
    """Return a data array as xarray's own writers put it into a file; a dataset as it is."""
    if isinstance(x, Dataset):
        return x
    if x.name is None:
        return x.to_dataset(name=_ARRAY_VARIABLE)
    if x.name in x.coords or x.name in x.dims:
        dataset = x.to_dataset(name=_ARRAY_VARIABLE)
        dataset.attrs[_ARRAY_NAME] = x.name
        return dataset
    return x.to_dataset()
