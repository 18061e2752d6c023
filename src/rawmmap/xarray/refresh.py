"""`refresh`: the same description again, with what has been added to its files since."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dask.base import tokenize
from xarray import Dataset, open_dataset

__all__ = ["Opening", "refresh"]

#: The entry of a dataset's encoding that says how it was opened.
KEY = "rawmmap"


@dataclass(frozen=True, slots=True)
class Opening:
    """How a dataset was opened.

    Attributes
    ----------
    path : object
        The path, URL or pattern.
    keywords : mapping
        All keywords; they may hold credentials and are never shown.
    state : tuple
        The state of the files then.
    """

    path: Any
    keywords: Mapping[str, Any] = field(repr=False)
    state: tuple[Any, ...] = field(default=(), repr=False)


def refresh(ds: Dataset) -> Dataset:
    """Open a dataset again, as its files are now.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset from ``xr.open_dataset(..., engine="rawmmap")``. It is not changed.

    Returns
    -------
    xarray.Dataset
        The same path or pattern opened with the same keywords: with the whole records and the
        files that have been added. Names in Dask's graphs follow from the new state of the files.
        Where `ds` is chunked it is chunked too, in chunks of the same lengths.

    Raises
    ------
    ValueError
        If the dataset was not opened by this engine.
    OSError
        If the files do not exist any more.

    Examples
    --------
    >>> import numpy as np, os, rawmmap, tempfile, xarray as xr
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(4, dtype="<i2").tofile(path)
    >>> ds = xr.open_dataset(path, engine="rawmmap", dtype="<i2", shape=-1, dims="t")
    >>> with open(path, "ab") as file:
    ...     _ = file.write(bytes(4))
    >>> rawmmap.refresh(ds).sizes["t"]
    6
    >>> folder.cleanup()
    """
    opening = ds.encoding.get(KEY)
    if not isinstance(opening, Opening):
        raise ValueError(
            "this dataset does not know how it was opened: only one that comes from "
            'xr.open_dataset(path, engine="rawmmap", ...) can be refreshed'
        )
    chunked = any(variable.chunks is not None for variable in ds.variables.values())
    fresh = open_dataset(
        opening.path, engine="rawmmap", cache=False if chunked else None, **opening.keywords
    )
    if not chunked:
        return fresh
    chunks = {dim: max(lengths) for dim, lengths in ds.unify_chunks().chunks.items()}
    return _chunk(fresh, chunks)


def _chunk(ds: Dataset, chunks: Mapping[Hashable, int]) -> Dataset:
    """Return a lazy dataset in chunks, named after the state of its files.

    xarray names chunks after the path, and after the modification time where it is that of a local
    file. Those of URLs and of series would have the same names as before.
    """
    opening: Opening = ds.encoding[KEY]
    token = tokenize(opening.path, opening.state, opening.keywords, chunks)
    lazy = {
        name: variable.chunk(
            {dim: chunks[dim] for dim in variable.dims if dim in chunks},
            name=f"open_dataset-{name}-{token}",
        )
        for name, variable in ds.variables.items()
        if not variable._in_memory
    }
    coords = {name: lazy.pop(name) for name in list(lazy) if name in ds.coords}
    return ds.assign_coords(coords).assign(lazy)
