"""The axes of a GrADS grid: XDEF, YDEF and ZDEF, and their coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from rawmmap.formats.grads.lines import Line, Lines, shorten
from rawmmap.formats.numbers import parse_count, parse_number

__all__ = ["Axis", "gaussian_latitudes", "parse_axis"]

# Latitudes of the Gaussian grids that have a name.
_GAUSSIAN = {"GAUST62": 94, "GAUSR15": 40, "GAUSR20": 52, "GAUSR30": 80, "GAUSR40": 102}


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of the grid.

    Attributes
    ----------
    length : int
        Number of grid points.
    start, step : float
        First value and the distance of neighbours, where there is no list of values.
    levels : tuple of float or None
        The values.
    """

    length: int
    start: float = 0.0
    step: float = 1.0
    levels: tuple[float, ...] | None = None

    def values(self, count: int) -> npt.NDArray[np.float64]:
        """Return the values of the first `count` grid points."""
        if self.levels is not None:
            return np.array(self.levels[:count])
        values: npt.NDArray[np.float64] = (
            self.start + np.arange(count, dtype=np.float64) * self.step
        )
        return values


@cache
def gaussian_latitudes(count: int) -> tuple[float, ...]:
    """Return the latitudes of a Gaussian grid from south to north, in degrees.

    They are those at which the Legendre polynomial of degree `count` is zero.
    """
    roots, _ = np.polynomial.legendre.leggauss(count)
    return tuple(np.degrees(np.arcsin(roots)).tolist())


def parse_axis(line: Line, lines: Lines) -> Axis:
    """Return the axis that a line XDEF, YDEF or ZDEF defines; a list may go on over further lines.

    Raises
    ------
    ValueError
        If it is malformed.
    """
    words = line.words
    if len(words) < 2:
        raise ValueError("a number of grid points and LINEAR or LEVELS must follow")
    length = parse_count("the number of grid points", words[0], 1)
    mapping = words[1].upper()
    if mapping == "LINEAR":
        return _parse_linear(length, words[2:])
    if mapping == "LEVELS":
        return Axis(length, levels=_parse_levels(length, words[2:], lines))
    if mapping in _GAUSSIAN and line.keyword == "YDEF":
        return Axis(length, levels=_parse_gaussian(length, mapping, words[2:]))
    known = "LINEAR, LEVELS" + (f", {', '.join(_GAUSSIAN)}" if line.keyword == "YDEF" else "")
    raise ValueError(f"the mapping {shorten(words[1])} is not implemented; of {known} one is")


def _parse_linear(length: int, words: list[str]) -> Axis:
    if len(words) < 2:
        raise ValueError("LINEAR takes a first value and an increment")
    start = parse_number("the first value", words[0])
    step = parse_number("the increment", words[1])
    if step <= 0 and length > 1:
        raise ValueError(f"the increment is {step}; it is positive, and OPTIONS yrev or zrev flip")
    if not math.isfinite(start + (length - 1) * step):
        raise ValueError("the last value is too large for a number")
    return Axis(length, start, step)


def _parse_levels(length: int, words: list[str], lines: Lines) -> tuple[float, ...]:
    values: list[float] = []
    while True:
        values += [parse_number("a level", word) for word in words[: length - len(values)]]
        if len(values) == length:
            return tuple(values)
        wanted = f"{length} levels, of which {len(values)} are given,"
        words = lines.take(wanted, values=True).text.split()


def _parse_gaussian(length: int, mapping: str, words: list[str]) -> tuple[float, ...]:
    if not words:
        raise ValueError(f"{mapping} takes the number of the first latitude")
    first = parse_count("the first latitude", words[0], 1)
    total = _GAUSSIAN[mapping]
    if first + length - 1 > total:
        raise ValueError(f"{mapping} has {total} latitudes, not {first} and {length - 1} more")
    return gaussian_latitudes(total)[first - 1 : first - 1 + length]
