"""Which header and which data file belong together, by their names."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence

from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe

__all__ = ["SELF_DESCRIBED", "find_data", "find_header", "locate_data"]

#: Files that say by themselves what they are; a header that shares only their stem is not theirs.
SELF_DESCRIBED = (
    b"CDF",
    b"\x89HDF",
    b"SIMPLE",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\x89PNG",
)


def find_header(probe: Probe, is_header: Callable[[bytes], bool]) -> Probe | None:
    """Return the header beside a data file, or None, looked for as GDAL does.

    Parameters
    ----------
    probe : Probe
        The data file.
    is_header : callable
        Says of the first bytes of a file whether it is a header of the format.
    """
    for replace in (False, True):
        if replace and (
            not os.path.splitext(probe.name)[1] or probe.head.startswith(SELF_DESCRIBED)
        ):
            break
        for suffix in (".hdr", ".HDR"):
            header = probe.sibling(suffix, replace=replace)
            if header is not None and is_header(header.head):
                return header
    return None


def find_data(header: Probe, suffixes: Sequence[str]) -> Probe:
    """Return the one data file that a header belongs to.

    Parameters
    ----------
    header : Probe
        The header.
    suffixes : sequence of str
        What data files of the format are named, in lower case; ``""`` for none.

    Raises
    ------
    DescriptionError
        If there is none, or more than one.
    """
    stem, suffix = os.path.splitext(header.name)
    if suffix.lower() != ".hdr":
        raise DescriptionError(
            f"{header.name} is a header, but not named .hdr, so that its data file is not "
            "known; rename it to the name of the data file with .hdr appended"
        )
    candidates = list(_existing(header, stem, suffixes))
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = [os.path.basename(probe.name) for probe in candidates]
        raise DescriptionError(
            f"{header.name}: any of {names} may be its data file; open the data file itself"
        )
    raise DescriptionError(
        f"{header.name}: there is no data file beside it, neither {stem} nor with one of the "
        f"suffixes {list(suffixes)}; open the data file itself"
    )


def locate_data(header: Probe, name: str) -> str:
    """Return the path or URL of a file that a header names, seen from the header's folder.

    A header may come from anywhere, so that it must not lead to files elsewhere.

    Raises
    ------
    DescriptionError
        If the name is empty, absolute, or leads out of that folder.
    """
    parts = re.split(r"[/\\]", name)
    absolute = not parts[0] or re.match("[A-Za-z][A-Za-z0-9+.-]*:", name) is not None
    if absolute or ".." in parts or "\0" in name:
        raise DescriptionError(
            f"{header.name}: the file {name[:200]!r} that it names must lie in its own folder or "
            "below; write its name from there"
        )
    folder = posixpath.dirname(header.name) if header.path is None else os.path.dirname(header.name)
    return posixpath.join(folder, name) if header.path is None else os.path.join(folder, name)


def _existing(header: Probe, stem: str, suffixes: Sequence[str]) -> Iterator[Probe]:
    for suffix in suffixes:
        lower = header.neighbour(stem + suffix)
        data = lower or (header.neighbour(stem + suffix.upper()) if suffix else None)
        if data is not None:
            yield data
            if not suffix:
                return  # the name without .hdr is the most exact
