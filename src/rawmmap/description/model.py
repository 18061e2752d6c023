"""The description of a file: its variables and their layouts. Pure data, no I/O."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rawmmap.description.members import Members
from rawmmap.description.template import LayoutTemplate
from rawmmap.drawing import MOST_BARS, Drawing, draw_file, place_variables
from rawmmap.errors import DescriptionError, OverlapError
from rawmmap.layout import Arrangement, Layout, Mosaic, Values
from rawmmap.layout.bits import BitLayout
from rawmmap.layout.overlap import find_overlap, find_self_overlap, overlaps_itself
from rawmmap.layout.samples import Samples

__all__ = ["Description", "Records", "Variable"]


@dataclass(frozen=True, slots=True)
class Records:
    """Records of equal length that follow each other to the end of the file.

    Attributes
    ----------
    dim : str
        The dimension that counts them.
    offset : int
        Byte at which the first record starts.
    nbytes : int
        Bytes of one record.
    used : int
        Bytes from the start of a record to the end of its last variable; what follows may be
        missing at the end of the file. 0 is all of them. It follows from the variables.
    """

    dim: str
    offset: int
    nbytes: int
    used: int = field(default=0, compare=False)

    def count(self, size: int) -> int:
        """Return how many records a file of `size` bytes holds, the variables of each complete."""
        return int(self.count_all(np.array([size]))[0])

    def count_all(self, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many records each of some files holds."""
        count, rest = np.divmod(np.maximum(sizes - self.offset, 0), self.nbytes)
        counts: npt.NDArray[np.int64] = count + (rest >= (self.used or self.nbytes))
        return counts

    def measure(self, variables: Mapping[str, Variable]) -> Self:
        """Return records that know which of their bytes the variables use."""
        ends = [0]
        for variable in variables.values():
            template, axis = variable.data, variable.record_axis(self.dim)
            if isinstance(template, LayoutTemplate) and axis is not None:
                first = template.with_length(axis, 1).arrange(0)
                ends.append(first.extent[1] - self.offset if first.nbytes else 0)
        return replace(self, used=max(ends))


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a file.

    Attributes
    ----------
    dims : tuple of str
        Names of the axes.
    data : Arrangement or LayoutTemplate
        Where the elements lie, or the elements themselves; a template until the file's size is
        known.
    attrs : mapping
        Attributes, as xarray's decoders take them.
    fields : mapping
        Dims and attributes of single fields of a structured dtype: ``{name: {"dims": ..., ...}}``.
    samples : Samples or None
        How stored elements become values; None where they are values.
    """

    dims: tuple[str, ...]
    data: Arrangement | LayoutTemplate
    attrs: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    samples: Samples | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.data.dtype if self.samples is None else self.samples.dtype

    @property
    def arrangement(self) -> Arrangement:
        """The data of a resolved variable, which is not a template."""
        assert not isinstance(self.data, LayoutTemplate)
        return self.data

    @property
    def grows(self) -> bool:
        """Whether a length follows from the size of the file."""
        return isinstance(self.data, LayoutTemplate) and self.data.grows

    def record_axis(self, dim: str) -> int | None:
        """Return the axis of which the length is the number of records along `dim`, if any is."""
        shape = self.data.shape
        if not isinstance(self.data, LayoutTemplate) or shape is None or -1 not in shape:
            return None
        axis = shape.index(-1)
        return axis if self.dims[axis : axis + 1] == (dim,) else None

    @property
    def in_file(self) -> bool:
        """Whether the elements lie in a file, and not in the description."""
        return not isinstance(self.data, Values)


@dataclass(frozen=True, slots=True)
class Description:
    """What a file holds.

    Attributes
    ----------
    path : str
        The data file, a path or URL.
    variables : mapping of str to Variable
        By name, in order.
    coords : frozenset of str
        Names of the coordinates, besides variables that are named like their dimension.
    attrs : mapping
        Attributes of the dataset.
    records : Records or None
        The record axis, if the file has one.
    state : tuple of int or None
        Inode and modification time in nanoseconds of the data file that this describes; None if
        it describes any file of that name.
    overlap : bool
        Whether variables may share bytes.
    unnamed : bool
        Whether the only variable has the default name, which errors then leave out.
    specific : bool
        Whether it is true of this very file alone, and of no other in a series, since it holds
        positions or elements that were read from it.
    files : tuple of str
        All data files, in the order of their numbers in mosaics, where there are several; the first
        one is `path`.
    members : Members or None
        The files of a series, each of which holds these variables; `path` is then their pattern.
    """

    path: str
    variables: Mapping[str, Variable]
    coords: frozenset[str] = frozenset()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    records: Records | None = None
    state: tuple[int, int] | None = None
    overlap: bool = False
    unnamed: bool = False
    specific: bool = False
    files: tuple[str, ...] = ()
    members: Members | None = None

    def draw(self) -> Drawing:
        """Return a picture of what is described, whatever the files are: they end where it ends."""
        arrays = {
            name: variable.data
            for name, variable in self.variables.items()
            if not isinstance(variable.data, LayoutTemplate)
        }
        names = (self.files or (self.path,))[:MOST_BARS]
        placed = place_variables(arrays, len(names))
        bars = tuple(
            draw_file(
                posixpath.basename(path) or path,
                max((x.extent[1] for pieces in layouts.values() for x in pieces), default=0),
                layouts,
            )
            for path, layouts in zip(names, placed, strict=True)
        )
        open_ended = [name for name in self.variables if name not in arrays]
        note = f"to the end of the file: {', '.join(open_ended)}" if open_ended else ""
        return Drawing(bars, note)

    def _repr_html_(self) -> str:
        return self.draw()._repr_html_()

    def resolve(self, size: int) -> Description:
        """Return the description of the file with a size of `size` bytes.

        Every length is a number, and a variable of a structured dtype is split into one variable
        per field.

        Raises
        ------
        DescriptionError
            If variables contradict themselves, each other, or the file's size.
        """
        sized = {name: self._with_size(name, v, size) for name, v in self.variables.items()}
        if not self.overlap:
            self._check_overlap(sized)
        variables: dict[str, Variable] = {}
        for name, variable in self.variables.items():
            for part, resolved in self._split_fields(name, variable, sized[name]):
                if part in variables:
                    raise DescriptionError(
                        f"{self.path}: two variables are named {part!r}; "
                        "the fields of a structured dtype count as variables"
                    )
                variables[part] = resolved
        check_lengths(self.path, variables)
        return replace(self, variables=variables)

    def _with_size(self, name: str, variable: Variable, size: int) -> Arrangement:
        """Return the data of a variable in a file of `size` bytes, with all fields of its dtype."""
        template = variable.data
        if not isinstance(template, LayoutTemplate):
            return template
        try:
            return self._count_records(variable, template, size).arrange(size)
        except ValueError as error:
            raise DescriptionError(f"{self._subject(name)}{error}") from error

    def _check_overlap(self, sized: Mapping[str, Arrangement]) -> None:
        """Refuse elements of one variable, or of two, that share bytes."""
        layouts = {
            name: data.bytes_read if isinstance(data, BitLayout) else data
            for name, data in sized.items()
            if isinstance(data, Layout | BitLayout)
        }
        names = list(layouts)
        number = find_self_overlap(list(layouts.values()))
        if number is not None:
            name = names[number]
            raise OverlapError(f"{self._subject(name)}{_explain_self_overlap(layouts[name])}")
        pair = find_overlap([layouts[name] for name in names]) if len(names) > 1 else None
        if pair is not None:
            first, second = (names[i] for i in pair)
            raise OverlapError(
                f"{self.path}: variables {first!r}, bytes {_format_extent(layouts[first])}, and "
                f"{second!r}, bytes {_format_extent(layouts[second])}, overlap in the file; "
                "correct offset=, shape= or strides=, use record_dim= if they are interleaved in "
                "records, or pass overlap=True if that is intended"
            )

    def _split_fields(
        self, name: str, variable: Variable, layout: Arrangement
    ) -> Iterator[tuple[str, Variable]]:
        """Yield a variable, or one for each field of a structured dtype."""
        template = variable.data
        if not isinstance(template, LayoutTemplate) or not isinstance(layout, Layout | BitLayout):
            yield name, variable
            return
        if isinstance(layout, BitLayout) or layout.dtype.names is None:
            yield name, self._with_inner_dims(name, variable, layout, template.ndim)
            return
        for part, inner in iterate_fields(layout, template.order):
            extra = variable.fields.get(part, {})
            dims = variable.dims[: template.ndim] + tuple(extra.get("dims", ()))
            if "dims" not in extra:
                dims = variable.dims
            attrs = {**variable.attrs, **extra.get("attrs", {})}
            plain = replace(variable, dims=dims, attrs=attrs, fields={})
            yield part, self._with_inner_dims(part, plain, inner, template.ndim)

    def _count_records(
        self, variable: Variable, template: LayoutTemplate, size: int
    ) -> LayoutTemplate:
        """Return a template with the number of records in place of its ``-1``."""
        records = self.records
        axis = None if records is None else variable.record_axis(records.dim)
        if records is None or axis is None:
            return template
        return template.with_length(axis, records.count(size))

    def _with_inner_dims(
        self, name: str, variable: Variable, layout: Layout | BitLayout, outer: int
    ) -> Variable:
        """Return a resolved variable; axes inside its dtype are named after the variable."""
        dims = variable.dims
        if name not in self.variables:
            dims = dims[: layout.ndim]  # the others name axes of other fields
        if len(dims) == outer:
            dims += tuple(f"{name}_{i}" for i in range(layout.ndim - outer))
        if len(dims) != layout.ndim:
            raise DescriptionError(
                f"{self._subject(name)}it has {layout.ndim} axes of shape {layout.shape}, "
                f"but {len(dims)} dims {dims}"
            )
        return merge_repeated(replace(variable, dims=dims, data=layout), self._subject(name))

    def _subject(self, name: str) -> str:
        """Return the start of an error text: the file and the variable, unless that is unnamed."""
        return f"{self.path}: " if self.unnamed else f"{self.path}: variable {name!r}: "

    def without(self, names: Iterable[str]) -> Description:
        """Return the description without some variables."""
        dropped = frozenset(names)
        if not dropped:
            return self
        remaining = {n: v for n, v in self.variables.items() if n not in dropped}
        return replace(self, variables=remaining, coords=self.coords - dropped)


def merge_repeated(variable: Variable, subject: str) -> Variable:
    """Return a variable with one axis for a dimension that is named twice: an axis in blocks."""
    dims = variable.dims
    repeated = [dim for i, dim in enumerate(dims) if dim in dims[:i]]
    if not repeated:
        return variable
    dim, data = repeated[0], variable.data
    if len(repeated) > 1 or not isinstance(data, Layout | BitLayout):
        raise DescriptionError(
            f"{subject}dims={dims} repeats more than one name; only one axis can be in blocks"
        )
    outer = dims.index(dim)
    inner = dims.index(dim, outer + 1)
    return replace(
        variable,
        dims=dims[:inner] + dims[inner + 1 :],
        data=Mosaic.blocks(data, outer, inner),
    )


def check_lengths(path: str, variables: Mapping[str, Variable]) -> None:
    """Refuse a dimension that has two lengths."""
    lengths: dict[str, tuple[int, str]] = {}
    for name, variable in variables.items():
        for dim, n in zip(variable.dims, variable.arrangement.shape, strict=True):
            first, other = lengths.setdefault(dim, (n, name))
            if n != first:
                raise DescriptionError(
                    f"{path}: dimension {dim!r} has length {first} in {other!r}, "
                    f"but {n} in {name!r}{_suggest_dims(dim)}"
                )


def _suggest_dims(dim: str) -> str:
    """Return a hint where the caller has not named a dimension that has two lengths."""
    if not dim.removeprefix("dim_").isdecimal():
        return ""
    return "; these names are the default: pass dims= for each variable, different where axes are"


def iterate_fields(layout: Layout, order: str = "C") -> Iterator[tuple[str, Layout]]:
    """Yield the plain fields of a structured layout; one within another is ``"outer.inner"``."""
    for name in layout.dtype.names or ():
        inner = layout.field(name, order)
        if inner.dtype.names is None:
            yield name, inner
        else:
            for part, nested in iterate_fields(inner, order):
                yield f"{name}.{part}", nested


def field_dtype(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    """Return the dtype of a plain field that `iterate_fields` names."""
    for step in name.split("."):
        assert dtype.fields is not None
        dtype = dtype.fields[step][0].base
    return dtype


def _format_extent(layout: Layout) -> str:
    start, stop = layout.extent
    return f"{start} to {stop}"


def _explain_self_overlap(layout: Layout) -> str:
    text = (
        f"its elements of {layout.dtype.itemsize} bytes overlap in the file, with "
        f"strides={layout.strides} in bytes and shape={layout.shape}"
    )
    scaled = tuple(step * layout.dtype.itemsize for step in layout.strides)
    if not overlaps_itself(Layout(layout.dtype, layout.shape, scaled, layout.offset)):
        return f"{text}; strides are bytes, not elements: did you mean {scaled}?"
    return f"{text}; pass overlap=True if that is intended"
