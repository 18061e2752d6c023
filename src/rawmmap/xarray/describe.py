"""`describe`: checks a description against a file and writes the file's sidecar."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
from xarray import Dataset

from rawmmap.array import RawArray, about
from rawmmap.description.model import Description, Variable
from rawmmap.formats import sidecar
from rawmmap.formats.sidecar import journal
from rawmmap.layout import Layout
from rawmmap.sources import open_source
from rawmmap.xarray.engine import described
from rawmmap.xarray.writing.encoding import encode

__all__ = ["describe"]


def describe(
    path: str | os.PathLike[str],
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
) -> Path:
    """Check a description against a file, and write it as the file's sidecar.

    Parameters
    ----------
    path : path-like
        The data file. It is not changed.
    dtype, shape, dims, offset, order, strides, name, attrs, variables
        As for ``xr.open_dataset(path, engine="rawmmap", ...)``. A ``-1`` in a shape stays one, so
        that a file that grows opens at its present length.
    coords : mapping, optional
        Coordinates, as `xarray.Dataset` takes them; their values go into the sidecar, encoded as
        xarray encodes them for any file, and are decoded when it is opened.
    format : str, optional
        The format of the header whose contents are written down.

    Returns
    -------
    pathlib.Path
        The sidecar, ``<path>.json``; an existing one is replaced at once or not at all.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If an attribute is of a type that JSON cannot hold. Nothing is written then.
    ValueError
        If the description is incomplete, contradicts itself, or does not fit the file. Nothing is
        written then.

    Examples
    --------
    >>> import numpy as np, os, rawmmap, tempfile, xarray as xr
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(12, dtype=">i2").tofile(path)
    >>> rawmmap.describe(path, dtype=">i2", shape=(3, 4), dims=("y", "x")).name
    'a.raw.json'
    >>> xr.open_dataset(path, engine="rawmmap")["data"].sizes
    Frozen({'y': 3, 'x': 4})
    >>> folder.cleanup()
    """
    description = described(
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
    if coords is not None:
        with about(description.path):
            description = _with_coords(description, coords)
    source = open_source(description.path)
    placed = description.place(source.identity.size)
    for variable in placed.values():
        if isinstance(variable.data, Layout):
            RawArray.from_source(source, variable.data)
    text = sidecar.dumps(_flattened(description, source.identity.size))
    # What is written must be readable, whatever the words were.
    sidecar.loads(text, sidecar.beside(description.path)).place(source.identity.size)
    return Path(journal.write_sidecar(description.path, text))


def _with_coords(description: Description, coords: Mapping[Any, Any]) -> Description:
    """Return the description with the values of coordinates."""
    given = Dataset(coords=coords)
    twice = sorted(str(key) for key in given.variables if key in description.variables)
    if twice:
        raise ValueError(f"{twice} are both variables and coords=")
    inline = {
        str(key): Variable(
            value.dtype,
            tuple(map(str, value.dims)),
            value.shape,
            attrs=value.attrs,
            values=value.values,
        )
        for key, value in encode(given).variables.items()
    }
    return replace(
        description,
        variables={**description.variables, **inline},
        coords=description.coords | set(inline),
    )


def _flattened(description: Description, size: int) -> Description:
    """Return the description with a variable for each field of a structured dtype."""
    variables: dict[str, Variable] = {}
    for name, variable in description.variables.items():
        if variable.values is not None or variable.dtype.names is None:
            variables[name] = variable
            continue
        for part, found in description.place_one(name, variable, size):
            layout = found.data
            assert isinstance(layout, Layout)
            shape = variable.shape or (-1,)
            variables[part] = Variable(
                layout.dtype,
                found.dims,
                shape + layout.shape[len(shape) :],
                layout.offset,
                strides=layout.strides,
                attrs=variable.attrs,
            )
    return replace(description, variables=variables)
