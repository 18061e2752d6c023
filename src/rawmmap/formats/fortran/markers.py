"""Record markers: the integers before and after each record that say how many bytes it has.

::

    marker | payload | marker      marker | part | marker  marker | part | marker
      100     100 B     100         -40     40 B    40        60    60 B    -60

A record that is longer than a compiler's limit (2**31 - 9 bytes in gfortran) is cut into
sub-records, as on the right: the marker before a part is negative if another part follows, the
marker after it if one precedes (GNU Fortran's manual, "File format of unformatted sequential
files"; Intel's compilers write the same).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe

__all__ = ["RecordMarkers", "detect_markers", "ends_in_record", "has_certain_records"]

# How many of the first records must agree with their markers.
_RECORDS = 8
# How many parts of them are looked at, where records are cut into many.
_PARTS = 64


@dataclass(frozen=True, slots=True)
class RecordMarkers:
    """How a compiler marks records.

    Attributes
    ----------
    nbytes : int
        Bytes of one marker, 4 or 8.
    byteorder : {"<", ">"}
        Byte order of the markers, and in practice of all numbers in the file.
    """

    nbytes: int
    byteorder: Literal["<", ">"]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a marker."""
        return np.dtype(f"{self.byteorder}i{self.nbytes}")

    def decode(self, data: bytes | memoryview) -> int:
        """Return the number that the first bytes of `data` mean as a marker."""
        order: Literal["little", "big"] = "little" if self.byteorder == "<" else "big"
        return int.from_bytes(data[: self.nbytes], order, signed=True)

    def __str__(self) -> str:
        return f"{self.nbytes} bytes, {'little' if self.byteorder == '<' else 'big'}-endian"


_KINDS = tuple(RecordMarkers(n, order) for n in (4, 8) for order in ("<", ">"))


def detect_markers(probe: Probe, start: int = 0) -> RecordMarkers:
    """Return the markers with which the records of a file are consistent.

    Parameters
    ----------
    probe : Probe
        The file.
    start : int
        Byte at which the first record starts.

    Raises
    ------
    DescriptionError
        If no width and byte order fits the first record.
    """
    ranked = []
    for markers in _KINDS:
        lengths = list(_iterate_lengths(probe, markers, start))
        if lengths:
            ends = ends_in_record(probe, markers)
            ranked.append((ends, sum(n > 0 for n in lengths), len(lengths), markers))
    if not ranked:
        raise DescriptionError(_explain_none(probe, start))
    return max(ranked, key=lambda rank: rank[:3])[3]


def has_certain_records(probe: Probe) -> bool:
    """Return whether the first two records, and the end of the file, agree with their markers."""
    return any(_is_certain(probe, markers) for markers in _KINDS)


def _is_certain(probe: Probe, markers: RecordMarkers) -> bool:
    if not 0 < abs(markers.decode(probe.head)) <= probe.size - 2 * markers.nbytes:
        return False
    lengths = list(_iterate_lengths(probe, markers, 0, 2))
    return len(lengths) == 2 and min(lengths) > 0 and ends_in_record(probe, markers)


def ends_in_record(probe: Probe, markers: RecordMarkers) -> bool:
    """Return whether the last bytes of a file are a record, or the last part of one."""
    width, size = markers.nbytes, probe.size
    if size < 2 * width + 1:
        return False
    trail = markers.decode(probe.read((size - width,), width))
    length = abs(trail)
    if not 0 < length <= size - 2 * width:
        return False
    return markers.decode(probe.read((size - 2 * width - length,), width)) == length


def _iterate_lengths(
    probe: Probe, markers: RecordMarkers, start: int, count: int = _RECORDS
) -> Iterator[int]:
    """Yield the bytes of the first records, as long as their markers agree."""
    width, position, length, follows = markers.nbytes, start, 0, False
    for _ in range(_PARTS):
        lead = markers.decode(_read(probe, position, width))
        after = position + width + abs(lead)
        if after + width > probe.size or position + 2 * width > probe.size:
            return
        if markers.decode(_read(probe, after, width)) != (-abs(lead) if follows else abs(lead)):
            return
        length += abs(lead)
        position, follows = after + width, lead < 0
        if not follows:
            yield length
            count, length = count - 1, 0
            if not count or position == probe.size:
                return
    if length:
        yield length  # of a record in many parts, all of which agree


def _read(probe: Probe, start: int, length: int) -> bytes | memoryview:
    """Return bytes of a file, from its head where possible; fewer at its end."""
    if start + length <= len(probe.head):
        return probe.head[start : start + length]
    length = min(length, probe.size - start)
    return probe.read((start,), length) if length > 0 else b""


def _explain_none(probe: Probe, start: int) -> str:
    shown = {str(m): m.decode(_read(probe, start, m.nbytes)) for m in _KINDS}
    return (
        f"{probe.name}: no whole record starts at byte {start} of {probe.size}: as a marker of "
        + ", of ".join(f"{kind} its bytes say {n}" for kind, n in shown.items())
        + ", which no marker after as many bytes repeats; files of direct access have no markers: "
        "describe them by keywords without format="
    )
