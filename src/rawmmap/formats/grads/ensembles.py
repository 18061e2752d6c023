"""The ensemble of a GrADS grid: EDEF in its two forms."""

from __future__ import annotations

from typing import NamedTuple

from rawmmap.formats.grads.lines import Line, Lines, shorten
from rawmmap.formats.grads.templates import Member
from rawmmap.formats.grads.times import Date, TimeAxis, parse_date
from rawmmap.formats.numbers import parse_count

__all__ = ["MemberRecord", "parse_members", "place_members"]


class MemberRecord(NamedTuple):
    """A member of the ensemble as it is declared.

    Attributes
    ----------
    name : str
        Its name.
    length : int or None
        Number of its times; None for all.
    start : Date or None
        Its first time; None for that of the time axis.
    """

    name: str
    length: int | None = None
    start: Date | None = None


def parse_members(line: Line, lines: Lines) -> tuple[MemberRecord, ...]:
    """Return the members that EDEF lists, as names or as records up to ENDEDEF.

    Raises
    ------
    ValueError
        If they are malformed, or their number is not that which EDEF says.
    """
    words = line.words
    if not words:
        raise ValueError("the number of members must follow")
    count = parse_count("the number of members", words[0], 1)
    if len(words) == 1:
        members = _parse_records(count, lines)
    elif words[1].upper() == "NAMES":
        members = _parse_names(count, words[2:], lines)
    else:
        raise ValueError(f"NAMES or the end of the line must follow, not {shorten(words[1])}")
    if len({member.name for member in members}) < count:
        raise ValueError("two members of the ensemble have the same name")
    return members


def _parse_names(count: int, words: list[str], lines: Lines) -> tuple[MemberRecord, ...]:
    names: list[str] = []
    while True:
        names += words[: count - len(names)]
        if len(names) == count:
            return tuple(MemberRecord(name) for name in names)
        words = lines.take(f"{count} names, of which {len(names)} are given,").text.split()


def _parse_records(count: int, lines: Lines) -> tuple[MemberRecord, ...]:
    members: list[MemberRecord] = []
    while True:
        record = lines.take(f"ENDEDEF, after {len(members)} of {count} members,")
        if record.keyword == "ENDEDEF":
            break
        if len(members) == count:
            raise ValueError(f"there are more members than the {count} of EDEF")
        words = record.text.split()
        if len(words) < 3:
            raise ValueError(f"{shorten(record.text)} is not a member: name, length, first date")
        length = parse_count(f"the length of member {shorten(words[0])}", words[1], 1)
        members.append(MemberRecord(words[0], length, parse_date(words[2])))
    if len(members) < count:
        raise ValueError(f"EDEF announces {count} members, but {len(members)} follow")
    return tuple(members)


def place_members(records: tuple[MemberRecord, ...], time: TimeAxis) -> tuple[Member, ...]:
    """Return the members with their places on the time axis.

    Raises
    ------
    ValueError
        If one of them does not lie on it.
    """
    members = []
    for record in records:
        first = 0 if record.start is None else time.find(record.start)
        length = time.length if record.length is None else record.length
        if first + length > time.length:
            raise ValueError(
                f"EDEF: the {length} times of {shorten(record.name)} from time {first + 1} go past "
                f"the {time.length} of TDEF"
            )
        members.append(Member(record.name, first, length))
    return tuple(members)
