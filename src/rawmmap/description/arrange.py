"""Where the variables of a new file go: the fixed ones one after another, then the records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rawmmap.description.model import Description, Records, Variable
from rawmmap.description.template import LayoutTemplate
from rawmmap.layout.pages import round_up

__all__ = ["ALIGNMENT", "plan"]

#: Every variable starts at a multiple of this, which belongs to the format and not to a system.
ALIGNMENT = 4096


def plan(
    path: str,
    variables: Mapping[str, Variable],
    attrs: Mapping[str, Any],
    record_dim: str | None = None,
    start: int = ALIGNMENT,
) -> tuple[Description, int]:
    """Return the description of a file that holds these variables, and the size that it will have.

    Parameters
    ----------
    path : str
        The data file.
    variables : mapping of str to Variable
        Their types, dims and whole shapes; where they lie is decided here.
    attrs : mapping
        Attributes of the whole.
    record_dim : str, optional
        The dimension whose steps follow each other as records, at the end of the file.
    start : int, optional
        The byte after which the variables go. In a new file the first page stays free, so that a
        header can be put there later.
    """
    fixed = {k: v for k, v in variables.items() if record_dim is None or record_dim not in v.dims}
    placed = dict(_one_after_another(fixed, start))
    end = max([start, *(_template(v).offset + _nbytes(v) for v in placed.values())])
    description = Description(path, placed, attrs=attrs)
    if record_dim is None:
        return description, end
    recorded = {name: v for name, v in variables.items() if name not in fixed}
    records, inside = _interleaved(recorded, record_dim, round_up(end, ALIGNMENT))
    count = max(_length(v, record_dim) for v in recorded.values())
    placed |= inside
    described = {name: placed[name] for name in variables}
    whole = replace(description, variables=described, records=records)
    return whole, records.offset + count * records.nbytes


def _one_after_another(
    variables: Mapping[str, Variable], start: int
) -> Iterator[tuple[str, Variable]]:
    for name, variable in variables.items():
        offset = round_up(start, ALIGNMENT)
        template = LayoutTemplate(variable.data.dtype, _shape(variable), offset)
        yield name, replace(variable, data=template)
        # What is empty takes no room.
        start = offset + _nbytes(variable) if _nbytes(variable) else start


def _interleaved(
    variables: Mapping[str, Variable], dim: str, offset: int
) -> tuple[Records, dict[str, Variable]]:
    """Return the records, and the variables within them, each on a boundary of its own type."""
    starts: dict[str, int] = {}
    end = 0
    for name, variable in variables.items():
        starts[name] = round_up(end, variable.data.dtype.alignment)
        end = starts[name] + _nbytes(variable, dim)
    # A record has at least one byte, so that the file's size tells how many there are.
    step = max(round_up(end, max(v.data.dtype.alignment for v in variables.values())), 1)
    inside = {
        name: replace(
            variable,
            data=LayoutTemplate(
                variable.data.dtype,
                tuple(-1 if d == dim else n for d, n in _axes(variable)),
                offset + starts[name],
                strides=_strides(variable, dim, step),
            ),
        )
        for name, variable in variables.items()
    }
    return Records(dim, offset, step), inside


def _strides(variable: Variable, dim: str, step: int) -> tuple[int, ...]:
    strides = []
    inner = variable.data.dtype.itemsize
    for d, n in reversed(_axes(variable)):
        strides.append(step if d == dim else inner)
        inner *= 1 if d == dim else max(n, 1)
    return tuple(reversed(strides))


def _axes(variable: Variable) -> list[tuple[str, int]]:
    return list(zip(variable.dims, _shape(variable), strict=True))


def _shape(variable: Variable) -> tuple[int, ...]:
    return variable.data.shape or ()


def _template(variable: Variable) -> LayoutTemplate:
    assert isinstance(variable.data, LayoutTemplate)
    return variable.data


def _length(variable: Variable, dim: str) -> int:
    return dict(_axes(variable))[dim]


def _nbytes(variable: Variable, dim: str | None = None) -> int:
    """Return the bytes of a variable, or of one record of it."""
    return variable.data.dtype.itemsize * math.prod(n for d, n in _axes(variable) if d != dim)
