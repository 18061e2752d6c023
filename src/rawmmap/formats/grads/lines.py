"""The lines of a GrADS descriptor file, and the words and numbers in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe

__all__ = ["LONGEST", "Line", "Lines", "is_descriptor", "read_lines", "shorten"]

#: Bytes of the longest descriptor file; a list of a hundred thousand levels is shorter.
LONGEST = 2**20
_DSET = re.compile(rb"(?im)^(?:\xef\xbb\xbf)?[ \t]*DSET[ \t]+[^ \t\r\n]")
_OTHERS = re.compile(rb"(?im)^[ \t]*(?:UNDEF|TITLE|OPTIONS|DTYPE|[XYZTE]DEF|VARS)[ \t]+[^ \t\r\n]")


class Line(NamedTuple):
    """A line that says something.

    Attributes
    ----------
    number : int
        Counted from 1.
    text : str
        Its text, without blanks at both ends.
    """

    number: int
    text: str

    @property
    def keyword(self) -> str:
        """The first word, in upper case."""
        return self.text.split(maxsplit=1)[0].upper()

    @property
    def words(self) -> list[str]:
        """The words after the first one."""
        return self.text.split()[1:]

    @property
    def rest(self) -> str:
        """The text after the first word."""
        return self.text.split(maxsplit=1)[1] if self.words else ""


class Lines:
    """An iterator over the lines that are not comments; attributes are set aside.

    Parameters
    ----------
    name : str
        Path or URL of the file, for errors.
    text : str
        All of it.

    Attributes
    ----------
    attributes : list of Line
        The lines of attribute metadata, ``@ name type attribute value``, met so far.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.attributes: list[Line] = []
        self.number = 0
        self._lines = self._iterate(text)

    def _iterate(self, text: str) -> Iterator[Line]:
        for number, raw in enumerate(re.split("\r\n|\r|\n", text), 1):
            self.number = number
            line = Line(number, raw.strip(" \t"))
            if line.text.startswith("@"):
                self.attributes.append(line)
            elif line.text and not line.text.isspace():
                yield line

    def __iter__(self) -> Iterator[Line]:
        # As in GrADS, a line that starts with anything but a letter or a digit is a comment.
        return (line for line in self._lines if line.text[0].isalnum())

    def take(self, wanted: str, *, values: bool = False) -> Line:
        """Return the next line.

        Parameters
        ----------
        wanted : str
            For what it is needed.
        values : bool
            Whether it holds numbers, which may start with a sign or a point.

        Raises
        ------
        ValueError
            If there is none.
        """
        for line in self._lines:
            if line.text[0].isalnum() or (values and line.text[0] in "-+."):
                return line
        raise ValueError(f"the file ends where {wanted} should follow")

    def error(self, message: str) -> DescriptionError:
        """Return the error that names the file and the present line."""
        return DescriptionError(f"{self.name}: line {self.number}: {message}")


def is_descriptor(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is a GrADS descriptor file."""
    if b"\0" in head or b"DSET" not in head.upper():
        return False
    return _DSET.search(head) is not None and _OTHERS.search(head) is not None


def read_lines(probe: Probe) -> Lines:
    """Return the lines of a descriptor file.

    Raises
    ------
    DescriptionError
        If it is longer than 1 MiB, or not text.
    """
    if probe.size > LONGEST:
        raise DescriptionError(
            f"{probe.name}: {probe.size} bytes are too many for a GrADS descriptor file; at most "
            f"{LONGEST} are read"
        )
    with probe.open() as file:
        raw = file.read(LONGEST)
    if b"\0" in raw:
        raise DescriptionError(f"{probe.name}: a descriptor file is text, but this one has zeros")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return Lines(probe.name, text)


def shorten(text: str) -> str:
    """Return some text of a file as an error shows it."""
    return repr(text if len(text) <= 80 else text[:77] + "...")
