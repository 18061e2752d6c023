"""Records of fields of several types: the division into fields that needs the fewest bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.guessing.headers import Costs, cost_numbers, head_of
from rawmmap.guessing.numbers import Numbers
from rawmmap.guessing.plausibility import is_signed
from rawmmap.guessing.readings import Reading, read_as
from rawmmap.guessing.samples import HEADER_BYTES, Parts

__all__ = ["Record", "find_record"]

# Longest record in bytes, and how many of its repetitions are looked at.
_LONGEST, _COUNT = 256, 600
# Bits that naming one more field costs, in each record.
_FIELD = 1.0


@dataclass(frozen=True, eq=False)
class Record:
    """The fields of a record.

    Attributes
    ----------
    nbytes : int
        Bytes of a record.
    starts : tuple of int
        First byte of each field in the record.
    readings : tuple of Reading
        The field's numbers.
    cost : float
        Bits per byte.
    """

    nbytes: int
    starts: tuple[int, ...]
    readings: tuple[Reading, ...]
    cost: float

    @property
    def dtype(self) -> np.dtype[Any]:
        """The structured type."""
        return np.dtype([(f"f{i}", r.dtype) for i, r in enumerate(self.readings)])

    @property
    def is_mixed(self) -> bool:
        """Whether its fields have different types, apart from the signs of integers."""
        return len({(r.dtype.kind == "f", r.dtype.itemsize) for r in self.readings}) > 1

    def costs(self, parts: Parts) -> Costs:
        """Return what the first records of a file cost."""
        phase = parts.size % self.nbytes
        columns = _cut_into_columns(head_of(parts.beginning)[phase:], self.nbytes)
        plain, coded = np.zeros(len(columns)), np.zeros(len(columns))
        for start, reading in zip(self.starts, self.readings, strict=True):
            bits = cost_numbers(_read_column(columns, start, reading.dtype), reading)
            plain, coded = plain + bits[0], coded + bits[1]
        return Costs(self.nbytes, phase, plain, coded, 1)


def find_record(parts: Parts, order: str | None = None) -> Record | None:
    """Return the record that repeats in the bytes, or None if nothing does.

    Parameters
    ----------
    parts : Parts
        Parts of the file.
    order : {"<", ">"}, optional
        The byte order, if it is known.
    """
    nbytes = _find_period(parts)
    if not nbytes:
        return None
    body = parts.beginning[min(HEADER_BYTES, parts.size // 3) :]
    # Records are counted from the end of the file.
    behind = parts.size - (len(parts.beginning) - len(body))
    columns = _cut_into_columns(body[behind % nbytes :], nbytes)[:_COUNT]
    if len(columns) < 32:
        return None
    return min((_divide(columns, order) for order in order or "<>"), key=lambda record: record.cost)


def _find_period(parts: Parts) -> int:
    """Return the distance at which most bytes are equal to earlier ones; 0 if none stands out."""
    data = np.frombuffer(parts.beginning[-(2**15) :], np.uint8)
    if data.size < 512:
        return 0
    lengths = np.arange(2, min(_LONGEST, data.size // 64) + 1)
    same = np.array([float((data[n:] == data[:-n]).mean()) for n in lengths])
    usual, best = float(np.median(same)), int(same.argmax())
    if same[best] < 1.15 * usual:
        return 0
    # Bytes that are equal one record apart are so several records apart, too, and perhaps more.
    rises = (lengths[best] % lengths == 0) & (same - usual > 0.4 * (same[best] - usual))
    return int(lengths[np.flatnonzero(rises)[0]])


def _cut_into_columns(data: bytes, nbytes: int) -> npt.NDArray[np.uint8]:
    count = len(data) // nbytes
    return np.frombuffer(data, np.uint8, count * nbytes).reshape(count, nbytes)


def _read_column(columns: npt.NDArray[np.uint8], start: int, dtype: np.dtype[Any]) -> Numbers:
    block = np.ascontiguousarray(columns[:, start : start + dtype.itemsize]).tobytes()
    return Numbers.of([block], dtype, [0])


def _divide(columns: npt.NDArray[np.uint8], order: str) -> Record:
    """Return the division into fields that needs the fewest bits, for one byte order."""
    nbytes = columns.shape[1]
    best: list[tuple[float, tuple[int, ...], tuple[Reading, ...]]] = [(0.0, (), ())]
    fields = [list(_iterate_readings(columns, start, order)) for start in range(nbytes)]
    for stop in range(1, nbytes + 1):
        best.append(
            min(
                (
                    (
                        best[start][0] + reading.cost * reading.dtype.itemsize + _FIELD,
                        (*best[start][1], start),
                        (*best[start][2], reading),
                    )
                    for start in range(max(stop - 8, 0), stop)
                    for reading in fields[start]
                    if start + reading.dtype.itemsize == stop
                ),
                key=lambda choice: choice[0],
            )
        )
    bits, starts, readings = best[-1]
    return Record(nbytes, starts, readings, bits / nbytes)


def _iterate_readings(columns: npt.NDArray[np.uint8], start: int, order: str) -> Iterator[Reading]:
    """Yield the readings of the bytes from one column on, as numbers of all types."""
    for itemsize in (1, 2, 4, 8):
        if start + itemsize > columns.shape[1]:
            return
        numbers = _read_column(columns, start, np.dtype(f"{order}i{itemsize}"))
        # Counters and times are mostly of a signed type.
        if not is_signed(numbers.bits, itemsize, usual=itemsize >= 4):
            numbers = _read_column(columns, start, np.dtype(f"{order}u{itemsize}"))
        yield read_as(numbers, 0, (1,))
        if itemsize >= 4:
            yield read_as(_read_column(columns, start, np.dtype(f"{order}f{itemsize}")), 0, (1,))
