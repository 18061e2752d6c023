"""SEG-Y: seismic traces, each behind a header of 240 bytes (SEG-Y revision 2.0, SEG, 2017)."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout, Values
from rawmmap.layout.samples import parse_dtype

__all__ = ["SegyReader"]

_TEXT, _HEADERS, _TRACE = 3200, 3600, 240
_TYPES = {
    1: "ibm4",
    2: "i4",
    3: "i2",
    5: "f4",
    6: "f8",
    7: "i3",
    8: "i1",
    9: "i8",
    10: "u4",
    11: "u2",
    12: "u8",
    15: "u3",
    16: "u1",
}
# Fields of the header of a trace that become coordinates, by their first byte, counted from 1 as
# the standard does.
_FIELDS = {
    "trace_sequence": (5, "i4"),
    "field_record": (9, "i4"),
    "trace_number": (13, "i4"),
    "source_point": (17, "i4"),
    "cdp": (21, "i4"),
    "offset": (37, "i4"),
    "elevation_scalar": (69, "i2"),
    "coordinate_scalar": (71, "i2"),
    "source_x": (73, "i4"),
    "source_y": (77, "i4"),
    "group_x": (81, "i4"),
    "group_y": (85, "i4"),
    "delay": (109, "i2"),
    "cdp_x": (181, "i4"),
    "cdp_y": (185, "i4"),
    "inline": (189, "i4"),
    "crossline": (193, "i4"),
}
_SAMPLES_OF_TRACE = 115
# How texts begin that are numbered lines, "C 1" or "C01", in EBCDIC and in ASCII.
_STARTS = (b"\xc3\x40", b"\xc3\xf0", b"C ", b"C0", b"\xc3\xf1", b"C1")


class _Header(NamedTuple):
    """What the binary header says."""

    order: str
    code: int
    samples: int
    interval: int
    start: int

    @property
    def trace_nbytes(self) -> int:
        """Bytes of one trace with its header."""
        dtype, _ = parse_dtype(self.order + _TYPES[self.code])
        return _TRACE + self.samples * dtype.itemsize


class SegyReader:
    """Reads the headers of a SEG-Y file whose traces are equally long."""

    name = "segy"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file has the headers of SEG-Y, and traces that fill the rest of it."""
        if probe.size < _HEADERS + _TRACE or not probe.head.startswith(_STARTS):
            return False
        try:
            header = _parse(probe.head)
        except ValueError:
            return False
        return (probe.size - header.start) % header.trace_nbytes == 0

    def read(self, probe: Probe) -> Description:
        """Return the description of the traces, a variable named ``data``, and of their headers.

        Raises
        ------
        DescriptionError
            If the headers are malformed, or the traces are not equally long.
        """
        try:
            if probe.size < _HEADERS:
                raise ValueError(f"{probe.size} bytes are less than the headers, {_HEADERS}")
            header = _parse(probe.head)
            count = _count_traces(probe, header)
            _check_lengths(probe, header, count)
        except (ValueError, struct.error) as error:
            raise DescriptionError(f"{probe.name}: {error}") from error
        return _describe(probe, header, count)


def _parse(head: bytes) -> _Header:
    order = "<" if head[3296:3300] == b"\x04\x03\x02\x01" else ">"

    def field(position: int, code: str) -> int:
        return int(struct.unpack_from(order + code, head, position - 1)[0])

    code, samples, interval = field(3225, "h"), field(3221, "H"), field(3217, "H")
    major = head[3500]
    if major >= 2 and field(3269, "i") > 0:
        samples = field(3269, "i")
    extended = field(3505, "h")
    if code not in _TYPES:
        raise ValueError(f"format code {code} is not read; {sorted(_TYPES)} are")
    if samples == 0:
        raise ValueError("the header says that traces have 0 samples")
    if extended < 0:
        raise ValueError("a variable number of extended text headers is not implemented")
    return _Header(order, code, samples, interval, _HEADERS + extended * _TEXT)


def _count_traces(probe: Probe, header: _Header) -> int:
    count, rest = divmod(probe.size - header.start, header.trace_nbytes)
    if rest or count < 0:
        raise ValueError(
            f"{probe.size - header.start} bytes after the headers are not whole traces of "
            f"{header.trace_nbytes} bytes ({header.samples} samples); traces of unequal length are "
            "not read"
        )
    return count


def _check_lengths(probe: Probe, header: _Header, count: int) -> None:
    """Check what the first, a middle and the last trace say of their own length."""
    with probe.open() as file:
        for number in sorted({0, count // 2, count - 1} if count else ()):
            position = header.start + number * header.trace_nbytes + _SAMPLES_OF_TRACE - 1
            file.seek(position)
            (samples,) = struct.unpack(header.order + "H", file.read(2))
            if samples not in (0, header.samples & 0xFFFF):
                raise ValueError(
                    f"trace {number} has {samples} samples, and not {header.samples} as the header "
                    "says; traces of unequal length are not read"
                )


def _describe(probe: Probe, header: _Header, count: int) -> Description:
    dtype, samples = parse_dtype(header.order + _TYPES[header.code])
    step = header.trace_nbytes
    strides = (step, dtype.itemsize)
    layout = Layout(dtype, (count, header.samples), strides, header.start + _TRACE)
    variables = {"data": Variable(("trace", "sample"), layout, samples=samples)}
    for name, (position, code) in _FIELDS.items():
        where = header.start + position - 1
        field = Layout(np.dtype(header.order + code), (count,), (step,), where)
        variables[name] = Variable(("trace",), field)
    if header.interval:
        # The interval is in microseconds.
        times = np.arange(header.samples) * (header.interval / 1000)
        variables["sample"] = Variable(("sample",), Values(times), {"units": "ms"})
    coords = frozenset(set(variables) - {"data"})
    # The standard says where the fields lie; to check that they do not overlap takes long.
    return Description(probe.name, variables, coords, _text(probe.head[:_TEXT]), overlap=True)


def _text(header: bytes) -> dict[str, Any]:
    encoding = "ascii" if header.startswith(b"C") else "cp037"
    text = header.decode(encoding, "replace")
    lines = [text[i : i + 80].rstrip() for i in range(0, len(text), 80)]
    return {"text": "\n".join(lines).rstrip()}
