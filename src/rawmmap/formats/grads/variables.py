"""The variables of a GrADS grid, VARS to ENDVARS, and what their units say of their type."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rawmmap.formats.grads.lines import Line, Lines, shorten
from rawmmap.formats.numbers import parse_count, parse_integer, parse_number

__all__ = ["GridVariable", "parse_variables"]

_TYPES = {(1,): "u1", (2,): "u2", (2, -1): "i2", (4,): "i4"}
_DIMENSIONS = frozenset("xyzte")
_NAME = re.compile(r"[A-Za-z][^\s=>,()]*")
# Name, levels with codes after commas, units with blanks around their commas, the description.
_RECORD = re.compile(r"(\S+)[ \t]+(\S+)[ \t]+([^ \t,]+(?:[ \t]*,[ \t]*[^ \t,]+)*)(?:[ \t]+(.*))?")


@dataclass(frozen=True, slots=True)
class GridVariable:
    """A variable as the descriptor file declares it.

    Attributes
    ----------
    name : str
        Its name in GrADS.
    levels : int
        Number of its levels; 0 where it has no vertical axis.
    code : str
        Type of a value, without its byte order.
    time_inside : bool
        Whether all of its times follow each other in the file, and then those of the next variable.
    times : int or None
        Number of times in a file, where the variable says it.
    title : str
        The description.
    original : str or None
        The name before an alias.
    """

    name: str
    levels: int
    code: str = "f4"
    time_inside: bool = False
    times: int | None = None
    title: str = ""
    original: str | None = None


def parse_variables(line: Line, lines: Lines) -> tuple[GridVariable, ...]:
    """Return the variables from a line VARS to the line ENDVARS.

    Raises
    ------
    ValueError
        If one is malformed, or their number is not that which VARS says.
    """
    if not line.words:
        raise ValueError("the number of variables must follow")
    count = parse_count("the number of variables", line.words[0], 1)
    variables: list[GridVariable] = []
    names: set[str] = set()
    while True:
        record = lines.take(f"ENDVARS, after {len(variables)} of {count} variables,")
        if record.keyword == "ENDVARS":
            break
        variable = _parse_record(record.text)
        if variable.name in names:
            raise ValueError(f"two variables are named {shorten(variable.name)}")
        if len(variables) == count:
            raise ValueError(f"there are more variables than the {count} of VARS")
        names.add(variable.name)
        variables.append(variable)
    if len(variables) < count:
        raise ValueError(f"VARS announces {count} variables, but {len(variables)} follow")
    return tuple(variables)


def _parse_record(text: str) -> GridVariable:
    match = _RECORD.fullmatch(text)
    if match is None:
        raise ValueError(f"{shorten(text)} is not a variable: name, levels, units, description")
    original, arrow, alias = match[1].partition("=>")
    name = alias if arrow else original
    if not _NAME.fullmatch(name):
        raise ValueError(f"{shorten(name)} is not the name of a variable")
    levels = parse_count(f"the number of levels of {name}", match[2].split(",")[0])
    code, time_inside, times = _parse_units(name, match[3])
    title = (match[4] or "").strip()
    return GridVariable(name, levels, code, time_inside, times, title, original if arrow else None)


def _parse_units(name: str, text: str) -> tuple[str, bool, int | None]:
    """Return the type of the values, and how time and the variable are ordered."""
    words = [word.strip() for word in text.split(",")]
    for word in words:
        # Codes of GRIB and letters of dimensions, which mean nothing for flat grids.
        if word not in _DIMENSIONS:
            parse_number(f"a part of the units of {name}", word)
    if words[0] in _DIMENSIONS or float(words[0]) != -1 or len(words) == 1:
        return "f4", False, None
    units = [parse_integer(f"a part of the units of {name}", word) for word in words]
    structure, arguments = units[1], tuple(units[2:])
    if structure == 20 and len(arguments) < 2:
        return "f4", True, arguments[0] if arguments else None
    if structure == 30:
        return "f4", False, None  # GrADS 2 no longer transposes x and y
    if structure == 40 and arguments in _TYPES:
        return _TYPES[arguments], False, None
    raise ValueError(
        f"the units {shorten(text)} of {name} are not implemented; 99, -1,20, and -1,40 with 1, 2, "
        "2,-1 or 4 are"
    )
