"""One pass over the markers of a file, which skips the payload between them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rawmmap.errors import DescriptionError
from rawmmap.formats.fortran.markers import RecordMarkers, ends_in_record
from rawmmap.formats.probe import Probe

__all__ = ["RecordIndex", "Scanner"]

# Records of fewer bytes are read in blocks, and longer ones skipped: about what a disk, or a
# server, transfers in the time of one request.
_SHORT, _BLOCK = 2**16, 2**20
_SHORT_REMOTE, _BLOCK_REMOTE = 2**21, 2**23


@dataclass(frozen=True, eq=False)
class RecordIndex:
    """Where the records of a file lie.

    Attributes
    ----------
    markers : RecordMarkers
        How they are marked.
    start : int
        Byte at which the first record starts.
    leads : array of int64
        The marker before each record or part of one, in the order of the file: the bytes that
        follow, negative if another part of the record comes after them.
    """

    markers: RecordMarkers
    start: int
    leads: npt.NDArray[np.int64]

    @cached_property
    def parts(self) -> npt.NDArray[np.int64]:
        """Bytes of each record, or of each part of one that is cut."""
        return np.abs(self.leads)

    @cached_property
    def first_parts(self) -> npt.NDArray[np.int64]:
        """Number of the first part of each record."""
        return np.flatnonzero(np.concatenate([[True], self.leads[:-1] >= 0])[: self.leads.size])

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Bytes of each record, without markers."""
        if not self.leads.size:
            return np.zeros(0, np.int64)
        return np.add.reduceat(self.parts, self.first_parts)

    @cached_property
    def positions(self) -> npt.NDArray[np.int64]:
        """Byte at which each record starts, with its first marker; then that after the last one."""
        stops = self.start + np.cumsum(self.parts + 2 * self.markers.nbytes)
        return np.append(np.append(self.start, stops)[self.first_parts], stops[-1:])

    def __len__(self) -> int:
        return int(np.count_nonzero(self.leads >= 0))


@dataclass(eq=False)
class Scanner:
    """Goes from marker to marker, in blocks where records are short; nothing stays open.

    Parameters
    ----------
    probe : Probe
        The file.
    markers : RecordMarkers
        How records are marked.
    position : int
        Byte at which the next record starts.

    Attributes
    ----------
    count : int
        Whole records so far.
    """

    probe: Probe
    markers: RecordMarkers
    position: int = 0
    count: int = 0
    _leads: array[int] = field(default_factory=lambda: array("q"))
    _whole: int = 0  # how many of the leads belong to whole records
    _block: bytes | memoryview = b""
    _origin: int = 0
    _ended: bool = False

    def __post_init__(self) -> None:
        self.start = self._record_start = self.position

    @property
    def index(self) -> RecordIndex:
        """The whole records so far."""
        leads = np.frombuffer(self._leads, np.int64)[: self._whole].copy()
        return RecordIndex(self.markers, self.start, leads)

    @property
    def stop(self) -> int:
        """Byte after the last whole record so far."""
        return self._record_start

    def scan(self, count: int | None = None) -> RecordIndex:
        """Go on until there are `count` whole records, or to the end of the file.

        A last record that is not complete is left out: the file is still being written.

        Raises
        ------
        DescriptionError
            If two markers contradict each other.
        """
        while not self._ended and (count is None or self.count < count):
            lead = self._scan_part()
            if lead is not None and lead >= 0 and self._repeats():
                limit = None if count is None else count - self.count
                self._add_run(lead, limit)
        return self.index

    def _scan_part(self) -> int | None:
        """Take one record or part of one, and return its first marker; None at the end."""
        width, size = self.markers.nbytes, self.probe.size
        if self.position + 2 * width > size:
            self._end(self.position < size)
            return None
        lead = self._marker(self.position)
        length = abs(lead)
        after = self.position + width + length
        if after + width > size:
            self._end(True)
            return None
        trail = self._marker(after)
        preceded = self.position != self._record_start
        if trail != (-length if preceded else length):
            if lead:
                raise self._contradiction(lead, after, trail)
            self._end(True)  # gfortran fills a marker in when its record is complete
            return None
        self._leads.append(lead)
        self.position = after + width
        if lead >= 0:
            self._finish_records(1)
        return lead

    def _finish_records(self, count: int) -> None:
        self.count += count
        self._whole = len(self._leads)
        self._record_start = self.position

    def _end(self, unfinished: bool) -> None:
        """Stop before an unfinished record; refuse one in front of a whole one."""
        self._ended = True
        if (unfinished or self.position != self._record_start) and ends_in_record(
            self.probe, self.markers
        ):
            raise DescriptionError(
                f"{self.probe.name}: the marker at byte {self.position} does not say the bytes "
                f"that follow it, but the last bytes of the file are a record: the file is "
                f"damaged at byte {self.position}"
            )

    def _repeats(self) -> bool:
        return len(self._leads) > 1 and self._leads[-1] == self._leads[-2]

    def _add_run(self, length: int, limit: int | None) -> None:
        """Take all records of `length` bytes that follow each other in the present block."""
        stride = length + 2 * self.markers.nbytes
        at = self.position - self._origin
        count = (len(self._block) - at) // stride if at >= 0 else 0
        count = count if limit is None else min(count, limit)
        if count < 2:
            return
        starts = (at, at + self.markers.nbytes + length)
        first, last = (
            np.ndarray((count,), self.markers.dtype, self._block, start, (stride,))
            for start in starts
        )
        same = (first == length) & (last == length)
        count = count if same.all() else int(same.argmin())
        self._leads.extend(array("q", [length]) * count)
        self.position += count * stride
        self._finish_records(count)

    def _marker(self, position: int) -> int:
        """Return the marker at a position, and read what lies around it if need be."""
        at = position - self._origin
        if not 0 <= at <= len(self._block) - self.markers.nbytes:
            self._load(position)
            at = 0
        return self.markers.decode(self._block[at : at + self.markers.nbytes])

    def _load(self, position: int) -> None:
        remote = self.probe.path is None
        near = position - self.position <= (_SHORT_REMOTE if remote else _SHORT)
        block = _BLOCK_REMOTE if remote else _BLOCK
        # Of a long record: the marker after it, and the one before the next.
        length = block if near else 2 * self.markers.nbytes
        length = min(length, self.probe.size - position)
        self._block, self._origin = self.probe.read((position,), length), position

    def _contradiction(self, lead: int, after: int, trail: int) -> DescriptionError:
        return DescriptionError(
            f"{self.probe.name}: the marker at byte {self.position} says that {abs(lead)} bytes "
            f"follow, but the one after them, at byte {after}, says {trail}: the file is damaged "
            f"there, or not a file of records with markers of {self.markers}"
        )
