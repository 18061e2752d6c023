"""Values that stand for what is missing, as headers give them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["fill_value_attrs"]

# More digits than any integer type has; Python refuses to convert very long texts.
_MOST_DIGITS = 25


def fill_value_attrs(value: str | float, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return the attribute ``_FillValue`` in the type of the data.

    There is none where the data cannot have the value: for an integer type that does not hold it,
    and for complex numbers.

    Raises
    ------
    ValueError
        If a text is not a number.
    """
    number = _as_number(value) if isinstance(value, str) else value
    plain = dtype.newbyteorder("=").type
    if dtype.kind == "c":
        return {}
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return {"_FillValue": plain(number)}
    limits = np.iinfo(dtype)
    fits = limits.min <= number <= limits.max and number == int(number)
    return {"_FillValue": plain(int(number))} if fits else {}


def _as_number(text: str) -> float:
    if len(text) < _MOST_DIGITS and text.lstrip("+-").isdecimal():
        return int(text)
    return float(text)
