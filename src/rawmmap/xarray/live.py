"""`map_dataset`: labelled arrays that are the file itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from xarray import DataArray, Dataset, Variable
from xarray.conventions import decode_cf_variable

from rawmmap.dataset import RawDataset, open_described, values_of
from rawmmap.description import Keywords
from rawmmap.description import Variable as Described
from rawmmap.description.keywords import suggest
from rawmmap.errors import DescriptionError
from rawmmap.layout import Layout
from rawmmap.mapping import flush, mapping_of, mmap
from rawmmap.sources import local_path
from rawmmap.xarray.engine import assign_coords

__all__ = ["map_dataset"]


def map_dataset(
    path: str | os.PathLike[str],
    mode: Literal["r", "r+", "c"] = "r",
    *,
    shared: bool = True,
    coords: Mapping[Any, Any] | None = None,
    format: str | None = None,
    drop_variables: str | Iterable[str] | None = None,
    **keywords: Any,
) -> Dataset:
    """Return a dataset whose variables are mapped arrays of a file: assignments change the file.

    Parameters
    ----------
    path : path-like
        The data file, its sidecar or its header, on this system.
    mode : {"r", "r+", "c"}
        ``"r"``: read-only arrays. ``"r+"``: what is assigned reaches the file, and every other map
        of it, at once. ``"c"`` is ``"r"`` with ``shared=False``.
    shared : bool
        False: arrays can be assigned to even where the file cannot be written, and no change made
        through them ever reaches the file.
    coords, format, **keywords
        What describes the file: `dtype`, `shape`, `dims` and the others, as for
        ``xr.open_dataset(path, engine="rawmmap", ...)``.
    drop_variables : str or iterable of str, optional
        Variables to leave out.

    Returns
    -------
    xarray.Dataset
        Its values are those of the file, in the file's own types and byte order: nothing is
        decoded, scaled or masked. Coordinates that are an index of their dimension are copies, as
        are those that the caller or the sidecar gives by value; all others are views of one map,
        which stays until the last of them is gone.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PermissionError
        If the file may not be opened as `mode` asks.
    ValueError
        If nothing describes the file, the description does not fit it, or the path is a URL of
        another place.

    See Also
    --------
    rawmmap.flush : brings the changes of a dataset to the disk.

    Notes
    -----
    Like any memory, the arrays are not locked; several processes may change one file. Arithmetic
    and most methods of xarray return copies, which are of no file.

    Examples
    --------
    >>> import numpy as np, os, rawmmap, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.zeros(6, "<f4").tofile(path)
    >>> words = dict(dtype="<f4", shape=(2, 3), dims=("y", "x"), name="u")
    >>> ds = rawmmap.map_dataset(path, "r+", **words)
    >>> ds["u"][0, 1] = 7
    >>> np.fromfile(path, "<f4")
    array([0., 7., 0., 0., 0., 0.], dtype=float32)
    >>> del ds
    >>> folder.cleanup()
    """
    if mode not in ("r", "r+", "c"):
        raise ValueError(f"mode must be 'r', 'r+' or 'c', not {mode!r}")
    described = Keywords.take_from(keywords)
    if keywords:
        raise TypeError(f"{path}: {suggest(next(iter(keywords)), Keywords.names())}")
    raw = open_described(path, described, format, drop_variables=drop_variables)
    local = local_path(raw.path)
    if local is None:
        raise DescriptionError(f"{raw.path} is not on this system and cannot be mapped")
    variables = raw.description.variables
    views = _views(local, raw, mode, shared and mode != "c")
    live = {name: _variable(name, v, views.get(name)) for name, v in variables.items()}
    attrs = raw.attrs
    coords_named = _coordinates(live, attrs) | (raw.description.coords & set(live))
    return assign_coords(Dataset(live, attrs=attrs).set_coords(coords_named), coords, raw)


def _views(path: str, raw: RawDataset, mode: Any, shared: bool) -> dict[str, npt.NDArray[Any]]:
    """Return all variables as views of one map, which covers them and no more."""
    layouts = {name: _layout(raw, name) for name in raw if raw.description.variables[name].in_file}
    extents = [layout.extent for layout in layouts.values() if layout.nbytes]
    start = min((low for low, _ in extents), default=0)
    stop = max((high for _, high in extents), default=start)
    buffer = mmap(path, "u1", stop - start, start, mode=mode, grow=False, shared=shared)
    return {
        name: layout.shifted(-start).view(buffer)
        if layout.nbytes
        else np.empty(layout.shape, layout.dtype)
        for name, layout in layouts.items()
    }


def _layout(raw: RawDataset, name: str) -> Layout:
    """Return where a variable lies, if one strided view can show it."""
    data = raw.arrangement(name)
    if raw.description.variables[name].samples is not None:
        raise TypeError(
            f"{raw.path}: variable {name!r} has samples that have to be decoded, and a map shows "
            "bytes as they are; open it with xr.open_dataset, or with rawmmap.RawArray and "
            "mode='r+' to write to it"
        )
    if isinstance(data, Layout):
        return data
    raise DescriptionError(
        f"{raw.path}: variable {name!r} lies in several pieces, which one map cannot show as an "
        "array; open it with xr.open_dataset or rawmmap.open"
    )


def _variable(name: str, described: Described, view: npt.NDArray[Any] | None) -> Variable:
    if view is None:
        view = values_of(described)
    if described.dims != (name,):
        return Variable(described.dims, view, described.attrs)
    # pandas, which keeps the index, takes native values only and never changes them.
    native = view.astype(view.dtype.newbyteorder("="))
    return decode_cf_variable(name, Variable(described.dims, native, described.attrs))


def _coordinates(variables: Mapping[str, Variable], attrs: dict[str, Any]) -> set[str]:
    """Return the variables that CF attributes name as coordinates, and put those away."""
    found: set[str] = set()
    for names, encoding in [(v.attrs, v.encoding) for v in variables.values()] + [(attrs, {})]:
        given = names.get("coordinates")
        if isinstance(given, str) and set(given.split()) <= set(variables):
            found |= set(given.split())
            encoding["coordinates"] = names.pop("coordinates")
    return found


@flush.register(Dataset)
@flush.register(DataArray)
@flush.register(Variable)
def _flush(held: Dataset | DataArray | Variable, *, wait: bool = True) -> None:
    """Write the changes made through a live dataset to disk."""
    mapped = list(_mapped(held))
    if not mapped and held.nbytes:
        raise ValueError(
            f"nothing in this {type(held).__name__} is mapped; rawmmap.map_dataset maps a file"
        )
    for array in mapped:
        flush(array, wait=wait)


def _mapped(held: Dataset | DataArray | Variable) -> Iterator[npt.NDArray[Any]]:
    """Yield the arrays that are views of a map."""
    if isinstance(held, DataArray):
        held = held.to_dataset(name="values", promote_attrs=False)
    variables = held.variables.values() if isinstance(held, Dataset) else [held]
    for variable in variables:
        data = getattr(variable, "_data", None)
        if isinstance(data, np.ndarray):
            try:
                mapping_of(data)
            except ValueError:
                continue
            yield data
