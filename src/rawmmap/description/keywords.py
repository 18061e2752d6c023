"""Descriptions from keywords: those of ``open_dataset``, `describe`, `open` and others."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Self

from rawmmap.description.keyword_types import as_bool, as_integer
from rawmmap.description.model import Description
from rawmmap.description.variable_keywords import (
    ONE_VARIABLE,
    VariableKeywords,
    arrange_in_records,
    arrange_in_sequence,
)
from rawmmap.errors import DescriptionError

__all__ = ["Keywords"]


# What only readers of single formats take; these keywords describe nothing by themselves.
_OPTIONS = frozenset({"group", "index"})


@dataclass(frozen=True, slots=True)
class Keywords:
    """The keywords that describe a file, as the caller passed them; None for those left out.

    Attributes
    ----------
    dtype, shape, dims, offset, order, strides, name, attrs
        One variable: type of an element, element counts, names of the axes, bytes before the data,
        order of the axes, bytes from one element to the next, name of the variable, attributes.
    variables
        Several: ``{name: dict(dtype=..., ...)}``.
    record_dim, record_nbytes
        The dimension that counts records of equal length, and the bytes of one record.
    fields
        Keywords for single fields of a structured dtype: ``{name: dict(dims=, attrs=)}``.
    overlap
        Whether variables may share bytes.
    bits, bit_order
        Bits of one sample, where samples are packed into bytes, and which of them comes first; as
        for `RawArray`.
    group, index
        Options of single formats: the group of an HDF5 or netCDF file, and whether to keep an index
        of a file's records beside it.
    """

    dtype: Any = None
    shape: Any = None
    dims: Any = None
    offset: Any = None
    order: Any = None
    strides: Any = None
    name: Any = None
    attrs: Any = None
    variables: Any = None
    record_dim: Any = None
    record_nbytes: Any = None
    fields: Any = None
    overlap: Any = None
    bits: Any = None
    bit_order: Any = None
    group: Any = None
    index: Any = None

    @classmethod
    def take_from(cls, keywords: dict[str, Any]) -> Self:
        """Remove the keywords that describe a file from a dictionary, and return them."""
        return cls(**{key: keywords.pop(key) for key in cls.names() if key in keywords})

    @classmethod
    @cache
    def names(cls) -> tuple[str, ...]:
        """Return the names of the keywords."""
        return tuple(field.name for field in fields(cls))

    @property
    def passed(self) -> dict[str, Any]:
        """The keywords that the caller passed."""
        return {k: getattr(self, k) for k in self.names() if getattr(self, k) is not None}

    def describe(self, path: str) -> Description | None:
        """Return the description of a file by the keywords, or None if there are none.

        Raises
        ------
        DescriptionError
            If the keywords are incomplete or contradict each other.
        TypeError
            If one of them is of the wrong type, or unknown.
        """
        passed = self.passed
        passed.pop("overlap", None)
        if passed.keys() <= _OPTIONS:
            return None
        for key in passed.keys() & _OPTIONS:
            raise DescriptionError(
                f"{path}: {key}= is an option of single formats, and not of keywords that describe "
                f"a file; leave it out, or name the format by format="
            )
        specs = self.variable_keywords(path)
        offset = 0 if self.offset is None else operator.index(self.offset)
        if self.record_dim is None:
            if self.record_nbytes is not None:
                raise DescriptionError(
                    f"{path}: record_nbytes= needs record_dim=, the name of its dimension"
                )
            variables, records = arrange_in_sequence(path, specs, offset), None
        else:
            nbytes = None if self.record_nbytes is None else operator.index(self.record_nbytes)
            variables, records = arrange_in_records(path, specs, offset, self.record_dim, nbytes)
        attrs = dict(self.attrs or {}) if self.variables is not None else {}
        return Description(
            path,
            variables,
            attrs=attrs,
            records=records,
            overlap=bool(self.overlap),
            unnamed=self.variables is None and self.name is None,
        )

    def variable_keywords(self, path: str) -> dict[str, VariableKeywords]:
        """Return the keywords of each variable, checked.

        Raises
        ------
        DescriptionError
            If the keywords are incomplete or contradict each other.
        TypeError
            If one of them is of the wrong type, or unknown.
        """
        _check_types(path, self)
        if self.variables is None:
            return self._one_variable(path)
        extra = [k for k in self.passed if k in (*ONE_VARIABLE, "name", "fields")]
        extra = [k for k in extra if k not in ("attrs", "offset")]
        if extra:
            raise DescriptionError(
                f"{path}: {extra} describe one variable, and variables= several; pass one or the "
                "other"
            )
        return {
            key: VariableKeywords.of(path, f"variable {key!r}: ", key, keywords)
            for key, keywords in self.variables.items()
        }

    def _one_variable(self, path: str) -> dict[str, VariableKeywords]:
        passed = self.passed
        if self.dtype is None and self.bits is None:
            named = [f"{key}=" for key in passed]
            raise DescriptionError(
                f"{path}: {', '.join(named)} came without dtype=; keywords must describe a "
                "variable completely, with at least its dtype"
            )
        key = "data" if self.name is None else self.name
        subject = "" if self.name is None else f"variable {key!r}: "
        keywords = {
            k: passed[k] for k in (*ONE_VARIABLE, "fields") if k in passed and k != "offset"
        }
        return {key: VariableKeywords.of(path, subject, key, keywords)}


def _check_types(path: str, keywords: Keywords) -> None:
    for key, types, what in (
        ("variables", Mapping, "a mapping {name: dict(dtype=..., ...)}"),
        ("attrs", Mapping, "a mapping of attributes"),
        ("fields", Mapping, "a mapping {field: dict(dims=, attrs=)}"),
        ("name", str, "a string"),
        ("record_dim", str, "the name of a dimension"),
        ("group", str, "the name of a group"),
    ):
        value = getattr(keywords, key)
        if value is not None and not isinstance(value, types):
            raise TypeError(f"{path}: {key}= must be {what}, not {value!r}")
    if keywords.overlap is not None:
        as_bool(f"{path}: ", "overlap", keywords.overlap)
    if keywords.variables is not None and not keywords.variables:
        raise DescriptionError(
            f"{path}: variables={keywords.variables!r} is for several variables, and names none"
        )
    for key in ("offset", "record_nbytes"):
        if getattr(keywords, key) is not None:
            as_integer(f"{path}: ", key, getattr(keywords, key))
