"""Candidates for what a file holds: types of numbers, lengths of headers, and shapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rawmmap.guessing.headers import Costs, Header, cost_numbers, find_headers, head_of
from rawmmap.guessing.lengths import Row, find_row
from rawmmap.guessing.numbers import Numbers
from rawmmap.guessing.plausibility import is_signed, is_steady
from rawmmap.guessing.readings import Reading, read_as
from rawmmap.guessing.records import Record, find_record
from rawmmap.guessing.samples import Parts

__all__ = ["Candidate", "rank_readings", "search", "vary_type", "weigh_readings"]

# Bytes by which types are compared.
_NBYTES = 2**17
# Binary logarithm of the odds that a difference of one bit per byte makes.
_WEIGHT = 5.0
# Bits per byte by which records of several types must be better than numbers of one.
_MIXED = 0.25
# Bytes from which on such a difference counts in full.
_ENOUGH = 1024
# Probability that integers without a negative one are of a signed type, or the other way round.
_TWIN = 0.15
# Probability below which rows are not looked for.
_SLIGHT = 0.001
# How many lengths of the header are considered for each type.
_HEADERS = 3


@dataclass(frozen=True, eq=False)
class Candidate:
    """A type, a header and the lengths of axes.

    Attributes
    ----------
    dtype : numpy.dtype
        Type, also a complex one or that of a record.
    header : Header
        The header.
    shape : tuple of int
        The axes after the first one.
    share : float
        Its probability.
    reading : Reading or Record
        The numbers that it is made of.
    row : Row or None
        The rows.
    channels : int
        How many numbers belong together; 1 if they do not.
    """

    dtype: np.dtype[Any]
    header: Header
    shape: tuple[int, ...]
    share: float
    reading: Reading | Record
    row: Row | None = None
    channels: int = 1

    @property
    def offset(self) -> int:
        """Bytes of the header."""
        return self.header.length

    @property
    def row_length(self) -> int:
        """How many elements a row has, if it has rows."""
        width = self.channels * self.dtype.itemsize // self.reading.dtype.itemsize
        return self.row.length // width if self.row else 0


def rank_readings(parts: Parts) -> list[Reading]:
    """Return the readings of a file as all types, the best first."""
    readings = []
    starts, blocks = parts.body(_NBYTES)
    for itemsize in (1, 2, 4, 8):
        phase = parts.size % itemsize
        skips = [(phase - start) % itemsize for start in starts]
        for order in "<>" if itemsize > 1 else "|":
            numbers = Numbers.of(blocks, np.dtype(f"{order}i{itemsize}"), skips)
            if not numbers.bits.size:
                continue
            # Times and counters are mostly of a signed type.
            usual = itemsize >= 4 and is_steady(numbers)
            if not is_signed(numbers.bits, itemsize, usual):
                numbers = Numbers.of(blocks, np.dtype(f"{order}u{itemsize}"), skips)
            readings.append(read_as(numbers, phase))
            if itemsize >= 4:
                floats = Numbers.of(blocks, np.dtype(f"{order}f{itemsize}"), skips)
                readings.append(read_as(floats, phase))
    return sorted(readings, key=lambda reading: reading.cost)


def weigh_readings(
    parts: Parts, count: int, order: str | None = None
) -> list[tuple[Reading | Record, float]]:
    """Return the best readings of a file and the probability of each, best first.

    Parameters
    ----------
    parts : Parts
        Parts of the file.
    count : int
        How many.
    order : {"<", ">"}, optional
        The byte order, if it is known.
    """
    other = {"<": ">", ">": "<"}.get(order or "")
    ranked = [r for r in rank_readings(parts) if r.dtype.str[0] != other]
    readings: list[Reading | Record] = [*ranked[:count]]
    record = find_record(parts, order)
    if record is not None and record.is_mixed:
        readings.append(record)
    if not readings:
        return []
    costs = np.array([r.cost + (_MIXED if isinstance(r, Record) else 0.0) for r in readings])
    # Few bytes are weak evidence.
    weights = np.exp2(_WEIGHT * min(parts.size / _ENOUGH, 1.0) * (costs.min() - costs))
    shares = (weights / weights.sum()).tolist()
    return sorted(zip(readings, shares, strict=True), key=lambda pair: -pair[1])


def search(
    parts: Parts, weighed: Sequence[tuple[Reading | Record, float]], count: int
) -> list[Candidate]:
    """Return the likeliest candidates, best first.

    Parameters
    ----------
    parts : Parts
        Parts of the file.
    weighed : sequence of (Reading or Record, float)
        The readings, and the probability of each.
    count : int
        How many candidates.
    """
    candidates = [
        candidate
        for reading, weight in weighed
        for candidate in (
            _iterate_records(parts, reading, weight)
            if isinstance(reading, Record)
            else _iterate_rows(parts, reading, weight)
        )
    ]
    return sorted(candidates, key=lambda candidate: -candidate.share)[:count]


def _iterate_records(parts: Parts, record: Record, weight: float) -> Iterator[Candidate]:
    for header in find_headers(parts.beginning, parts.size, record.costs(parts), 0, _HEADERS):
        yield Candidate(record.dtype, header, (), weight * header.share, record)


def _iterate_rows(parts: Parts, reading: Reading, weight: float) -> Iterator[Candidate]:
    itemsize = reading.dtype.itemsize
    # Rows of an unlikely type are not worth the search.
    row = _find_row(parts, reading) if weight > _SLIGHT else None
    numbers = Numbers.of([head_of(parts.beginning)], reading.dtype, [reading.phase])
    costs = Costs(itemsize, reading.phase, *cost_numbers(numbers, reading), reading.lag)
    costs = replace(costs, zero_bits=reading.runs.zero_bits(itemsize))
    nbytes = row.length * itemsize if row else 0
    for header in find_headers(parts.beginning, parts.size, costs, nbytes, _HEADERS):
        count = (parts.size - header.length) // itemsize
        for dtype, share in vary_type(reading, count):
            width = dtype.itemsize // itemsize
            shape, channels = _divide_axes(count // width, reading, row, width)
            share *= weight * header.share
            yield Candidate(dtype, header, shape, share, reading, row, channels)


def vary_type(reading: Reading, count: int) -> Iterator[tuple[np.dtype[Any], float]]:
    """Yield the types that one reading may stand for, such as complex numbers, and their shares.

    Parameters
    ----------
    reading : Reading
        The numbers.
    count : int
        How many there are in the file.
    """
    dtype = reading.dtype
    variants: tuple[tuple[np.dtype[Any], float], ...] = ((dtype, 1.0),)
    if dtype.kind == "f":
        pairs = _weigh_pairs(reading, count)
        variants = ((_complex_of(dtype), pairs), (dtype, 1 - pairs))
    elif reading.numbers.fits_both_signs:
        kind = {"i": "u", "u": "i"}[dtype.kind]
        twin = np.dtype(f"{dtype.str[0]}{kind}{dtype.itemsize}")
        variants = ((dtype, 1 - _TWIN), (twin, _TWIN))
    yield from (variant for variant in variants if variant[1] > 0)


def _find_row(parts: Parts, reading: Reading) -> Row | None:
    numbers = Numbers.of([parts.beginning], reading.dtype, [reading.phase])
    skip = min(4096, parts.size // 3) // reading.dtype.itemsize
    body = Numbers(reading.dtype, [part[skip:] for part in numbers.parts])
    behind = (parts.size - len(parts.beginning)) // reading.dtype.itemsize
    return find_row(body, behind, reading.lag)


def _divide_axes(
    count: int, reading: Reading, row: Row | None, width: int
) -> tuple[tuple[int, ...], int]:
    """Return the axes after the first one, and the number of channels."""
    channels = max(reading.lag // width, 1)
    length = row.length // width if row else 0
    if count % channels:
        channels = 1
    if length and length % channels == 0 and count % length == 0:
        return ((length,) if channels == 1 else (length // channels, channels)), channels
    return ((channels,) if channels > 1 else ()), channels


def _complex_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"{dtype.str[0]}c{2 * dtype.itemsize}")


def _weigh_pairs(reading: Reading, count: int) -> float:
    """Return the probability that pairs of floats are the parts of complex numbers."""
    values = reading.numbers.values[: reading.numbers.parts[0].size // 2 * 2]
    if count % 2 or reading.lag not in (0, 1, 2, 4) or values.size < 64:
        return 0.0
    values = np.where(np.isfinite(values), values, 0)
    # Scaled, since squares may overflow; rare large values would hide the others.
    scale = float(np.median(np.abs(values))) or 1.0
    with np.errstate(over="ignore"):
        pairs = np.clip(values / scale, -20, 20).reshape(-1, 2)
    deviation = pairs.std(0)
    if not deviation.min() > 0:
        return 0.0
    if deviation.min() < 0.6 * deviation.max() or (np.abs(pairs.mean(0)) > 0.7 * deviation).any():
        return 0.05
    z = (pairs - pairs.mean(0)) @ np.array([1, 1j]) / np.hypot(*deviation)
    after = [complex(np.vdot(z[:-k], z[k:])) / z.size for k in (1, 2, 3)]
    turning = max(abs(product.imag) for product in after)
    within = abs(float((pairs[:, 0] * pairs[:, 1]).mean())) / float(deviation.prod())
    if max(map(abs, after)) < max(0.2, within + 0.1):
        return 0.02
    return 0.95 if turning > 0.2 else 0.6
