"""Elements in another type: a value that does not fit is an error."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["cast_variable"]

_NUMBERS = "biufc"
# Attributes whose values are of the type of the elements, by the CF conventions.
_OF_THE_SAME_TYPE = ("_FillValue", "missing_value", "valid_min", "valid_max", "valid_range")


def cast_variable(name: str, variable: xr.Variable, dtype: np.dtype[Any]) -> xr.Variable:
    """Return a variable of numbers in another type; text, times and bytes stay as they are.

    Parameters
    ----------
    name : str
        What errors name.
    variable : xarray.Variable
        NumPy or Dask values; those of Dask are checked when they are computed.
    dtype : numpy.dtype
        The type, in any byte order. Floats become integers by rounding.

    Raises
    ------
    TypeError
        If complex numbers would become real ones.
    ValueError
        If a value is out of range.
    """
    if variable.dtype.kind not in _NUMBERS or variable.dtype == dtype:
        return variable
    what = f"variable {name!r}"
    if variable.dtype.kind == "c" and dtype.kind != "c":
        raise TypeError(
            f"{what} is {variable.dtype}, and {dtype} cannot hold imaginary parts; choose a "
            "complex type"
        )
    data: Any = variable.data
    cast = functools.partial(_cast, dtype=dtype.newbyteorder("="), what=what)
    result = cast(data) if isinstance(data, np.ndarray) else data.map_blocks(cast, dtype=dtype)
    attrs = {key: _cast_attr(key, value, cast) for key, value in variable.attrs.items()}
    return variable.copy(data=result)._replace(attrs=attrs)


def _cast_attr(key: str, value: Any, cast: Any) -> Any:
    if key not in _OF_THE_SAME_TYPE or np.asarray(value).dtype.kind not in _NUMBERS:
        return value
    return cast(np.asarray(value), what=f"the attribute {key!r}")[()]


def _cast(block: npt.NDArray[Any], dtype: np.dtype[Any], what: str) -> npt.NDArray[Any]:
    """Return a chunk in another type."""
    block = block.view("u1") if block.dtype.kind == "b" else block
    values = np.rint(block) if block.dtype.kind == "f" and dtype.kind in "iu" else block
    with np.errstate(all="ignore"):
        result = values.astype(dtype)
        wrong = ~_fits(values, result)
    if wrong.any():
        raise ValueError(
            f"{what}: {int(wrong.sum())} values, such as {block[wrong][0]}, do not fit into {dtype}"
        )
    return result


def _fits(values: npt.NDArray[Any], result: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which values are in the range of the type of `result`."""
    kind = result.dtype.kind
    if kind == "b":
        return np.asarray((values == 0) | (values == 1))
    if kind in "fc":
        return np.asarray(np.isfinite(result) | ~np.isfinite(values))
    if values.dtype.kind == "f":
        limits = np.iinfo(result.dtype)
        # The upper limit itself may not be a float; the power of two after it is.
        wide = values.astype(np.promote_types(values.dtype, "f4"))
        return np.asarray((wide >= float(limits.min)) & (wide < float(limits.max + 1)))
    # Integers that have wrapped come back as others, or have changed their sign.
    same = result.astype(values.dtype) == values
    return np.asarray(same & ((result < 0) == (values < 0)))
