"""What an HDF5 file says about a flat one: its datasets, types and attributes, before any I/O."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.description import Variable
from rawmmap.formats.coordinates import name_coordinates
from rawmmap.formats.described_file import DescribedFile
from rawmmap.layout import Layout

__all__ = ["Plan", "Planned", "plan", "segments"]

# An object header message has at most 65,535 bytes, and each piece takes 24 of them.
_MOST_SEGMENTS = 2_700
_MOST_BYTES = 64_000
_MOST_TEXT = 2**26

_UNITS = {
    "D": "days",
    "h": "hours",
    "m": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}
_FLOATS = {"f": (2, 4, 8), "c": (8, 16)}


@dataclass(frozen=True, slots=True)
class Planned:
    """A dataset.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of the stored values.
    shape : tuple of int
        Element counts.
    dims : tuple of str
        Names of the axes.
    segments : tuple of (int, int)
        Where the elements lie in the flat file: first byte and number of bytes of each piece.
    values : numpy.ndarray or None
        The values themselves, where they are not in the flat file.
    attrs : mapping
        Attributes, as h5py takes them.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    segments: tuple[tuple[int, int], ...]
    values: npt.NDArray[Any] | None
    attrs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole file: its datasets by name, the lengths of its dimensions, and its attributes."""

    datasets: Mapping[str, Planned]
    dims: Mapping[str, int]
    attrs: Mapping[str, Any]


def plan(subject: DescribedFile, variable: str | None) -> Plan:
    """Return what is to be written for a file, or for one of its variables.

    Raises
    ------
    TypeError
        If HDF5 cannot hold an attribute.
    ValueError
        If HDF5 cannot express a name, a type or a layout.
    """
    chosen = _chosen(subject, variable)
    coords = [name for name in chosen if subject.is_coordinate(name)]
    named, attrs = name_coordinates(chosen, coords, subject.description.attrs)
    datasets = {
        name: _planned(subject, name, placed, named[name]) for name, placed in chosen.items()
    }
    dims = {dim: n for p in datasets.values() for dim, n in zip(p.dims, p.shape, strict=True)}
    _check_names(subject, datasets, dims)
    return Plan(datasets, dims, _attributes(attrs, subject.path))


def _chosen(subject: DescribedFile, variable: str | None) -> dict[str, Variable]:
    if variable is None:
        return dict(subject.variables)
    if variable not in subject.variables:
        raise ValueError(
            f"{subject.path}: variable={variable!r} is not in the file; there are "
            f"{list(subject.variables)}"
        )
    chosen = subject.variables[variable]
    mapping = str(chosen.attrs.get("grid_mapping", "")).split()
    return {
        name: placed
        for name, placed in subject.variables.items()
        if name == variable
        or name in mapping
        or (subject.is_coordinate(name) and set(placed.dims) <= set(chosen.dims))
    }


def _check_names(
    subject: DescribedFile, datasets: Mapping[str, Planned], dims: Mapping[str, int]
) -> None:
    for name in (*datasets, *dims):
        if not name or "/" in name or name == "." or "\0" in name:
            raise ValueError(f"{subject.path}: {name!r} is not a name that HDF5 can have")
    for name in dims:
        if name in datasets and datasets[name].dims != (name,):
            raise ValueError(
                f"{subject.path}: {name!r} is both a dimension and a variable with the dimensions "
                f"{datasets[name].dims}; HDF5 has one dataset of that name: rename one of them"
            )


def _planned(subject: DescribedFile, name: str, placed: Variable, attrs: dict[str, Any]) -> Planned:
    data: Any = placed.data
    what = f"{subject.path}: variable {name!r}"
    if isinstance(data, Layout) and data.dtype.kind == "U" and data.nbytes <= _MOST_TEXT:
        # HDF5 has no type for four bytes a character, and labels are worth a copy.
        data = subject.values(placed)
    elif not isinstance(data, Layout):
        data = subject.values(placed)
    if not isinstance(data, Layout):
        data, more = _stored_values(data, attrs, what)
        return Planned(
            data.dtype, data.shape, placed.dims, (), data, _attributes({**attrs, **more}, what)
        )
    dtype, more = _stored(data.dtype, attrs, what)
    attrs = {**attrs, **more}
    if "_FillValue" in attrs:
        attrs["_FillValue"] = _fill(attrs["_FillValue"], data.dtype, dtype)
    return Planned(
        dtype, data.shape, placed.dims, segments(data, what), None, _attributes(attrs, what)
    )


def _stored(
    dtype: np.dtype[Any], attrs: Mapping[str, Any], what: str
) -> tuple[np.dtype[Any], dict[str, Any]]:
    """Return the type of the same bytes in HDF5, and the attributes that give it its meaning."""
    kind, size = dtype.kind, dtype.itemsize
    if kind in "iuS" or size in _FLOATS.get(kind, ()):
        return dtype, {}
    if kind == "b":
        return np.dtype("i1"), {"dtype": "bool"}
    unit, count = np.datetime_data(dtype) if kind in "mM" else ("", 0)
    if unit not in _UNITS or count != 1:
        raise ValueError(
            f"{what}: HDF5 has no type for {dtype}; it has integers, floats of 2, 4 and 8 bytes, "
            "their complex numbers, bytes, booleans, and times in days to nanoseconds"
        )
    if "units" in attrs:
        raise ValueError(f"{what} has both units, {attrs['units']!r}, and the type {dtype}")
    missing = {"_FillValue": attrs.get("_FillValue", np.iinfo(np.int64).min)}
    stored = np.dtype(f"{dtype.byteorder}i8")
    if kind == "m":
        # xarray decodes durations to these four resolutions.
        resolution = unit if unit in ("s", "ms", "us", "ns") else "s"
        return stored, {"units": _UNITS[unit], "dtype": f"timedelta64[{resolution}]", **missing}
    since = f"{_UNITS[unit]} since 1970-01-01"
    return stored, {"units": since, "calendar": "proleptic_gregorian", **missing}


def _stored_values(
    values: npt.NDArray[Any], attrs: Mapping[str, Any], what: str
) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    if values.dtype.kind == "U":
        return values, {}
    if values.dtype.kind in "mM" and np.datetime_data(values.dtype) not in [
        (unit, 1) for unit in _UNITS
    ]:
        values = values.astype(f"{values.dtype.kind}8[s]")
    dtype, more = _stored(values.dtype, attrs, what)
    if "_FillValue" in more or "_FillValue" in attrs:
        fill = {**attrs, **more}["_FillValue"]
        more["_FillValue"] = _fill(fill, values.dtype, dtype)
    return values.view(dtype), more


def _fill(value: Any, described: np.dtype[Any], stored: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the value that marks what is missing, in the very type of the dataset."""
    array = np.asarray(value)
    if described.kind in "mM" and array.dtype.kind in "mM":
        array = array.astype(described.newbyteorder("=")).view(np.int64)
    return array.astype(stored)


def segments(layout: Layout, what: str) -> tuple[tuple[int, int], ...]:
    """Return the pieces of a file that hold the elements of a layout in C order.

    Raises
    ------
    ValueError
        If there are too many.
    """
    if layout.size == 0:
        return ()
    length, axis = layout.dtype.itemsize, layout.ndim
    while axis and (layout.shape[axis - 1] == 1 or layout.strides[axis - 1] == length):
        axis -= 1
        length *= layout.shape[axis]
    count = math.prod(layout.shape[:axis])
    if count > _MOST_SEGMENTS:
        raise ValueError(
            f"{what} of shape {layout.shape} and strides {layout.strides} is {count} runs of "
            f"{length} bytes in C order; a dataset of HDF5 is made of at most {_MOST_SEGMENTS} "
            "pieces: choose others with variable=, or rewrite the data in C order"
        )
    outer = [range(0, n * s, s) if s else [0] * n for n, s in _outer(layout, axis)]
    return tuple((layout.offset + sum(steps), length) for steps in itertools.product(*outer))


def _outer(layout: Layout, axis: int) -> list[tuple[int, int]]:
    return list(zip(layout.shape[:axis], layout.strides[:axis], strict=True))


def _attributes(attrs: Mapping[str, Any], what: str) -> dict[str, Any]:
    return {name: _attribute(value, f"{what}: attribute {name!r}") for name, value in attrs.items()}


def _attribute(value: Any, what: str) -> Any:
    """Return an attribute as h5py writes it in a type that netCDF-4 knows too."""
    if isinstance(value, str):
        return value
    array = _array(value)
    if array.nbytes > _MOST_BYTES:
        raise ValueError(
            f"{what} has {array.nbytes} bytes; HDF5 takes at most {_MOST_BYTES}: make it a variable"
        )
    if array.dtype.kind == "b":
        return array.astype(np.int8)
    if array.dtype.kind == "U":
        return [str(item) for item in array.ravel()] if array.ndim else str(array)
    if array.dtype.kind in "iufcS":
        return array
    raise TypeError(
        f"{what} is {value!r}, of type {type(value).__name__}, which HDF5 cannot hold; use "
        "numbers, strings, or lists of them"
    )


def _array(value: Any) -> npt.NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:
        return np.asarray(None)  # lists of unequal lengths, which no array holds
