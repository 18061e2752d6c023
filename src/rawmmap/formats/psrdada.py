"""PSRDADA: samples of a radio telescope behind a header of text, of 4096 bytes or as it says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rawmmap.description.model import Description
from rawmmap.errors import DescriptionError
from rawmmap.formats.frames import arrange_frames
from rawmmap.formats.numbers import parse_count
from rawmmap.formats.probe import Probe
from rawmmap.layout.samples import Samples, parse_dtype

__all__ = ["PsrdadaReader"]

_LONGEST = 2**20
_AXES = {"F": "channel", "P": "polarization"}
_REAL = {8: "i1", 16: "i2", 32: "f4"}
_COMPLEX = {8: "ci1", 16: "ci2", 32: "c8"}


class PsrdadaReader:
    """Reads the header of a PSRDADA file."""

    name = "psrdada"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts with lines of text that PSRDADA needs."""
        if b"HDR_SIZE" not in probe.head:
            return False  # most files, of which the lines need not be looked at
        text = probe.head.split(b"\0", 1)[0]
        keys = {line.split(b" ")[0].split(b"\t")[0] for line in text.split(b"\n")}
        return {b"HDR_SIZE", b"NBIT"} <= keys and (b"HDR_VERSION" in keys or b"NDIM" in keys)

    def read(self, probe: Probe) -> Description:
        """Return the description of the samples, a variable named ``data``.

        Raises
        ------
        DescriptionError
            If the header is malformed, or says something that is not implemented.
        """
        try:
            return _describe(probe, *_parse(probe))
        except ValueError as error:
            raise DescriptionError(f"{probe.name}: {error}") from error


def _parse(probe: Probe) -> tuple[dict[str, str], int]:
    """Return the entries of the header, and its bytes."""
    entries = _entries(probe.head)
    size = parse_count("HDR_SIZE", entries.get("HDR_SIZE", ""), 1)
    if size > min(_LONGEST, probe.size):
        raise ValueError(
            f"HDR_SIZE {size} is more than the file has, {probe.size} bytes, or than {_LONGEST}"
        )
    if size <= len(probe.head):
        return _entries(probe.head[:size]), size
    with probe.open() as file:
        return _entries(file.read(size)), size


def _entries(text: bytes) -> dict[str, str]:
    entries = {}
    for line in text.split(b"\0", 1)[0].decode("latin-1").splitlines():
        key, *rest = line.split("#", 1)[0].split(None, 1)[:2] or [""]
        if key:
            entries[key] = rest[0].strip() if rest else ""
    return entries


def _describe(probe: Probe, entries: Mapping[str, str], size: int) -> Description:
    bits, ndim, polarizations, channels = (
        parse_count(key, entries.get(key, default), 1)
        for key, default in (("NBIT", ""), ("NDIM", "1"), ("NPOL", "1"), ("NCHAN", "1"))
    )
    dtype, samples = _dtype(bits, ndim)
    lengths = {"channel": channels, "polarization": polarizations}
    frame = tuple((dim, lengths[dim]) for dim in _order(entries.get("ORDER", ""), lengths))
    notes = {key: value for key, value in entries.items() if value}
    variable = arrange_frames(dtype, frame, size, probe.size, time="time", samples=samples)
    return Description(probe.name, {"data": variable}, attrs=notes)


def _dtype(bits: int, ndim: int) -> tuple[np.dtype[np.generic], Samples | None]:
    codes = {1: _REAL, 2: _COMPLEX}.get(ndim)
    if codes is None or bits not in codes:
        raise ValueError(
            f"NBIT {bits} with NDIM {ndim} is not read; NBIT 8, 16 and 32 with NDIM 1 or 2 are"
        )
    return parse_dtype(f"<{codes[bits]}")


def _order(word: str, lengths: Mapping[str, int]) -> tuple[str, ...]:
    """Return the dims of a frame, the slowest first; without ORDER polarizations come first."""
    if not word:
        return ("polarization", "channel")
    if word[0] != "T" or sorted(word[1:]) not in (["F"], ["P"], ["F", "P"], []):
        raise ValueError(f"ORDER {word[:80]!r} is not implemented; TFP, TPF, TF, TP and T are")
    dims = tuple(_AXES[letter] for letter in word[1:])
    missing = [dim for dim, n in lengths.items() if dim not in dims and n != 1]
    if missing:
        raise ValueError(f"ORDER {word!r} does not name the axes {missing}, which are not 1 long")
    return dims
