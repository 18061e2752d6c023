"""Values that are packed into integers: those that do not fit are errors, not other numbers."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pandas as pd
from xarray import Variable
from xarray.coding.times import encode_cf_datetime, encode_cf_timedelta

__all__ = ["check_packable"]

_FILL = ("_FillValue", "missing_value")


def check_packable(variable: Variable, what: str, strict: bool = True) -> Variable:
    """Return a variable whose values are refused where the integers of its encoding end.

    Parameters
    ----------
    variable : Variable
        With the encoding that it is to be written in; NumPy or Dask values, checked when they are
        computed.
    what : str
        What errors are about.
    strict : bool
        Whether missing values without a fill value are refused, too; xarray only warns of them.
    """
    encoding = variable.encoding
    dtype = np.dtype(encoding.get("dtype") or variable.dtype)
    if dtype.kind in "iu" and variable.dtype.kind in "MmO" and "units" in encoding:
        return _check_times(variable, what, dtype, strict)
    packed = variable.dtype.kind == "f" or (variable.dtype.kind in "iu" and dtype != variable.dtype)
    if dtype.kind not in "iu" or not packed or "_Unsigned" in encoding:
        return variable
    factors = encoding.get("scale_factor", 1), encoding.get("add_offset", 0)
    filled = not strict or any(encoding.get(word) is not None for word in _FILL)
    check = functools.partial(_check, what=what, dtype=dtype, factors=factors, filled=filled)
    data: Any = variable.data
    if isinstance(data, da.Array):
        return variable.copy(data=da.map_blocks(check, data, dtype=data.dtype, meta=data._meta))
    return variable.copy(data=check(np.asarray(data)))


def _check(
    block: npt.NDArray[Any], what: str, dtype: np.dtype[Any], factors: Any, filled: bool
) -> npt.NDArray[Any]:
    limits = np.iinfo(dtype)
    with np.errstate(all="ignore"):
        packed = np.round((np.asarray(block, "f8") - factors[1]) / factors[0])
    wrong = ~((packed >= limits.min) & (packed <= limits.max)) & ~(filled & np.isnan(block))
    if wrong.any():
        raise ValueError(
            f"{what}: {int(wrong.sum())} values, such as {block[wrong][0]}, do not fit into the "
            f"file's {dtype} with scale_factor {factors[0]} and add_offset {factors[1]}; write the "
            "file again with encoding= that holds them, _FillValue included"
        )
    return block


def _check_times(variable: Variable, what: str, dtype: np.dtype[Any], strict: bool) -> Variable:
    """Return times, or durations, that are refused where the integers of their encoding end."""
    encoding = variable.encoding
    words: dict[str, Any] = {word: encoding.get(word) for word in ("units", "calendar")}
    filled = not strict or any(encoding.get(word) is not None for word in _FILL)
    check: Any = functools.partial(
        _check_block_of_times, what=what, dtype=dtype, filled=filled, **words
    )
    data: Any = variable.data
    if isinstance(data, da.Array):
        return variable.copy(data=da.map_blocks(check, data, dtype=data.dtype, meta=data._meta))
    check(np.asarray(data))
    return variable


def _check_block_of_times(
    block: Any, what: str, dtype: np.dtype[Any], filled: bool, units: str, calendar: str | None
) -> Any:
    missing = pd.isnull(block)
    limits = np.iinfo(dtype)
    if missing.any() and not filled:
        raise ValueError(
            f"{what}: {int(missing.sum())} times are missing (NaT), which the file's {dtype} "
            "cannot hold without a _FillValue; write the file again with encoding= that has one"
        )
    present = block[~missing]
    with warnings.catch_warnings():
        # Units that do not suit the values are refused later, by name.
        warnings.simplefilter("ignore")
        if block.dtype.kind == "m":
            counts = encode_cf_timedelta(present, units)[0]
        else:
            counts = encode_cf_datetime(present, units, calendar)[0]
    wrong = (counts < limits.min) | (counts > limits.max)
    if wrong.any():
        raise ValueError(
            f"{what}: {int(wrong.sum())} times, such as {present[wrong][0]}, do not fit into the "
            f"file's {dtype} of {units!r}; write the file again with encoding= that holds them"
        )
    return block
