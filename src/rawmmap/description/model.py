"""The description of a file: which variables lie in it, and where. Pure data, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.errors import DescriptionError
from rawmmap.layout import Layout, infer_shape

__all__ = ["Description", "Placed", "Records", "Variable"]


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
    """

    dim: str
    offset: int
    nbytes: int

    def count(self, size: int) -> int:
        """Return how many whole records a file of `size` bytes holds."""
        return max(size - self.offset, 0) // self.nbytes


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, as it is described; its shape may hold a ``-1``.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of one element, byte order included.
    dims : tuple of str
        Names of the axes.
    shape : tuple of int or None
        Element counts; ``-1`` follows from the file's size; None is the rest of the file in one
        dimension.
    offset : int
        Byte of the file at which the first element starts.
    order : {"C", "F"}
        Order of the axes where there are no strides.
    strides : tuple of int or None
        Bytes from one element to the next along each axis.
    attrs : mapping
        Attributes, as xarray's decoders take them.
    values : numpy.ndarray or None
        The values themselves, where the description holds them instead of the file.
    """

    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    shape: tuple[int, ...] | None
    offset: int = 0
    order: str = "C"
    strides: tuple[int, ...] | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    values: npt.NDArray[Any] | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A variable of a file whose size is known: every length is a number.

    Attributes
    ----------
    dims : tuple of str
        Names of the axes.
    data : Layout or numpy.ndarray
        Where the elements lie in the file, or the elements themselves.
    attrs : mapping
        Attributes, as xarray's decoders take them.
    """

    dims: tuple[str, ...]
    data: Layout | npt.NDArray[Any]
    attrs: Mapping[str, Any]


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
        Names of those that are coordinates though they are no dimension's own.
    attrs : mapping
        Attributes of the whole.
    records : Records or None
        The record axis, if the file has one.
    node : int or None
        The inode of the file that is described, where another one may take its place with another
        description.
    """

    path: str
    variables: Mapping[str, Variable]
    coords: frozenset[str] = frozenset()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    records: Records | None = None
    node: int | None = None

    def place(self, size: int) -> dict[str, Placed]:
        """Return where everything lies in the file, now that it has `size` bytes.

        A variable of a structured dtype becomes one variable per field.

        Raises
        ------
        DescriptionError
            If a variable's words contradict each other, or the file's size.
        """
        placed: dict[str, Placed] = {}
        for name, variable in self.variables.items():
            for part, found in self.place_one(name, variable, size):
                if part in placed:
                    raise DescriptionError(
                        f"{self.path}: two variables are named {part!r}; "
                        "the fields of a structured dtype count as variables"
                    )
                placed[part] = found
        self._check_lengths(placed)
        return placed

    def place_one(self, name: str, variable: Variable, size: int) -> Iterator[tuple[str, Placed]]:
        """Yield where one variable lies, or the fields of one of a structured dtype."""
        if variable.values is not None:
            yield name, Placed(variable.dims, variable.values, variable.attrs)
            return
        try:
            layout = self._layout(variable, size)
        except ValueError as error:
            raise DescriptionError(f"{self.path}: variable {name!r}: {error}") from error
        if layout.dtype.names is None:
            yield name, _named(name, variable, layout, self.path)
            return
        for part, inner in _fields(layout):
            yield part, _named(part, variable, inner, self.path)

    def _layout(self, variable: Variable, size: int) -> Layout:
        shape = infer_shape(
            variable.dtype,
            self._counted(variable, size),
            size=size,
            offset=variable.offset,
            order=variable.order,
            strides=variable.strides,
        )
        if variable.strides is None:
            return Layout.dense(variable.dtype, shape, offset=variable.offset, order=variable.order)
        return Layout(variable.dtype, shape, variable.strides, variable.offset)

    def _counted(self, variable: Variable, size: int) -> tuple[int, ...] | None:
        """Return a variable's shape with the number of records in it."""
        shape, records = variable.shape, self.records
        if records is None or shape is None or -1 not in shape:
            return shape
        count = records.count(size)
        dims = variable.dims + ("",) * (len(shape) - len(variable.dims))
        return tuple(
            count if n == -1 and dim == records.dim else n
            for dim, n in zip(dims, shape, strict=False)
        )

    def _check_lengths(self, placed: Mapping[str, Placed]) -> None:
        lengths: dict[str, tuple[int, str]] = {}
        for name, variable in placed.items():
            for dim, n in zip(variable.dims, variable.data.shape, strict=True):
                known, other = lengths.setdefault(dim, (n, name))
                if n != known:
                    raise DescriptionError(
                        f"{self.path}: dimension {dim!r} has length {known} in {other!r}, "
                        f"but {n} in {name!r}"
                    )

    def without(self, names: frozenset[str]) -> Description:
        """Return the description without some variables."""
        kept = {n: v for n, v in self.variables.items() if n not in names}
        return replace(self, variables=kept, coords=self.coords - names)


def _fields(layout: Layout) -> Iterator[tuple[str, Layout]]:
    """Yield the plain fields of a structured layout; one within another is ``"outer.inner"``."""
    for name in layout.dtype.names or ():
        inner = layout.field(name)
        if inner.dtype.names is None:
            yield name, inner
        else:
            for part, found in _fields(inner):
                yield f"{name}.{part}", found


def _named(name: str, variable: Variable, layout: Layout, path: str) -> Placed:
    """Return a placed variable; axes of a subarray dtype get names after the variable."""
    dims = variable.dims
    subarray = layout.ndim - len(variable.shape if variable.shape is not None else (1,))
    if len(dims) == layout.ndim - subarray:
        dims += tuple(f"{name}_{i}" for i in range(subarray))
    if len(dims) != layout.ndim:
        raise DescriptionError(
            f"{path}: variable {name!r} has {layout.ndim} axes of shape {layout.shape}, "
            f"but {len(dims)} dims {dims}"
        )
    if len(set(dims)) < len(dims):
        raise DescriptionError(f"{path}: variable {name!r} names a dimension twice: {dims}")
    return Placed(dims, layout, variable.attrs)
