"""netCDF-3: the classic format (CDF-1), with 64-bit offsets (CDF-2), and with 64-bit data (CDF-5).

The grammar is that of the "NetCDF Classic Format Specification" of Unidata, and of PnetCDF for
CDF-5. Libraries that read these headers read the data with them, so they are read here.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout
from rawmmap.layout.shapes import dense_strides

__all__ = ["Netcdf3Reader"]

_VERSIONS = {b"CDF\x01": 1, b"CDF\x02": 2, b"CDF\x05": 5}
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12
_TYPES = {
    1: "i1",
    2: "S1",
    3: ">i2",
    4: ">i4",
    5: ">f4",
    6: ">f8",
    7: "u1",
    8: ">u2",
    9: ">u4",
    10: ">i8",
    11: ">u8",
}
_LONGEST = 2**28
# So many names or values take at least as many bytes, which no sane header has.
_MOST_ITEMS = 2**24


@dataclass(frozen=True, slots=True)
class _Variable:
    """One variable of the header."""

    name: str
    dims: tuple[int, ...]
    attrs: dict[str, Any]
    dtype: np.dtype[Any]
    begin: int


class _Header:
    """Reads the items of a header from a stream."""

    def __init__(self, stream: BinaryIO, version: int, size: int) -> None:
        self._stream = stream
        self._version = version
        self._left = min(size, _LONGEST)

    def take(self, n: int) -> bytes:
        """Return the next `n` bytes, and skip to a multiple of four."""
        padded = n + -n % 4
        if padded > self._left:
            raise ValueError(f"the header ends early: {n} bytes are needed, {self._left} are left")
        self._left -= padded
        return self._stream.read(padded)[:n]

    def number(self, code: str) -> int:
        return int(struct.unpack(f">{code}", self.take(struct.calcsize(code)))[0])

    def count(self) -> int:
        """Return a length, of 8 bytes in CDF-5."""
        n = self.number("q" if self._version == 5 else "i")
        if n < 0:
            raise ValueError(f"a negative length, {n}")
        return n

    def items(self, tag: int) -> int:
        """Return the number of items of a list."""
        found, n = self.number("i"), self.count()
        if found not in (0, tag) or (found == 0 and n) or n > _MOST_ITEMS:
            raise ValueError(
                f"a list of kind {found} with {n} items where one of kind {tag} belongs"
            )
        return n

    def name(self) -> str:
        return self.take(self.count()).decode("utf-8", "replace")

    def begin(self) -> int:
        return self.number("i" if self._version == 1 else "q")

    def dtype(self) -> np.dtype[Any]:
        code = self.number("i")
        if code not in _TYPES:
            raise ValueError(f"the type {code} is unknown")
        return np.dtype(_TYPES[code])

    def attributes(self) -> dict[str, Any]:
        attrs: dict[str, Any] = {}
        for _ in range(self.items(_ATTRIBUTES)):
            name, dtype, n = self.name(), self.dtype(), self.count()
            values = self.take(n * dtype.itemsize)
            if dtype.kind == "S":
                attrs[name] = values.rstrip(b"\0").decode("utf-8", "replace")
                continue
            numbers = np.frombuffer(values, dtype).astype(dtype.newbyteorder("="))
            attrs[name] = numbers[0] if n == 1 else numbers
        return attrs

    def dimensions(self) -> list[tuple[str, int]]:
        return [(self.name(), self.count()) for _ in range(self.items(_DIMENSIONS))]

    def variables(self, dimensions: int) -> list[_Variable]:
        return [self._variable(dimensions) for _ in range(self.items(_VARIABLES))]

    def _variable(self, dimensions: int) -> _Variable:
        name, ndim = self.name(), self.count()
        if ndim > 1024:
            raise ValueError(f"variable {name[:80]!r} has {ndim} dimensions; 1024 are allowed")
        dims = tuple(self.count() for _ in range(ndim))
        if any(dim >= dimensions for dim in dims):
            raise ValueError(f"variable {name[:80]!r} has a dimension that the file has not")
        attrs, dtype = self.attributes(), self.dtype()
        self.count()  # its size, which is not trusted: it overflows for large variables
        return _Variable(name, dims, attrs, dtype, self.begin())


class Netcdf3Reader:
    """Reads the header of a netCDF-3 file."""

    name = "netcdf3"
    own_engine = True

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts as netCDF-3 files do."""
        return probe.head[:4] in _VERSIONS

    def read(self, probe: Probe) -> Description:
        """Return the description of all variables.

        Raises
        ------
        DescriptionError
            If the header is malformed.
        ShortFileError
            If the file is too short.
        """
        version = _VERSIONS.get(probe.head[:4])
        if version is None:
            raise DescriptionError(f"{probe.name}: it does not start as netCDF-3 files do")
        with probe.open() as stream:
            try:
                header = _Header(stream, version, probe.size)
                header.take(4)
                records = header.count() if version == 5 else header.number("I")
                dimensions, attrs = header.dimensions(), header.attributes()
                variables = header.variables(len(dimensions))
                return _describe(probe, version, records, dimensions, variables, attrs)
            except ShortFileError:
                raise
            except (ValueError, struct.error) as error:
                raise DescriptionError(f"{probe.name}: {error}") from error


def _describe(
    probe: Probe,
    version: int,
    records: int,
    dimensions: list[tuple[str, int]],
    variables: list[_Variable],
    attrs: dict[str, Any],
) -> Description:
    unlimited = [number for number, (_, n) in enumerate(dimensions) if n == 0]
    if len(unlimited) > 1:
        raise ValueError(f"{len(unlimited)} dimensions are unlimited; the format has at most one")
    along = set(unlimited)
    recorded = [v for v in variables if v.dims and v.dims[0] in along]
    lengths = [n for _, n in dimensions]
    step = _record_nbytes(recorded, lengths)
    # A program that is still writing does not know the number of records.
    if records == (2**63 - 1 if version == 5 else 2**32 - 1):
        first = min((v.begin for v in recorded), default=0)
        records = max(probe.size - first, 0) // step if step else 0
    for number in unlimited:
        lengths[number] = records
    described = {}
    for variable in variables:
        in_records = variable.dims[:1] and variable.dims[0] in along
        layout = _layout(variable, lengths, step if in_records else 0)
        if layout.extent[1] > probe.size:
            raise ShortFileError(probe.name, layout.extent[1], probe.size)
        dims = tuple(dimensions[number][0] for number in variable.dims)
        described[variable.name] = Variable(dims, layout, variable.attrs)
    if len(described) < len(variables):
        raise ValueError("two variables have the same name")
    return Description(probe.name, described, attrs=attrs)


def _slab(variable: _Variable, lengths: list[int]) -> int:
    """Return the bytes of one record of a variable."""
    return math.prod(lengths[number] for number in variable.dims[1:]) * variable.dtype.itemsize


def _record_nbytes(recorded: list[_Variable], lengths: list[int]) -> int:
    """Return the bytes of a record; a variable alone in it is not padded."""
    slabs = [_slab(variable, lengths) for variable in recorded]
    return slabs[0] if len(slabs) == 1 else sum(n + -n % 4 for n in slabs)


def _layout(variable: _Variable, lengths: list[int], step: int) -> Layout:
    shape = tuple(lengths[number] for number in variable.dims)
    if not step:
        return Layout.dense(variable.dtype, shape, offset=variable.begin)
    inner = dense_strides(variable.dtype.itemsize, shape[1:], "C")
    return Layout(variable.dtype, shape, (step, *inner), variable.begin)
