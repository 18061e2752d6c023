"""The bytes of a file read as numbers of one type, and how likely such numbers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from rawmmap.guessing.coding import (
    Code,
    classes_of_floats,
    classes_of_integers,
    code_of_floats,
    code_of_integers,
)
from rawmmap.guessing.numbers import Integers, Numbers, Runs
from rawmmap.guessing.plausibility import find_implausible

__all__ = ["Reading", "read_as"]

#: Distances to an earlier number from which one may be predicted, besides rows.
LAGS = (1, 2, 3, 4, 5, 6, 7, 8)
_MANTISSA = {4: 23, 8: 52}


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
        Distance, in numbers, to the earlier one that predicts a number best; 0 if none does.
    penalty : float
        Bits per byte for values that are rare in numbers of this type.
    plain, code : Code
        Codes of numbers by themselves, and of differences by `lag`.
    middle : int
        What is subtracted from integers before `plain` codes them.
    drift : int
        What is subtracted from differences before `code` codes them.
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

    @cached_property
    def runs(self) -> Runs:
        """The runs of equal numbers."""
        return Runs.of(self.numbers)

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
        # The differences of times all lie near one number.
        for usual in {0, _median(differences)}:
            candidate = code_of_integers(differences - usual)
            if candidate.bits < best - (0.02 if lag else 0.05) * size:
                best, lag, code, drift = candidate.bits, step, candidate, usual
    reading = Reading(numbers.dtype, phase, numbers, best / size, lag, plain, code, middle, drift)
    # A constant step is small in the right byte order, and large in the wrong one.
    reading.penalty += 0.02 * abs(drift).bit_length() / size
    for penalty, remark in find_implausible(numbers):
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
