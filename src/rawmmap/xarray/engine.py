"""The engine: ``xr.open_dataset(path, engine="rawmmap")``."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from xarray import Dataset, Variable
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.backends.common import AbstractDataStore
from xarray.backends.store import StoreBackendEntrypoint
from xarray.core import indexing

from rawmmap.array import NativeArray
from rawmmap.dask import chunk_shape
from rawmmap.descriptors import Description, Placed, find, recognised
from rawmmap.descriptors import Variable as Described
from rawmmap.errors import DescriptionError
from rawmmap.layout import Layout
from rawmmap.sources import Access, Source, local_path, open_source

__all__ = ["RawStore", "RawmmapEntrypoint", "described", "opened"]

# A file may be replaced while it is opened, but hardly so often in a row.
_TRIES = 100


class LazyArray(BackendArray):
    """Hands xarray's explicit indexers to a `NativeArray`, which takes all that NumPy takes."""

    # Not `array`: what xarray wraps by that name is an array of its own.
    __slots__ = ("dtype", "raw", "shape")

    def __init__(self, array: NativeArray) -> None:
        self.raw = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if isinstance(key, indexing.VectorizedIndexer):
            return _vectorised(self.raw, key.tuple)
        if isinstance(key, indexing.OuterIndexer):
            return _outer(self.raw, key.tuple)
        return self.raw[key.tuple]

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        return await asyncio.to_thread(self.__getitem__, key)


def _outer(array: NativeArray, key: tuple[Any, ...]) -> Any:
    """Pick along every axis independently.

    NumPy would pair the arrays of a key; open grids keep them apart. Integers, which NumPy would
    count among the arrays, are applied first, and so are evenly spaced arrays, as slices.
    """
    key = tuple(_as_slice(k) for k in key)
    part = array.part(tuple(slice(None) if isinstance(k, np.ndarray) else k for k in key))
    axes = [k for k in key if not isinstance(k, int | np.integer)]
    picked = [axis for axis, k in enumerate(axes) if isinstance(k, np.ndarray)]
    if not picked:
        return part[...]
    grid = iter(np.ix_(*(axes[axis] for axis in picked)))
    found = part[tuple(next(grid) if axis in picked else slice(None) for axis in range(part.ndim))]
    if picked[-1] - picked[0] == len(picked) - 1:
        return found
    return np.moveaxis(found, range(len(picked)), picked)


def _as_slice(k: Any) -> Any:
    """Return an evenly spaced array of positions as the slice that it is, others as they are."""
    if not isinstance(k, np.ndarray) or not k.size:
        return k
    first, step = int(k[0]), int(k[1]) - int(k[0]) if k.size > 1 else 1
    stop = first + step * k.size
    if not step or first < 0 or stop < -1 or not (np.diff(k) == step).all():
        return k
    return slice(first, None if stop < 0 else stop, step)


def _vectorised(array: NativeArray, key: tuple[Any, ...]) -> Any:
    """Pick points; the axes of the arrays come first.

    xarray also writes a transposed variable as points, as many as there are elements: a grid whose
    arrays vary along one axis each is read in slices instead.
    """
    axes = _grid_axes(key)
    if axes is None:
        return indexing.NumpyVIndexAdapter(array)[key]  # type: ignore[no-untyped-call]
    found = _outer(
        array,
        tuple(
            k.ravel() if axis is not None else int(k.flat[0])
            for k, axis in zip(key, axes, strict=True)
        ),
    )
    kept = [axis for axis in axes if axis is not None]
    missing = [axis for axis in range(key[0].ndim) if axis not in kept]
    return np.expand_dims(np.transpose(found, np.argsort(kept)), missing)


def _grid_axes(key: tuple[Any, ...]) -> list[int | None] | None:
    """Return the one axis along which each array of a key varies, or None if it is no grid."""
    axes: list[int | None] = []
    for k in key:
        long = (
            [axis for axis, n in enumerate(k.shape) if n != 1] if not isinstance(k, slice) else ()
        )
        if isinstance(k, slice) or len(long) > 1 or (long and long[0] in axes):
            return None
        axes.append(long[0] if long else None)
    return axes


class RawStore(AbstractDataStore):
    """The variables of one file, as xarray's decoders take them: on the way in, nothing is read.

    Parameters
    ----------
    description : Description
        What lies in the file.
    source : Source
        Where its bytes are.
    access : {"auto", "map", "read"}
        As for `RawArray`.
    """

    def __init__(self, description: Description, source: Source, access: Access = "auto") -> None:
        self.description = description
        self.source = source
        self.access = access
        self.placed = description.place(source.identity.size)

    def get_variables(self) -> Mapping[str, Variable]:
        """Return the variables, undecoded and lazy."""
        chunks = preferred_chunks(self.placed)
        return {name: self._variable(placed, chunks) for name, placed in self.placed.items()}

    def _variable(self, placed: Placed, chunks: Mapping[str, int]) -> Variable:
        if not isinstance(placed.data, Layout):
            return Variable(placed.dims, placed.data, placed.attrs)
        array = NativeArray.from_source(self.source, placed.data, "r", self.access)
        data = indexing.LazilyIndexedArray(LazyArray(array))
        encoding: dict[str, Any] = {"preferred_chunks": {dim: chunks[dim] for dim in placed.dims}}
        if not placed.data.dtype.isnative:
            encoding["dtype"] = placed.data.dtype
        return Variable(placed.dims, data, placed.attrs, encoding)

    def get_attrs(self) -> Mapping[str, Any]:
        """Return the attributes of the whole."""
        return dict(self.description.attrs)

    def get_encoding(self) -> dict[str, Any]:
        """Return which dimension is the record axis."""
        records = self.description.records
        return {} if records is None else {"unlimited_dims": {records.dim}}

    def get_dimensions(self) -> Mapping[str, int]:
        """Return the lengths of the dimensions."""
        return {
            dim: n
            for placed in self.placed.values()
            for dim, n in zip(placed.dims, placed.data.shape, strict=True)
        }


def preferred_chunks(placed: Mapping[str, Placed]) -> dict[str, int]:
    """Return one length of chunks per dimension: contiguous in every variable of a file.

    Variables that share a dimension share its chunks, so that ``ds.chunks`` and arithmetic between
    them need no rechunking.
    """
    chunks: dict[str, int] = {}
    for variable in placed.values():
        if isinstance(variable.data, Layout):
            for dim, n in zip(variable.dims, chunk_shape(variable.data), strict=True):
                chunks[dim] = min(n, chunks.get(dim, n))
    return chunks


def described(
    path: Any, *, coords: Mapping[Any, Any] | None = None, format: str | None = None, **words: Any
) -> Description:
    """Return the description of a file, coordinates that the caller gives included.

    Parameters
    ----------
    path : path-like
        The data file, its sidecar or its header.
    coords : mapping, optional
        Coordinates, as `xarray.Dataset` takes them.
    format, **words
        As for `rawmmap.descriptors.find`.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(
            f"a path or URL is needed, not {type(path).__name__}: only files have bytes at "
            "positions that can be read later and elsewhere"
        )
    name = os.fsdecode(path)
    found = find(local_path(name) or name, format, **words)
    if coords is None:
        return found
    given = {str(key): value for key, value in Dataset(coords=coords).variables.items()}
    twice = sorted(set(given) & set(found.variables))
    if twice:
        raise DescriptionError(f"{found.path}: {twice} are both variables and coords=")
    inline = {key: _inline(value) for key, value in given.items()}
    return replace(
        found,
        variables={**found.variables, **inline},
        coords=found.coords | set(inline),
    )


def opened(
    path: Any, storage_options: Mapping[str, Any] | None = None, **words: Any
) -> tuple[Description, Source]:
    """Return a description and the source that it describes.

    Another process may replace both meanwhile: then they are looked up again, so that the two
    always belong together.
    """
    for _ in range(_TRIES):
        description = described(path, **words)
        source = open_source(description.path, storage_options)
        if description.node is None or description.node == source.identity.node:
            return description, source
    raise BlockingIOError(
        errno.EAGAIN,
        f"the file was replaced {_TRIES} times while it was being opened; try again",
        description.path,
    )


def _inline(variable: Variable) -> Described:
    values = variable.values
    if values.dtype.hasobject or values.dtype.kind == "T":
        values = values.astype("U")
    return Described(
        values.dtype,
        tuple(map(str, variable.dims)),
        values.shape,
        attrs=variable.attrs,
        values=values,
    )


class RawmmapEntrypoint(BackendEntrypoint):
    """Flat binary files, described by keywords, a sidecar or a header."""

    description = "Open flat binary files, described by keywords, a sidecar or a header"
    url = "https://github.com/rawmmap/rawmmap"

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        dtype: npt.DTypeLike | None = None,
        shape: Any = None,
        dims: Any = None,
        offset: int | None = None,
        order: str | None = None,
        strides: Any = None,
        name: str | None = None,
        attrs: Mapping[str, Any] | None = None,
        coords: Mapping[Any, Any] | None = None,
        variables: Mapping[str, Mapping[str, Any]] | None = None,
        format: str | None = None,
        access: Access = "auto",
        storage_options: Mapping[str, Any] | None = None,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: Any = True,
        decode_times: Any = True,
        concat_characters: Any = True,
        decode_coords: Any = True,
        use_cftime: bool | None = None,
        decode_timedelta: Any = None,
    ) -> Dataset:
        """Return a lazy dataset of a raw file; see the guide for the keywords that describe it."""
        dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
        description, source = opened(
            filename_or_obj,
            storage_options,
            dtype=dtype,
            shape=shape,
            dims=dims,
            offset=offset,
            order=order,
            strides=strides,
            name=name,
            attrs=attrs,
            coords=coords,
            variables=variables,
            format=format,
        )
        description = description.without(frozenset(dropped))
        store = RawStore(description, source, access)
        found = StoreBackendEntrypoint().open_dataset(
            store,
            mask_and_scale=mask_and_scale,
            decode_times=decode_times,
            concat_characters=concat_characters,
            decode_coords=decode_coords,
            use_cftime=use_cftime,
            decode_timedelta=decode_timedelta,
        )
        if description.coords:
            found = found.set_coords(description.coords & set(found.variables))
            found.set_close(store.close)
        return found

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether a sidecar or a header describes the file; never raises."""
        try:
            return recognised(os.fspath(filename_or_obj)) is not None
        except Exception:  # noqa: BLE001 - whatever is wrong, it is not ours to open
            return False
