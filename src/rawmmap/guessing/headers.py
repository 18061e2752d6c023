"""Where a header ends: where the bytes begin to take fewer bits as data than as a header."""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rawmmap.guessing.coding import classes_of_integers
from rawmmap.guessing.numbers import Numbers
from rawmmap.guessing.readings import Reading
from rawmmap.guessing.samples import HEADER_BYTES

__all__ = ["Costs", "Header", "cost_numbers", "find_headers", "head_of"]

Floats = npt.NDArray[np.float64]

# Bytes of data after the longest header that are coded, too.
_AFTER = 4096
# Bits that say how round a float is, such as the 1.0 that a cosine begins with.
_ROUND = 8.0
# Consecutive printable bytes from which on they count as text.
_TEXT = 12
# Bits of each byte in such text: letters, digits and spaces are frequent in headers.
_TEXT_BITS = np.full(256, 8.0)
_TEXT_BITS[np.frombuffer(bytes(string.ascii_letters + string.digits, "ascii"), np.uint8)] = 5.0
_TEXT_BITS[np.frombuffer(b"+-.,:;=/_", np.uint8)] = 6.0
_TEXT_BITS[np.frombuffer(b" \t\r\n", np.uint8)] = 4.0


@dataclass(frozen=True)
class Header:
    """A header, or none.

    Attributes
    ----------
    length : int
        Bytes.
    share : float
        Probability of this length among all, if the type is right.
    advantage : float
        Bits that the file takes less than if it had no header.
    """

    length: int
    share: float
    advantage: float


@dataclass(frozen=True, eq=False)
class Costs:
    """What the first numbers, or records, of a file cost as data.

    Attributes
    ----------
    nbytes : int
        Bytes of one.
    phase : int
        Bytes before the first one.
    plain, coded : array of float
        Bits of each by itself, and after those before it.
    lag : int
        Distance to the earlier one that each is predicted from; 0 if none is predicted.
    zero_bits : float
        Bits of each byte of a long run of zeros in the data; infinite if there are no such runs.
    """

    nbytes: int
    phase: int
    plain: Floats
    coded: Floats
    lag: int
    zero_bits: float = np.inf


def head_of(beginning: bytes) -> bytes:
    """Return the bytes in which a header is looked for, and some after them."""
    return beginning[: HEADER_BYTES + _AFTER]


def find_headers(beginning: bytes, size: int, costs: Costs, row: int, count: int) -> list[Header]:
    """Return the likeliest lengths of the header, best first.

    Parameters
    ----------
    beginning : bytes
        The first bytes of the file.
    size : int
        Bytes of the file.
    costs : Costs
        What the first bytes cost as data.
    row : int
        Bytes of a row, of which the data are a whole number; 0 if rows are not known.
    count : int
        How many lengths.
    """
    block = head_of(beginning)
    if not costs.plain.size:
        return [Header(costs.phase, 1.0, 0.0)]
    last = max(min(costs.plain.size - 1, (HEADER_BYTES - costs.phase) // costs.nbytes), 0)
    lengths = costs.phase + costs.nbytes * np.arange(last + 1)
    before = np.concatenate([[0.0], np.cumsum(_header_bits(block, costs.zero_bits))])[lengths]
    total = before + _suffix_sums(costs.plain, costs.coded, costs.lag)[: last + 1]
    total += _prior_bits(lengths, size, row, costs.nbytes * max(costs.lag, 1))
    total -= _edge_bits(block, lengths)
    shares = np.exp2(np.clip(total.min() - total, -60, 0))
    shares /= shares.sum()
    best = np.argsort(total, kind="stable")[:count]
    return [Header(int(lengths[i]), float(shares[i]), float(total[0] - total[i])) for i in best]


def cost_numbers(numbers: Numbers, reading: Reading) -> tuple[Floats, Floats]:
    """Return the bits of each number of one part as data: by itself, and after those before it."""
    if not numbers.bits.size:
        return np.zeros(0), np.zeros(0)
    shift = reading.numbers.shift
    ordered = numbers.ordered[0] << numbers.shift
    lost = (ordered & (2**shift - 1)) != 0
    # A number with bits that are zero in all others takes those bits, and is unlikely.
    extra = np.where(lost, max(20.0, shift + 8.0), 0.0)
    plain = reading.plain.lengths[reading.classify(numbers.bits)] + extra
    if numbers.dtype.kind == "f":
        plain = np.minimum(plain, plain - _count_zeros(numbers.bits, shift) + _ROUND)
    coded = plain.copy()
    if reading.lag:
        differences = (ordered[reading.lag :] - ordered[: -reading.lag]) >> shift
        lengths = reading.code.lengths[classes_of_integers(differences - reading.drift)]
        lengths = lengths + extra[reading.lag :]
        # Where a difference takes more bits, as at a change of sign, the number itself is coded.
        coded[reading.lag :] = np.minimum(lengths, plain[reading.lag :] + 1)
    longer = reading.runs.continued(numbers.bits)
    coded[longer] = np.minimum(coded[longer], reading.runs.bits)
    return plain, coded


def _count_zeros(bits: npt.NDArray[np.int64], shift: int) -> Floats:
    """Return how many of the last bits of each float are zero, beyond those of all of them."""
    lowest = (bits & -bits).astype(np.float64)
    zeros = np.where(bits == 0, 23, np.log2(np.maximum(lowest, 1)))
    return np.asarray(np.maximum(zeros - shift, 0.0), np.float64)


def _suffix_sums(plain: Floats, coded: Floats, lag: int) -> Floats:
    """Return for each number the bits of all from it on, the first `lag` of them by themselves."""
    rest = np.concatenate([np.cumsum(coded[::-1])[::-1], np.zeros(lag + 1)])
    firsts = np.concatenate([[0.0], np.cumsum(plain), np.full(lag, plain.sum())])
    at = np.arange(plain.size)
    bits: Floats = firsts[np.minimum(at + lag, plain.size)] - firsts[at] + rest[at + lag]
    return bits


def _header_bits(block: bytes, zero_bits: float) -> Floats:
    """Return the bits of each byte in a header: runs are short, and text shorter than the rest."""
    data = np.frombuffer(block, np.uint8)
    bits = np.full(data.size, 8.5)
    text = ((data >= 32) & (data < 127)) | (data == 10) | (data == 13) | (data == 9)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], text.view(np.int8), [0]])))
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - first >= _TEXT:
            bits[first:stop] = _TEXT_BITS[data[first:stop]]
    bits[data == 0] = 3.0
    bits[4:][data[4:] == data[:-4]] = np.minimum(bits[4:], 3.0)[data[4:] == data[:-4]]
    same = data[1:] == data[:-1]
    bits[1:][same] = 0.8
    bits[2:][same[1:] & same[:-1]] = 0.1
    # Where data have long runs of zeros, padding cannot be told from them by its length.
    bits[2:][same[1:] & same[:-1] & (data[2:] == 0)] = min(0.1, zero_bits)
    # Data begin with zeros more often than headers do.
    bits[: len(block) - len(block.lstrip(b"\0"))] = 8.0
    return bits


def _edge_bits(block: bytes, lengths: npt.NDArray[np.int64]) -> Floats:
    """Return by how many bits each length is likelier: it ends after a line, or after padding."""
    data = np.frombuffer(block, np.uint8)
    before, after = data[lengths - 1], data[np.minimum(lengths, data.size - 1)]
    ends = (before == 10) | (np.isin(before, (0, 32)) & (after != before))
    return np.where(ends & (lengths > 0), 3.0, 0.0)


def _prior_bits(lengths: npt.NDArray[np.int64], size: int, row: int, group: int) -> Floats:
    """Return the bits of each length itself: multiples of powers of two are common, 0 the most.

    Data that are not a whole number of rows of `row` bytes, or groups of `group` bytes, cost more;
    a `row` of 0 is not known.
    """
    bits = np.full(lengths.size, 13.0)
    for step, value in ((4, 12.0), (16, 11.0), (64, 10.0), (256, 8.0), (512, 7.0), (1024, 6.0)):
        bits[lengths % step == 0] = value
    bits[lengths == 0] = 1.0
    if row:
        bits += np.where((size - lengths) % row, 12.0, 0.0)
    bits += np.where((size - lengths) % group, 4.0 + np.log2(group), 0.0)
    return bits
