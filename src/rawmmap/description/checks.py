"""Checks of what a sidecar from an untrusted source says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from rawmmap.description.model import Records, Variable
from rawmmap.description.template import LayoutTemplate
from rawmmap.errors import OverlapError
from rawmmap.layout.bits import BitLayout

__all__ = [
    "check_dims",
    "check_integer",
    "check_integers",
    "check_object",
    "check_strings",
    "check_template",
    "convert_fill_value",
    "name_subject",
]

# The limit of NumPy 1; later versions take more.
_MAX_DIMS = 32
# Elements that may share a byte where a sidecar says that elements overlap.
_MOST_WINDOWS = 1024


def check_dims(dims: tuple[str, ...], shape: tuple[int, ...], what: str) -> None:
    """Refuse dims whose number is not that of the axes."""
    if len(dims) != len(shape):
        raise ValueError(
            f"{what} has shape {_format_value(list(shape))}, but dims {_format_value(list(dims))}"
        )
    if len(dims) > _MAX_DIMS:
        raise ValueError(f"{what} has {len(dims)} dimensions; {_MAX_DIMS} are possible")


def check_template(
    variable: Variable, records: Records | None, what: str, *, overlap: bool = False
) -> None:
    """Refuse elements that overlap, and variables that do not fit into the records.

    A few bytes could otherwise describe more elements than any memory holds. With `overlap` each
    byte may belong to so many elements as windows that slide over a file need.
    """
    template = variable.data
    if not isinstance(template, LayoutTemplate) or template.shape is None:
        return
    one = replace(template, shape=tuple(1 if n == -1 else n for n in template.shape)).arrange(0)
    start, stop = one.extent
    if isinstance(one, BitLayout):
        needed = -(-one.size * one.packing.bits // 8)
        steps = tuple(step // 8 for step in one.grid.strides)
    else:
        needed, steps = one.nbytes, one.strides
    if needed > (stop - start) * (_MOST_WINDOWS if overlap else 1):
        extent = f" more than {_MOST_WINDOWS} times" if overlap else ""
        raise OverlapError(
            f"{what}: its elements overlap{extent}, with strides {_format_value(steps)}"
        )
    if records is None or -1 not in template.shape or template.strides is None:
        return
    for dim, n, step in zip(variable.dims, template.shape, steps, strict=True):
        if n == -1 and dim == records.dim and step != records.nbytes:
            raise ValueError(
                f"{what}: its stride along {dim!r} is {step}, but a record has {records.nbytes}"
            )
    if one.nbytes and not records.offset <= start <= stop <= records.offset + records.nbytes:
        raise ValueError(
            f"{what}: bytes {start} to {stop} are not within the first record, which has bytes "
            f"{records.offset} to {records.offset + records.nbytes}"
        )


def convert_fill_value(attrs: dict[str, Any], dtype: np.dtype[Any], what: str) -> dict[str, Any]:
    """Return attributes whose fill value has the variable's type."""
    if "_FillValue" not in attrs:
        return attrs
    value = attrs["_FillValue"]
    try:
        if isinstance(value, str) and dtype.kind == "f":
            value = float(value)
        if isinstance(value, str) and dtype.kind == "S":
            value = value.encode("latin-1")
        with np.errstate(all="ignore"):
            fill = np.asarray(value).astype(dtype)[()]
        # Data that is unsigned by the attribute _Unsigned may have a fill value of either sign.
        fits = fill.shape == () and (dtype.kind not in "iu" or fill == value)
        if not fits and "_Unsigned" not in attrs:
            raise ValueError("it does not fit")
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f'{what}: "_FillValue" {_format_value(value)} is not a value of type {dtype}: {error}'
        ) from error
    return {**attrs, "_FillValue": fill}


@contextmanager
def name_subject(what: str) -> Iterator[None]:
    """Put what is wrong, such as a variable, before the text of errors that leave this context."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what}: {error}") from error


def check_object(value: Any, what: str, names: set[str] | None = None) -> dict[str, Any]:
    """Return a JSON object; refuse names other than `names`."""
    if not isinstance(value, dict):
        raise TypeError(f"{what} must be a JSON object, not {_format_value(value)}")
    unknown = sorted(set(value) - names) if names else []
    if unknown:
        raise ValueError(f"{what} has unknown names {unknown}; allowed are {sorted(names or ())}")
    return value


def check_strings(value: Any, what: str) -> list[str]:
    """Return `value` if it is a list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{what} must be a list of strings, not {_format_value(value)}")
    return value


def check_integers(value: Any, what: str, least: int | None = None) -> tuple[int, ...]:
    """Return a list of integers of at least `least` and below 2**63, as a tuple."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{what} must be a list of integers, not {_format_value(value)}")
    return tuple(check_integer(item, what, least) for item in value)


def check_integer(value: Any, what: str, least: int | None = None) -> int:
    """Return `value` if it is an integer of at least `least` and below 2**63."""
    if type(value) is not int:
        raise TypeError(f"{what} must be an integer, not {_format_value(value)}")
    lowest = -(2**63) if least is None else least
    if not lowest <= value < 2**63:
        raise ValueError(
            f"{what} is {_format_value(value)}, outside of the range {lowest} to 2**63 - 1"
        )
    return value


def _format_value(value: Any) -> str:
    """Return the text of a value, of bounded length."""
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."
