"""How long the rows of an image or a grid are, by the jumps where one ends and the next begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rawmmap.guessing.numbers import Numbers

__all__ = ["Row", "find_row"]

Floats = npt.NDArray[np.float64]

# Longest row in numbers, and how many lengths are tried.
_LONGEST, _PERIODS = 65536, 48
# Standard errors by which steps between rows must be larger.
_CERTAIN = 8.0
# The same for steps less those just before and after.
_SHARP = 5.0


@dataclass(frozen=True)
class Row:
    """The length of a row.

    Attributes
    ----------
    length : int
        Numbers of a row.
    ratio : float
        How many times larger the step from one row to the next is than the others.
    certainty : float
        By how many standard errors it is larger.
    """

    length: int
    ratio: float
    certainty: float


@dataclass(frozen=True)
class _Spread:
    """Mean and standard deviation of steps."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, steps: Floats) -> _Spread:
        return cls(float(steps.mean()), float(steps.std()) or 1.0)

    def compare(self, chosen: Floats) -> tuple[float, float]:
        """Return by how many standard errors, and how many times, some steps are larger."""
        difference = float(chosen.mean()) - self.mean
        return difference / self.deviation * float(np.sqrt(chosen.size)), 2.0**difference


def find_row(numbers: Numbers, behind: int, lag: int) -> Row | None:
    """Return the length of the rows, or None if none stands out.

    Parameters
    ----------
    numbers : Numbers
        Their first part is looked at.
    behind : int
        How many numbers of the file come after that part. Rows are counted from the file's end.
    lag : int
        How many numbers before a number the one is that it continues.
    """
    ordered = numbers.ordered[0] if numbers.ordered else np.zeros(0, np.int64)
    lag = max(lag, 1)
    if ordered.size < 64:
        return None
    steps = np.log2(np.abs((ordered[lag:] - ordered[:-lag]).astype(np.float64)) + 1)[::-1]
    # Smooth values are steep in some places and flat in others: where rows end, steps are larger
    # than those just before and after, too.
    sharp = steps[lag:-lag] - (steps[2 * lag :] + steps[: -2 * lag]) / 2
    among_all, among_sharp = _Spread.of(steps), _Spread.of(sharp)
    best = None
    for length in sorted({*_periods(steps, 2 * lag), *_periods(sharp, 2 * lag)}):
        if length % lag:
            continue
        first = (-behind - 1) % length  # the step into the first number of a row
        certainty, ratio = among_all.compare(steps[first::length])
        if certainty <= _CERTAIN or (best is not None and certainty <= 1.02 * best.certainty):
            continue
        if among_sharp.compare(sharp[(first - lag) % length :: length])[0] > _SHARP:
            best = Row(length, ratio, certainty)
    return best


def _periods(values: Floats, shortest: int) -> list[int]:
    """Return the likeliest periods in ascending order, by correlation with later values."""
    values = values - values.mean()
    size = 2 ** int(2 * values.size - 1).bit_length()
    power = np.abs(np.fft.rfft(values, size)) ** 2
    longest = min(_LONGEST, values.size // 4)
    lags = np.arange(max(4, shortest), longest)
    correlation = np.fft.irfft(power, size)[lags] / (values.size - lags)
    return sorted(int(n) for n in lags[np.argsort(-correlation)[:_PERIODS]])
