"""The text of an ENVI header: its keywords, and the tables that reader and writer share."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe

__all__ = ["INTERLEAVES", "TYPES", "Header", "is_header", "read_header"]

#: ENVI's numbers of types.
TYPES = {
    "u1": 1,
    "i2": 2,
    "i4": 3,
    "f4": 4,
    "f8": 5,
    "c8": 6,
    "c16": 9,
    "u2": 12,
    "u4": 13,
    "i8": 14,
    "u8": 15,
}
#: The order of the axes band, line, sample in the file, slowest first.
INTERLEAVES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}
# Headers of imaging spectrometers, with some lists of a number per band, have some 100 kB.
_LONGEST = 16 * 2**20
_START = re.compile(rb"ENVI[ \t\r]*(\n|$)|ENVI[ \t]*\r")
_NOT_TEXT = re.compile("[\x00-\x08\x0e-\x1f]")
_COUNT = re.compile("[0-9]{1,18}")


def is_header(head: bytes) -> bool:
    """Return whether a file starts as a header does: with a line that says ENVI."""
    return _START.match(head) is not None


@dataclass(frozen=True, slots=True)
class Header:
    """The keywords of a header, and their values as text.

    Attributes
    ----------
    path : str
        The header, for errors.
    entries : mapping of str to str
        Values by keyword, in lower case with single spaces; a list is without its braces.
    lists : frozenset of str
        Keywords whose values stood in braces.
    """

    path: str
    entries: Mapping[str, str]
    lists: frozenset[str]

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def error(self, text: str) -> DescriptionError:
        """Return an error about this header."""
        return DescriptionError(f"{self.path}: {text}")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a value; without a default it is required."""
        value = self.entries.get(key, default)
        if value is None:
            raise self.error(f"the header lacks the keyword {key!r}; add a line '{key} = ...'")
        return value

    def count(self, key: str, default: str | None = None) -> int:
        """Return a value that is an integer of at least 0."""
        value = self.text(key, default)
        if not _COUNT.fullmatch(value):
            raise self.error(f"{key} = {value[:80]!r} is not an integer from 0 to 10**18 - 1")
        return int(value)

    def items(self, key: str, length: int | None = None) -> list[str]:
        """Return the items of a list; of none where the keyword is missing or empty.

        Some programs write a comma after the last item too, which tells by the `length`.
        """
        value = self.entries.get(key, "").strip()
        items = [item.strip() for item in value.split(",")] if value else []
        return items[:-1] if items and not items[-1] and len(items) - 1 == length else items

    def numbers(self, key: str, length: int | None = None) -> list[float]:
        """Return the items of a list of finite numbers, which has `length` of them or none."""
        items = self.items(key, length)
        if length is not None and items and len(items) != length:
            raise self.error(f"{key} has {len(items)} items; there are {length} bands")
        try:
            values = [float(item) for item in items]
        except ValueError as error:
            raise self.error(f"{key} is not a list of numbers: {error}") from error
        if not all(map(math.isfinite, values)):
            raise self.error(f"{key} has a number that is not finite")
        return values


def read_header(probe: Probe) -> Header:
    """Return the keywords of a header.

    Raises
    ------
    DescriptionError
        If it is not text, or something in it is not a keyword with a value.
    """
    if probe.size > _LONGEST:
        raise DescriptionError(
            f"{probe.name}: {probe.size} bytes are too many for an ENVI header; at most "
            f"{_LONGEST} are read"
        )
    with probe.open() as file:
        raw = file.read(_LONGEST + 1)
    if not is_header(raw):
        raise DescriptionError(f"{probe.name}: the first line of an ENVI header is 'ENVI'")
    return _parse(probe.name, _decode(probe.name, raw))


def _decode(path: str, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    bad = _NOT_TEXT.search(text)
    if bad is not None:
        raise DescriptionError(f"{path}: the header is not text; it holds {bad[0]!r}")
    return text


def _parse(path: str, text: str) -> Header:
    # Not splitlines, which would also break lines at U+0085 and U+2028.
    lines = iter(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[1:])
    entries: dict[str, str] = {}
    lists = set()
    for line in lines:
        if not line.strip() or line.lstrip().startswith(";"):
            continue
        name, equals, value = line.partition("=")
        key, value = " ".join(name.replace("_", " ").lower().split()), value.strip()
        if not equals or not key:
            raise DescriptionError(f"{path}: the line {line[:80]!r} is not 'keyword = value'")
        if value.startswith("{"):
            value = _join_list(path, key, value[1:], lines)
            lists.add(key)
        if entries.setdefault(key, value) != value:
            raise DescriptionError(f"{path}: the keyword {key!r} has two values")
    return Header(path, entries, frozenset(lists))


def _join_list(path: str, key: str, start: str, lines: Iterator[str]) -> str:
    """Return what stands in braces, which may span lines."""
    pieces: list[str] = []
    line: str | None = start
    while line is not None:
        piece, brace, rest = line.partition("}")
        pieces.append(piece.strip())
        if brace and rest.strip():
            raise DescriptionError(f"{path}: {key} has {rest[:80]!r} after its closing brace")
        if brace:
            return " ".join(pieces).strip()
        line = next((n for n in lines if not n.lstrip().startswith(";")), None)
    raise DescriptionError(f"{path}: the list of {key!r} has no closing brace; is the header cut?")
