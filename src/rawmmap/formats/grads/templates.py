"""Names of many files: a template in DSET, with dates, forecast times and members of ensembles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rawmmap.formats.grads.lines import shorten
from rawmmap.formats.grads.times import MONTHS, TimeAxis

__all__ = ["MOST_FILES", "MOST_TIMES", "Member", "Run", "Substitution", "list_runs"]

#: More files than a century of hours are a mistake, and listing their names takes seconds.
MOST_FILES = 1_000_000
#: Times of a template, of all members together.
MOST_TIMES = 4_000_000

# What stands for parts of a date, with i before them for those of the first date of a forecast.
_DATES = {
    "x1": "{decade}",
    "x3": "{decade:03d}",
    "y2": "{short_year:02d}",
    "y4": "{year:04d}",
    "m1": "{month}",
    "m2": "{month:02d}",
    "mc": "{month_name}",
    "d1": "{day}",
    "d2": "{day:02d}",
    "h1": "{hour}",
    "h2": "{hour:02d}",
    "h3": "{hour:03d}",
    "n2": "{minute:02d}",
}
_SPECIFIERS = {
    **_DATES,
    **{"i" + key: text.replace("{", "{initial_") for key, text in _DATES.items()},
    "j3": "{day_of_year:03d}",
    "f2": "{forecast_hours:02d}",
    "f3": "{forecast_hours:03d}",
    "fn2": "{forecast_minutes:02d}",
    "fhn": "{forecast_hours:02d}{forecast_minute:02d}",
    "fdhn": "{forecast_days:02d}{forecast_hour:02d}{forecast_minute:02d}",
    "e": "{member}",
    **{f"t{n}": f"{{number:0{n}d}}" for n in range(1, 7)},
    **{f"tm{n}": f"{{index:0{n}d}}" for n in range(1, 7)},
}
_SPECIFIER = re.compile("%(" + "|".join(sorted(_SPECIFIERS, key=len, reverse=True)) + "|)")
_STRING = "%ch"


class Member(NamedTuple):
    """A member of an ensemble.

    Attributes
    ----------
    name : str
        Its name.
    first : int
        Its first time, counted from 0 on the time axis.
    length : int
        Number of its times.
    """

    name: str
    first: int
    length: int


class Substitution(NamedTuple):
    """What CHSUB puts in the place of %ch.

    Attributes
    ----------
    first, last : int
        The times for which it does, counted from 1.
    text : str
        The string.
    """

    first: int
    last: int
    text: str


class Run(NamedTuple):
    """Times that follow each other and lie in one file, whose first time is the first of them.

    Attributes
    ----------
    first, stop : int
        The times, counted from 0.
    name : str
        The file.
    """

    first: int
    stop: int
    name: str


@dataclass(frozen=True, slots=True)
class _Dates:
    """The numbers that names are made of, for the times of one member."""

    time: TimeAxis
    member: Member
    steps: npt.NDArray[np.int64]

    def column(self, field: str) -> npt.NDArray[Any]:
        """Return the values of one field at every step."""
        if field in ("number", "index"):
            return self.steps + (field == "number")
        first = np.array([self.member.first])
        initial = field.startswith("initial_")
        stamps = self.time.stamps(first if initial else self.steps)
        if field.startswith("forecast_"):
            return _forecast(field, stamps - self.time.stamps(first))
        parts = self.time.split(stamps)
        name = field.removeprefix("initial_")
        derived: dict[str, Callable[[], npt.NDArray[Any]]] = {
            "decade": lambda: parts.year // 10,
            "short_year": lambda: parts.year % 100,
            "month_name": lambda: np.array(MONTHS)[parts.month - 1],
        }
        column = derived[name]() if name in derived else getattr(parts, name)
        return np.broadcast_to(column, self.steps.shape)


def _forecast(field: str, minutes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    divided = {
        "forecast_minutes": minutes,
        "forecast_minute": minutes % 60,
        "forecast_hours": minutes // 60,
        "forecast_hour": minutes // 60 % 24,
        "forecast_days": minutes // 1440,
    }
    return divided[field]


def list_runs(
    template: str, time: TimeAxis, member: Member, substitutions: Sequence[Substitution]
) -> list[Run]:
    """Return the files of a member, in the order of its times.

    Parameters
    ----------
    template : str
        The name, with specifiers such as ``%y4``.
    time : TimeAxis
        All times.
    member : Member
        The member, or all times where there is no ensemble.
    substitutions : sequence of Substitution
        What stands for ``%ch``.

    Raises
    ------
    ValueError
        If a specifier is unknown, no string stands for ``%ch`` at some time, or there are too many
        files.
    """
    if time.length > MOST_TIMES:
        raise ValueError(f"{time.length} times are too many for a template: at most {MOST_TIMES}")
    if time.lacks_days:
        raise ValueError(
            f"a template of months that lack day {time.start.day} is not implemented; start TDEF "
            "on an earlier day"
        )
    runs: list[Run] = []
    for first, stop, text in _expand_strings(template, member, substitutions):
        for run in _iterate_runs(_as_format(text, time.length), time, member, first, stop):
            if runs and runs[-1].name == run.name:
                runs[-1] = runs[-1]._replace(stop=run.stop)
            else:
                runs.append(run)
        if len(runs) > MOST_FILES:
            raise ValueError(f"the template names more than {MOST_FILES} files")
    return runs


def _expand_strings(
    template: str, member: Member, substitutions: Sequence[Substitution]
) -> Iterator[tuple[int, int, str]]:
    """Yield the times, and the template for them, in which %ch is replaced."""
    first, stop = member.first, member.first + member.length
    if _STRING not in template:
        yield first, stop, template
        return
    for item in sorted(substitutions):
        if item.last <= first or item.first > stop:
            continue
        if item.first - 1 > first:
            break
        if item.first - 1 < first and first > member.first:
            raise ValueError(f"two CHSUB give a string for time {item.first}")
        yield first, min(item.last, stop), template.replace(_STRING, item.text)
        first = min(item.last, stop)
    if first < stop:
        raise ValueError(f"no CHSUB gives the string for time {first + 1}")


def _as_format(template: str, times: int) -> str:
    """Return a template in Python's format syntax."""

    def convert(match: re.Match[str]) -> str:
        specifier = match[1]
        if specifier not in _SPECIFIERS:
            rest = match.string[match.start() : match.start() + 5]
            raise ValueError(f"the template specifier {shorten(rest)} is not implemented")
        if re.fullmatch("tm?[2-6]", specifier) and times >= 10 ** int(specifier[-1]):
            raise ValueError(f"%{specifier} has too few digits for {times} times")
        return _SPECIFIERS[specifier]

    return _SPECIFIER.sub(convert, template.replace("{", "{{").replace("}", "}}"))


def _iterate_runs(
    text: str, time: TimeAxis, member: Member, first: int, stop: int
) -> Iterator[Run]:
    """Yield the files of some times, by the places at which any part of the name changes."""
    dates = _Dates(time, member, np.arange(first, stop))
    used = {name for _, name, _, _ in Formatter().parse(text) if name and name != "member"}
    columns = {name: dates.column(name) for name in used}
    changes = np.zeros(max(stop - first - 1, 0), bool)
    for column in columns.values():
        changes |= column[1:] != column[:-1]
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    if len(starts) > MOST_FILES:
        raise ValueError(f"the template names more than {MOST_FILES} files")
    stops = [*starts[1:].tolist(), stop - first]
    values = {name: column[starts].tolist() for name, column in columns.items()}
    for i, (start, end) in enumerate(zip(starts.tolist(), stops, strict=True)):
        fields = {name: column[i] for name, column in values.items()}
        yield Run(first + start, first + end, text.format(member=member.name, **fields))
