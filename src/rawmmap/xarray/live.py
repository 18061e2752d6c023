"""`map_dataset`: labelled arrays that are the file itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from xarray import DataArray, Dataset, Variable

from rawmmap.description import Placed
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.layout import Layout
from rawmmap.mapping import flush, mapping_of, mmap
from rawmmap.sources import local_path
from rawmmap.xarray.engine import assigned, opened

__all__ = ["map_dataset"]


def map_dataset(
    path: str | os.PathLike[str],
    mode: Literal["r", "r+", "c"] = "r",
    *,
    shared: bool = True,
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
    drop_variables: str | Iterable[str] | None = None,
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
    dtype, shape, dims, offset, order, strides, name, attrs, coords, variables, format
        As for ``xr.open_dataset(path, engine="rawmmap", ...)``.
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
    description, source = opened(
        path,
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
    dropped = frozenset(
        [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
    )
    description = description.without(dropped)
    local = local_path(description.path)
    if local is None:
        raise DescriptionError(f"{description.path} is not on this system and cannot be mapped")
    placed = description.place(source.identity.size)
    views = _views(local, placed, mode, shared and mode != "c", source.identity.size)
    held = {name: _variable(name, p, views.get(name)) for name, p in placed.items()}
    whole = dict(description.attrs)
    named = _coordinates(held, whole) | (description.coords & set(held))
    found = Dataset(held, attrs=whole).set_coords(named)
    return assigned(found, coords, description.path, dropped)


def _views(
    path: str, placed: Mapping[str, Placed], mode: Any, shared: bool, size: int
) -> dict[str, npt.NDArray[Any]]:
    """Return all variables as views of one map, which covers them and no more."""
    layouts = {name: p.data for name, p in placed.items() if isinstance(p.data, Layout)}
    extents = [layout.extent for layout in layouts.values() if layout.nbytes]
    start = min((low for low, _ in extents), default=0)
    stop = max((high for _, high in extents), default=start)
    if stop > size:
        raise ShortFileError(path, stop, size)
    buffer = mmap(path, "u1", stop - start, start, mode=mode, grow=False, shared=shared)
    return {
        name: layout.shifted(-start).view(buffer)
        if layout.nbytes
        else np.empty(layout.shape, layout.dtype)
        for name, layout in layouts.items()
    }


def _variable(name: str, placed: Placed, view: npt.NDArray[Any] | None) -> Variable:
    if view is None:
        return Variable(placed.dims, placed.data, placed.attrs)
    if placed.dims == (name,):
        # pandas, which keeps the index, takes native values only and never changes them.
        view = view.astype(view.dtype.newbyteorder("="))
    return Variable(placed.dims, view, placed.attrs)


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
