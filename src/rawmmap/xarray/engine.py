"""The engine: ``xr.open_dataset(path, engine="rawmmap")``."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt
from xarray import Dataset, Variable
from xarray.backends import BackendEntrypoint
from xarray.backends.common import AbstractDataStore
from xarray.backends.store import StoreBackendEntrypoint

from rawmmap.array import NativeArray, about
from rawmmap.dask import chunk_shape
from rawmmap.description import Description, Placed
from rawmmap.formats.registry import find, recognised
from rawmmap.layout import Layout
from rawmmap.sources import Access, Source, local_path, open_source
from rawmmap.xarray.lazy import LazyArray

__all__ = ["RawStore", "RawmmapEntrypoint", "assigned", "described", "opened"]

# A file may be replaced while it is opened, but hardly so often in a row.
_TRIES = 100


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
        encoding: dict[str, Any] = {"preferred_chunks": {dim: chunks[dim] for dim in placed.dims}}
        if not placed.data.dtype.isnative:
            encoding["dtype"] = placed.data.dtype
        return Variable(placed.dims, LazyArray(array), placed.attrs, encoding)

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


def described(path: Any, *, format: str | None = None, **words: Any) -> Description:
    """Return the description of a file.

    Parameters
    ----------
    path : path-like
        The data file, its sidecar or its header.
    format, **words
        As for `rawmmap.formats.registry.find`.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(
            f"a path or URL is needed, not {type(path).__name__}: only files have bytes at "
            "positions that can be read later and elsewhere"
        )
    name = os.fsdecode(path)
    return find(local_path(path) or name, format, **words)


def assigned(
    ds: Dataset,
    coords: Mapping[Any, Any] | None,
    path: str,
    dropped: Iterable[str] = (),
) -> Dataset:
    """Return a dataset with the coordinates that the caller gives besides, exactly as they are."""
    if coords is None:
        return ds
    with about(path):
        given = Dataset(coords=coords)
        twice = sorted(str(name) for name in given.variables if name in ds.variables)
        if twice:
            raise ValueError(f"{twice} are both variables and coords=")
        return ds.assign_coords(given.drop_vars(dropped, errors="ignore").coords)


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
        dropped = frozenset(
            [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
        )
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
            variables=variables,
            format=format,
        )
        description = description.without(dropped)
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
        return assigned(found, coords, description.path, dropped)

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether a sidecar or a header describes the file; never raises."""
        try:
            return recognised(os.fspath(filename_or_obj)) is not None
        except Exception:  # noqa: BLE001 - whatever is wrong, it is not ours to open
            return False
