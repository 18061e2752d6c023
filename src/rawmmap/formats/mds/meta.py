"""The text of a ``.meta`` file, as MITgcm's package ``mdsio`` writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rawmmap.errors import DescriptionError
from rawmmap.formats.numbers import parse_count, parse_integer, parse_number
from rawmmap.formats.probe import Probe

__all__ = ["Meta", "is_meta", "read_meta"]

# A header of a tile has half a kilobyte; one with a thousand fields 20.
_LARGEST = 2**20
_GAP = r"(?:\s|//[^\n]*+|/\*.*?\*/)*+"
_QUOTED = r"'(?:[^']|'')*+'"
_ITEM = re.compile(
    rf"{_GAP}(\w++)\s*+=\s*+(?:\[((?:{_QUOTED}|[^'\]])*+)\]|\{{((?:{_QUOTED}|[^'}}])*+)\}})\s*+;",
    re.DOTALL | re.ASCII,
)
_REST = re.compile(_GAP, re.DOTALL)
_WORD = re.compile(rf"{_QUOTED}|[^\s,']++")
_BEGINNING = re.compile(rb"\s*\w+\s*=\s*[\[{]")
_TYPES = {"float32": "f4", "float64": "f8"}
_READ = {
    "nDims",
    "dimList",
    "dataprec",
    "format",
    "nrecords",
    "timeStepNumber",
    "timeInterval",
    "missingValue",
    "nFlds",
    "fldList",
    "map2glob",
}


def is_meta(head: bytes) -> bool:
    """Return whether a file begins as a header of MITgcm does."""
    return _BEGINNING.match(head) is not None and b"dimList" in head


@dataclass(frozen=True)
class Meta:
    """What a header says; lengths and names are in the order of the array, x last.

    Attributes
    ----------
    path : str
        The header.
    items : mapping of str to list of str
        The words of each entry, without quotes.
    """

    path: str
    items: Mapping[str, list[str]]

    def error(self, text: str) -> DescriptionError:
        """Return an error that names the header."""
        return DescriptionError(f"{self.path}: {text}")

    @property
    def entries(self) -> dict[str, list[str]]:
        """What the headers of an output share, but for those of tiles."""
        of_step = ("timeStepNumber", "timeInterval")
        return {key: words for key, words in self.items.items() if key not in of_step}

    @cached_property
    def ranges(self) -> tuple[tuple[int, int, int], ...]:
        """Length of each axis of the whole array, and first and last position in this file."""
        count = self._single("nDims", parse_count)
        numbers = [self._check(parse_integer, "dimList", n) for n in self._require("dimList")]
        if not 1 <= count <= 16 or len(numbers) != 3 * count:
            raise self.error(f"dimList has {len(numbers)} numbers, not 3 for each of {count} nDims")
        ranges = [(numbers[i], numbers[i + 1] - 1, numbers[i + 2]) for i in range(0, 3 * count, 3)]
        for length, start, stop in ranges:
            if not 0 <= start < stop <= length:
                raise self.error(
                    f"dimList says positions {start + 1} to {stop} of {length}; they count from 1"
                )
        return tuple(reversed(ranges))

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """Lengths of the whole array."""
        return tuple(length for length, _, _ in self.ranges)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the part of it in this file."""
        return tuple(stop - start for _, start, stop in self.ranges)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an element: big-endian, as the model writes it."""
        key = "dataprec" if "dataprec" in self.items else "format"
        name = self._single(key, lambda _, word: word)
        if name not in _TYPES:
            raise self.error(f"{key} = {name[:80]!r} is none of {sorted(_TYPES)}")
        return np.dtype(f">{_TYPES[name]}")

    @property
    def nrecords(self) -> int:
        """Arrays that follow each other in the file."""
        n: int = self._single("nrecords", parse_count)
        if not n:
            raise self.error("nrecords = 0; a file has at least one")
        return n

    @property
    def step(self) -> int | None:
        """Number of the time step."""
        if "timeStepNumber" not in self.items:
            return None
        step: int = self._single("timeStepNumber", parse_integer)
        return step

    @property
    def interval(self) -> tuple[float, ...]:
        """Time in seconds: none, that of the data, or start and end of what they average."""
        words = self.items.get("timeInterval", [])
        if len(words) > 2:
            raise self.error(f"timeInterval has {len(words)} numbers, not 1 or 2")
        return tuple(self._check(parse_number, "timeInterval", word) for word in words)

    @property
    def missing_value(self) -> float | None:
        """What stands for elements that are missing."""
        if "missingValue" not in self.items:
            return None
        value: float = self._single("missingValue", parse_number)
        return value

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""
        names = tuple(name.strip() for name in self.items.get("fldList", []))
        if "nFlds" in self.items and self._single("nFlds", parse_count) != len(names):
            raise self.error(f"fldList has {len(names)} names, but nFlds = {self.items['nFlds']}")
        if len(set(names)) < len(names) or not all(names):
            raise self.error(f"fldList has empty or repeated names: {list(names)[:20]}")
        return names

    @property
    def attrs(self) -> dict[str, Any]:
        """The other entries."""
        others = {key: words for key, words in self.items.items() if key not in _READ}
        return {key: words[0] if len(words) == 1 else words for key, words in others.items()}

    def check_map(self) -> None:
        """Refuse tiles that are not laid out as a plain grid."""
        words = self.items.get("map2glob", ["0", "1"])
        if [self._check(parse_integer, "map2glob", word) for word in words] != [0, 1]:
            raise self.error(
                f"map2glob = {words[:4]} is not implemented: only tiles of a plain grid are"
            )

    def _require(self, key: str) -> list[str]:
        if key not in self.items:
            raise self.error(f"{key} is missing")
        return self.items[key]

    def _single(self, key: str, parse: Any) -> Any:
        words = self._require(key)
        if len(words) != 1:
            raise self.error(f"{key} has {len(words)} values, not one")
        return self._check(parse, key, words[0])

    def _check(self, parse: Any, key: str, word: str) -> Any:
        try:
            return parse(key, word)
        except ValueError as error:
            raise self.error(str(error)) from error


def read_meta(probe: Probe) -> Meta:
    """Return what a header says.

    Raises
    ------
    DescriptionError
        If it is not such a header, or malformed.
    """
    if probe.size > _LARGEST:
        raise DescriptionError(
            f"{probe.name}: {probe.size} bytes are too many for a header; {_LARGEST} are allowed"
        )
    with probe.open() as file:
        text = file.read(_LARGEST).decode("latin-1")
    items: dict[str, list[str]] = {}
    position = 0
    while match := _ITEM.match(text, position):
        key, position = match[1], match.end()
        if key in items:
            raise DescriptionError(f"{probe.name}: {key} is there twice")
        words = _WORD.findall(match[2] if match[2] is not None else match[3])
        items[key] = [_unquote(word) for word in words]
    rest = _REST.match(text, position)
    end = rest.end() if rest else position
    if end < len(text):
        raise DescriptionError(
            f"{probe.name}: no entry such as nDims = [ 2 ]; begins at character {end}, but "
            f"{text[end : end + 40]!r}"
        )
    return Meta(probe.name, items)


def _unquote(word: str) -> str:
    return word[1:-1].replace("''", "'") if word.startswith("'") else word
