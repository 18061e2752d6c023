"""Guesses from candidates: their keywords, evidence and pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.guessing.evidence import explain
from rawmmap.guessing.model import Guess
from rawmmap.guessing.samples import Parts
from rawmmap.guessing.search import Candidate, search, weigh_readings
from rawmmap.guessing.thumbnails import make_thumbnail

__all__ = ["format_dtype", "guess_raw", "lines_of"]


def guess_raw(parts: Parts, limit: int) -> list[Guess]:
    """Return what raw numbers a file may hold, best first.

    Parameters
    ----------
    parts : Parts
        Parts of the file, at least one byte.
    limit : int
        How many at most.
    """
    if len(set(parts.beginning)) == 1 and all(set(b) <= set(parts.beginning) for b in parts.blocks):
        return [_guess_constant(parts)]
    weighed = weigh_readings(parts, max(limit, 3))
    candidates = search(parts, weighed, limit)
    return [
        Guess(
            _make_keywords(candidate),
            candidate.share,
            explain(candidate, weighed, parts),
            _draw(candidate, parts),
        )
        for candidate in candidates
    ]


def _guess_constant(parts: Parts) -> Guess:
    value = parts.beginning[0]
    return Guess(
        {"dtype": "u1", "shape": (-1,), "dims": ("x",), "offset": 0},
        0.01,
        (f"all bytes that were looked at are {value}: nothing tells one type from another",),
        make_thumbnail([np.frombuffer(parts.beginning, np.uint8)]),
    )


def format_dtype(dtype: np.dtype[Any]) -> str:
    """Return a type as a string that NumPy reads, such as ``">f4"`` or ``"<i8,<f4"``."""
    if dtype.names is None:
        return dtype.str.lstrip("|")
    return ",".join(format_dtype(dtype[name]) for name in dtype.names)


def _make_keywords(candidate: Candidate) -> dict[str, Any]:
    keywords: dict[str, Any] = {"dtype": format_dtype(candidate.dtype)}
    keywords |= {"shape": (-1, *candidate.shape), "dims": _name_dims(candidate)}
    return keywords | {"offset": candidate.offset}


def _name_dims(candidate: Candidate) -> tuple[str, ...]:
    if candidate.dtype.names is not None:
        return ("record",)
    channel = ("channel",) if candidate.channels > 1 else ()
    if len(candidate.shape) > len(channel):
        return ("y", "x", *channel)
    return ("sample", *channel) if channel else ("x",)


def _draw(candidate: Candidate, parts: Parts) -> npt.NDArray[np.uint8] | None:
    dtype, offset = candidate.dtype, candidate.offset
    count = max(len(parts.beginning) - offset, 0) // dtype.itemsize
    values = np.frombuffer(parts.beginning, dtype, count, min(offset, len(parts.beginning)))
    if len(candidate.shape) == 1 and candidate.channels == 1:
        return make_thumbnail([values], candidate.shape[0])
    return make_thumbnail(lines_of(values, candidate.shape))


def lines_of(values: npt.NDArray[Any], shape: tuple[int, ...]) -> list[npt.NDArray[Any]]:
    """Return the quantities that take turns in values: fields, channels, or the values alone."""
    if values.dtype.names is not None:
        return [values[name] for name in values.dtype.names]
    if len(shape) != 1:
        return [values]
    return [values[first :: shape[0]] for first in range(shape[0])]
