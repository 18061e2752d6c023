"""What speaks for a candidate, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rawmmap.guessing.readings import Reading
from rawmmap.guessing.records import Record
from rawmmap.guessing.samples import Parts
from rawmmap.guessing.search import Candidate

__all__ = ["explain", "explain_type", "name_type"]

_ORDERS = {"<": "little-endian ", ">": "big-endian "}
# Bytes of a header that are quoted.
_QUOTED = 24
# Equal bytes from which on they are counted instead.
_EQUAL = 4


def explain(
    candidate: Candidate, weighed: Sequence[tuple[Reading | Record, float]], parts: Parts
) -> tuple[str, ...]:
    """Return sentences about the type, the header and the axes of a candidate.

    Parameters
    ----------
    candidate : Candidate
        What is explained.
    weighed : sequence of (Reading or Record, float)
        All readings of the file.
    parts : Parts
        Parts of the file.
    """
    sentences = [
        *explain_type(candidate.dtype, candidate.reading, weighed),
        *_explain_header(candidate, parts),
        *_explain_axes(candidate),
    ]
    return tuple(sentences)


def name_type(dtype: np.dtype[Any]) -> str:
    """Return a type in words, such as "big-endian float32"."""
    if dtype.names is not None:
        return "records of " + ", ".join(name_type(dtype[name]) for name in dtype.names)
    order = _ORDERS.get(dtype.str[0], "")
    return f"{order}{dtype.name}"


def explain_type(
    dtype: np.dtype[Any],
    reading: Reading | Record,
    weighed: Sequence[tuple[Reading | Record, float]],
) -> Iterator[str]:
    """Yield sentences about a type: how many bits it needs, and what speaks against it."""
    yield _compare(reading, weighed)
    if dtype.kind == "c":
        yield "pairs of values are of the same size and rotate into each other: complex numbers"
    if isinstance(reading, Record):
        yield f"the bytes repeat after {reading.nbytes}, in columns of different types"
        return
    if reading.numbers.fits_both_signs:
        kind = "int" if dtype.kind == "u" else "uint"
        yield (
            f"no value that was looked at is negative or above {kind}'s range: "
            f"{kind}{8 * dtype.itemsize} gives the same numbers"
        )
    yield from (f"against it: {remark}" for remark in reading.remarks)


def _compare(reading: Reading | Record, weighed: Sequence[tuple[Reading | Record, float]]) -> str:
    """Return how many bits a reading needs, and how many the best of the others does."""
    others = [(r.cost, r) for r, _ in weighed if r is not reading and r.dtype != reading.dtype]
    text = f"as {name_type(reading.dtype)} each byte needs {reading.cost:.2f} of its 8 bits"
    if not others:
        return text
    cost, other = min(others, key=lambda pair: pair[0])
    return f"{text}; as {name_type(other.dtype)} {cost:.2f}"


def _explain_header(candidate: Candidate, parts: Parts) -> Iterator[str]:
    header = candidate.header
    if not header.length:
        yield "there is no header: the first bytes are like those that follow"
        return
    before = _quote_end(parts.beginning[: header.length])
    after = parts.beginning[header.length : header.length + 8]
    text = (
        f"the first {header.length} bytes are unlike the data: they end in {before}, "
        f"and the data begin with {after!r}"
    )
    if header.share < 0.5:
        text += f"; other lengths are as likely, this one has {100 * header.share:.0f} %"
    yield text


def _quote_end(data: bytes) -> str:
    """Return the last bytes, or of equal ones their number."""
    equal = len(data) - len(data.rstrip(data[-1:]))
    return f"{equal} times {data[-1:]!r}" if equal > _EQUAL else repr(data[-_QUOTED:])


def _explain_axes(candidate: Candidate) -> Iterator[str]:
    if candidate.channels > 1:
        yield (
            f"each value is nearest to the one {candidate.channels} before it: "
            f"{candidate.channels} channels take turns"
        )
    elif isinstance(candidate.reading, Reading) and candidate.reading.lag:
        yield "each value is near the one before it"
    if candidate.row is not None and candidate.shape[:1] == (candidate.row_length,):
        yield (
            f"where {candidate.row_length} values end and the next begin, the step is "
            f"{candidate.row.ratio:.2g} times as large as elsewhere: rows"
        )
