"""SpikeGLX: interleaved 16-bit channels in a ``.bin``, with a ``.meta`` of ``key=value`` beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError
from rawmmap.formats.frames import arrange_frames
from rawmmap.formats.header_files import HeaderFiles
from rawmmap.formats.numbers import parse_count, parse_number
from rawmmap.formats.probe import Probe
from rawmmap.layout import Values

__all__ = ["SpikeglxReader"]

_LONGEST = 2**24
_RATES = ("imSampRate", "niSampRate", "obSampRate")


def _is_header(head: bytes) -> bool:
    return b"nSavedChans=" in head and b"fileSizeBytes=" in head and b"\0" not in head


_FILES = HeaderFiles("metadata of SpikeGLX", _is_header, (".meta",), (".bin",), append=False)


class SpikeglxReader:
    """Reads the ``.meta`` of a recording; the probe may be of it or of the ``.bin``."""

    name = "spikeglx"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is such a header, or has one of its name, by its content."""
        return _FILES.find_header(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the recording, a variable named ``data``, in counts.

        Raises
        ------
        DescriptionError
            If the header is malformed.
        FileNotFoundError
            If the data file is missing.
        """
        header, data = _FILES.pair(probe)
        try:
            return _describe(data, _parse(header))
        except ValueError as error:
            raise DescriptionError(f"{header.name}: {error}") from error


def _parse(header: Probe) -> dict[str, str]:
    if header.size > _LONGEST:
        raise ValueError(f"{header.size} bytes are too many; at most {_LONGEST} are read")
    with header.open() as file:
        lines = file.read(_LONGEST).decode("latin-1").splitlines()
    pairs = (line.partition("=") for line in lines)
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


def _describe(data: Probe, entries: Mapping[str, str]) -> Description:
    channels = parse_count("nSavedChans", entries.get("nSavedChans", ""), 1)
    rate = next((entries[key] for key in _RATES if key in entries), None)
    attrs: dict[str, Any] = {}
    if rate is not None:
        attrs["sampling_rate"] = parse_number("SampRate", rate)
    frame = (("channel", channels),)
    variable = arrange_frames(np.dtype("<i2"), frame, 0, data.size, attrs=attrs)
    if not 2 * channels <= data.size or not variable.arrangement.size:
        raise ValueError(f"{data.name} has {data.size} bytes, less than one of its frames")
    saved = _saved_channels(entries.get("snsSaveChanSubset", ""), channels)
    labels = {} if saved is None else {"channel": Variable(("channel",), Values(saved))}
    # Tables, whose keys begin with ~, are as long as all else together.
    notes = {key: value for key, value in entries.items() if value and not key.startswith("~")}
    return Description(data.name, {"data": variable, **labels}, frozenset(labels), notes)


def _saved_channels(text: str, count: int) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    """Return the numbers of the channels that were saved, such as ``0:383,768``."""
    if not text or text == "all":
        return None
    numbers: list[int] = []
    for word in text.split(","):
        first, _, last = word.partition(":")
        start = parse_count("snsSaveChanSubset", first)
        stop = parse_count("snsSaveChanSubset", last or first)
        if stop - start >= count:
            raise ValueError(f"snsSaveChanSubset {text[:80]!r} has more than {count} channels")
        numbers += range(start, stop + 1)
    if len(numbers) != count:
        raise ValueError(
            f"snsSaveChanSubset {text[:80]!r} has {len(numbers)} channels, nSavedChans {count}"
        )
    return np.array(numbers, np.int64)
