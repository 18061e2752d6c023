"""Variables of structured types whose elements lie in mosaics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rawmmap.description import Variable
from rawmmap.description.variable_keywords import VariableKeywords
from rawmmap.layout import Layout, Mosaic

__all__ = ["split_fields"]


def split_fields(
    spec: VariableKeywords, dims: tuple[str, ...], data: Mosaic | Layout
) -> dict[str, Variable]:
    """Return the variables of one array: itself, or one for each field of its dtype."""
    if data.dtype.names is None:
        return {
            spec.name: Variable(
                _add_dims(spec.name, dims, data.ndim), data, spec.attrs, {}, spec.samples
            )
        }
    variables: dict[str, Variable] = {}
    for name, inner in _iterate_fields(data, spec.order):
        extra = spec.fields.get(name, {})
        all_dims = dims[: data.ndim] + tuple(extra.get("dims", ())) if "dims" in extra else dims
        attrs = {**spec.attrs, **extra.get("attrs", {})}
        variables[name] = Variable(
            _add_dims(name, all_dims[: inner.ndim], inner.ndim), inner, attrs
        )
    return variables


def _iterate_fields(data: Any, order: str) -> Iterator[tuple[str, Any]]:
    for name in data.dtype.names:
        inner = data.field(name, order)
        if inner.dtype.names is None:
            yield name, inner
        else:
            for part, nested in _iterate_fields(inner, order):
                yield f"{name}.{part}", nested


def _add_dims(name: str, dims: tuple[str, ...], ndim: int) -> tuple[str, ...]:
    """Return dims for all axes; those inside a dtype are named after the variable."""
    return dims + tuple(f"{name}_{i}" for i in range(ndim - len(dims)))
