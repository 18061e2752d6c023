"""The bytes of a file as numbers of one type, and the runs of equal ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.guessing.coding import as_integers

__all__ = ["Integers", "Numbers", "Runs"]

Integers = npt.NDArray[np.int64]

# Numbers in runs from which on runs count as usual in the data.
_RUNS = 64


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
        """Return the numbers in blocks of bytes, each read from its position in `starts` on."""
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
        """Return the difference of each number to the one `lag` before it; for 0 the numbers."""
        if lag == 0:
            return np.concatenate(self.ordered)
        parts = [part[lag:] - part[:-lag] for part in self.ordered if part.size > lag]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of equal numbers, as those outside a region of interest.

    Attributes
    ----------
    values : array of int64
        The numbers that are often repeated, as `Numbers.bits`.
    bits : float
        Bits of a number that continues such a run.
    """

    values: Integers
    bits: float

    @classmethod
    def of(cls, numbers: Numbers) -> Runs:
        """Return the runs of some numbers."""
        pairs = [part[:-1][part[1:] == part[:-1]] for part in numbers.parts]
        equal = [part[1:] == part[:-1] for part in numbers.parts]
        longer = sum(np.count_nonzero(same[1:] & same[:-1]) for same in equal)
        ends = sum(np.count_nonzero(same[:-1]) for same in equal)
        values, counts = np.unique(np.concatenate(pairs), return_counts=True)
        if longer < _RUNS:
            return cls(values[:0], np.inf)
        return cls(values[counts >= _RUNS], float(-np.log2(min(longer / ends, 0.999))))

    def zero_bits(self, itemsize: int) -> float:
        """Return the bits of each zero byte in a long run of them; infinite if there are none."""
        return self.bits / itemsize if (self.values == 0).any() else np.inf

    def continued(self, bits: Integers) -> npt.NDArray[np.bool_]:
        """Return which numbers continue such a run, which has at least two before them."""
        same = bits[1:] == bits[:-1]
        longer = np.zeros(bits.size, np.bool_)
        longer[2:] = same[1:] & same[:-1] & np.isin(bits[2:], self.values)
        return longer
