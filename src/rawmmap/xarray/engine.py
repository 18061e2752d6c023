"""The engine: ``xr.open_dataset(path, engine="rawmmap")``."""

from __future__ import annotations

import asyncio
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

__all__ = ["RawmmapEntrypoint", "RawStore", "described"]


class LazyArray(BackendArray):
    """Hands xarray's explicit indexers to a `NativeArray`, which takes all that NumPy takes."""

    __slots__ = ("array", "dtype", "shape")

    def __init__(self, array: NativeArray) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if isinstance(key, indexing.VectorizedIndexer):
            return indexing.NumpyVIndexAdapter(self.array)[key.tuple]
        if isinstance(key, indexing.OuterIndexer):
            return _outer(self.array, key.tuple)
        return self.array[key.tuple]

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        return await asyncio.to_thread(self.__getitem__, key)


def _outer(array: NativeArray, key: tuple[Any, ...]) -> Any:
    """Pick along every axis independently.

    NumPy would pair the arrays of a key; open grids keep them apart, and integers, which NumPy
    would count among the arrays, are applied first.
    """
    part = array.part(tuple(slice(None) if isinstance(k, np.ndarray) else k for k in key))
    axes = [k for k in key if not isinstance(k, int | np.integer)]
    picked = [axis for axis, k in enumerate(axes) if isinstance(k, np.ndarray)]
    grid = iter(np.ix_(*(axes[axis] for axis in picked)))
    found = part[tuple(next(grid) if axis in picked else slice(None) for axis in range(part.ndim))]
    if picked[-1] - picked[0] == len(picked) - 1:
        return found
    return np.moveaxis(found, range(len(picked)), picked)


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
        chunks = preferred_chunks(self.placed)
        return {name: self._variable(placed, chunks) for name, placed in self.placed.items()}

    def _variable(self, placed: Placed, chunks: Mapping[str, int]) -> Variable:
        if not isinstance(placed.data, Layout):
            return Variable(placed.dims, placed.data, placed.attrs)
        array = NativeArray.from_source(self.source, placed.data, "r", self.access)
        data = indexing.LazilyIndexedArray(LazyArray(array))
        encoding = {"preferred_chunks": {dim: chunks[dim] for dim in placed.dims}}
        return Variable(placed.dims, data, placed.attrs, encoding)

    def get_attrs(self) -> Mapping[str, Any]:
        return dict(self.description.attrs)

    def get_encoding(self) -> dict[str, Any]:
        records = self.description.records
        return {} if records is None else {"unlimited_dims": {records.dim}}

    def get_dimensions(self) -> Mapping[str, int]:
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


def _inline(variable: Variable) -> Described:
    values = variable.values
    if values.dtype.hasobject or values.dtype.kind == "T":
        values = values.astype("U")
    return Described(
        values.dtype, tuple(map(str, variable.dims)), values.shape, attrs=variable.attrs, values=values
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
        description = described(
            filename_or_obj,
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
        source = open_source(description.path, storage_options)
        return StoreBackendEntrypoint().open_dataset(
            RawStore(description, source, access),  # type: ignore[arg-type]
            mask_and_scale=mask_and_scale,
            decode_times=decode_times,
            concat_characters=concat_characters,
            decode_coords=decode_coords,
            use_cftime=use_cftime,
            decode_timedelta=decode_timedelta,
        )

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether a sidecar or a header describes the file; never raises."""
        try:
            return recognised(os.fspath(filename_or_obj)) is not None
        except Exception:
            return False
