"""GrADS descriptor files as one of the formats: the files that they name, and what lies in them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rawmmap.description.model import Description
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.grads.coordinates import describe_grids, fill_value_of
from rawmmap.formats.grads.descriptor import Descriptor, parse_descriptor
from rawmmap.formats.grads.grids import FileGrids
from rawmmap.formats.grads.lines import LONGEST, is_descriptor, read_lines
from rawmmap.formats.grads.pieces import arrange_members, arrange_times, with_times
from rawmmap.formats.grads.templates import MOST_FILES, MOST_TIMES, Member, Run, list_runs
from rawmmap.formats.header_files import HeaderFiles, locate_data
from rawmmap.formats.probe import Probe
from rawmmap.layout import Arrangement, Layout
from rawmmap.sources import split_chain

__all__ = ["GradsReader"]

_DSET = re.compile(rb"(?im)^[ \t]*DSET[ \t]+\^?(?:\./)?([^ \t\r\n]+)")
_MOST_MEMBERS = 10_000
# Without any of these a name cannot lead out of a folder.
_SUSPICIOUS = re.compile(r"^/|\\|\.\.|:|\0")


_FILES = HeaderFiles("a GrADS descriptor file", is_descriptor, (".ctl",))


class GradsReader:
    """Reads the descriptor file of flat GrADS grids.

    The probe may be of the descriptor file, or of the one data file that a descriptor file of the
    same stem names.
    """

    name = "grads"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is a descriptor file, or has one beside it, by its content."""
        return is_descriptor(probe.head) or _find_descriptor(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the variables and their coordinates.

        Raises
        ------
        DescriptionError
            If the descriptor file is malformed, or says something that is not implemented.
        FileNotFoundError
            If none of the data files exists.
        ShortFileError
            If the first data file is too short.
        """
        header = probe if is_descriptor(probe.head) else _require_descriptor(probe)
        descriptor = parse_descriptor(read_lines(header))
        try:
            if "template" in descriptor.options:
                return _describe_files(header, descriptor)
            return _describe_file(header, descriptor)
        except (DescriptionError, ShortFileError):
            raise
        except ValueError as error:
            raise descriptor.error(str(error)) from error


def _find_descriptor(probe: Probe) -> Probe | None:
    """Return the descriptor file that names a data file, or None."""
    base = os.path.basename(split_chain(probe.name)[0]).encode("utf-8", "surrogateescape")

    def names_it(head: bytes) -> bool:
        match = _DSET.search(head) if is_descriptor(head) else None
        return match is not None and match[1] == base

    return _FILES.find_beside(probe, names_it)


def _require_descriptor(probe: Probe) -> Probe:
    header = _find_descriptor(probe)
    if header is None and probe.size <= LONGEST and b"\0" not in probe.head:
        return probe  # its first lines are comments
    if header is None:
        stem = os.path.splitext(probe.name)[0]
        raise DescriptionError(
            f"{probe.name}: neither it, nor {stem}.ctl, nor {probe.name}.ctl is a GrADS descriptor "
            "file whose DSET names it"
        )
    return header


def _locate(header: Probe, name: str) -> str:
    """Return the path or URL of a data file; without ``^`` it is taken as from the same folder."""
    return locate_data(header, name.removeprefix("^"))


def _describe_file(header: Probe, descriptor: Descriptor) -> Description:
    """Return the description of a single data file."""
    members = 1 if descriptor.members is None else len(descriptor.members)
    layouts = list(FileGrids(descriptor, descriptor.time.length, members).layouts())
    data = _require(header, [_locate(header, descriptor.dset)])
    _check_size(data, layouts, descriptor)
    arranged: list[Arrangement] = [
        layout[0] if descriptor.members is None else layout for layout in layouts
    ]
    return describe_grids(descriptor, data.name, arranged)


def _describe_files(header: Probe, descriptor: Descriptor) -> Description:
    """Return the description of all files that a template names."""
    members = descriptor.members
    everything = Member("1", 0, descriptor.time.length)
    if members is not None and len(members) > 1 and not _names_members(descriptor):
        return _describe_ensemble_file(header, descriptor, everything)
    runs = _list_all_runs(header, descriptor, members or (everything,))
    flat = [run for member in runs for run in member]
    names = list(dict.fromkeys(run.name for run in flat))
    existing = header.existing(names)
    files = [name for name in names if name in existing]
    first = _require(header, files or names[:1])
    times = flat[0].stop - flat[0].first
    layouts = [layout[0] for layout in FileGrids(descriptor, times, 1).layouts()]
    _check_times(descriptor, flat)
    held = next(run.stop - run.first for run in flat if run.name == first.name)
    _check_size(first, [with_times(layout, held) for layout in layouts])
    arranged = _arrange(descriptor, layouts, runs, {name: i for i, name in enumerate(files)})
    return describe_grids(descriptor, first.name, arranged, tuple(files))


def _names_members(descriptor: Descriptor) -> bool:
    """Return whether the names of files tell the members apart."""
    texts = [descriptor.dset, *(item.text for item in descriptor.substitutions)]
    return any("%e" in text for text in texts)


def _describe_ensemble_file(header: Probe, descriptor: Descriptor, member: Member) -> Description:
    """Return the description of a template without %e for an ensemble: all of it is in one file."""
    runs = list_runs(descriptor.dset, descriptor.time, member, descriptor.substitutions)
    if len(runs) > 1:
        raise ValueError(
            "DSET is a template for several times and EDEF has several members; for flat grids "
            "the template must then hold %e, too"
        )
    return _describe_file(header, replace(descriptor, dset=runs[0].name))


def _list_all_runs(
    header: Probe, descriptor: Descriptor, members: Sequence[Member]
) -> list[list[Run]]:
    """Return the files of each member, by their paths or URLs."""
    count = len(members) * max(len(descriptor.substitutions), 1)
    if max(count, len(members)) > _MOST_MEMBERS:
        raise ValueError(f"{len(members)} members are too many for a template of files")
    total = sum(member.length for member in members)
    if total > MOST_TIMES:
        raise ValueError(f"{total} times are too many for a template: at most {MOST_TIMES}")
    name, rest = split_chain(_locate(header, "x"))
    place = name[:-1], rest
    result: list[list[Run]] = []
    count = 0
    for member in members:
        runs = list_runs(descriptor.dset, descriptor.time, member, descriptor.substitutions)
        count += len(runs)
        if count > MOST_FILES:
            raise ValueError(f"the template names more than {MOST_FILES} files")
        result.append([run._replace(name=_join(header, place, run.name)) for run in runs])
    return result


def _join(header: Probe, place: tuple[str, str], name: str) -> str:
    """Return what `_locate` does, for many files of the same folder, by what is around a name."""
    base = name.removeprefix("^")
    if _SUSPICIOUS.search(base):
        return _locate(header, name)
    return place[0] + base + place[1]


def _arrange(
    descriptor: Descriptor,
    layouts: Sequence[Layout],
    runs: Sequence[Sequence[Run]],
    numbers: Mapping[str, int],
) -> list[Arrangement]:
    """Return where the values of each variable lie in many files."""
    missing = any(run.name not in numbers for member in runs for run in member)
    members, time = descriptor.members, descriptor.time.length
    partial = any(member.length < time for member in members or ())
    arranged: list[Arrangement] = []
    for layout in layouts:
        fill = _find_filling(descriptor, layout) if missing or partial else None
        if members is None:
            arranged.append(arrange_times(layout, runs[0], numbers, fill))
        else:
            arranged.append(arrange_members(layout, runs, time, numbers, fill))
    return arranged


def _find_filling(descriptor: Descriptor, layout: Layout) -> Any:
    """Return what stands for the values of missing files: UNDEF, or NaN where floats lack it."""
    fill = fill_value_of(descriptor, layout.dtype)
    if fill is None and layout.dtype.kind != "f":
        raise ValueError(
            f"files or times are missing, but UNDEF {descriptor.undef} is not a value of type "
            f"{layout.dtype}"
        )
    return fill


def _check_times(descriptor: Descriptor, runs: Sequence[Run]) -> None:
    """Refuse templates of files in which all times of a variable follow each other, if unequal."""
    if not descriptor.variables[0].time_inside:
        return
    times = {run.stop - run.first for run in runs}
    if len(times) > 1 or any(variable.times is None for variable in descriptor.variables):
        raise ValueError(
            "variables with the units -1,20 in a template of files need the number of times in a "
            f"file, as in -1,20,{min(times)}, and files of equal length"
        )


def _require(header: Probe, names: Sequence[str]) -> Probe:
    """Return the first of some data files, which must exist."""
    data = header.neighbour(names[0])
    if data is None:
        raise FileNotFoundError(
            errno.ENOENT, f"DSET of {header.name} names a file that does not exist", names[0]
        )
    return data


def _check_size(
    data: Probe, layouts: Sequence[Layout], descriptor: Descriptor | None = None
) -> None:
    """Refuse a file that is too short, before coordinates of any length are made.

    Of a single file, whose descriptor is passed, the error says how many times it holds.
    """
    needed = max(layout.extent[1] for layout in layouts)
    if needed > data.size:
        hint = None if descriptor is None else _count_times(descriptor, layouts, data.size)
        raise ShortFileError(data.name, needed, data.size, *([] if hint is None else [hint]))


def _count_times(descriptor: Descriptor, layouts: Sequence[Layout], size: int) -> str | None:
    """Return how many times a file of some size holds, as advice; None where that is unknown."""
    if descriptor.members is not None or descriptor.variables[0].time_inside:
        return None
    first = max(layout[:, :1].extent[1] for layout in layouts)
    step = layouts[0].strides[1]
    count = (size - first) // step + 1 if size >= first else 0
    return f"TDEF has {descriptor.time.length} times, but the file only {count} whole ones"
