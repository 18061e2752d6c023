"""Times in the names of files: what their directives look like, and the times that they say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DIRECTIVES", "read_times", "time_regex"]

#: Directives of `datetime.datetime.strftime` that can be read back, and their numbers of digits.
DIRECTIVES = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "f": 6, "j": 3}

# Names that are parsed at a time.
_AT_ONCE = 4096


def time_regex(spec: str, group: int) -> str:
    """Return what a time looks like; each directive is a group ``t<group>_<number>_<letter>``."""
    parts = []
    letters = iter(spec)
    for letter in letters:
        if letter != "%":
            parts.append(re.escape(letter))
            continue
        directive = next(letters)
        if directive == "%":
            parts.append("%")
        else:
            parts.append(
                rf"(?P<t{group}_{len(parts)}_{directive}>[0-9]{{{DIRECTIVES[directive]}}})"
            )
    return "".join(parts)


def read_times(matches: Sequence[re.Match[str]], keys: Sequence[str]) -> npt.NDArray[Any]:
    """Return the times that the directives of each match say together; NaT where there is none."""
    letters = [key.rpartition("_")[2] for key in keys]
    blocks = [np.empty((0, len(keys)), np.int64)]
    # Some at a time: texts take far more memory than the integers that they become.
    for start in range(0, len(matches), _AT_ONCE):
        texts = [match.group(*keys, keys[0]) for match in matches[start : start + _AT_ONCE]]
        blocks.append(np.array(texts)[:, : len(keys)].astype(np.int64))
    return _as_times(dict(zip(letters, np.concatenate(blocks).T, strict=True)), len(matches))


def _as_times(parts: Mapping[str, npt.NDArray[np.int64]], count: int) -> npt.NDArray[Any]:
    """Return times of microseconds, NaT where there is none such as the 30th of February."""
    year, month, day, hour, minute, second, micro = (
        parts.get(letter, np.full(count, 1970 if letter == "Y" else int(letter in "md")))
        for letter in "YmdHMSf"
    )
    first = (year - 1970).astype("M8[Y]").astype("M8[M]") + (month - 1).astype("m8[M]")
    days = first.astype("M8[D]") + (day - 1).astype("m8[D]")
    valid = (year >= 1000) & (month >= 1) & (month <= 12)
    valid &= (day >= 1) & (days.astype("M8[M]") == first)
    valid &= (hour < 24) & (minute < 60) & (second < 60)
    if "j" in parts and "d" not in parts:
        days = days + (parts["j"] - 1).astype("m8[D]")
        valid &= (parts["j"] >= 1) & (days.astype("M8[Y]") == first.astype("M8[Y]"))
    seconds = (hour * 60 + minute) * 60 + second
    times = days.astype("M8[us]") + (seconds * 1_000_000 + micro).astype("m8[us]")
    return np.where(valid, times, np.datetime64("NaT", "us"))
