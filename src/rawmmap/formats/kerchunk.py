"""Reference sets: an array of a flat file as the chunks of a Zarr array that was never written.

Follows version 1 of kerchunk's references (https://fsspec.github.io/kerchunk/spec.html), whose keys
are those of a Zarr store of version 2 and whose values are texts or ``[url, offset, length]``. All
of it is pure: descriptions in, plain data out.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rawmmap.description import Description, Variable
from rawmmap.formats.coordinates import name_coordinates
from rawmmap.layout.grid import ChunkGrid, chunk_grid

__all__ = ["make_references"]

# Bytes of a chunk: readers of reference sets always read whole ones.
_CHUNK = 2**24
# More references than this do not fit into the memory of most readers.
_MOST_REFERENCES = 10**7
# Types of Zarr arrays of version 2, by kind, with the sizes that vary from machine to machine.
_SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16)}
_OTHER_KINDS = "SUmMV"


def make_references(
    description: Description, urls: Sequence[str], coords: Sequence[str]
) -> dict[str, Any]:
    """Return the reference set of a description.

    Parameters
    ----------
    description : Description
        What lies in the files; resolved.
    urls : sequence of str
        The files, by number.
    coords : sequence of str
        Names of the variables that are coordinates.

    Raises
    ------
    TypeError
        If JSON cannot hold an attribute.
    ValueError
        If chunks of a Zarr array cannot express a variable.
    """
    variables = description.variables
    title = description.path if len(urls) < 2 else f"{description.path} and other files"
    subjects = {name: f"{title}: variable {name!r}" for name in variables}
    grids = {name: _grid_of(v, subjects[name]) for name, v in variables.items()}
    _check_number(grids, title)
    paths = [_reference_path(url) for url in urls]
    attrs, dataset_attrs = name_coordinates(variables, coords, description.attrs)
    refs: dict[str, Any] = {
        ".zgroup": _dump({"zarr_format": 2}),
        ".zattrs": _dump(_plain_attrs(dataset_attrs, title)),
    }
    for name, (dims, grid) in grids.items():
        _check_name(name, subjects[name])
        fill = _fill_value(attrs[name].pop("_FillValue", None), grid, subjects[name])
        plain = _plain_attrs(_in_type(attrs[name], grid.data.dtype), subjects[name])
        if fill is not None and fill.dtype.kind in "biufc":
            plain["_FillValue"] = _encode_mask(fill)
        refs[f"{name}/.zarray"] = _dump(_array_metadata(grid, fill))
        refs[f"{name}/.zattrs"] = _dump({**plain, "_ARRAY_DIMENSIONS": list(dims)})
        refs.update(_chunk_references(name, grid, paths))
    return {"version": 1, "refs": refs}


def _grid_of(variable: Variable, subject: str) -> tuple[tuple[str, ...], ChunkGrid]:
    """Return the dims of a variable in the order of storage, and its chunks."""
    data: Any = variable.data
    if variable.samples is not None:
        raise ValueError(
            f"{subject} holds samples of {variable.samples}, for which Zarr has no codec; "
            f"{_WAY_OUT}"
        )
    dtype = data.dtype
    if dtype.itemsize not in _SIZES.get(dtype.kind, ()) and (
        dtype.kind not in _OTHER_KINDS or dtype.names is not None or not dtype.itemsize
    ):
        raise ValueError(f"{subject} is of type {dtype}, which Zarr does not have; {_WAY_OUT}")
    try:
        grid = chunk_grid(data, _CHUNK, reorder=True)
    except TypeError:
        raise ValueError(
            f"{subject} holds samples of a few bits, for which Zarr has no codec; {_WAY_OUT}"
        ) from None
    return tuple(variable.dims[axis] for axis in grid.axes), grid


_WAY_OUT = (
    "leave it out with drop_variables=, or write its values to a file of their own with "
    "rawmmap.to_raw and refer to that"
)


def _check_number(grids: Mapping[str, tuple[Any, ChunkGrid]], title: str) -> None:
    """Refuse more references than readers can hold."""
    sizes = {name: grid.size for name, (_, grid) in grids.items()}
    total = sum(sizes.values())
    if total <= _MOST_REFERENCES:
        return
    name = max(sizes, key=lambda key: sizes[key])
    grid = grids[name][1]
    raise ValueError(
        f"{title}: {total} references, of which variable {name!r} needs {sizes[name]}: its "
        f"elements are contiguous for {grid.nbytes} bytes only. A reference set has at most "
        f"{_MOST_REFERENCES}; {_WAY_OUT}"
    )


def _check_name(name: str, subject: str) -> None:
    if not name or name.startswith(".") or "/" in name:
        raise ValueError(
            f"{subject}: a Zarr array cannot have this name; rename it, or leave it out with "
            "drop_variables="
        )


def _reference_path(url: str) -> str:
    """Return a path or URL as readers of reference sets take it."""
    # VirtualiZarr wants paths, which it quotes; fsspec would take a prefix for a protocol.
    return f"file://{url}" if url.startswith("/") and "://" in url else url


def _chunk_references(
    name: str, grid: ChunkGrid, paths: Sequence[str]
) -> Iterator[tuple[str, list[Any] | str]]:
    if not grid.data.size:
        return
    length = grid.nbytes
    for position, file, offset, data in grid.chunks():
        # An array without axes has one chunk, number 0.
        key = f"{name}/{'.'.join(map(str, position)) or '0'}"
        if data is None:
            yield key, [paths[file], offset, length]
        else:
            yield key, "base64:" + base64.b64encode(data).decode()


def _array_metadata(grid: ChunkGrid, fill: Any) -> dict[str, Any]:
    """Return what Zarr's version 2 says of an array."""
    return {
        "zarr_format": 2,
        "shape": list(grid.data.shape),
        "chunks": list(grid.lengths),
        "dtype": grid.data.dtype.str,
        "compressor": None,
        "filters": None,
        "order": "C",
        "fill_value": None if fill is None else _encode_fill(fill),
    }


def _fill_value(mask: Any, grid: ChunkGrid, subject: str) -> Any:
    """Return what stands for missing elements, of the array's type; None where there are none.

    Zarr's version 2 has one value for elements that are marked as missing and for chunks that do
    not exist.
    """
    dtype = grid.data.dtype.newbyteorder("=")
    data: Any = grid.data
    filling = np.asarray(data.filling()).astype(dtype)[()] if grid.has_missing else None
    if mask is None:
        return filling
    marked = _cast_fill(mask, dtype, subject)
    if filling is not None and marked.tobytes() != filling.tobytes():
        raise ValueError(
            f"{subject} has _FillValue {marked}, but missing files are filled with {filling}; Zarr "
            f"has one value for both: pass fill_value={marked}"
        )
    return marked


def _cast_fill(mask: Any, dtype: np.dtype[Any], subject: str) -> Any:
    try:
        with np.errstate(all="ignore"):
            value = np.asarray(mask).reshape(()).astype(dtype)[()]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{subject}: _FillValue {mask!r} is not one {dtype}: {error}") from error
    if dtype.kind in "biu" and value != mask:
        raise ValueError(f"{subject}: _FillValue {mask!r} is not a value of type {dtype}")
    return value


def _encode_fill(value: Any) -> Any:
    """Return a value as the JSON that Zarr's version 2 wants for it."""
    kind = value.dtype.kind
    if kind == "f":
        return _encode_float(float(value))
    if kind == "c":
        return [_encode_float(float(part)) for part in (value.real, value.imag)]
    if kind in "SV":
        return base64.b64encode(value.tobytes()).decode()
    if kind in "mM":
        return int(value.view(np.int64))
    return value.item()


def _encode_float(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def _encode_mask(value: Any) -> Any:
    """Return a value as xarray's attribute ``_FillValue`` of Zarr arrays of version 3.

    VirtualiZarr makes such arrays, where `fill_value` masks nothing. Those of version 2 have the
    `fill_value` in its place, whatever this attribute is.
    """
    kind = value.dtype.kind
    parts = {"f": (value,), "c": (value.real, value.imag)}.get(kind)
    if parts is None:
        return value.item()
    texts = [base64.b64encode(struct.pack("<d", float(part))).decode() for part in parts]
    return texts[0] if kind == "f" else texts


def _in_type(attrs: Mapping[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return attributes with `missing_value` rounded as the elements are, which it has to equal."""
    missing = attrs.get("missing_value")
    if dtype.kind == "f" and missing is not None and np.asarray(missing).dtype.kind in "iuf":
        return {**attrs, "missing_value": np.asarray(missing).astype(dtype.newbyteorder("="))}
    return dict(attrs)


def _plain_attrs(attrs: Mapping[str, Any], owner: str) -> dict[str, Any]:
    return {name: _plain(value, f"{owner}: attribute {name!r}") for name, value in attrs.items()}


def _plain(value: Any, what: str) -> Any:
    """Return an attribute as JSON."""
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind in "biufU":
            return value.tolist()
    elif value is None or isinstance(value, bool | int | float | str):
        return value
    elif isinstance(value, list | tuple):
        return [_plain(item, what) for item in value]
    elif isinstance(value, Mapping):
        return {str(key): _plain(item, what) for key, item in value.items()}
    raise TypeError(
        f"{what} is {value!r}, of type {type(value).__name__}, which JSON cannot hold; use "
        "numbers, strings, or lists of them"
    )


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
