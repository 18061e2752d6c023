"""Names that match a pattern with many fields, without trying all ways to divide them. Pure.

A regular expression with several fields of any text takes time that grows with the length of a name
to the power of their number before it refuses the name. Whether a name matches at all can be told
from the positions at which each field may end, in time that grows with the square of its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

__all__ = ["Guarded", "Level", "Step"]

_SIGNS = re.compile("[-+ ]*")


class Step(NamedTuple):
    """A literal text, and the field after it.

    Attributes
    ----------
    literal : str
        The text.
    kind : str
        What the field is: "time", "int", "float", "text" or "any"; empty for none.
    expression : str
        What the text of a time or float looks like, or a digit of an integer.
    """

    literal: str
    kind: str = ""
    expression: str = ""


@dataclass(frozen=True, slots=True)
class Guarded:
    """A regular expression for names, which is tried only where it matches.

    Attributes
    ----------
    regex : re.Pattern
        The expression.
    steps : tuple of Step
        The same as literal texts and fields.
    """

    regex: re.Pattern[str]
    steps: tuple[Step, ...]

    @property
    def pattern(self) -> str:
        """The text of the expression."""
        return self.regex.pattern

    def fullmatch(self, name: str) -> re.Match[str] | None:
        """Return the match of a whole name, or None."""
        return self.regex.fullmatch(name) if self._matches(name) else None

    def _matches(self, name: str) -> bool:
        # Bit p is set if the steps so far may end at position p.
        positions = 1
        for literal, kind, expression in self.steps:
            positions = sum(
                1 << (p + len(literal)) for p in _bits(positions) if name.startswith(literal, p)
            )
            if kind and positions:
                positions = _ends(name, positions, kind, expression)
            if not positions:
                return False
        return bool(positions >> len(name) & 1)


Level = re.Pattern[str] | Guarded


def _bits(positions: int) -> Iterator[int]:
    while positions:
        low = positions & -positions
        yield low.bit_length() - 1
        positions ^= low


def _range(start: int, stop: int) -> int:
    """Return the bits from `start` to `stop`, without it."""
    return (1 << stop) - (1 << start) if stop > start else 0


def _ends(name: str, positions: int, kind: str, expression: str) -> int:
    """Return where a field may end that begins at some positions."""
    if kind in ("text", "any"):
        first = (positions & -positions).bit_length() - 1
        return _range(first + 1, len(name) + 1)
    result = 0
    regex = _compile(expression)
    for start in _bits(positions):
        if kind == "time":
            match = regex.match(name, start)
            result |= 0 if match is None else 1 << match.end()
        elif kind == "int":
            digits = _end(_SIGNS, name, start)
            result |= _range(digits + 1, _end(_compile(f"{expression}*"), name, digits) + 1)
        else:
            stops = range(start + 1, len(name) + 1)
            result |= sum(1 << stop for stop in stops if regex.fullmatch(name, start, stop))
    return result


def _end(regex: re.Pattern[str], name: str, start: int) -> int:
    match = regex.match(name, start)
    return start if match is None else match.end()


@cache
def _compile(expression: str) -> re.Pattern[str]:
    return re.compile(expression)
