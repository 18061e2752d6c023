"""Which numbers are rare in real data, and whether integers are signed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rawmmap.guessing.numbers import Integers, Numbers

__all__ = ["find_implausible", "is_signed", "is_steady"]

# Distances at which steps from one number to another are looked at.
_LAGS = range(1, 9)
# The bytes of common float32 values, read as integers, exceed this; real integers rarely do.
_LARGE = 2**28


def find_implausible(numbers: Numbers) -> Iterator[tuple[float, str]]:
    """Yield what is rare in numbers of this type: a penalty in bits per byte, and a sentence."""
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
    # Each number counts once, so that one which stands for missing values does not matter.
    magnitudes = np.unique(np.abs(values[finite & (values != 0)]))
    extreme = np.count_nonzero((magnitudes < 1e-30) | (magnitudes > 1e36))
    bad = odd / max(values.size, 1) + extreme / max(magnitudes.size, 32)
    if bad > 0.001 and odd + extreme > 1:
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
    if size == 8 and top > 2**53 and not is_steady(numbers):
        yield 0.7, f"values up to {top:.2g}"
    if size >= 4 and _are_floats(numbers):
        yield 0.5, "as floats, the values are of ordinary sizes"
    elif size == 4 and np.median(np.abs(numbers.bits)) > _LARGE and not is_steady(numbers):
        yield 0.3, f"most values are above {_LARGE}, as the bytes of floats are"
    if size < 8 and any(_is_empty_every(part, size) for part in numbers.parts[:1]):
        yield 1.0, "every second value is 0 or -1, as the high half of a wider integer is"


def is_steady(numbers: Numbers) -> bool:
    """Return whether numbers change little from one to the next, as times in nanoseconds do."""
    steps = np.abs(numbers.differences(1).astype(np.float64))
    values = np.abs(numbers.differences(0).astype(np.float64))
    return bool(steps.size) and float(np.median(steps)) < 1e-4 * float(np.median(values))


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
    """Return whether integers are likelier to be signed.

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
    # Read with the wrong sign, values jump where they pass from one half of the range to the other.
    steps = [min(_mean_step(v, lag) for lag in _LAGS) for v in (bits, unsigned)]
    if steps[0] != steps[1]:
        return steps[0] < steps[1]
    spread = [float(np.abs(v - np.median(v)).mean()) for v in (bits, unsigned)]
    return spread[0] < spread[1]


def _mean_step(values: Integers, lag: int) -> float:
    return float(np.abs(values[lag:] - values[:-lag]).mean()) if values.size > lag else 0.0
