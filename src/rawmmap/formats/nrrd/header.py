"""The text of a NRRD header: fields as the format's definition (teem.sourceforge.net) has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rawmmap.errors import DescriptionError
from rawmmap.formats.numbers import parse_count
from rawmmap.formats.probe import Probe
from rawmmap.formats.volumes import check_dimension

__all__ = ["MAGIC", "Header", "read_header"]

MAGIC = b"NRRD000"
_LONGEST = 2**20

_NAMES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, "
    "int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
_TYPES = {name: code for code, names in _NAMES.items() for name in names.split(", ")}
# Names that the format allows for one field.
_ALIASES = {
    "datafile": "data file",
    "lineskip": "line skip",
    "byteskip": "byte skip",
    "axismins": "axis mins",
    "axismaxs": "axis maxs",
    "centerings": "centers",
    "sampleunits": "sample units",
    "oldmin": "old min",
    "oldmax": "old max",
    "blocksize": "block size",
}


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a header.

    Attributes
    ----------
    name : str
        Path or URL of the header.
    fields : dict
        The value of each field, by its name in lower case.
    keys : dict
        The key/value pairs.
    names : list of str
        The data files that follow ``data file: LIST``.
    nbytes : int or None
        Bytes up to the end of the empty line that precedes the data; None where there is none.
    """

    name: str
    fields: dict[str, str]
    keys: dict[str, str]
    names: list[str]
    nbytes: int | None

    def text(self, key: str) -> str:
        """Return a field that must be there."""
        if key not in self.fields:
            raise ValueError(f"the field {key!r} is missing")
        return self.fields[key]

    def dtype(self) -> np.dtype[np.generic]:
        """Return the type of an element."""
        name = " ".join(self.text("type").lower().split())
        if name not in _TYPES:
            raise ValueError(f"type: {name[:80]!r} is not implemented; those of {_NAMES} are")
        dtype = np.dtype(_TYPES[name])
        if dtype.itemsize == 1:
            return dtype
        order = self.text("endian").lower()
        if order not in ("little", "big"):
            raise ValueError(f"endian: {order[:80]!r} is neither little nor big")
        return dtype.newbyteorder("<" if order == "little" else ">")

    def sizes(self) -> list[int]:
        """Return the element counts, the fastest axis first."""
        dimension = parse_count("dimension", self.text("dimension"), 1)
        check_dimension("dimension", dimension)
        sizes = [parse_count("sizes", word, 1) for word in self.text("sizes").split()]
        if len(sizes) != dimension:
            raise ValueError(f"sizes: {len(sizes)} numbers, but the dimension is {dimension}")
        return sizes

    def per_axis(self, key: str) -> list[str]:
        """Return the words of a field that has one for each axis; none where it is missing."""
        words = _split_quoted(self.fields[key]) if key in self.fields else []
        dimension = len(self.sizes())
        if words and len(words) != dimension:
            raise ValueError(f"{key}: {len(words)} items, but the dimension is {dimension}")
        return words


def _split_quoted(text: str) -> list[str]:
    """Return words, of which those in double quotes may hold spaces and escaped quotes."""
    words: list[str] = []
    i, n = 0, len(text)
    while i < n:
        if text[i].isspace():
            i += 1
        elif text[i] == '"':
            word, i = _quoted(text, i + 1)
            words.append(word)
        else:
            start = i
            while i < n and not text[i].isspace():
                i += 1
            words.append(text[start:i])
    return words


def _quoted(text: str, start: int) -> tuple[str, int]:
    """Return the text up to the closing quote, and the position after it."""
    characters = []
    i = start
    while i < len(text) and text[i] != '"':
        i += text[i] == "\\" and text[i + 1 : i + 2] == '"'
        characters.append(text[i])
        i += 1
    return "".join(characters), i + 1


def read_header(probe: Probe) -> Header:
    """Read the header at the start of a file.

    Raises
    ------
    DescriptionError
        If it is malformed, or longer than 1 MiB.
    """
    with probe.open() as file:
        text = file.read(_LONGEST)
    if not text.startswith(MAGIC):
        raise DescriptionError(f"{probe.name}: not a NRRD header, which starts with {MAGIC!r}")
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    names: list[str] = []
    end = text.find(b"\n") + 1
    if not 0 < end <= 16:
        raise DescriptionError(f"{probe.name}: the first line is not one of a NRRD header")
    while end < len(text):
        stop = text.find(b"\n", end)
        if stop < 0 and len(text) == _LONGEST:
            raise DescriptionError(f"{probe.name}: the header does not end within {_LONGEST} bytes")
        line = text[end : stop if stop >= 0 else None].rstrip(b"\r").decode("utf-8", "replace")
        end = stop + 1 if stop >= 0 else len(text)
        if fields.get("data file", "").upper().split()[:1] == ["LIST"]:
            names += [line.strip()] if line.strip() else []
        elif not line:
            return Header(probe.name, fields, keys, names, end)
        else:
            _take_line(probe, line, fields, keys)
    return Header(probe.name, fields, keys, names, None)


def _take_line(probe: Probe, line: str, fields: dict[str, str], keys: dict[str, str]) -> None:
    if line.startswith("#"):
        return
    colon = line.find(":")
    if colon > 0 and line[colon : colon + 2] == ":=":
        keys[line[:colon]] = line[colon + 2 :]
    elif colon > 0 and line[colon : colon + 2] in (": ", ":"):
        key = " ".join(line[:colon].lower().split())
        key = _ALIASES.get(key, key)
        if key in fields:
            raise DescriptionError(f"{probe.name}: the field {key[:80]!r} stands twice")
        fields[key] = line[colon + 1 :].strip()
    else:
        raise DescriptionError(
            f"{probe.name}: the line {line[:80]!r} is neither a field, 'name: value', nor a "
            "key/value pair, 'key:=value'"
        )
