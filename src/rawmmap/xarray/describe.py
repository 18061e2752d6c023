"""`describe`: check a description against a file and write the file's sidecar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from rawmmap.dataset import KEYWORDS, RawDataset, open_described
from rawmmap.description import Description, Keywords, LayoutTemplate, Variable
from rawmmap.description.keyword_types import suggest
from rawmmap.description.members import Members
from rawmmap.description.model import iterate_fields
from rawmmap.description.series import Series
from rawmmap.errors import name_file
from rawmmap.formats import sidecar
from rawmmap.formats.series import series_label
from rawmmap.layout import Layout, Values
from rawmmap.sources import Access, local_path, name_of
from rawmmap.writing import write_sidecar
from rawmmap.xarray.engine import make_coords
from rawmmap.xarray.writing.encoding import encode

__all__ = ["describe"]


def describe(
    path: str | os.PathLike[str],
    *,
    coords: Mapping[Any, Any] | None = None,
    format: str | None = None,
    access: Access = "auto",
    storage_options: Mapping[str, Any] | None = None,
    drop_variables: str | Iterable[str] | None = None,
    missing: Literal["raise", "fill"] = "raise",
    fill_value: Any = None,
    **keywords: Any,
) -> Path:
    """Check a description against a file, and write it as the file's sidecar.

    Parameters
    ----------
    path : path-like
        The data file. It is not changed. A pattern such as ``"ux-{step:04d}.bin"`` stands for a
        series of files, which get one sidecar together.
    coords : mapping, optional
        Coordinates, as `xarray.Dataset` takes them. Their values go into the sidecar, encoded as
        xarray encodes them for any file, and are decoded when the file is opened.
    format : str, optional
        Name of the reader of the header, ``"npy"`` for example, whose contents go into the sidecar.
    access, storage_options
        As for ``xr.open_dataset``; no data are read, and a sidecar does not keep them.
    drop_variables : str or iterable of str, optional
        Variables, fields included, to leave out of the sidecar.
    missing : {"raise", "fill"}
        Of a series: what happens where files are missing, now and when it is opened.
    fill_value : object, optional
        What stands for the elements of missing files; NaN for floats.
    **keywords
        Description of the file: `dtype`, `shape`, `dims` and the others, as for
        ``xr.open_dataset(path, engine="rawmmap", ...)``. A ``-1`` in a shape and records
        are kept, so that a file that grows opens at its present length.

    Returns
    -------
    pathlib.Path
        The sidecar, ``<path>.json``; an existing one is replaced atomically. That of a series has
        the name of the pattern without the formats of its fields, such as ``ux-{step}.bin.json``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If an attribute is of a type that JSON cannot hold. Nothing is written in that case.
    ValueError
        If the description is incomplete, contradicts itself, or does not fit the file. Nothing is
        written in that case.

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
    name, _ = name_of(path)
    if local_path(path) is None:
        raise ValueError(
            f"{name}: a sidecar can only be written beside a local file; describe a local copy, "
            "and copy its sidecar"
        )
    description_keywords = Keywords.take_from(keywords)
    if keywords:
        raise TypeError(f"{name}: {suggest(next(iter(keywords)), KEYWORDS)}")
    raw = open_described(
        path,
        description_keywords,
        format,
        access,
        storage_options,
        drop_variables,
        missing,
        fill_value,
    )
    description = raw.template
    if coords is not None:
        with name_file(raw.title):
            description = _add_coords(description, raw, coords)
    if raw.series is None:
        size = int(raw.opened.sizes[0])
        path = description.path
        return _write(description, path, path, lambda each: each.resolve(size), raw.dropped)
    return _write_of_series(description, raw, raw.series, missing, fill_value)


def _write_of_series(
    description: Description, raw: RawDataset, series: Series, missing: str, fill_value: Any
) -> Path:
    """Write the one sidecar of a series of files."""
    members = description.members or Members(series.pattern)
    if missing != "raise" or fill_value is not None:
        members = replace(members, missing=missing, fill_value=fill_value)
    described = replace(description, members=members, path=series.pattern.text)
    sizes = raw.opened.sizes.tolist()
    target = series_label(series.pattern)
    first = raw.opened.urls[0]
    return _write(
        described, target, first, lambda each: series.resolve_first(each, sizes), raw.dropped
    )


def _write(
    description: Description,
    target: str,
    data: str,
    resolve: Callable[[Description], Description],
    dropped: frozenset[str],
) -> Path:
    """Write the sidecar of `target`, which must be readable whatever the keywords were."""
    with name_file(target):
        text = sidecar.dumps(_split_fields(description, resolve(description)).without(dropped))
    resolve(sidecar.loads(text, sidecar.sidecar_path_of(target)))
    return Path(write_sidecar(target, text, data))


def _add_coords(
    description: Description, raw: RawDataset, coords: Mapping[Any, Any]
) -> Description:
    """Return the description with coordinates whose values it holds."""
    inline = {
        str(key): Variable(tuple(map(str, value.dims)), Values(value.values), value.attrs)
        for key, value in encode(make_coords(coords, raw)).variables.items()
    }
    return replace(
        description,
        variables={**description.variables, **inline},
        coords=description.coords | set(inline),
    )


def _split_fields(description: Description, resolved: Description) -> Description:
    """Return the description with a variable for each field of a structured dtype."""
    variables: dict[str, Variable] = {}
    for name, variable in description.variables.items():
        template = variable.data
        if not isinstance(template, LayoutTemplate) or template.dtype.names is None:
            variables[name] = variable
            continue
        shape = template.shape or (-1,)
        for part, _ in iterate_fields(Layout.dense(template.dtype, ())):
            field = resolved.variables[part]
            layout = field.data
            assert isinstance(layout, Layout)
            lengths = shape + layout.shape[len(shape) :]
            flat = LayoutTemplate(layout.dtype, lengths, layout.offset, strides=layout.strides)
            variables[part] = replace(field, data=flat)
    return replace(description, variables=variables)
