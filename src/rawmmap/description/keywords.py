"""Descriptions in the caller's own words: the keywords of ``open_dataset`` and `describe`."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rawmmap.description.checks import typed
from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError
from rawmmap.layout import as_shape, plain_dtype

__all__ = ["from_keywords"]

_WORDS = ("dtype", "shape", "dims", "offset", "order", "strides", "attrs")


def from_keywords(
    path: str,
    *,
    dtype: Any = None,
    shape: Any = None,
    dims: Any = None,
    offset: Any = None,
    order: Any = None,
    strides: Any = None,
    name: str | None = None,
    attrs: Mapping[str, Any] | None = None,
    variables: Mapping[str, Mapping[str, Any]] | None = None,
) -> Description | None:
    """Return the description that the keywords give, or None if there are none.

    Raises
    ------
    DescriptionError
        If the words are incomplete or contradict each other.
    TypeError
        If a word is of the wrong kind, or unknown.
    """
    words = dict(
        dtype=dtype,
        shape=shape,
        dims=dims,
        offset=offset,
        order=order,
        strides=strides,
        attrs=attrs,
    )
    if name == "":
        raise DescriptionError(f"{path}: name='' is no name; leave it out or give one")
    if attrs is not None and not isinstance(attrs, Mapping):
        raise TypeError(f"{path}: attrs= is a mapping of attributes, not {attrs!r}")
    given = {word: value for word, value in words.items() if value is not None}
    if variables is not None:
        _check_variables(path, variables)
        extra = sorted({*given, *({"name"} if name is not None else ())} - {"attrs"})
        if extra:
            raise DescriptionError(
                f"{path}: {extra} describe one variable and variables= several; give one or the "
                "other"
            )
        return Description(
            path,
            {key: _variable(path, key, **value) for key, value in variables.items()},
            attrs=dict(attrs or {}),
        )
    if not given and name is None:
        return None
    if dtype is None:
        raise DescriptionError(
            f"{path}: {sorted(given) or ['name']} came without dtype=; keywords describe a "
            "variable whole, with at least its dtype"
        )
    key = "data" if name is None else name
    return Description(path, {key: _variable(path, key, **given)})


def _check_variables(path: str, variables: Any) -> None:
    if not isinstance(variables, Mapping):
        raise TypeError(
            f"{path}: variables= is a mapping {{name: dict(dtype=..., ...)}}, not {variables!r}"
        )
    for key, words in variables.items():
        if not isinstance(words, Mapping):
            raise TypeError(f"{path}: variable {key!r} is a dict(dtype=..., ...), not {words!r}")


def _variable(path: str, key: Hashable, /, **words: Any) -> Variable:
    unknown = sorted(set(words) - set(_WORDS))
    if unknown:
        raise TypeError(f"{path}: variable {key!r}: {unknown} are none of {list(_WORDS)}")
    if not isinstance(key, str):
        raise TypeError(f"{path}: variable names are strings, not {key!r}")
    if words.get("dtype") is None:
        raise DescriptionError(f"{path}: variable {key!r} has no dtype")
    dtype = plain_dtype(words["dtype"])
    shape = None if words.get("shape") is None else as_shape(words["shape"])
    ndim = 1 if shape is None else len(shape)
    strides, order, attrs = words.get("strides"), words.get("order"), words.get("attrs")
    if order not in (None, "C", "F"):
        raise DescriptionError(f"{path}: variable {key!r}: order is 'C' or 'F', not {order!r}")
    if attrs is not None and not isinstance(attrs, Mapping):
        raise TypeError(f"{path}: variable {key!r}: attrs is a mapping, not {attrs!r}")
    return Variable(
        dtype,
        _names(words.get("dims"), ndim),
        shape,
        operator.index(words.get("offset") or 0),
        order or "C",
        None if strides is None else as_shape(strides),
        _typed(path, key, dict(attrs or {}), dtype),
    )


def _typed(path: str, key: str, attrs: dict[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return attributes whose fill value has the variable's type, as through a sidecar."""
    if dtype.names is not None or dtype.subdtype is not None or dtype.kind == "U":
        return attrs
    try:
        return typed(attrs, dtype, f"variable {key!r}")
    except ValueError as error:
        raise DescriptionError(f"{path}: {error}") from error


def _names(dims: str | Sequence[Hashable] | None, ndim: int) -> tuple[str, ...]:
    if dims is None:
        return tuple(f"dim_{i}" for i in range(ndim))
    if not isinstance(dims, Iterable):
        raise TypeError(f"dims are names of dimensions, not {dims!r}")
    names = (dims,) if isinstance(dims, str) else tuple(dims)
    for dim in names:
        if not isinstance(dim, str):
            raise TypeError(f"dimension names are strings, not {dim!r}")
    return tuple(map(str, names))
