"""Values that are packed into integers: those that do not fit are errors, not other numbers."""

from __future__ import annotations

import functools
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from xarray import Variable

__all__ = ["checked"]


def checked(variable: Variable, what: str) -> Variable:
    """Return a variable whose values are refused where the integers of its encoding end.

    Parameters
    ----------
    variable : Variable
        With the encoding that it is to be written in; NumPy or Dask values, checked when they are
        computed.
    what : str
        What errors are about.
    """
    encoding = variable.encoding
    dtype = np.dtype(encoding.get("dtype") or variable.dtype)
    if dtype.kind not in "iu" or variable.dtype.kind != "f" or "_Unsigned" in encoding:
        return variable
    factors = encoding.get("scale_factor", 1), encoding.get("add_offset", 0)
    filled = any(encoding.get(word) is not None for word in ("_FillValue", "missing_value"))
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
            "file anew with encoding= that holds them, _FillValue included"
        )
    return block
