"""Descriptions from keywords: those of ``open_dataset``, `describe`, `open` and others."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, NoReturn, Self

import numpy as np

from rawmmap.description.checks import convert_fill_value
from rawmmap.description.model import Description, Records, Variable, field_dtype
from rawmmap.description.template import LayoutTemplate
from rawmmap.errors import DescriptionError
from rawmmap.layout import Layout, dense_strides
from rawmmap.layout.bits import BitLayout, Packing
from rawmmap.layout.samples import Samples, parse_dtype

__all__ = ["Keywords", "suggest"]

_ONE_VARIABLE = (
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
_ANY_VARIABLE = (*_ONE_VARIABLE, "fields", "record")

# Common spellings of types that NumPy does not know, and NumPy's codes for them.
_KINDS = {"int": "i", "uint": "u", "float": "f", "complex": "c"}
_ENDINGS = {"be": ">", "le": "<", "_be": ">", "_le": "<"}


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
        if not passed:
            return None
        _check_types(path, self)
        specs = self._variables(path)
        offset = 0 if self.offset is None else operator.index(self.offset)
        if self.record_dim is None:
            if self.record_nbytes is not None:
                raise DescriptionError(
                    f"{path}: record_nbytes= needs record_dim=, the name of its dimension"
                )
            variables, records = _arrange_in_sequence(path, specs, offset), None
        else:
            variables, records = _arrange_in_records(path, specs, offset, self)
        attrs = dict(self.attrs or {}) if self.variables is not None else {}
        return Description(
            path,
            variables,
            attrs=attrs,
            records=records,
            overlap=bool(self.overlap),
            unnamed=self.variables is None and self.name is None,
        )

    def _variables(self, path: str) -> dict[str, _Spec]:
        """Return the keywords of each variable."""
        if self.variables is None:
            return self._one_variable(path)
        extra = [k for k in self.passed if k in (*_ONE_VARIABLE, "name", "fields")]
        extra = [k for k in extra if k not in ("attrs", "offset")]
        if extra:
            raise DescriptionError(
                f"{path}: {extra} describe one variable, and variables= several; pass one or the "
                "other"
            )
        return {
            key: _Spec.of(path, f"variable {key!r}: ", key, keywords)
            for key, keywords in self.variables.items()
        }

    def _one_variable(self, path: str) -> dict[str, _Spec]:
        passed = self.passed
        if self.dtype is None:
            named = [f"{key}=" for key in passed]
            raise DescriptionError(
                f"{path}: {', '.join(named)} came without dtype=; keywords must describe a "
                "variable completely, with at least its dtype"
            )
        key = "data" if self.name is None else self.name
        subject = "" if self.name is None else f"variable {key!r}: "
        keywords = {
            k: passed[k] for k in (*_ONE_VARIABLE, "fields") if k in passed and k != "offset"
        }
        return {key: _Spec.of(path, subject, key, keywords)}


@dataclass(frozen=True, slots=True)
class _Spec:
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
        subject = f"{path}: {what}"
        if not isinstance(key, str):
            raise TypeError(f"{path}: variables= has the name {key!r}; names must be strings")
        if not key:
            raise DescriptionError(f"{path}: name='' is empty; leave it out or give a name")
        if not isinstance(keywords, Mapping):
            raise TypeError(
                f"{path}: variable {key!r} must be a dict(dtype=..., ...), not {keywords!r}"
            )
        for keyword in keywords:
            if keyword not in _ANY_VARIABLE:
                raise TypeError(f"{subject}{suggest(str(keyword), _ANY_VARIABLE)}")
        if keywords.get("dtype") is None:
            raise DescriptionError(f"{path}: variable {key!r} has no dtype; give dtype=")
        dtype, samples = _as_dtype(subject, keywords["dtype"])
        shape = _as_shape(subject, "shape", keywords.get("shape"))
        strides = _as_shape(subject, "strides", keywords.get("strides"))
        order = "C" if keywords.get("order") is None else keywords["order"]
        if order not in ("C", "F"):
            raise DescriptionError(f"{subject}order must be 'C' or 'F', not {order!r}")
        offset = keywords.get("offset")
        attrs, of_fields = _split_attrs(
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
            _as_dims(subject, keywords.get("dims")),
            None if offset is None else _as_integer(subject, "offset", offset),
            order,
            strides,
            attrs,
            of_fields,
            bool(keywords.get("record", True)),
            samples,
            _as_packing(subject, dtype, keywords.get("bits"), keywords.get("bit_order")),
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


def _arrange_in_sequence(path: str, specs: Mapping[str, _Spec], start: int) -> dict[str, Variable]:
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


def _arrange_in_records(
    path: str, specs: Mapping[str, _Spec], start: int, keywords: Keywords
) -> tuple[dict[str, Variable], Records]:
    """Return variables of records that follow each other to the end of the file."""
    dim = keywords.record_dim
    inside = {name: spec for name, spec in specs.items() if spec.record}
    outside = {name: spec for name, spec in specs.items() if not spec.record}
    if not inside:
        raise DescriptionError(f"{path}: record_dim={dim!r}, but every variable has record=False")
    starts, end = _record_offsets(inside)
    nbytes = end if keywords.record_nbytes is None else operator.index(keywords.record_nbytes)
    if nbytes < max(end, 1):
        raise DescriptionError(
            f"{path}: record_nbytes={nbytes}, but the variables of a record take {end} bytes"
        )
    variables = _arrange_in_sequence(path, outside, 0)
    for name, spec in inside.items():
        shape = spec.shape or ()
        inner = spec.strides or dense_strides(spec.dtype.itemsize, shape, spec.order)
        dims = _record_dims(spec, dim)
        variables[name] = spec.variable((-1, *shape), dims, start + starts[name], (nbytes, *inner))
    return {name: variables[name] for name in specs}, Records(dim, start, nbytes)


def _record_offsets(specs: Mapping[str, _Spec]) -> tuple[dict[str, int], int]:
    """Return the offset of each variable within a record, and the bytes of all of them."""
    starts: dict[str, int] = {}
    position = end = 0
    for name, spec in specs.items():
        shape = spec.shape or ()
        if spec.packing is not None:
            raise DescriptionError(
                f"{spec.subject}bits={spec.packing.bits} in a record; describe the samples alone, "
                "with the bytes of a record as a stride"
            )
        if -1 in shape:
            raise DescriptionError(
                f"{spec.subject}shape={shape} has a -1; it describes one record, and the number of "
                "records follows from the file's size"
            )
        starts[name] = position if spec.offset is None else spec.offset
        nbytes = replace(spec, shape=shape).nbytes
        assert nbytes is not None
        position = starts[name] + nbytes
        end = max(end, position)
    return starts, end


def _record_dims(spec: _Spec, record_dim: str) -> tuple[str, ...]:
    ndim = len(spec.shape or ())
    dims = tuple(f"dim_{i}" for i in range(ndim)) if spec.dims is None else spec.dims
    if dims[:1] == (record_dim,) and len(dims) > ndim:
        raise DescriptionError(
            f"{spec.subject}dims={dims} names the record dimension {record_dim!r}; dims= and "
            "shape= describe one record, without it"
        )
    return (record_dim, *dims)


def _check_types(path: str, keywords: Keywords) -> None:
    for key, types, what in (
        ("variables", Mapping, "a mapping {name: dict(dtype=..., ...)}"),
        ("attrs", Mapping, "a mapping of attributes"),
        ("fields", Mapping, "a mapping {field: dict(dims=, attrs=)}"),
        ("name", str, "a string"),
        ("record_dim", str, "the name of a dimension"),
    ):
        value = getattr(keywords, key)
        if value is not None and not isinstance(value, types):
            raise TypeError(f"{path}: {key}= must be {what}, not {value!r}")
    for key in ("offset", "record_nbytes"):
        if getattr(keywords, key) is not None:
            _as_integer(f"{path}: ", key, getattr(keywords, key))


def suggest(keyword: str, known: Iterable[str]) -> str:
    """Return an error text for an unknown keyword, with the nearest known one, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(keyword, known, 1, 0.5)
    hint = f"did you mean {near[0]}=?" if near else f"the known ones are {', '.join(sorted(known))}"
    return f"unknown keyword {keyword!r}; {hint}"


def _as_dtype(subject: str, dtype: Any) -> tuple[np.dtype[Any], Samples | None]:
    try:
        return parse_dtype(dtype)
    except TypeError as error:
        near = _nearest_dtype(dtype)
        if near is None:
            raise TypeError(f"{subject}dtype={dtype!r}: {error}") from error
        raise TypeError(f"{subject}dtype={dtype!r} is not a NumPy dtype; write {near!r}") from error
    except (ValueError, SyntaxError) as error:
        raise DescriptionError(f"{subject}dtype={dtype!r}: {error}") from error


def _nearest_dtype(dtype: Any) -> str | None:
    """Return NumPy's spelling of a type such as ``int16be``, or None."""
    if not isinstance(dtype, str):
        return None
    text = dtype.lower().replace(" ", "").replace("-", "")
    order = next((code for ending, code in _ENDINGS.items() if text.endswith(ending)), "<")
    text = text.rstrip("_").removesuffix("be").removesuffix("le").rstrip("_")
    kind = text.rstrip("0123456789")
    bits = text[len(kind) :]
    if kind not in _KINDS or not bits or int(bits) % 8:
        return None
    return f"{order}{_KINDS[kind]}{int(bits) // 8}"


def _as_packing(subject: str, dtype: np.dtype[Any], bits: Any, bit_order: Any) -> Packing | None:
    """Return how samples are packed, if they are."""
    if bits is None:
        if bit_order is not None:
            raise DescriptionError(f"{subject}bit_order={bit_order!r} needs bits=")
        return None
    packing = Packing(_as_integer(subject, "bits", bits), "msb" if bit_order is None else bit_order)
    try:
        packing.check(dtype)
    except TypeError as error:
        raise TypeError(f"{subject}{error}") from error
    except ValueError as error:
        raise DescriptionError(f"{subject}{error}") from error
    return packing


def _as_shape(subject: str, key: str, value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    if isinstance(value, str | bytes | Mapping):
        _refuse_type(subject, key, value, "an integer or a tuple of integers, such as (100, 69)")
    items = value if isinstance(value, Iterable) else (value,)
    try:
        return tuple(operator.index(n) for n in items)
    except TypeError:
        _refuse_type(subject, key, value, "an integer or a tuple of integers, such as (100, 69)")


def _as_integer(subject: str, key: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        _refuse_type(subject, key, value, "an integer, a number of bytes")
    if number < 0:
        raise DescriptionError(
            f"{subject}{key}={number} is negative; it counts bytes"
            + (" from the file's start" if key == "offset" else "")
        )
    return number


def _as_dims(subject: str, dims: Any) -> tuple[str, ...] | None:
    if dims is None:
        return None
    if isinstance(dims, Mapping) or not isinstance(dims, str | Sequence):
        _refuse_type(subject, "dims", dims, "a name or a tuple of names of dimensions")
    names = (dims,) if isinstance(dims, str) else tuple(dims)
    for name in names:
        if not isinstance(name, str):
            _refuse_type(subject, "dims", dims, "a name or a tuple of names of dimensions")
    if isinstance(dims, str) and "," in dims:
        names = tuple(part.strip() for part in dims.split(","))
        raise DescriptionError(f"{subject}dims={dims!r} is one name; write {names}")
    return names


def _refuse_type(subject: str, key: str, value: Any, wanted: str) -> NoReturn:
    raise TypeError(f"{subject}{key}={value!r} must be {wanted}")


def _split_attrs(
    subject: str, attrs: Any, of_fields: Any, dtype: np.dtype[Any]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the attributes of a variable, and the keywords of single fields of its dtype."""
    if attrs is not None and not isinstance(attrs, Mapping):
        _refuse_type(subject, "attrs", attrs, "a mapping of attributes")
    if of_fields is not None and dtype.names is None:
        raise DescriptionError(
            f"{subject}fields= describes the fields of a structured dtype, but {dtype} has none"
        )
    common = dict(attrs or {})
    if dtype.names is None:
        return _convert_fill(subject, common, dtype), {}
    extra = {
        name: _field_keywords(subject, name, keywords, dtype)
        for name, keywords in (of_fields or {}).items()
    }
    for name in [n for n in common if n in _field_names(dtype) and isinstance(common[n], Mapping)]:
        of_field = extra.setdefault(name, {})
        of_field["attrs"] = {**common.pop(name), **of_field.get("attrs", {})}
    for name, keywords in extra.items():
        plain = field_dtype(dtype, name)
        keywords["attrs"] = _convert_fill(subject, dict(keywords.get("attrs", {})), plain)
    return common, extra


def _field_keywords(subject: str, name: Any, keywords: Any, dtype: np.dtype[Any]) -> dict[str, Any]:
    names = _field_names(dtype)
    if name not in names:
        raise DescriptionError(
            f"{subject}fields= names {name!r}, but the dtype has the fields {sorted(names)}"
        )
    if not isinstance(keywords, Mapping):
        _refuse_type(subject, "fields", keywords, "a mapping {field: dict(dims=, attrs=)}")
    allowed = ("dims", "attrs")
    for keyword in keywords:
        if keyword not in allowed:
            raise TypeError(f"{subject}fields[{name!r}]: {suggest(str(keyword), allowed)}")
    result = dict(keywords)
    if result.get("dims") is not None:
        result["dims"] = _as_dims(f"{subject}fields[{name!r}]: ", result["dims"])
    if not isinstance(result.get("attrs", {}), Mapping):
        _refuse_type(
            subject, f"fields[{name!r}] attrs", keywords["attrs"], "a mapping of attributes"
        )
    return {key: value for key, value in result.items() if value is not None}


def _field_names(dtype: np.dtype[Any], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for name in dtype.names or ():
        assert dtype.fields is not None
        inner = dtype.fields[name][0].base
        names |= _field_names(inner, f"{prefix}{name}.") if inner.names else {prefix + name}
    return names


def _convert_fill(subject: str, attrs: dict[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return attributes whose fill value has the variable's type, as a sidecar would give them."""
    if dtype.subdtype is not None or dtype.kind == "U":
        return attrs
    try:
        return convert_fill_value(attrs, dtype, "attrs")
    except ValueError as error:
        raise DescriptionError(f"{subject}{error}") from error
