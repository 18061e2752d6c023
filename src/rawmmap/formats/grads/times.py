"""The time axis of a GrADS grid: TDEF, dates and increments, calendars of 365 days too."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rawmmap.formats.grads.lines import Line, shorten
from rawmmap.formats.numbers import parse_count

__all__ = ["MONTHS", "Date", "Fields", "TimeAxis", "parse_date", "parse_time_axis"]

Integers = npt.NDArray[np.int64]

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(
    r"(?:([0-9]{1,2})(?::([0-9]{1,2}))?z)?([0-9]{1,2})?([a-z]{3})([0-9]{1,4})", re.IGNORECASE
)
_STEP = re.compile(r"(?:[0-9]{1,9}(?:mn|hr|dy|mo|yr))+", re.IGNORECASE)
_MINUTES = {"mn": 1, "hr": 60, "dy": 1440}
_MONTHS = {"mo": 1, "yr": 12}
_DAY = 1440
_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334])
_LAST_YEAR = 9999


class Date(NamedTuple):
    """A date, to the minute."""

    year: int
    month: int
    day: int
    hour: int
    minute: int


class Fields(NamedTuple):
    """The parts of many dates, as arrays."""

    year: Integers
    month: Integers
    day: Integers
    hour: Integers
    minute: Integers
    day_of_year: Integers


def parse_date(word: str) -> Date:
    """Return the date that GrADS writes as ``hh:mmZddmmmyyyy``.

    Hour, minute and day may be left out. A year of two digits lies between 1950 and 2049.

    Raises
    ------
    ValueError
        If it is not a date.
    """
    match = _DATE.fullmatch(word)
    if match is None or match[4].lower() not in MONTHS:
        raise ValueError(f"{shorten(word)} is not a date such as 00:00Z01jan2000")
    year = int(match[5])
    if len(match[5]) == 2:
        year += 2000 if year < 50 else 1900
    month = MONTHS.index(match[4].lower()) + 1
    date = Date(year, month, int(match[3] or 1), int(match[1] or 0), int(match[2] or 0))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = 28 + leap if month == 2 else 30 + (month in (1, 3, 5, 7, 8, 10, 12))
    if not (year and 1 <= date.day <= days and date.hour < 24 and date.minute < 60):
        raise ValueError(f"there is no date {shorten(word)}")
    return date


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Dates that follow each other in equal steps.

    Attributes
    ----------
    length : int
        Number of dates.
    start : Date
        The first one.
    months, minutes : int
        The step, of which one is 0.
    leap : bool
        Whether years have leap days; False for years of 365 days.
    """

    length: int
    start: Date
    months: int
    minutes: int
    leap: bool = True

    def without_leap_days(self) -> TimeAxis:
        """Return the same dates in a calendar of years of 365 days."""
        return replace(self, leap=False)

    @property
    def lacks_days(self) -> bool:
        """Whether some of the months may not have the day on which the first date lies."""
        if self.months % 12 == 0:
            return self.months > 0 and (self.start.month, self.start.day) == (2, 29)
        return self.start.day > 28

    def check(self) -> None:
        """Refuse dates that the calendar does not have.

        Raises
        ------
        ValueError
            If the first date is a leap day that the calendar lacks, or the last one is later than
            the year 9999.
        """
        if not self.leap and (self.start.month, self.start.day) == (2, 29):
            raise ValueError("the first date is a leap day, which 365_day_calendar lacks")
        per_year = self.months / 12 + self.minutes / (365 * _DAY)
        if self.start.year + (self.length - 1) * per_year > _LAST_YEAR:
            raise ValueError(f"{self.length} times would end after the year {_LAST_YEAR}")

    def count_minutes(self, date: Date) -> int:
        """Return the minutes from the epoch of the calendar to a date."""
        day = int(self._days(np.array([date.year * 12 + date.month - 1]))[0]) + date.day - 1
        return day * _DAY + date.hour * 60 + date.minute

    def stamps(self, steps: Integers | None = None) -> Integers:
        """Return the minutes from the epoch of the calendar to the dates of some steps, or all."""
        if steps is None:
            steps = np.arange(self.length, dtype=np.int64)
        start = self.count_minutes(self.start)
        if not self.months:
            return start + steps * self.minutes
        months = self.start.year * 12 + self.start.month - 1
        # As in GrADS, a day that a month lacks is one of the next month.
        within = start - int(self._days(np.array([months]))[0]) * _DAY
        return self._days(months + steps * self.months) * _DAY + within

    def _days(self, months: Integers) -> Integers:
        """Return the days from the epoch to the first of months, which are counted from year 0."""
        if self.leap:
            since_1970 = (months - 1970 * 12).astype("datetime64[M]")
            return since_1970.astype("datetime64[D]").astype(np.int64)
        days: Integers = months // 12 * 365 + _DAYS_BEFORE[months % 12]
        return days

    def split(self, stamps: Integers) -> Fields:
        """Return the parts of dates that are given in minutes from the epoch."""
        days, minutes = np.divmod(stamps, _DAY)
        hour, minute = np.divmod(minutes, 60)
        if self.leap:
            date = days.astype("datetime64[D]")
            years = date.astype("datetime64[Y]")
            months = date.astype("datetime64[M]")
            year = years.astype(np.int64) + 1970
            month = months.astype(np.int64) % 12 + 1
            day = (date - months.astype("datetime64[D]")).astype(np.int64) + 1
            of_year = (date - years.astype("datetime64[D]")).astype(np.int64) + 1
        else:
            year, of_year = np.divmod(days, 365)
            month = np.searchsorted(_DAYS_BEFORE, of_year, "right")
            day = of_year - _DAYS_BEFORE[month - 1] + 1
            of_year = of_year + 1
        return Fields(year, month, day, hour, minute, of_year)

    def encode(self) -> tuple[Integers, dict[str, Any]]:
        """Return the dates as the CF conventions store them: numbers, and what they count."""
        since = self.stamps() - self.count_minutes(self.start)
        unit = next(
            unit
            for unit, minutes in (("days", _DAY), ("hours", 60), ("minutes", 1))
            if not (since % minutes).any()
        )
        year, month, day, hour, minute = self.start
        return since // {"days": _DAY, "hours": 60, "minutes": 1}[unit], {
            "units": f"{unit} since {year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:00",
            "calendar": "proleptic_gregorian" if self.leap else "noleap",
        }

    def find(self, date: Date) -> int:
        """Return the number of a date on the axis, counted from 0.

        Raises
        ------
        ValueError
            If it is not one of the dates.
        """
        minutes = self.count_minutes(date)
        if self.months:
            months = (date.year - self.start.year) * 12 + date.month - self.start.month
            step = months // self.months
        else:
            step = (minutes - self.count_minutes(self.start)) // self.minutes
        if not 0 <= step < self.length or self.stamps(np.array([step]))[0] != minutes:
            raise ValueError(f"{date} is not one of the times of TDEF")
        return step


def parse_time_axis(line: Line) -> TimeAxis:
    """Return the axis that a line TDEF defines.

    Raises
    ------
    ValueError
        If it is malformed.
    """
    words = line.words
    if len(words) < 4 or words[1].upper() != "LINEAR":
        raise ValueError("a number of times, LINEAR, a first date and an increment must follow")
    length = parse_count("the number of times", words[0], 1)
    months, minutes = _parse_step(words[3])
    return TimeAxis(length, parse_date(words[2]), months, minutes)


def _parse_step(word: str) -> tuple[int, int]:
    """Return the months and the minutes of an increment such as 6hr, of which one is 0."""
    if not _STEP.fullmatch(word):
        raise ValueError(f"the increment {shorten(word)} is not one such as 6hr, of mn hr dy mo yr")
    months = minutes = 0
    for number, unit in re.findall("([0-9]+)([a-z]+)", word.lower()):
        months += int(number) * _MONTHS.get(unit, 0)
        minutes += int(number) * _MINUTES.get(unit, 0)
    if months and minutes:
        raise ValueError(f"the increment {shorten(word)} mixes months with days or shorter units")
    if not months and not minutes:
        raise ValueError("the increment is 0")
    return months, minutes
