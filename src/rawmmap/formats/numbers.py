"""Numbers in the text of headers."""

from __future__ import annotations

import math
import re

__all__ = ["parse_count", "parse_integer", "parse_number"]

_SHOWN = 80
_INTEGER = re.compile("[+-]?[0-9]{1,18}", re.ASCII)


def parse_count(key: str, text: str, least: int = 0) -> int:
    """Return the count that a keyword has; `least` is the smallest allowed.

    Raises
    ------
    ValueError
        If the text is not a whole number below 10**18, or less than `least`.
    """
    n = parse_integer(key, text)
    if n < least:
        raise ValueError(f"{key} = {n} is less than {least}")
    return n


def parse_integer(key: str, text: str) -> int:
    """Return the whole number that a keyword has.

    Raises
    ------
    ValueError
        If the text is not a whole number of at most 18 digits.
    """
    if not _INTEGER.fullmatch(text.strip()):
        raise ValueError(f"{key} = {text[:_SHOWN]!r} is not a whole number")
    return int(text)


def parse_number(key: str, text: str) -> float:
    """Return the number that a keyword has.

    Raises
    ------
    ValueError
        If the text is not a finite number.
    """
    try:
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{key} = {text[:_SHOWN]!r} is not a finite number")
    return value
