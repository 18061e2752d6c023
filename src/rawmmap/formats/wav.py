"""WAV, RIFX and RF64: sampled sound, in chunks of which one holds the samples.

Sources: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0", and EBU Tech
3306 for RF64.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from rawmmap.description.model import Description
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.frames import arrange_frames
from rawmmap.formats.probe import Probe
from rawmmap.layout.samples import Samples, parse_dtype

__all__ = ["WavReader"]

_MARKS = {b"RIFF": "<", b"RF64": "<", b"BW64": "<", b"RIFX": ">"}
_MOST_CHUNKS = 10_000
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# An unknown length: the program was still recording.
_UNKNOWN = 0xFFFFFFFF
_TYPES = {
    (_PCM, 1): "u1",
    (_PCM, 2): "i2",
    (_PCM, 3): "i3",
    (_PCM, 4): "i4",
    (_PCM, 8): "i8",
    (_FLOAT, 4): "f4",
    (_FLOAT, 8): "f8",
}


@dataclass(frozen=True, slots=True)
class _Format:
    """The chunk ``fmt``."""

    code: int
    channels: int
    rate: int
    frame_nbytes: int
    bits: int


class WavReader:
    """Reads the chunks of a WAV file up to its samples."""

    name = "wav"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts as WAV files do."""
        return probe.head[:4] in _MARKS and probe.head[8:12] == b"WAVE"

    def read(self, probe: Probe) -> Description:
        """Return the description of the samples, a variable named ``data``.

        Raises
        ------
        DescriptionError
            If the file is malformed, or its samples are compressed.
        ShortFileError
            If the file is shorter than it says.
        """
        if not self.recognises(probe):
            raise DescriptionError(f"{probe.name}: it does not start as a WAV file does")
        with probe.open() as file:
            try:
                return _describe(probe, *_parse(file, probe))
            except ShortFileError:
                raise
            except (ValueError, struct.error) as error:
                raise DescriptionError(f"{probe.name}: {error}") from error


def _parse(file: BinaryIO, probe: Probe) -> tuple[str, _Format, int, int]:
    """Return byte order, format, and where the samples start and stop."""
    mark = file.read(12)[:4]
    order = _MARKS[mark]
    form, long_size = None, None
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            raise ValueError("there is no chunk 'data'")
        name, size = struct.unpack(f"{order}4sI", head)
        start = file.tell()
        if name == b"ds64":
            long_size = struct.unpack("<QQ", file.read(16))[1]
        elif name == b"fmt ":
            form = _format(file.read(min(size, 40)), order)
        elif name == b"data":
            if form is None:
                raise ValueError("the chunk 'fmt ' is missing before the samples")
            return order, form, start, _stop(probe, mark, start, size, long_size)
        file.seek(start + size + size % 2)
    raise ValueError(f"there is no chunk 'data' among the first {_MOST_CHUNKS}")


def _stop(probe: Probe, mark: bytes, start: int, size: int, long_size: int | None) -> int:
    if size == _UNKNOWN and mark in (b"RF64", b"BW64") and long_size is not None:
        size = long_size
    if size in (0, _UNKNOWN):
        return probe.size
    if start + size > probe.size:
        raise ShortFileError(probe.name, start + size, probe.size)
    return start + size


def _format(chunk: bytes, order: str) -> _Format:
    code, channels, rate, _, frame, bits = struct.unpack_from(f"{order}HHIIHH", chunk)
    if code == _EXTENSIBLE:
        if len(chunk) < 40:
            raise ValueError("the chunk 'fmt ' is too short for an extensible format")
        # The first four bytes of the subformat are the code; some programs write two of them.
        first, second = struct.unpack_from(f"{order}HH", chunk, 24)
        code = first or second
    return _Format(code, channels, rate, frame, bits)


def _describe(probe: Probe, order: str, form: _Format, start: int, stop: int) -> Description:
    if not form.channels:
        raise ValueError("it has no channels")
    width = -(-form.bits // 8)
    if form.frame_nbytes != width * form.channels:
        raise ValueError(
            f"{form.channels} channels of {form.bits} bits do not make frames of "
            f"{form.frame_nbytes} bytes"
        )
    dtype, samples = _dtype(form, width, order)
    frame = (("channel", form.channels),)
    attrs: dict[str, Any] = {"sampling_rate": form.rate}
    if form.bits % 8:
        attrs["valid_bits"] = form.bits
    variable = arrange_frames(dtype, frame, start, stop, samples=samples, attrs=attrs)
    return Description(probe.name, {"data": variable})


def _dtype(form: _Format, width: int, order: str) -> tuple[np.dtype[Any], Samples | None]:
    code = _TYPES.get((form.code, width))
    if code is None:
        raise ValueError(
            f"samples of the format {form.code:#06x} with {form.bits} bits are not read; PCM "
            "(0x0001) and IEEE floats (0x0003) are"
        )
    return parse_dtype(order + code)
