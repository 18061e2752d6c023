"""Datasets into flat files with a sidecar."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from dask.delayed import Delayed
from xarray import DataArray, Dataset, Variable

from rawmmap.dask.writing import Piece, known, local_target, others, store
from rawmmap.descriptors import Placed, sidecar
from rawmmap.descriptors import Variable as Described
from rawmmap.descriptors.journal import NewFile
from rawmmap.descriptors.planning import plan
from rawmmap.descriptors.values import encode_attrs
from rawmmap.layout import Layout
from rawmmap.sources import Identity
from rawmmap.sources.writing import Replacement
from rawmmap.xarray.encoding import UnknownVariableError, check_names, encode, unlimited

__all__ = ["Mode", "described", "pieces_of", "to_raw", "write_encoded"]

Mode = Literal["w", "a", "r+"]

# Errors to which the name of the file is added; others are somebody's own.
_PLAIN = (TypeError, ValueError, UnknownVariableError)

# xarray's own names for an array without one, and for the name that an array shares with another.
_ARRAY_VARIABLE = "__xarray_dataarray_variable__"
_ARRAY_NAME = "__xarray_dataarray_name__"


@others.register(Dataset)
@others.register(DataArray)
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
            return write_new(dataset, target, encoding, unlimited_dims, compute)
        words: dict[str, Any] = dict(append_dim=append_dim, region=region, mode=chosen)
        return _change(dataset, target, encoding, unlimited_dims, compute, **words)


def _change(
    ds: Dataset,
    target: str,
    encoding: Mapping[Any, Mapping[str, Any]] | None,
    unlimited_dims: Iterable[Hashable] | None,
    compute: bool,
    *,
    append_dim: Any,
    region: Any,
    mode: str,
) -> Delayed | None:
    """Change a file that is there."""
    from rawmmap.xarray.changing import add, append, overwrite

    if append_dim is None and mode == "a":
        return add(ds, target, encoding, unlimited_dims, compute)
    if encoding:
        raise ValueError(f"encoding={encoding!r}, but what is there keeps its own encoding")
    check_attrs(ds)
    growing = set() if unlimited_dims is None else unlimited(ds, unlimited_dims)
    if append_dim is not None:
        return append(ds, target, append_dim, compute, growing)
    return overwrite(ds, target, region, compute, growing)


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


def write_new(
    ds: Dataset,
    target: str,
    encoding: Mapping[Any, Mapping[str, Any]] | None,
    unlimited_dims: Iterable[Hashable] | None,
    compute: bool,
) -> Delayed | None:
    """Write a file of its own, in the place of an old one if there is one."""
    growing = unlimited(ds, unlimited_dims)
    if len(growing) > 1:
        raise ValueError(
            f"{target}: only one dimension can be the record axis, not "
            f"{sorted(map(str, growing))}; name it by unlimited_dims="
        )
    encoded = encode(ds, encoding, growing)
    dim = next(iter(growing), None)
    record_dim = None if dim is None else str(dim)
    return write_encoded(
        target, encoded.variables, encoded.attrs, record_dim, compute, encoded.coords
    )


def write_encoded(
    target: str,
    variables: Mapping[str, Variable],
    attrs: Mapping[str, Any],
    record_dim: str | None,
    compute: bool,
    coords: frozenset[str] = frozenset(),
    old: Identity | None = None,
) -> Delayed | None:
    """Write encoded variables into a file of their own; parts of them may come from the old one."""
    wanted = {name: described(variable) for name, variable in variables.items()}
    description, size = plan(target, wanted, attrs, record_dim)
    text = sidecar.dumps(replace(description, coords=coords & set(wanted)))
    goal = NewFile(Replacement.of(target, size), text, old)
    return store(goal, pieces_of(variables, description.place(size)), compute)


def described(variable: Variable) -> Described:
    """Return an encoded variable without its values."""
    return Described(
        np.dtype(variable.dtype),
        tuple(map(str, variable.dims)),
        tuple(map(int, variable.shape)),
        attrs=variable.attrs,
    )


def pieces_of(variables: Mapping[str, Variable], placed: Mapping[str, Placed]) -> list[Piece]:
    """Return every array with its place in the file."""
    return [
        (known(variable.data), layout)
        for name, variable in variables.items()
        if isinstance(layout := placed[name].data, Layout)
    ]
