"""SIGPROC's filterbank files (``.fil``): spectra of a radio telescope, behind a binary header.

The header is a sequence of keywords, each a length of 4 bytes and that many characters, from
``HEADER_START`` to ``HEADER_END``; most are followed by a number (SIGPROC's manual, section 4).
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError
from rawmmap.formats.frames import arrange_frames
from rawmmap.formats.probe import Probe
from rawmmap.layout import Values
from rawmmap.layout.bits import Packing

__all__ = ["SigprocReader"]

_START = b"HEADER_START"
_MOST_KEYWORDS = 10_000
_LONGEST_TEXT = 1000
_INTEGERS = {
    "machine_id",
    "telescope_id",
    "data_type",
    "barycentric",
    "pulsarcentric",
    "nbits",
    "nsamples",
    "nchans",
    "nifs",
    "nbeams",
    "ibeam",
    "nbins",
}
_FLOATS = {
    "az_start",
    "za_start",
    "src_raj",
    "src_dej",
    "tstart",
    "tsamp",
    "fch1",
    "foff",
    "refdm",
    "period",
    "fchannel",
}
_TEXTS = {"source_name", "rawdatafile"}
_TYPES = {8: "u1", 16: "u2", 32: "f4"}


class SigprocReader:
    """Reads the header of a filterbank file, or of a time series of SIGPROC."""

    name = "sigproc"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts as files of SIGPROC do."""
        return probe.head[4:16] == _START and probe.head[:4] in (b"\f\0\0\0", b"\0\0\0\f")

    def read(self, probe: Probe) -> Description:
        """Return the description of the spectra, a variable named ``data``.

        Raises
        ------
        DescriptionError
            If the header is malformed, or has a keyword that is unknown.
        """
        if not self.recognises(probe):
            raise DescriptionError(f"{probe.name}: it does not start with HEADER_START")
        order = "<" if probe.head[0] else ">"
        with probe.open() as file:
            try:
                entries = _parse(file, order)
                return _describe(probe, entries, file.tell(), order)
            except (ValueError, struct.error) as error:
                raise DescriptionError(f"{probe.name}: {error}") from error


def _parse(file: BinaryIO, order: str) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    frequencies: list[float] = []
    _text(file, order)
    for _ in range(_MOST_KEYWORDS):
        key = _text(file, order)
        if key == "HEADER_END":
            return entries | ({"frequencies": frequencies} if frequencies else {})
        if key in ("FREQUENCY_START", "FREQUENCY_END"):
            continue
        value = _value(file, key, order)
        if key == "fchannel":
            frequencies.append(value)
        else:
            entries[key] = value
    raise ValueError(f"the header has more than {_MOST_KEYWORDS} keywords")


def _value(file: BinaryIO, key: str, order: str) -> Any:
    if key in _INTEGERS:
        return struct.unpack(f"{order}i", file.read(4))[0]
    if key in _FLOATS:
        return struct.unpack(f"{order}d", file.read(8))[0]
    if key in _TEXTS:
        return _text(file, order)
    if key == "signed":
        return struct.unpack("b", file.read(1))[0]
    raise ValueError(f"the keyword {key[:80]!r} is unknown, so that its length is too")


def _text(file: BinaryIO, order: str) -> str:
    (length,) = struct.unpack(f"{order}i", file.read(4))
    if not 0 < length <= _LONGEST_TEXT:
        raise ValueError(f"a text of {length} bytes; it can have up to {_LONGEST_TEXT}")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("the file ends within the header")
    return text.rstrip(b"\0").decode("latin-1")


def _describe(probe: Probe, entries: dict[str, Any], start: int, order: str) -> Description:
    bits = entries.pop("nbits", None)
    channels, polarisations = entries.pop("nchans", 1), entries.pop("nifs", 1)
    signed = entries.pop("signed", 0) not in (0, b"\0")
    dtype: Any
    if bits in _TYPES:
        code = _TYPES[bits]
        dtype = np.dtype(order + ("i1" if signed and bits == 8 else code))
    elif bits in (1, 2, 4):
        dtype = Packing(bits, "lsb")
    else:
        raise ValueError(f"nbits is {bits}; samples of 1, 2, 4, 8, 16 and 32 bits are read")
    if channels < 1 or polarisations < 1:
        raise ValueError(f"nchans is {channels} and nifs {polarisations}; both are at least 1")
    if entries.get("data_type", 1) not in (0, 1, 2):
        raise ValueError(
            f"data_type is {entries['data_type']}; filterbanks (1) and time series (2) are read"
        )
    frame = (("if", polarisations), ("channel", channels))
    variable = arrange_frames(dtype, frame, start, probe.size, time="time")
    variables = {"data": variable} | _frequencies(entries, channels)
    coords = frozenset(set(variables) - {"data"})
    return Description(probe.name, variables, coords, entries)


def _frequencies(entries: dict[str, Any], channels: int) -> dict[str, Variable]:
    """Return the frequency of each channel, in MHz."""
    listed = entries.pop("frequencies", None)
    if listed is not None and len(listed) != channels:
        raise ValueError(f"fchannel stands {len(listed)} times, for {channels} channels")
    if listed is None and not {"fch1", "foff"} <= set(entries):
        return {}
    values = (
        np.array(listed)
        if listed is not None
        else entries["fch1"] + entries["foff"] * np.arange(channels)
    )
    return {"frequency": Variable(("channel",), Values(values), {"units": "MHz"})}
