"""Descriptions in the caller's own words: the keywords of ``open_dataset`` and `describe`."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from rawmmap.descriptors.model import Description, Variable
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
    given = {word: value for word, value in words.items() if value is not None}
    if variables is not None:
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
    strides = words.get("strides")
    return Variable(
        dtype,
        _names(words.get("dims"), ndim),
        shape,
        operator.index(words.get("offset") or 0),
        words.get("order") or "C",
        None if strides is None else as_shape(strides),
        dict(words.get("attrs") or {}),
    )


def _names(dims: str | Sequence[Hashable] | None, ndim: int) -> tuple[str, ...]:
    if dims is None:
        return tuple(f"dim_{i}" for i in range(ndim))
    names = (dims,) if isinstance(dims, str) else tuple(dims)
    for dim in names:
        if not isinstance(dim, str):
            raise TypeError(f"dimension names are strings, not {dim!r}")
    return tuple(map(str, names))
