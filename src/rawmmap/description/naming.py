"""Names of new files by a pattern, such that their values can be read back from them. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.description.patterns import VARIABLE, Pattern

__all__ = ["name_files"]

# Bytes of a name that all common systems take.
_LONGEST = 255


def name_files(
    pattern: Pattern, values: Mapping[str, npt.NDArray[Any]]
) -> tuple[list[str], dict[str, npt.NDArray[Any]]]:
    """Return the names of the files of all combinations of some values.

    Parameters
    ----------
    pattern : Pattern
        What the names look like.
    values : mapping of str to numpy.ndarray
        The values of each field, without repetitions.

    Returns
    -------
    list of str
        Names relative to the folder of the pattern, in C order of the fields of `values`.
    dict of str to numpy.ndarray
        The values of each field as they are read back from the names.

    Raises
    ------
    ValueError
        If a value cannot be formatted, or two combinations have the same name or cannot be told
        apart.
    """
    names = [
        _name(pattern, dict(zip(values, chosen, strict=True)))
        for chosen in product(*values.values())
    ]
    _check_distinct(pattern, names, values)
    chosen, axes = pattern.parse(names)
    if len(chosen) < len(names):
        belonging = set(chosen)
        strange = next(name for i, name in enumerate(names) if i not in belonging)
        raise ValueError(
            f"{pattern.text}: {strange!r} would not be found as a file of this pattern"
        )
    shape = tuple(len(labels) for labels in values.values())
    read = {axis.name: axis.values.reshape(shape) for axis in axes}
    return names, {
        name: _labels(pattern, name, read[name], axis) for axis, name in enumerate(values)
    }


def _name(pattern: Pattern, values: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name}={value}" for name, value in values.items())
    try:
        name = pattern.format(values)[len(pattern.folder) :]
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ValueError(f"{pattern.text}: there is no name for {shown}: {error}") from error
    parts = name.split("/")
    hidden = any(
        part.startswith(".") and not level.pattern.startswith(r"\.")
        for part, level in zip(parts, pattern.levels, strict=False)
    )
    long = any(len(os.fsencode(part)) > _LONGEST for part in parts)
    if hidden or long or "\0" in name or len(parts) != len(pattern.levels):
        raise ValueError(
            f"{pattern.text}: {name!r} cannot be the name of the file of {shown}: it is hidden, "
            f"longer than {_LONGEST} bytes, or has a slash or zero byte"
        )
    return name


def _check_distinct(
    pattern: Pattern, names: list[str], values: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Refuse two files of one name."""
    if len(set(names)) == len(names):
        return
    combinations = list(product(*values.values()))
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        other = first.setdefault(name, i)
        if other != i:
            pair = " and ".join(
                ", ".join(f"{k}={v}" for k, v in zip(values, combinations[n], strict=True))
                for n in (other, i)
            )
            raise ValueError(
                f"{pattern.text}: {pair} would share the file {name!r}; give the fields formats "
                "that tell all values apart"
            )


def _labels(pattern: Pattern, name: str, read: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """Return the values of one field along its axis, if each name tells which one it is of."""
    labels = np.moveaxis(read, axis, 0).reshape(read.shape[axis], -1)
    if (labels != labels[:, :1]).any() or len(np.unique(labels[:, 0])) < len(labels):
        raise ValueError(
            f"{pattern.text}: where {{{name}}} begins and ends cannot be told from the names; put "
            "text between the fields"
        )
    if labels.dtype.kind == "O" and name != VARIABLE:
        raise ValueError(f"{pattern.text}: the values of {{{name}}} take more than 64 bits")
    return np.ascontiguousarray(labels[:, 0])
