"""What a GrADS descriptor file says, after the documentation of GrADS 2.2.1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rawmmap.errors import DescriptionError
from rawmmap.formats.grads.attributes import parse_attributes
from rawmmap.formats.grads.axes import Axis, parse_axis
from rawmmap.formats.grads.ensembles import parse_members, place_members
from rawmmap.formats.grads.lines import Line, Lines, shorten
from rawmmap.formats.grads.templates import Member, Substitution
from rawmmap.formats.grads.times import TimeAxis, parse_time_axis
from rawmmap.formats.grads.variables import GridVariable, parse_variables
from rawmmap.formats.numbers import parse_count, parse_number

__all__ = ["Descriptor", "parse_descriptor"]

_OPTIONS = frozenset(
    {
        "yrev",
        "zrev",
        "template",
        "sequential",
        "365_day_calendar",
        "byteswapped",
        "big_endian",
        "little_endian",
    }
)
_MOST_SUBSTITUTIONS = 10_000
_REQUIRED = ("DSET", "UNDEF", "XDEF", "YDEF", "ZDEF", "TDEF", "VARS")
# What GrADS reads over where the data are flat grids.
_IGNORED = frozenset({"UNPACK", "CACHESIZE", "VECTORPAIRS"})
_ADVICE = {
    "netcdf": "; open the data file itself",
    "hdfsds": "; open the data file itself",
    "hdf5_grid": "; open the data file itself by engine='h5netcdf'",
    "grib": "; open the data file itself by engine='cfgrib'",
    "grib2": "; open the data file itself by engine='cfgrib'",
}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The contents of a descriptor file.

    Attributes
    ----------
    name : str
        Its path or URL.
    dset : str
        The data file, or a template of names.
    undef : float
        What stands for missing values; may be NaN.
    title : str
        The title.
    headers : mapping of str to int
        Bytes of FILEHEADER, XYHEADER, XYTRAILER, THEADER and TRAILERBYTES; 0 where absent.
    options : frozenset of str
        The words of OPTIONS.
    x, y, z : Axis
        The axes.
    time : TimeAxis
        The times.
    members : tuple of Member or None
        The members of the ensemble.
    projection : str or None
        The text of PDEF.
    grid : tuple of int
        Rows and columns of a grid in the file.
    variables : tuple of GridVariable
        In the order of the file.
    substitutions : tuple of Substitution
        What stands for ``%ch``.
    attributes : mapping
        Attributes by what has them, in lower case: a variable, ``global``, ``lon``, ...
    """

    name: str
    dset: str
    undef: float
    title: str
    headers: Mapping[str, int]
    options: frozenset[str]
    x: Axis
    y: Axis
    z: Axis
    time: TimeAxis
    members: tuple[Member, ...] | None
    projection: str | None
    grid: tuple[int, int]
    variables: tuple[GridVariable, ...]
    substitutions: tuple[Substitution, ...]
    attributes: Mapping[str, Mapping[str, Any]]

    def error(self, message: str) -> DescriptionError:
        """Return the error that names the file."""
        return DescriptionError(f"{self.name}: {message}")


def parse_descriptor(lines: Lines) -> Descriptor:
    """Return what a descriptor file says.

    Raises
    ------
    DescriptionError
        If it is malformed, lacks a line that it must have, or says something that is not
        implemented. The message names the line.
    """
    parser = _Parser(lines)
    for line in lines:
        try:
            parser.add(line)
        except ValueError as error:
            raise lines.error(f"{line.keyword[:40]}: {error}") from error
    try:
        return parser.finish()
    except ValueError as error:
        raise DescriptionError(f"{lines.name}: {error}") from error


class _Parser:
    """The values that were read so far, by keyword."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.values: dict[str, Any] = {}
        self.options: set[str] = set()
        self.substitutions: list[Substitution] = []

    def add(self, line: Line) -> None:
        """Take what one line says, and the lines that belong to it."""
        keyword = line.keyword
        if keyword in ("OPTIONS", "FORMAT", "BYTESWAPPED"):
            words = line.words if keyword != "BYTESWAPPED" else ["byteswapped"]
            self.options.update(_check_option(word) for word in words)
        elif keyword == "CHSUB":
            self.substitutions.append(_parse_substitution(line))
            if len(self.substitutions) > _MOST_SUBSTITUTIONS:
                raise ValueError(f"at most {_MOST_SUBSTITUTIONS} of them are read")
        elif keyword in _PARSERS:
            key = "THEADER" if keyword == "HEADERBYTES" else keyword
            if key in self.values:
                raise ValueError(f"{key} is given twice")
            self.values[key] = _PARSERS[keyword](line, self.lines)
        elif keyword not in _IGNORED:
            raise ValueError("this keyword is not implemented")

    def finish(self) -> Descriptor:
        """Return all of it, after checking that it is complete."""
        values = self.values
        for keyword in _REQUIRED:
            if keyword not in values:
                raise ValueError(f"there is no {keyword}, which a descriptor file must have")
        time: TimeAxis = values["TDEF"]
        if "365_day_calendar" in self.options:
            time = time.without_leap_days()
        time.check()
        records = values.get("EDEF")
        projection, grid = values.get(
            "PDEF", (None, (values["YDEF"].length, values["XDEF"].length))
        )
        return Descriptor(
            name=self.lines.name,
            dset=values["DSET"],
            undef=values["UNDEF"],
            title=values.get("TITLE", ""),
            headers={keyword: values.get(keyword, 0) for keyword in _HEADERS},
            options=frozenset(self.options),
            x=values["XDEF"],
            y=values["YDEF"],
            z=values["ZDEF"],
            time=time,
            members=None if records is None else place_members(records, time),
            projection=projection,
            grid=grid,
            variables=values["VARS"],
            substitutions=tuple(self.substitutions),
            attributes=parse_attributes(self.lines.attributes),
        )


def _check_option(word: str) -> str:
    option = word.lower()
    if option not in _OPTIONS:
        raise ValueError(f"the option {shorten(word)} is not implemented; {sorted(_OPTIONS)} are")
    return option


def _parse_substitution(line: Line) -> Substitution:
    words = line.text.split(maxsplit=3)[1:]
    if len(words) < 3:
        raise ValueError("the first time, the last time and a string must follow")
    first = parse_count("the first time", words[0], 1)
    last = 10**18 if words[1] == "*" else parse_count("the last time", words[1], first)
    return Substitution(first, last, words[2].split()[0])


def _first_word(line: Line, what: str) -> str:
    if not line.words:
        raise ValueError(f"{what} must follow")
    return line.words[0]


def _parse_dset(line: Line, lines: Lines) -> str:
    return _first_word(line, "the name of the data file")


def _parse_undef(line: Line, lines: Lines) -> float:
    what = "the value of missing data"
    word = _first_word(line, what)
    return math.nan if word.lower() == "nan" else parse_number(what, word)


def _parse_title(line: Line, lines: Lines) -> str:
    return line.rest


def _parse_bytes(line: Line, lines: Lines) -> int:
    return parse_count("the number of bytes", _first_word(line, "a number of bytes"))


def _parse_time(line: Line, lines: Lines) -> TimeAxis:
    return parse_time_axis(line)


def _parse_projection(line: Line, lines: Lines) -> tuple[str, tuple[int, int]]:
    words = line.words
    if len(words) < 3:
        raise ValueError(
            "the columns and rows of the grid in the file and a projection must follow"
        )
    columns, rows = (parse_count("the size of the grid", word, 1) for word in words[:2])
    return line.rest, (rows, columns)


def _refuse_type(line: Line, lines: Lines) -> None:
    kind = _first_word(line, "a type of data")
    advice = _ADVICE.get(kind.lower(), "")
    raise ValueError(f"data of type {shorten(kind)} are not flat grids{advice}")


_HEADERS = ("FILEHEADER", "XYHEADER", "XYTRAILER", "THEADER", "TRAILERBYTES")
_PARSERS: dict[str, Callable[[Line, Lines], Any]] = {
    "DSET": _parse_dset,
    "DTYPE": _refuse_type,
    "UNDEF": _parse_undef,
    "TITLE": _parse_title,
    **dict.fromkeys((*_HEADERS, "HEADERBYTES"), _parse_bytes),
    "XDEF": parse_axis,
    "YDEF": parse_axis,
    "ZDEF": parse_axis,
    "TDEF": _parse_time,
    "EDEF": parse_members,
    "PDEF": _parse_projection,
    "VARS": parse_variables,
}
