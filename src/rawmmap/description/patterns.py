"""Patterns of file names, ``run/ux-{step:04d}.bin``: from names to values, and back. Pure, no I/O.

The fields are written as for `str.format`, so that the same pattern names the files that a program
writes. A name belongs to a pattern only if the values parsed from it format back to the very name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from string import Formatter
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.errors import DescriptionError

__all__ = ["Axis", "Grid", "Pattern", "is_pattern"]

#: The field that names variables and not a dimension.
VARIABLE = "variable"

_TIMES = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "f": 6, "j": 3}
_BASES = {"d": 10, "x": 16, "X": 16, "o": 8, "b": 2}
_DIGITS = {"d": r"\d", "x": "[0-9a-f]", "X": "[0-9A-F]", "o": "[0-7]", "b": "[01]"}
_FLOAT = r"[-+ ]*(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


# So many of the combinations that are missing are named in an error.
_LISTED = 5

# A name has no more bytes on any common system.
_WIDEST = 255

# Grids with more cells than this for each file are refused, and not filled.
_MOST_CELLS = 1000


def is_pattern(text: str) -> bool:
    """Return whether there are fields in a path."""
    if "{" not in text:
        return False
    try:
        return any(name is not None for _, name, _, _ in Formatter().parse(text))
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Field:
    """One occurrence of a field in a pattern."""

    name: str
    spec: str

    @property
    def kind(self) -> str:
        """How the text becomes a value: "time", "int", "float", "text" or "any"."""
        if "%" in self.spec[:-1]:
            return "time"
        if not self.spec:
            return "text" if self.name == VARIABLE else "any"
        if self.spec[-1] in "fFeEgG":
            return "float"
        if self.spec[-1] in _BASES or self.spec.isdecimal():
            return "int"
        return "text" if self.spec == "s" else ""

    @property
    def base(self) -> int:
        """Base of the digits of an integer."""
        return _BASES.get(self.spec[-1:], 10)

    def regex(self, group: int) -> str:
        """Return what the text looks like; the groups of a time are its directives."""
        if self.kind == "time":
            return _time_regex(self.spec, group)
        if self.kind == "int":
            expression = f"[-+ ]*{_DIGITS.get(self.spec[-1], _DIGITS['d'])}+"
        else:
            expression = (
                _FLOAT if self.kind == "float" else r"[^\x2f]+?"
            )  # a slash, but the levels of folders are cut at written ones
        return f"(?P<f{group}>{expression})"


def _time_regex(spec: str, group: int) -> str:
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
            parts.append(rf"(?P<t{group}_{len(parts)}_{directive}>\d{{{_TIMES[directive]}}})")
    return "".join(parts)


@dataclass(frozen=True)
class Pattern:
    """A path with fields in it.

    Attributes
    ----------
    text : str
        The pattern, as `str.format` takes it.
    """

    text: str

    def __post_init__(self) -> None:
        for field in self._fields:
            self._check(field)

    def _check(self, field: Field) -> None:
        if not field.name.isidentifier():
            raise DescriptionError(
                f"{self.text}: the field {{{field.name}}} needs a name, such as {{step:04d}}"
            )
        letters = iter(field.spec) if field.kind == "time" else iter(())
        unknown = [
            d for c in letters if c == "%" and (d := next(letters, "")) not in {*_TIMES, "%"}
        ]
        if unknown or not field.kind or "{" in field.spec:
            raise DescriptionError(
                f"{self.text}: the format of {{{field.name}:{field.spec}}} cannot be read back; "
                "there are integers (04d, x, o, b), floats (.2f, e, g), text (s) and times of "
                f"{', '.join('%' + d for d in _TIMES)}"
            )
        if any(int(width) > _WIDEST for width in re.findall(r"\d+", field.spec)):
            raise DescriptionError(
                f"{self.text}: the field {{{field.name}:{field.spec}}} is wider than the "
                f"{_WIDEST} characters that a name may have"
            )
        sample = {"int": 0, "float": 0.0}.get(field.kind, "0")
        try:
            format(sample, field.spec if field.kind != "time" else "")
        except ValueError as error:
            raise DescriptionError(
                f"{self.text}: the field {{{field.name}:{field.spec}}}: {error}"
            ) from error

    @cached_property
    def _pieces(self) -> list[tuple[str, Field | None]]:
        """The literal texts, each with the field after it."""
        pieces: list[tuple[str, Field | None]] = []
        for literal, name, spec, conversion in Formatter().parse(self.text):
            if conversion:
                raise DescriptionError(
                    f"{self.text}: the field {{{name}!{conversion}}} has a conversion; leave it out"
                )
            pieces.append((literal, None if name is None else Field(name, spec or "")))
        return pieces

    @property
    def _fields(self) -> list[Field]:
        return [field for _, field in self._pieces if field is not None]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields, each once, in their order."""
        return tuple(dict.fromkeys(field.name for field in self._fields))

    @cached_property
    def folder(self) -> str:
        """The part before the first field, up to and with its last slash."""
        literals: list[str] = []
        for literal, field in self._pieces:
            literals.append(literal)
            if field is not None:
                break
        head, slash, _ = "".join(literals).rpartition("/")
        return head + slash

    @cached_property
    def label(self) -> str:
        """The path with the formats of its fields left out, such as ``run/ux-{step}.bin``."""
        return "".join(
            literal if field is None else f"{literal}{{{field.name}}}"
            for literal, field in self._pieces
        )

    @property
    def variable_width(self) -> int:
        """Number of its fields whose texts may be of any length."""
        return sum(field.kind != "time" for field in self._fields)

    @property
    def has_folders(self) -> bool:
        """Whether folders have fields too, so that the files lie in several."""
        return len(self.levels) > 1

    @cached_property
    def levels(self) -> tuple[re.Pattern[str], ...]:
        """What the names look like at each level of folders below `folder`."""
        return tuple(re.compile(text) for text in self._expression.split("/"))

    @cached_property
    def _expression(self) -> str:
        parts = []
        for group, (literal, field) in enumerate(self._pieces):
            parts.append(re.escape(literal))
            if field is not None:
                parts.append(field.regex(group))
        return "".join(parts)[len(re.escape(self.folder)) :]

    def format(self, values: Mapping[str, Any]) -> str:
        """Return the path of the file of some values.

        Parameters
        ----------
        values : mapping
            A value for each field.
        """
        return self.text.format(**{name: _as_python(value) for name, value in values.items()})

    def parse(self, names: Sequence[str]) -> tuple[list[int], list[Axis]]:
        """Return which names belong to the pattern, and the values of each field in them.

        Parameters
        ----------
        names : sequence of str
            Names of files, relative to `folder`, with ``/``.

        Returns
        -------
        list of int
            Numbers of the names that belong.
        list of Axis
            For each field the values of those names, not sorted.
        """
        whole = re.compile(self._expression)
        matches = [(i, m) for i, name in enumerate(names) if (m := whole.fullmatch(name))]
        fields = self.names
        readers = [self._reader(name, [m for _, m in matches]) for name in fields]
        format_name = self.text.format
        start = len(self.folder)
        chosen: list[int] = []
        rows: list[tuple[Any, ...]] = []
        for i, match in matches:
            row = tuple([reader(match) for reader in readers])
            if None in row:
                continue
            values = dict(zip(fields, row, strict=True))
            if format_name(**values)[start:] == names[i]:
                chosen.append(i)
                rows.append(row)
        columns = zip(*rows, strict=True) if rows else ((),) * len(fields)
        axes = zip(fields, columns, strict=True)
        return chosen, [Axis(name, _as_array(column)) for name, column in axes]

    def _reader(self, name: str, matches: Iterable[re.Match[str]]) -> Any:
        """Return a function from a match to the value of a field."""
        group, field = next(
            (i, f) for i, (_, f) in enumerate(self._pieces) if f is not None and f.name == name
        )
        key = f"f{group}"
        if field.kind == "time":
            return self._time_reader(name)
        if field.kind == "int":
            return lambda match: _as_int(match[key], field.base)
        if field.kind == "float":
            return lambda match: float(match[key].replace(" ", ""))
        if field.kind == "any" and all(_is_plain(match[key]) for match in matches):
            return lambda match: int(match[key])
        return lambda match: match[key]

    def _time_reader(self, name: str) -> Any:
        """Return a function from a match to the time that all parts of a field say together."""
        of_field = {i for i, (_, f) in enumerate(self._pieces) if f is not None and f.name == name}
        keys = [
            (key, key.rpartition("_")[2])
            for key in re.compile(self._expression).groupindex
            if key.startswith("t") and int(key[1:].partition("_")[0]) in of_field
        ]
        return lambda match: _as_time({letter: int(match[key]) for key, letter in keys})


def _as_int(text: str, base: int) -> int | None:
    try:
        return int(text.replace(" ", ""), base)
    except ValueError:
        return None


def _is_plain(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isdecimal() and len(text) < 19 and str(int(text)) == text


def _as_time(parts: Mapping[str, int]) -> dt.datetime | None:
    """Return a time, or None where there is none such as the 30th of February."""
    try:
        time = dt.datetime(  # noqa: DTZ001 - names of files have no time zone
            parts.get("Y", 1970),
            parts.get("m", 1),
            parts.get("d", 1),
            parts.get("H", 0),
            parts.get("M", 0),
            parts.get("S", 0),
            parts.get("f", 0),
        )
        return time + dt.timedelta(parts["j"] - 1) if "j" in parts and "d" not in parts else time
    except (ValueError, OverflowError):
        return None


def _as_array(values: Sequence[Any]) -> npt.NDArray[Any]:
    if values and isinstance(values[0], dt.datetime):
        array = np.array(values, "M8[us]")
        years = array.astype("M8[Y]")
        within = (years > np.datetime64("1677")) & (years < np.datetime64("2262"))
        return array.astype("M8[ns]") if within.all() else array
    if values and isinstance(values[0], int):
        try:
            return np.array(values, np.int64)
        except OverflowError:
            return np.array(values, object)
    return np.array(values)


def _as_python(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return value.astype("M8[us]").item()
    return value.item() if isinstance(value, np.generic) else value


def _find(labels: npt.NDArray[Any], values: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return the position of each value among the labels; -1 where it is none of them."""
    positions = {label: i for i, label in enumerate(_hashable(labels))}
    return np.array([positions.get(value, -1) for value in _hashable(values)], np.intp)


def _hashable(values: npt.NDArray[Any]) -> list[Any]:
    # Times are equal whatever their resolution.
    times = values.dtype.kind == "M"
    return list((values.astype("M8[us]").astype(np.int64) if times else values).tolist())


@dataclass(frozen=True, slots=True)
class Axis:
    """A field, and its values."""

    name: str
    values: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Grid:
    """Files by the values of their fields.

    Attributes
    ----------
    axes : tuple of Axis
        The values of each field, ascending.
    files : numpy.ndarray
        Numbers of the files in C order of the axes.
    cells : numpy.ndarray or None
        Position of each of them in the grid, where the grid has cells without a file.
    """

    axes: tuple[Axis, ...]
    files: npt.NDArray[np.intp]
    cells: npt.NDArray[np.int64] | None = None

    @classmethod
    def of(cls, axes: Sequence[Axis], listed: Mapping[str, npt.NDArray[Any]] | None = None) -> Grid:
        """Return the grid of files whose fields have these values, not sorted.

        Parameters
        ----------
        axes : sequence of Axis
            For each field its values in the names of all files.
        listed : mapping of str to numpy.ndarray, optional
            The values of some fields in the order of their axes; files of other values do not
            count.

        Raises
        ------
        DescriptionError
            If the grid would have far more cells than there are files.
        """
        known = {} if listed is None else listed
        places = {a.name: _find(known[a.name], a.values) for a in axes if a.name in known}
        chosen = np.ones(len(axes[0].values), bool)
        for place in places.values():
            chosen &= place >= 0
        sorted_axes, positions = [], []
        for axis in axes:
            if axis.name in places:
                sorted_axes.append(Axis(axis.name, known[axis.name]))
                positions.append(places[axis.name][chosen])
            else:
                values, inverse = np.unique(axis.values[chosen], return_inverse=True)
                sorted_axes.append(Axis(axis.name, values))
                positions.append(inverse.reshape(-1))
        count = len(positions[0])
        shape = tuple(len(axis.values) for axis in sorted_axes)
        total = 1
        for n in shape:
            total *= n
        if total > max(count, 1) * _MOST_CELLS:
            lengths = {axis.name: len(axis.values) for axis in sorted_axes}
            raise DescriptionError(
                f"{count} files make hardly a grid of {lengths}: {total - count} combinations of "
                "these values have no file"
            )
        # NumPy refuses to count in a grid without cells.
        cells = np.ravel_multi_index(tuple(positions), shape) if count else np.empty(0, np.intp)
        order = np.argsort(cells, kind="stable")
        files = np.flatnonzero(chosen)[order]
        absent = None if total == count else cells[order].astype(np.int64)
        return cls(tuple(sorted_axes), files, absent)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each field."""
        return tuple(len(axis.values) for axis in self.axes)

    def numbers(self) -> Sequence[int]:
        """Return, for each cell, the rank of its file among those of the grid; -1 for no file."""
        if self.cells is None:
            return range(len(self.files))
        numbers = np.full(int(np.prod(self.shape)), -1, np.int64)
        numbers[self.cells] = np.arange(len(self.cells))
        return list(map(int, numbers))

    def missing(self) -> Iterator[dict[str, Any]]:
        """Yield the combinations of values for which there is no file."""
        if self.cells is None:
            return
        existing = set(map(int, self.cells))
        for number, values in enumerate(product(*(axis.values for axis in self.axes))):
            if number not in existing:
                yield {axis.name: v for axis, v in zip(self.axes, values, strict=True)}

    def check_complete(self, pattern: Pattern) -> None:
        """Refuse a grid with cells that have no file.

        Raises
        ------
        DescriptionError
            It names the first files that are missing.
        """
        if self.cells is None:
            return
        absent = int(np.prod(self.shape)) - len(self.files)
        named = ", ".join(pattern.format(values) for values in islice(self.missing(), _LISTED))
        more = f" and {absent - _LISTED} more" if absent > _LISTED else ""
        raise DescriptionError(
            f"{pattern.text}: {absent} of {absent + len(self.files)} files are missing: {named}"
            f'{more}; pass missing="fill" to have fill_value= in their place'
        )
