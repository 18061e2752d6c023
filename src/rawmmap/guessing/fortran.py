"""What lies between the markers of a Fortran program's sequential records.

The markers say where records begin and end, and in which byte order, so that only types and shapes
are left to guess. Records come in turns of a few lengths, perhaps after some that come once::

    | n, m | | time | field | time | field | time | field ...
      once     a cycle        a cycle        a cycle
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rawmmap.formats.fortran.markers import RecordMarkers, detect_markers, has_certain_records
from rawmmap.formats.probe import Probe
from rawmmap.guessing.candidates import format_dtype, lines_of
from rawmmap.guessing.evidence import explain_type
from rawmmap.guessing.lengths import find_row
from rawmmap.guessing.model import Guess
from rawmmap.guessing.numbers import Numbers
from rawmmap.guessing.readings import Reading
from rawmmap.guessing.records import Record
from rawmmap.guessing.samples import Parts
from rawmmap.guessing.search import vary_type, weigh_readings
from rawmmap.guessing.thumbnails import make_thumbnail

__all__ = ["guess_sequential"]

# Most records that come once, and most in a cycle.
_ONCE, _CYCLE = 4, 16


@dataclass(frozen=True, eq=False)
class _Slot:
    """The records of one place in the cycle, as far as they were read.

    Attributes
    ----------
    payload : bytes
        What lies between their markers, end to end.
    length : int
        Bytes of one record.
    """

    payload: bytes
    length: int


@dataclass(frozen=True, eq=False)
class _Content:
    """A type and a shape that the records of a slot may have.

    Attributes
    ----------
    dtype : numpy.dtype
        The type.
    shape : tuple of int
        Element counts of one record.
    share : float
        How probable it is.
    evidence : tuple of str
        Why.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    share: float
    evidence: tuple[str, ...]


def guess_sequential(probe: Probe, parts: Parts, limit: int) -> list[Guess]:
    """Return what the records of a Fortran program hold, best first; nothing if there are none.

    Parameters
    ----------
    probe : Probe
        The file.
    parts : Parts
        Parts of it.
    limit : int
        How many at most.
    """
    if not has_certain_records(probe):
        return []
    markers = detect_markers(probe)
    records = _read_records(parts, markers)
    if not records:
        return []
    reason = (
        f"each record lies between two markers of {markers}, which say its length: "
        "a file of a Fortran program with sequential access"
    )
    lengths = [length for length, _ in records]
    once, period = _find_cycle(lengths, parts.size, markers)
    if period == 0:
        return _guess_unequal(records, markers, reason, limit)
    slots = [_Slot(payload, length) for length, payload in records[:once]]
    slots += [
        _Slot(b"".join(p for _, p in records[first::period]), lengths[first])
        for first in range(once, once + period)
    ]
    if len(slots) == 1:
        return _guess_equal(slots[0], markers, reason, limit)
    return [_guess_cycle(slots, once, markers, reason)]


def _read_records(parts: Parts, markers: RecordMarkers) -> list[tuple[int, bytes]]:
    """Return length and payload of the first records; of a long last one, as much as was read.

    There are none if markers contradict each other, which then are numbers like any others.
    """
    data, width, position = parts.beginning, markers.nbytes, 0
    records: list[tuple[int, bytes]] = []
    while position + width < len(data):
        length = markers.decode(data[position:])
        # It is negative if the record goes on in another part, after gigabytes.
        stop = position + width + abs(length)
        if stop + width > parts.size:
            return []
        if stop + width <= len(data) and (length <= 0 or markers.decode(data[stop:]) != length):
            return []
        records.append((abs(length), data[position + width : stop]))
        position = stop + width
    return records


def _find_cycle(lengths: list[int], size: int, markers: RecordMarkers) -> tuple[int, int]:
    """Return how many records come once, and after how many their lengths repeat; 0 if never."""
    strides = np.array(lengths) + 2 * markers.nbytes
    for once, period in sorted(
        ((once, period) for once in range(_ONCE) for period in range(1, _CYCLE)), key=sum
    ):
        cycle = lengths[once : once + period]
        if len(cycle) < period:
            continue
        rest = size - int(strides[: once + period].sum())
        if rest % int(strides[once : once + period].sum()) == 0 and all(
            length == cycle[i % period] for i, length in enumerate(lengths[once:])
        ):
            return once, period
    return 0, 0


def _guess_equal(slot: _Slot, markers: RecordMarkers, reason: str, limit: int) -> list[Guess]:
    return [
        Guess(
            {
                "format": "fortran",
                "dtype": format_dtype(content.dtype),
                "shape": content.shape,
                "dims": _name_dims(content.shape),
            },
            content.share,
            (reason, f"all records have {slot.length} bytes", *content.evidence),
            _draw(slot, content),
        )
        for content in _rank_contents(slot, markers)[:limit]
    ]


def _name_dims(shape: tuple[int, ...]) -> tuple[str, ...]:
    return ("y", "x")[2 - len(shape) :]


def _guess_cycle(slots: list[_Slot], once: int, markers: RecordMarkers, reason: str) -> Guess:
    contents = [_rank_contents(slot, markers)[0] for slot in slots]
    variables: dict[str, dict[str, Any]] = {}
    for number, content in enumerate(contents):
        spec: dict[str, Any] = {"dtype": format_dtype(content.dtype), "shape": content.shape}
        spec["dims"] = tuple(f"{dim}{number}" for dim in _name_dims(content.shape))
        variables[f"v{number}"] = spec | ({"record": False} if number < once else {})
    lengths = [slot.length for slot in slots[once:]]
    sentences = [reason, f"records of {lengths} bytes take turns"]
    if once:
        first = [slot.length for slot in slots[:once]]
        sentences.append(f"before them, there are records of {first} bytes, once")
    largest = max(range(once, len(slots)), key=lambda number: slots[number].length)
    sentences += [f"v{largest}: {text}" for text in contents[largest].evidence]
    return Guess(
        {"format": "fortran", "variables": variables},
        float(np.min([content.share for content in contents])),
        tuple(sentences),
        _draw(slots[largest], contents[largest]),
    )


def _guess_unequal(
    records: list[tuple[int, bytes]], markers: RecordMarkers, reason: str, limit: int
) -> list[Guess]:
    """Return guesses of one type for records whose lengths do not repeat."""
    divisor = int(np.gcd.reduce([length for length, _ in records]))
    slot = _Slot(b"".join(payload for _, payload in records), divisor)
    return [
        Guess(
            {"format": "fortran", "dtype": format_dtype(content.dtype), "shape": (-1,)},
            content.share,
            (reason, "the lengths of records do not repeat", *content.evidence),
            make_thumbnail([_read_values(slot, content)]),
        )
        for content in _rank_contents(slot, markers)[:limit]
    ]


def _rank_contents(slot: _Slot, markers: RecordMarkers) -> list[_Content]:
    """Return the types and shapes that records may have, best first, and at least one."""
    if not slot.payload:
        return [_Content(np.dtype("u1"), (slot.length,), 1.0, ("the records are empty",))]
    parts = Parts(len(slot.payload), (0,), (slot.payload,))
    weighed = [
        (reading, share)
        for reading, share in weigh_readings(parts, 8, markers.byteorder)
        if slot.length % reading.dtype.itemsize == 0
    ]
    total = sum(share for _, share in weighed)
    contents = [
        _Content(
            dtype,
            _divide_shape(slot, reading, dtype),
            share * part / total,
            tuple(explain_type(dtype, reading, weighed)),
        )
        for reading, share in weighed
        for dtype, part in _iterate_types(slot, reading)
    ]
    return sorted(contents, key=lambda content: -content.share)


def _iterate_types(slot: _Slot, reading: Reading | Record) -> Iterator[tuple[np.dtype[Any], float]]:
    if isinstance(reading, Record):
        yield reading.dtype, 1.0
    elif reading.numbers.fits_both_signs:
        yield np.dtype(reading.dtype.str.replace("u", "i")), 1.0  # Fortran has no others
    else:
        yield from vary_type(reading, slot.length // reading.dtype.itemsize)


def _divide_shape(slot: _Slot, reading: Reading | Record, dtype: np.dtype[Any]) -> tuple[int, ...]:
    count = slot.length // dtype.itemsize
    if count == 1:
        return ()
    if isinstance(reading, Reading):
        width = dtype.itemsize // reading.dtype.itemsize
        numbers = Numbers.of([slot.payload], reading.dtype, [0])
        unread = -len(slot.payload) % slot.length
        row = find_row(numbers, unread // reading.dtype.itemsize, reading.lag)
        length = row.length // width if row else 0
        if length and length < count and count % length == 0:
            return (count // length, length)
    return (count,)


def _read_values(slot: _Slot, content: _Content) -> Any:
    count = len(slot.payload) // content.dtype.itemsize
    return np.frombuffer(slot.payload, content.dtype, count)


def _draw(slot: _Slot, content: _Content) -> Any:
    values = _read_values(slot, content)
    if values.dtype.names is not None:
        return make_thumbnail(lines_of(values, ()))
    row = content.shape[-1] if content.shape else 0
    return make_thumbnail([values], row) if row > 1 else make_thumbnail([values])
