"""Checks of what a stranger's sidecar says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rawmmap.description.model import Records, Variable
from rawmmap.description.template import LayoutTemplate

__all__ = [
    "as_integer",
    "as_integers",
    "as_object",
    "as_strings",
    "check_dims",
    "check_template",
    "shown",
    "typed",
    "within",
]

# What every version of NumPy can handle.
_MOST_DIMS = 32


def check_dims(dims: tuple[str, ...], shape: tuple[int, ...], what: str) -> None:
    """Refuse dims that are not as many as the axes."""
    if len(dims) != len(shape):
        raise ValueError(f"{what} has shape {shown(list(shape))}, but dims {shown(list(dims))}")
    if len(dims) > _MOST_DIMS:
        raise ValueError(f"{what} has {len(dims)} dimensions; {_MOST_DIMS} are possible")


def check_template(variable: Variable, records: Records | None, what: str) -> None:
    """Refuse lengths that no file can have, and records that do not follow each other as is said.

    A few bytes could otherwise stand for more elements than any memory holds.
    """
    template = variable.data
    if not isinstance(template, LayoutTemplate) or template.shape is None:
        return
    one = replace(template, shape=tuple(1 if n == -1 else n for n in template.shape)).resolve(0)
    start, stop = one.extent
    if one.nbytes > stop - start:
        raise ValueError(f"{what}: its elements overlap, with strides {shown(one.strides)}")
    if records is None or -1 not in template.shape or template.strides is None:
        return
    for dim, n, step in zip(variable.dims, template.shape, template.strides, strict=True):
        if n == -1 and dim == records.dim and step != records.nbytes:
            raise ValueError(
                f"{what}: its stride along {dim!r} is {step}, but a record has {records.nbytes}"
            )
    if one.nbytes and not records.offset <= start <= stop <= records.offset + records.nbytes:
        raise ValueError(
            f"{what}: bytes {start} to {stop} are not within the first record, which has bytes "
            f"{records.offset} to {records.offset + records.nbytes}"
        )


def typed(attrs: dict[str, Any], dtype: np.dtype[Any], what: str) -> dict[str, Any]:
    """Return attributes whose fill value has the variable's type."""
    if "_FillValue" not in attrs:
        return attrs
    given = attrs["_FillValue"]
    if isinstance(given, str) and dtype.kind == "f":
        given = float(given)
    if isinstance(given, str) and dtype.kind == "S":
        given = given.encode("latin-1")
    try:
        with np.errstate(all="ignore"):
            fill = np.asarray(given).astype(dtype)[()]
        # What is unsigned by convention may be filled with a number of either sign.
        fits = fill.shape == () and (dtype.kind not in "iu" or fill == given)
        if not fits and "_Unsigned" not in attrs:
            raise ValueError("it does not fit")
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f'{what}: "_FillValue" {shown(given)} is no {dtype}: {error}') from error
    return {**attrs, "_FillValue": fill}


def within(what: str, function: Any, argument: Any) -> Any:
    """Return ``function(argument)``; its errors say what they are about."""
    try:
        return function(argument)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what}: {error}") from error


def as_object(value: Any, what: str, names: set[str] | None = None) -> dict[str, Any]:
    """Return a JSON object that has no other names."""
    if not isinstance(value, dict):
        raise TypeError(f"{what} is a JSON object, not {shown(value)}")
    unknown = sorted(set(value) - names) if names else []
    if unknown:
        raise ValueError(f"{what} has unknown names {unknown}; known are {sorted(names or ())}")
    return value


def as_strings(value: Any, what: str) -> list[str]:
    """Return a list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{what} is a list of strings, not {shown(value)}")
    return value


def as_integers(value: Any, what: str, least: int | None = None) -> tuple[int, ...]:
    """Return a list of integers of at least `least` and below 2**63."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{what} is a list of integers, not {shown(value)}")
    return tuple(as_integer(item, what, least) for item in value)


def as_integer(value: Any, what: str, least: int | None = None) -> int:
    """Return an integer of at least `least` and below 2**63."""
    if type(value) is not int:
        raise TypeError(f"{what} is an integer, not {shown(value)}")
    lowest = -(2**63) if least is None else least
    if not lowest <= value < 2**63:
        raise ValueError(f"{what} is {shown(value)}, outside of {lowest} to 2**63 - 1")
    return value


def shown(value: Any) -> str:
    """Return a value as text of bounded length."""
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."
