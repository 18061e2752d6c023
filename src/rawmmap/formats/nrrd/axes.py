"""What a NRRD header says of the axes: names, positions and units."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from rawmmap.description.model import Variable
from rawmmap.formats.nrrd.header import Header
from rawmmap.formats.numbers import parse_number
from rawmmap.formats.volumes import name_axes
from rawmmap.layout import Values

__all__ = ["describe_axes"]

# Kinds of axes along which something is sampled; others hold the components of one sample.
_DOMAIN = {"", "domain", "space", "time", "???", "none"}


def describe_axes(
    header: Header, sizes: Sequence[int]
) -> tuple[tuple[str, ...], dict[str, Variable], dict[str, Any]]:
    """Return dims in the order of the file, slowest first, their coordinates, and attributes.

    Raises
    ------
    ValueError
        If a field does not have one item for each axis, or has malformed numbers.
    """
    names = _name_axes(header, len(sizes))
    units = header.per_axis("units") or _space_units(header, len(sizes))
    labels = {}
    for axis, position in enumerate(_positions(header, sizes)):
        if position is not None:
            attrs = {"units": units[axis]} if units[axis] not in ("", "???") else {}
            labels[names[axis]] = Variable((names[axis],), Values(position), attrs)
    attrs = {
        name: header.fields[key]
        for key, name in (("sample units", "units"), ("content", "long_name"))
        if header.fields.get(key)
    }
    return tuple(names[::-1]), labels, attrs


def _name_axes(header: Header, dimension: int) -> list[str]:
    """Return the names of the axes, fastest first: their labels, where they all differ."""
    given = header.per_axis("labels") or [""] * dimension
    kinds = [kind.lower() for kind in header.per_axis("kinds")] or [""] * dimension
    domain = [axis for axis in range(dimension) if kinds[axis] in _DOMAIN]
    names = [f"component_{axis}" for axis in range(dimension)]
    if len(domain) == dimension - 1:
        names = ["component"] * dimension
    for axis, name in zip(domain, name_axes(len(domain)), strict=True):
        names[axis] = name
    labelled = [label.strip() or name for label, name in zip(given, names, strict=True)]
    return labelled if len(set(labelled)) == dimension else names


def _positions(header: Header, sizes: Sequence[int]) -> list[np.ndarray[Any, Any] | None]:
    """Return the positions of the samples along each axis, as far as they are known."""
    directions = _aligned_directions(header, len(sizes))
    if directions is not None:
        return [
            None if line is None else line[0] + line[1] * np.arange(n)
            for line, n in zip(directions, sizes, strict=True)
        ]
    lines = zip(
        sizes,
        _numbers(header, "spacings", len(sizes)),
        _numbers(header, "axis mins", len(sizes)),
        _numbers(header, "axis maxs", len(sizes)),
        [word.lower() for word in header.per_axis("centers")] or [""] * len(sizes),
        strict=True,
    )
    return [_position(*line) for line in lines]


def _position(
    n: int, spacing: float, first: float, last: float, center: str
) -> np.ndarray[Any, Any] | None:
    """Return the positions of `n` samples; of cells they are the centres."""
    cells = center == "cell"
    if math.isfinite(first) and math.isfinite(last) and (cells or n > 1):
        spacing = (last - first) / (n if cells else n - 1)
    if not math.isfinite(spacing):
        return None
    start = first if math.isfinite(first) else 0.0
    half = 0.5 if cells and math.isfinite(first) else 0.0
    return start + (np.arange(n) + half) * spacing


def _numbers(header: Header, key: str, dimension: int) -> list[float]:
    """Return a number for each axis; NaN where there is none."""
    words = header.per_axis(key)
    try:
        return [float(word) for word in words] or [math.nan] * dimension
    except ValueError:
        raise ValueError(f"{key}: {header.fields[key][:80]!r} are not numbers") from None


def _aligned_directions(header: Header, dimension: int) -> list[tuple[float, float] | None] | None:
    """Return start and step of each axis in space; None where axes are not those of space."""
    if "space directions" not in header.fields:
        return None
    vectors = _vectors("space directions", header.fields["space directions"])
    if len(vectors) != dimension:
        raise ValueError(f"space directions: {len(vectors)} items for {dimension} axes")
    space = len(next((vector for vector in vectors if vector is not None), []))
    origins = _vectors("space origin", header.fields.get("space origin", "")) or [[0.0] * space]
    origin = origins[0]
    if origin is None or len(origin) != space:
        raise ValueError(f"space origin: it must have {space} numbers")
    lines: list[tuple[float, float] | None] = []
    used = set()
    for vector in vectors:
        if vector is None:
            lines.append(None)
            continue
        if len(vector) != space:
            raise ValueError(f"space directions: vectors of {len(vector)} and {space} numbers")
        along = [i for i, number in enumerate(vector) if number]
        if len(along) != 1 or along[0] in used:
            return [None] * dimension
        used.add(along[0])
        lines.append((origin[along[0]], vector[along[0]]))
    return lines


def _vectors(key: str, text: str) -> list[list[float] | None]:
    """Return vectors in parentheses; None for axes that are not in space."""
    words = re.findall(r"\([^()]*\)|[^\s()]+", text)
    vectors: list[list[float] | None] = []
    for word in words:
        if word.lower() == "none":
            vectors.append(None)
        elif word.startswith("("):
            vectors.append([parse_number(key, number) for number in word[1:-1].split(",")])
        else:
            raise ValueError(f"{key}: {word[:80]!r} is neither a vector nor none")
    return vectors


def _space_units(header: Header, dimension: int) -> list[str]:
    """Return the units of axes that lie in space; they have a unit where all are the same."""
    words = set(re.findall(r'"([^"]*)"', header.fields.get("space units", "")))
    unit = words.pop() if len(words) == 1 else ""
    in_space = _vectors("space directions", header.fields.get("space directions", ""))
    if len(in_space) != dimension:
        return [""] * dimension
    return ["" if vector is None else unit for vector in in_space]
