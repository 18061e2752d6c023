"""The bytes of a file read as numbers of one type, and how likely such numbers are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.guessing.coding import (
    Code,
    as_integers,
    classes_of_floats,
    classes_of_integers,
    code_of_floats,
    code_of_integers,
)

__all__ = ["Numbers", "Reading", "is_signed", "read_as"]

Integers = npt.NDArray[np.int64]

#: Distances to an earlier number from which one may be predicted, besides rows.
LAGS = (1, 2, 3, 4, 5, 6, 7, 8)
# Integers that float32 of ordinary sizes make, and quantities rarely do.
_LARGE = 2**28
_MANTISSA = {4: 23, 8: 52}


@dataclass(frozen=True, eq=False)
class Numbers:
    """Parts of a file as numbers of one type.

    Attributes
    ----------
    dtype : numpy.dtype
        Their type.
    parts : list of array of int64
        The bytes of each part as integers: of floats, their bits.
    """

    dtype: np.dtype[Any]
    parts: list[Integers]

    @classmethod
    def of(cls, blocks: Sequence[bytes], dtype: np.dtype[Any], starts: Sequence[int]) -> Numbers:
        """Return the numbers in blocks of bytes, in each from a position on."""
        kind = "i" if dtype.kind == "f" else dtype.kind
        stored = np.dtype(dtype.str[0] + kind + str(dtype.itemsize))
        parts = []
        for block, start in zip(blocks, starts, strict=True):
            count = (len(block) - start) // dtype.itemsize
            if count > 0:
                parts.append(np.frombuffer(block, stored, count, start).astype(np.int64))
        return cls(dtype, parts)

    @cached_property
    def bits(self) -> Integers:
        """The integers of all parts."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0, np.int64)

    @cached_property
    def values(self) -> npt.NDArray[np.float64]:
        """The numbers themselves, as float64."""
        if self.dtype.kind != "f":
            return self.bits.astype(np.float64)
        size = self.dtype.itemsize
        with np.errstate(invalid="ignore"):
            return self.bits.astype(f"i{size}").view(f"f{size}").astype(np.float64)

    @cached_property
    def shift(self) -> int:
        """How many of the last bits are zero in all numbers."""
        joined = int(np.bitwise_or.reduce(self.bits)) if self.bits.size else 0
        return (joined & -joined).bit_length() - 1 if joined else 0

    @cached_property
    def ordered(self) -> list[Integers]:
        """Integers in the order of the numbers, without the bits that are zero in all of them."""
        if self.dtype.kind != "f":
            return [part >> self.shift for part in self.parts]
        return [as_integers(part, self.dtype.itemsize) >> self.shift for part in self.parts]

    @property
    def fits_both_signs(self) -> bool:
        """Whether the numbers are integers that are the same with and without a sign."""
        top = 2 ** (8 * self.dtype.itemsize - 1)
        bits = self.bits
        return self.dtype.kind in "iu" and bits.size > 0 and bits.min() >= 0 and bits.max() < top

    def differences(self, lag: int) -> Integers:
        """Return the difference of each number to the one `lag` before it; 0 is the numbers."""
        if lag == 0:
            return np.concatenate(self.ordered)
        parts = [part[lag:] - part[:-lag] for part in self.ordered if part.size > lag]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


@dataclass(eq=False)
class Reading:
    """The bytes of a file as numbers of one type, and how well that explains them.

    Attributes
    ----------
    dtype : numpy.dtype
        The type.
    phase : int
        Bytes before the first number, less than one number.
    bits : float
        Mean bits of a byte, by the best prediction.
    lag : int
        How many numbers before a number the one is that predicts it best; 0 is none.
    penalty : float
        Bits per byte for what numbers of this type rarely are.
    plain, code : Code
        Codes of numbers by themselves, and of differences by `lag`.
    middle : int
        What `plain` counts integers from.
    drift : int
        What `code` counts differences from.
    remarks : list of str
        Sentences about what speaks for it or against it.
    """

    dtype: np.dtype[Any]
    phase: int
    numbers: Numbers
    bits: float
    lag: int
    plain: Code
    code: Code
    middle: int = 0
    drift: int = 0
    penalty: float = 0.0
    remarks: list[str] = field(default_factory=list)

    @property
    def cost(self) -> float:
        """What it is ranked by, less being better."""
        return self.bits + self.penalty

    def classify(self, bits: Integers) -> Integers:
        """Return the class that each number has in the code `plain`."""
        if self.dtype.kind == "f":
            return classes_of_floats(bits, _MANTISSA[self.dtype.itemsize])
        return classes_of_integers((bits >> self.numbers.shift) - self.middle)


def read_as(numbers: Numbers, phase: int, lags: Sequence[int] = LAGS) -> Reading:
    """Return how well numbers are explained by themselves, or by those before them."""
    size = numbers.dtype.itemsize
    plain, middle = _code_alone(numbers)
    best, lag, code, drift = plain.bits, 0, plain, 0
    for step in lags:
        differences = numbers.differences(step)
        if differences.size < 16:
            continue
        # Of times the differences are all near one number.
        for usual in {0, _median(differences)}:
            candidate = code_of_integers(differences - usual)
            if candidate.bits < best - (0.02 if lag else 0.05) * size:
                best, lag, code, drift = candidate.bits, step, candidate, usual
    reading = Reading(numbers.dtype, phase, numbers, best / size, lag, plain, code, middle, drift)
    for penalty, remark in _implausible(numbers):
        reading.penalty += penalty
        reading.remarks.append(remark)
    return reading


def _code_alone(numbers: Numbers) -> tuple[Code, int]:
    """Return the code of numbers without prediction, and the middle they are counted from."""
    if numbers.dtype.kind == "f":
        mantissa = _MANTISSA[numbers.dtype.itemsize]
        return code_of_floats(numbers.bits, mantissa, min(numbers.shift, mantissa)), 0
    values = numbers.differences(0)
    middle = _median(values) if values.size else 0
    codes = [(code_of_integers(values - at), at) for at in (0, middle)]
    return min(codes, key=lambda pair: pair[0].bits)


def _median(values: Integers) -> int:
    """Return a middle one of some values; the mean of two may be out of range."""
    middle = values.size // 2
    return int(np.partition(values, middle)[middle])


def _implausible(numbers: Numbers) -> Iterator[tuple[float, str]]:
    if numbers.dtype.kind == "f":
        yield from _implausible_floats(numbers)
    else:
        yield from _implausible_integers(numbers)


def _implausible_floats(numbers: Numbers) -> Iterator[tuple[float, str]]:
    values = numbers.values
    finite = np.isfinite(values)
    # Missing values are NaN of one kind; the bytes of other data make NaN of all kinds.
    lost = numbers.bits[~finite]
    odd = 0 if np.unique(lost[:1000]).size <= 2 else lost.size
    magnitudes = np.abs(values[finite])
    magnitudes = magnitudes[magnitudes > 0]
    extreme = np.count_nonzero((magnitudes < 1e-30) | (magnitudes > 1e36))
    bad = (odd + extreme) / max(values.size, 1)
    if bad > 0.001:
        yield min(4.0, 20 * bad), f"{100 * bad:.2g} % of the values are extreme or not numbers"
    if magnitudes.size:
        low, high = np.log10(np.quantile(magnitudes, [0.02, 0.98]))
        if high - low > 8:
            yield min((high - low - 8) / 6, 4.0), f"values span {high - low:.0f} decades"
        if high > 15 or low < -15:
            yield 0.5, f"values of 1e{low:.0f} to 1e{high:.0f}"


def _implausible_integers(numbers: Numbers) -> Iterator[tuple[float, str]]:
    size = numbers.dtype.itemsize
    if numbers.shift >= 8 and size > 1:
        yield 1.0, f"the last {numbers.shift} bits of all values are zero"
    top = float(np.abs(numbers.bits.astype(np.float64)).max(initial=0))
    if size == 8 and top > 2**53:
        yield 0.7, f"values up to {top:.2g}"
    if size >= 4 and _are_floats(numbers):
        yield 0.5, "as floats, the values are of ordinary sizes"
    elif size == 4 and np.median(np.abs(numbers.bits)) > _LARGE:
        yield 0.3, f"most values are above {_LARGE}, as the bytes of floats are"
    if size < 8 and any(_is_empty_every(part, size) for part in numbers.parts[:1]):
        yield 1.0, "every second value is zero, or a sign"


def _are_floats(numbers: Numbers) -> bool:
    """Return whether the bytes of integers make ordinary floats."""
    floats = Numbers(np.dtype(f"f{numbers.dtype.itemsize}"), numbers.parts)
    if any(True for _ in _implausible_floats(floats)):
        return False
    magnitudes = np.abs(floats.values[floats.values != 0])
    return bool(magnitudes.size) and 1e-12 < float(np.median(magnitudes)) < 1e12


def _is_empty_every(values: Integers, size: int) -> bool:
    """Return whether every second number is only the high part of a larger one."""
    for first in (0, 1):
        column, other = values[first::2], values[1 - first :: 2]
        low, high = int(column.min(initial=0)), int(column.max(initial=0))
        signs = {0, -1, 2 ** (8 * size) - 1}
        if column.size and {low, high} <= signs and np.isin(column[:1000], list(signs)).all():
            return int(other.min(initial=0)) != int(other.max(initial=0))
    return False


def is_signed(bits: Integers, itemsize: int, usual: bool = False) -> bool:
    """Return whether integers are meant with a sign.

    Parameters
    ----------
    bits : array of int64
        Their signed reading.
    itemsize : int
        Bytes of one.
    usual : bool
        What is returned if none is negative, so that both readings are the same numbers.
    """
    if bits.min() >= 0:
        return usual
    if itemsize == 8:
        return True
    if bits.max() < 0:
        return bool(np.median(bits) > -(2 ** (8 * itemsize)) // 4)
    unsigned = np.where(bits < 0, bits + 2 ** (8 * itemsize), bits)
    spread = [float(np.abs(v - np.median(v)).mean()) for v in (bits, unsigned)]
    return spread[0] < spread[1]
