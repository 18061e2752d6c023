"""Arrange the variables of a new file: the fixed ones one after another, then the records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rawmmap.description.model import Description, Records, Variable
from rawmmap.description.template import LayoutTemplate
from rawmmap.layout.pages import round_up

__all__ = ["ALIGNMENT", "arrange"]

#: Every variable starts at a multiple of this, on all systems, whatever their page size.
ALIGNMENT = 4096


def arrange(
    path: str,
    variables: Mapping[str, Variable],
    attrs: Mapping[str, Any],
    record_dim: str | None = None,
    start: int = ALIGNMENT,
) -> tuple[Description, int]:
    """Return the description of a new file that holds these variables, and the size of the file.

    Parameters
    ----------
    path : str
        The data file.
    variables : mapping of str to Variable
        Types, dims and complete shapes; offsets and strides are decided here.
    attrs : mapping
        Attributes of the dataset.
    record_dim : str, optional
        The dimension whose steps become records, at the end of the file.
    start : int, optional
        First byte available to variables. In a new file the first page stays free, so that a
        header can be added later.
    """
    fixed = {k: v for k, v in variables.items() if record_dim is None or record_dim not in v.dims}
    arranged = dict(_arrange_in_sequence(fixed, start))
    end = max([start, *(_template(v).offset + _nbytes(v) for v in arranged.values())])
    description = Description(path, arranged, attrs=attrs)
    if record_dim is None:
        return description, end
    recorded = {name: v for name, v in variables.items() if name not in fixed}
    records, inside = _arrange_in_records(recorded, record_dim, round_up(end, ALIGNMENT))
    count = max(_length(v, record_dim) for v in recorded.values())
    arranged |= inside
    in_order = {name: arranged[name] for name in variables}
    description = replace(description, variables=in_order, records=records)
    return description, records.offset + count * records.nbytes


def _arrange_in_sequence(
    variables: Mapping[str, Variable], start: int
) -> Iterator[tuple[str, Variable]]:
    for name, variable in variables.items():
        offset = round_up(start, ALIGNMENT)
        template = LayoutTemplate(variable.data.dtype, _shape(variable), offset)
        yield name, replace(variable, data=template)
        # Empty variables take no space.
        start = offset + _nbytes(variable) if _nbytes(variable) else start


def _arrange_in_records(
    variables: Mapping[str, Variable], dim: str, offset: int
) -> tuple[Records, dict[str, Variable]]:
    """Return the records, and the variables in them, aligned to their types within a record."""
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
    return Records(dim, offset, step, end), inside


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
