"""Patterns of file names, ``run/ux-{step:04d}.bin``: from names to values, and back. Pure, no I/O.

The fields are written as for `str.format`, so that the same pattern names the files that a program
writes. A name belongs to a pattern only if the values parsed from it format back to the very name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from string import Formatter
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.description.matching import Guarded, Level, Step
from rawmmap.description.name_times import DIRECTIVES, read_times, time_regex
from rawmmap.errors import DescriptionError, MissingFilesError

__all__ = ["Axis", "Grid", "Pattern", "is_pattern"]

#: The field that names variables and not a dimension.
VARIABLE = "variable"

_BASES = {"d": 10, "x": 16, "X": 16, "o": 8, "b": 2}
_DIGITS = {"d": r"\d", "x": "[0-9a-f]", "X": "[0-9A-F]", "o": "[0-7]", "b": "[01]"}
_FLOAT = r"[-+ ]*(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


# So many of the combinations that are missing are named in an error.
_LISTED = 5

# Patterns with as many fields of any length are matched with care.
_MANY_FIELDS = 3

# A name has no more bytes on any common system.
_WIDEST = 255

# Grids with more cells than this for each file are refused, and not filled.
_MOST_CELLS = 1000


def is_pattern(text: str) -> bool:
    """Return whether there are fields in a path; ``{}`` is none, since it has no name."""
    if "{" not in text:
        return False
    try:
        return any(name for _, name, _, _ in Formatter().parse(text))
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
            return time_regex(self.spec, group)
        if self.kind == "int":
            expression = f"[-+ ]*{_DIGITS.get(self.spec[-1], _DIGITS['d'])}+"
        else:
            # Neither NUL nor a slash can be in a name.
            expression = _FLOAT if self.kind == "float" else r"[^\x00\x2f]+?"
        return f"(?P<f{group}>{expression})"


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
            d for c in letters if c == "%" and (d := next(letters, "")) not in {*DIRECTIVES, "%"}
        ]
        if unknown or not field.kind or "{" in field.spec:
            raise DescriptionError(
                f"{self.text}: the format of {{{field.name}:{field.spec}}} cannot be read back; "
                "there are integers (04d, x, o, b), floats (.2f, e, g), text (s) and times of "
                f"{', '.join('%' + d for d in DIRECTIVES)}"
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
    def levels(self) -> tuple[Level, ...]:
        """What the names look like at each level of folders below `folder`."""
        levels = [re.compile(text) for text in self._expression.split("/")]
        if len(levels) > 1 or self.variable_width < _MANY_FIELDS:
            return tuple(levels)
        steps = [Step(literal, *self._look_of(field)) for literal, field in self._pieces]
        steps[0] = steps[0]._replace(literal=steps[0].literal[len(self.folder) :])
        return (Guarded(levels[0], tuple(steps)),)

    @staticmethod
    def _look_of(field: Field | None) -> tuple[str, str]:
        """Return the kind of a field, and what its text looks like."""
        if field is None:
            return "", ""
        digit = _DIGITS.get(field.spec[-1:], _DIGITS["d"])
        return field.kind, digit if field.kind == "int" else field.regex(0)

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
        whole = self.levels[0] if len(self.levels) == 1 else re.compile(self._expression)
        matches = {i: m for i, name in enumerate(names) if (m := whole.fullmatch(name))}
        columns = [self._read_field(name, list(matches.values())) for name in self.names]
        kept = self._belonging(columns, [names[i] for i in matches])
        axes = [
            Axis(name, _as_array(column[kept] if isinstance(column, np.ndarray) else column, kept))
            for name, column in zip(self.names, columns, strict=True)
        ]
        return np.array(list(matches), np.intp)[kept].tolist(), axes

    def _belonging(self, columns: Sequence[Any], names: Sequence[str]) -> list[int]:
        """Return the numbers of the names to which the values of the fields format back."""
        lists = [c.tolist() if isinstance(c, np.ndarray) else c for c in columns]
        rows = enumerate(zip(*lists, strict=True))
        if self._is_exact:
            return [i for i, row in rows if None not in row]
        fields, start, format_name = self.names, len(self.folder), self.text.format
        return [
            i
            for i, row in rows
            if None not in row
            and format_name(**dict(zip(fields, row, strict=True)))[start:] == names[i]
        ]

    @cached_property
    def _is_exact(self) -> bool:
        """Whether every name that matches formats back to itself, if its values exist.

        That is so for times whose directives occur once: each has a fixed number of digits.
        """
        letters = [key.rpartition("_")[2] for key in self._time_keys(*self.names)]
        times = all(field.kind == "time" for field in self._fields)
        days_twice = "j" in letters and bool({"m", "d"} & set(letters))
        return times and len(set(letters)) == len(letters) and not days_twice

    def _read_field(self, name: str, matches: Sequence[re.Match[str]]) -> Any:
        """Return the values of a field: an array of times, or a list, None where there is none."""
        group, field = next(
            (i, f) for i, (_, f) in enumerate(self._pieces) if f is not None and f.name == name
        )
        if field.kind == "time":
            return read_times(matches, self._time_keys(name))
        texts = [match[f"f{group}"] for match in matches]
        if field.kind == "int":
            return [_as_int(text, field.base) for text in texts]
        if field.kind == "float":
            return [float(text.replace(" ", "")) for text in texts]
        if field.kind == "any" and all(map(_is_plain, texts)):
            return list(map(int, texts))
        return texts

    def _time_keys(self, *names: str) -> list[str]:
        """Return the groups of the directives of some fields."""
        of_fields = {
            i for i, (_, f) in enumerate(self._pieces) if f is not None and f.name in names
        }
        return [
            key
            for key in re.compile(self._expression).groupindex
            if key.startswith("t") and int(key[1:].partition("_")[0]) in of_fields
        ]


def _as_int(text: str, base: int) -> int | None:
    try:
        return int(text.replace(" ", ""), base)
    except ValueError:
        return None


def _is_plain(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isdecimal() and len(text) < 19 and str(int(text)) == text


def _as_array(values: Any, kept: Sequence[int]) -> npt.NDArray[Any]:
    """Return the values of a field in the names that were kept; times are those already."""
    if isinstance(values, np.ndarray):
        years = values.astype("M8[Y]")
        within = (years > np.datetime64("1677")) & (years < np.datetime64("2262"))
        return values.astype("M8[ns]") if within.all() else values
    values = [values[i] for i in kept]
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
    # Plain numbers are read as texts where other files have other texts in their place.
    texts = {labels.dtype.kind, values.dtype.kind} == {"i", "U"}
    positions = {label: i for i, label in enumerate(_hashable(labels, texts))}
    return np.array([positions.get(value, -1) for value in _hashable(values, texts)], np.intp)


def _hashable(values: npt.NDArray[Any], texts: bool) -> list[Any]:
    if texts:
        return list(values.astype("U").tolist())
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
        files: list[int] = numbers.tolist()
        return files

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
        MissingFilesError
            It names the first files that are missing.
        """
        if self.cells is None:
            return
        absent = int(np.prod(self.shape)) - len(self.files)
        named = ", ".join(pattern.format(values) for values in islice(self.missing(), _LISTED))
        more = f" and {absent - _LISTED} more" if absent > _LISTED else ""
        raise MissingFilesError(
            f"{pattern.text}: {absent} of {absent + len(self.files)} files are missing: {named}"
            f'{more}; pass missing="fill" to have fill_value= in their place'
        )
