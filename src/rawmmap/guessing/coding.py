"""How many bits numbers need: the type whose code for some bytes is the shortest is the likeliest.

This is the principle of minimum description length. Every length here is that of a code that could
be written down: a number is coded by its class at the entropy of the classes, and then by the bits
that its class leaves open. The class of an integer is the position of its highest bit with its
sign, that of a float its sign and exponent. So readings of the same bytes as different types
compare fairly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "Code",
    "as_integers",
    "classes_of_floats",
    "classes_of_integers",
    "code_of_floats",
    "code_of_integers",
]

#: Number of classes: all signs and exponents of a float64.
_CLASSES = 4096


@dataclass(frozen=True, eq=False)
class Code:
    """A code that was fitted to some numbers.

    Attributes
    ----------
    bits : float
        Mean length of a number, the description of the code itself included.
    lengths : array of float
        Length of a number of each class, the bits that the class leaves open included.
    """

    bits: float
    lengths: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, classes: npt.NDArray[np.int64], extra: npt.NDArray[np.float64]) -> Code:
        """Return the code that suits the frequencies of some classes.

        Parameters
        ----------
        classes : array of int
            Class of each number.
        extra : array of float
            Bits of a number of each class beyond its class.
        """
        counts = np.bincount(classes, minlength=extra.size)
        total = max(int(counts.sum()), 1)
        # Classes that did not occur may still do so: they share the frequency of half a number.
        used = int(np.count_nonzero(counts))
        unseen = 0.5 / max(extra.size - used, 1)
        lengths = np.log2(total + 0.5) - np.log2(np.where(counts, counts, unseen)) + extra
        bits = float((counts * lengths).sum()) / total + 0.5 * used * np.log2(total) / total
        return cls(bits, lengths)


def bit_lengths(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of bits of each magnitude."""
    return np.frexp(np.abs(values.astype(np.float64)))[1].astype(np.int64)


_EXTRA = np.maximum(np.arange(130) // 2 - 1, 0).astype(np.float64)


def code_of_integers(values: npt.NDArray[np.int64]) -> Code:
    """Return the code of integers by their signs and highest bits."""
    return Code.fit(classes_of_integers(values), _EXTRA)


def classes_of_integers(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the class of each integer: its highest bit and its sign."""
    return np.asarray(2 * bit_lengths(values) + (values < 0), np.int64)


def classes_of_floats(bits: npt.NDArray[np.int64], mantissa: int) -> npt.NDArray[np.int64]:
    """Return the class of each float, given as its bits: its sign and exponent.

    Class 0 is zero alone: what is too small for an exponent goes with the smallest one.
    """
    signs = _CLASSES // 2 if mantissa == 52 else 256
    exponents = (bits >> mantissa) & (2 * signs - 1)
    denormal = (exponents % signs == 0) & ((bits & (2**mantissa - 1)) != 0)
    return np.asarray(exponents + denormal, np.int64)


def code_of_floats(bits: npt.NDArray[np.int64], mantissa: int, shift: int) -> Code:
    """Return the code of floats by their signs and exponents.

    Parameters
    ----------
    bits : array of int64
        Their bytes as integers.
    mantissa : int
        Bits of the mantissa.
    shift : int
        How many of its last bits are zero in all of them.
    """
    extra = np.full(_CLASSES if mantissa == 52 else 512, float(mantissa - shift))
    extra[[0, extra.size // 2]] = 0
    return Code.fit(classes_of_floats(bits, mantissa), extra)


def as_integers(bits: npt.NDArray[np.int64], itemsize: int) -> npt.NDArray[np.int64]:
    """Return floats as integers in the same order, so that near ones have small differences."""
    magnitude = bits & (2 ** (8 * itemsize - 1) - 1)
    return np.asarray(np.where(bits < 0, -magnitude, magnitude), np.int64)
