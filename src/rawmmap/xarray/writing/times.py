"""Times and durations that are stored in NumPy's own types: counts in any unit.

xarray encodes times by the CF conventions, which know few units, and keeps other ones in lazy
arrays only. What is stored as counts goes through its encoder as integers.
"""

from __future__ import annotations

import functools
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from xarray import Dataset, Variable

__all__ = ["CF_UNITS", "as_times", "convert_times", "count_times"]

#: CF's names of units, by those of `numpy.datetime_data`.
CF_UNITS = {
    "D": "days",
    "h": "hours",
    "m": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}
# What xarray encodes: times, and durations.
_ENCODED = {
    "M": {(unit, 1) for unit in CF_UNITS},
    "m": {(unit, 1) for unit in ("s", "ms", "us", "ns")},
}


def count_times(ds: Dataset) -> dict[str, np.dtype[Any]]:
    """Replace times in units that xarray does not encode by their counts; return their types."""
    counted: dict[str, np.dtype[Any]] = {}
    for name, variable in ds.variables.items():
        kind = variable.dtype.kind
        if kind in "mM" and np.datetime_data(variable.dtype) not in _ENCODED[kind]:
            data: Any = variable.data
            dtype = variable.dtype.newbyteorder("=")
            ds[name] = variable.copy(data=data.astype(dtype).view("i8"))
            counted[str(name)] = dtype
    return counted


def as_times(variable: Variable, dtype: np.dtype[Any]) -> Variable:
    """Return counts as times of `dtype`; lazily, since xarray converts the units of others."""
    data: Any = variable.data
    lazy = data if variable.chunks is not None else da.from_array(data, chunks=-1, name=False)
    return Variable(variable.dims, lazy.view(dtype), variable.attrs)


def convert_times(variable: Variable, what: str, dtype: np.dtype[Any]) -> Variable:
    """Return the counts of times in the units of `dtype`.

    Parameters
    ----------
    variable : Variable
        Times or durations, of NumPy's types.
    what : str
        What errors are about.
    dtype : numpy.dtype
        The type that the file has.

    Raises
    ------
    ValueError
        If some are between two counts or past the last one; for lazy times when they are computed.
    """
    convert: Any = functools.partial(_convert, what=what, dtype=dtype.newbyteorder("="))
    data: Any = variable.data
    if isinstance(data, da.Array):
        counts: Any = da.map_blocks(
            convert, data, dtype="i8", meta=np.empty((0,) * data.ndim, "i8")
        )
    else:
        counts = convert(np.asarray(data))
    return Variable(variable.dims, counts)


def _convert(block: npt.NDArray[Any], what: str, dtype: np.dtype[Any]) -> npt.NDArray[np.int64]:
    with np.errstate(all="ignore"):
        converted = block.astype(dtype)
    wrong = (converted.astype(block.dtype) != block) & ~np.isnat(block)
    if wrong.any():
        raise ValueError(
            f"{what}: {int(wrong.sum())} times, such as {block[wrong][0]}, cannot be written in "
            f"the type of the file, {dtype}; round them, or write the file again"
        )
    return converted.view("i8")
