"""Keywords of single variables, and where in the file they put them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from rawmmap.description.checks import name_subject
from rawmmap.description.keyword_types import (
    as_bool,
    as_dims,
    as_dtype,
    as_integer,
    as_packing,
    as_shape,
    split_attrs,
    suggest,
)
from rawmmap.description.model import Records, Variable
from rawmmap.description.template import LayoutTemplate
from rawmmap.errors import DescriptionError
from rawmmap.layout import Layout, dense_strides
from rawmmap.layout.bits import BitLayout, Packing, check_packed_strides
from rawmmap.layout.samples import Samples

__all__ = [
    "ONE_VARIABLE",
    "VariableKeywords",
    "arrange_in_records",
    "arrange_in_sequence",
    "record_dims",
]

ONE_VARIABLE = (
    "dtype",
    "shape",
    "dims",
    "offset",
    "order",
    "strides",
    "attrs",
    "bits",
    "bit_order",
)
ANY_VARIABLE = (*ONE_VARIABLE, "fields", "record")


@dataclass(frozen=True, slots=True)
class VariableKeywords:
    """The keywords of one variable, each checked and converted to its type."""

    subject: str
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...] | None
    dims: tuple[str, ...] | None
    offset: int | None
    order: str
    strides: tuple[int, ...] | None
    attrs: Mapping[str, Any]
    fields: Mapping[str, Mapping[str, Any]]
    record: bool
    samples: Samples | None
    packing: Packing | None

    @classmethod
    def of(cls, path: str, what: str, key: Any, keywords: Any) -> Self:
        """Check the keywords of the variable named `key`; errors start with the path and `what`."""
        subject = f"{path}: {what}"
        _check_names(path, subject, key, keywords)
        dtype, samples = _take_dtype(path, subject, key, keywords)
        shape = as_shape(subject, "shape", keywords.get("shape"))
        strides = as_shape(subject, "strides", keywords.get("strides"))
        order = "C" if keywords.get("order") is None else keywords["order"]
        if order not in ("C", "F"):
            raise DescriptionError(f"{subject}order must be 'C' or 'F', not {order!r}")
        offset = keywords.get("offset")
        packing = as_packing(subject, dtype, keywords.get("bits"), keywords.get("bit_order"))
        if packing is not None:
            with name_subject(subject.removesuffix(": ")):
                check_packed_strides(packing, len(shape or ()), strides)
        attrs, of_fields = split_attrs(
            subject,
            keywords.get("attrs"),
            keywords.get("fields"),
            dtype if samples is None else samples.dtype,
        )
        return cls(
            subject,
            key,
            dtype,
            shape,
            as_dims(subject, keywords.get("dims")),
            None if offset is None else as_integer(subject, "offset", offset),
            order,
            strides,
            attrs,
            of_fields,
            as_bool(subject, "record", keywords.get("record", True)),
            samples,
            packing,
        )

    @property
    def nbytes(self) -> int | None:
        """Bytes from the start of the variable to its end; None if not known yet."""
        if self.shape is None or -1 in self.shape:
            return None
        if self.packing is not None:
            layout = BitLayout.of(
                self.packing, self.shape, order=self.order, strides=self.strides, size=0
            )
            return layout.extent[1]
        if self.strides is None:
            return self.dtype.itemsize * math.prod(self.shape)
        return Layout(self.dtype, self.shape, self.strides, 2**40).extent[1] - 2**40

    def variable(self, shape: Any, dims: Any, offset: int, strides: Any) -> Variable:
        """Return the variable, with its position in the file."""
        template = LayoutTemplate(self.dtype, shape, offset, self.order, strides, self.packing)
        self._check(template)
        if dims is None:
            dims = tuple(f"dim_{i}" for i in range(template.ndim))
        return Variable(dims, template, self.attrs, self.fields, self.samples)

    def _check(self, template: LayoutTemplate) -> None:
        """Refuse what fits no file, whatever its size."""
        try:
            template.check()
        except ValueError as error:
            raise DescriptionError(f"{self.subject}{error}") from error


def arrange_in_sequence(
    path: str, specs: Mapping[str, VariableKeywords], start: int
) -> dict[str, Variable]:
    """Return variables, each by default directly after the previous one."""
    variables: dict[str, Variable] = {}
    position: int | None = start
    for name, spec in specs.items():
        offset = position if spec.offset is None else spec.offset
        if offset is None:
            raise DescriptionError(
                f"{spec.subject}offset= is missing, and the previous variable extends to the end "
                "of the file"
            )
        variables[name] = spec.variable(spec.shape, spec.dims, offset, spec.strides)
        position = None if spec.nbytes is None else offset + spec.nbytes
    return variables


def arrange_in_records(
    path: str,
    specs: Mapping[str, VariableKeywords],
    start: int,
    dim: str,
    record_nbytes: int | None,
) -> tuple[dict[str, Variable], Records]:
    """Return variables of records that follow each other to the end of the file."""
    inside = {name: spec for name, spec in specs.items() if spec.record}
    outside = {name: spec for name, spec in specs.items() if not spec.record}
    if not inside:
        raise DescriptionError(f"{path}: record_dim={dim!r}, but every variable has record=False")
    starts, end = _record_offsets(inside)
    nbytes = end if record_nbytes is None else record_nbytes
    if nbytes < max(end, 1):
        raise DescriptionError(
            f"{path}: record_nbytes={nbytes}, but the variables of a record take {end} bytes"
        )
    variables = arrange_in_sequence(path, outside, 0)
    for name, spec in inside.items():
        shape = spec.shape or ()
        dims = record_dims(spec, dim)
        strides = (nbytes, *_inner_strides(spec, shape))
        if spec.packing is not None:
            spec = replace(spec, order="C")  # the strides say where all axes are
        variables[name] = spec.variable((-1, *shape), dims, start + starts[name], strides)
    return {name: variables[name] for name in specs}, Records(dim, start, nbytes, end)


def _inner_strides(spec: VariableKeywords, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bytes from one element of a record to the next, along each axis of the record.

    Those of packed samples leave out the packed axis, which is the last one.
    """
    if spec.packing is None:
        return spec.strides or dense_strides(spec.dtype.itemsize, shape, spec.order)
    try:
        layout = BitLayout.of(spec.packing, shape, strides=spec.strides, size=0)
    except ValueError as error:
        raise DescriptionError(f"{spec.subject}{error}") from error
    return tuple(step // 8 for step in layout.grid.strides[:-1])


def _record_offsets(specs: Mapping[str, VariableKeywords]) -> tuple[dict[str, int], int]:
    """Return the offset of each variable within a record, and the bytes of all of them."""
    starts: dict[str, int] = {}
    position = end = 0
    for name, spec in specs.items():
        shape = spec.shape or ()
        if -1 in shape:
            raise DescriptionError(
                f"{spec.subject}shape={shape} has a -1; it describes one record, and the number of "
                "records follows from the file's size"
            )
        if spec.packing is not None and spec.order == "F" and len(shape) > 1:
            raise DescriptionError(
                f"{spec.subject}bits={spec.packing.bits} in a record are packed along its last "
                f"axis, and order='F' packs them along the first one of shape={shape}; give shape= "
                "and dims= in the opposite order, without order="
            )
        starts[name] = position if spec.offset is None else spec.offset
        nbytes = replace(spec, shape=shape).nbytes
        assert nbytes is not None
        position = starts[name] + nbytes
        end = max(end, position)
    return starts, end


def record_dims(spec: VariableKeywords, record_dim: str) -> tuple[str, ...]:
    """Return the dims of a variable that lies in records, which the first of them counts."""
    ndim = len(spec.shape or ())
    dims = tuple(f"dim_{i}" for i in range(ndim)) if spec.dims is None else spec.dims
    if dims[:1] == (record_dim,) and len(dims) > ndim:
        raise DescriptionError(
            f"{spec.subject}dims={dims} names the record dimension {record_dim!r}; dims= and "
            "shape= describe one record, without it"
        )
    return (record_dim, *dims)


def _check_names(path: str, subject: str, key: Any, keywords: Any) -> None:
    """Refuse names of variables that are not names, and unknown keywords of one."""
    if not isinstance(key, str):
        raise TypeError(f"{path}: variables= has the name {key!r}; names must be strings")
    if not key:
        raise DescriptionError(f"{path}: name='' is empty; leave it out or give a name")
    if not isinstance(keywords, Mapping):
        raise TypeError(
            f"{path}: variable {key!r} must be a dict(dtype=..., ...), not {keywords!r}"
        )
    for keyword in keywords:
        if keyword not in ANY_VARIABLE:
            raise TypeError(f"{subject}{suggest(str(keyword), ANY_VARIABLE)}")


def _take_dtype(
    path: str, subject: str, key: str, keywords: Mapping[str, Any]
) -> tuple[np.dtype[Any], Samples | None]:
    """Return the type of the elements, which follows from `bits` where it is left out."""
    dtype = keywords.get("dtype")
    if dtype is not None:
        return as_dtype(subject, dtype)
    packing = as_packing(subject, None, keywords.get("bits"), keywords.get("bit_order"))
    if packing is None:
        raise DescriptionError(f"{path}: variable {key!r} has no dtype; give dtype=")
    return as_dtype(subject, packing.dtype)
