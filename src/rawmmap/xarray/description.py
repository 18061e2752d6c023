"""`describe`: checks a description against a file and writes the file's sidecar."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from rawmmap.array import RawArray
from rawmmap.descriptors import journal, sidecar
from rawmmap.descriptors.model import Description, Variable
from rawmmap.layout import Layout
from rawmmap.sources import open_source
from rawmmap.xarray.engine import described

__all__ = ["describe"]


def describe(path: str | os.PathLike[str], **words: Any) -> Path:
    """Check a description against a file, and write it as the file's sidecar.

    Parameters
    ----------
    path : path-like
        The data file. It is not changed.
    **words
        The keywords of ``xr.open_dataset(path, engine="rawmmap", ...)`` that describe a file:
        `dtype`, `shape`, `dims`, `offset`, `order`, `strides`, `name`, `attrs`, `coords`, or
        `variables`, or `format` to write down what a header says. A ``-1`` in a shape stays one, so
        that a file that grows opens at its present length.

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
    description = described(path, **words)
    source = open_source(description.path)
    placed = description.place(source.identity.size)
    for variable in placed.values():
        if isinstance(variable.data, Layout):
            RawArray.from_source(source, variable.data)
    text = sidecar.dumps(_flattened(description, source.identity.size))
    return Path(journal.write_sidecar(description.path, text))


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
