"""Which header and which data file belong together, by their names."""

from __future__ import annotations

import errno
import os
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe
from rawmmap.sources import split_chain

__all__ = ["SELF_DESCRIBED", "HeaderFiles", "find_named", "is_named_in", "locate_data"]

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


@dataclass(frozen=True, slots=True)
class HeaderFiles:
    """How the headers of a format and their data files are named.

    Attributes
    ----------
    kind : str
        What such a header is called in errors, with its article.
    is_header : callable
        Says of the first bytes of a file whether it is a header of the format.
    headers : tuple of str
        The suffixes of headers, in the order in which they are looked for.
    data : tuple of str
        The suffixes of data files, in lower case; ``""`` for none. They are looked for in upper
        case as well.
    append, replace : bool
        Whether the suffix of a header is appended to the name of the data file, or stands in the
        place of its suffix. Where both are possible the first is preferred, as by GDAL.
    """

    kind: str
    is_header: Callable[[bytes], bool]
    headers: tuple[str, ...]
    data: tuple[str, ...] = ()
    append: bool = True
    replace: bool = True

    def find_header(self, probe: Probe) -> Probe | None:
        """Return the file itself if it is a header, else the header beside it, or None."""
        return probe if self.is_header(probe.head) else self.find_beside(probe)

    def find_beside(
        self, probe: Probe, is_header: Callable[[bytes], bool] | None = None
    ) -> Probe | None:
        """Return the header beside a data file, or None.

        Parameters
        ----------
        probe : Probe
            The data file.
        is_header : callable, optional
            Says whether a file is a header that describes this data file.
        """
        is_header = is_header or self.is_header
        for header in self._iterate_headers(probe):
            if is_header(header.head):
                return header
        return None

    def _iterate_headers(self, probe: Probe) -> Iterator[Probe]:
        for replace in (False, True):
            if not (self.replace if replace else self.append):
                continue
            if replace and probe.head.startswith(SELF_DESCRIBED):
                continue
            for suffix in self.headers:
                header = probe.sibling(suffix, replace=replace)
                if header is not None and header.name != probe.name:
                    yield header

    def pair(self, probe: Probe) -> tuple[Probe, Probe]:
        """Return the header and the data file; `probe` is one of them.

        Raises
        ------
        DescriptionError
            If there is no header, or more than one file may be the data.
        FileNotFoundError
            If the data file is missing.
        """
        if self.is_header(probe.head):
            return probe, self.find_data(probe)
        header = self.find_beside(probe)
        if header is None:
            raise DescriptionError(
                f"{probe.name}: it is not {self.kind}, and neither is there one beside it, named "
                f"{' or '.join(self._names_of_headers(probe))}"
            )
        return header, probe

    def _names_of_headers(self, probe: Probe) -> list[str]:
        name = os.path.basename(split_chain(probe.name)[0])
        stem = os.path.splitext(name)[0]
        suffixes = [suffix for suffix in self.headers if suffix == suffix.lower()]
        stems = [name] * self.append + [stem] * self.replace
        return list(dict.fromkeys(stem + suffix for stem in stems for suffix in suffixes))

    def find_data(self, header: Probe) -> Probe:
        """Return the one data file that a header belongs to.

        Raises
        ------
        DescriptionError
            If there is more than one, or the header is not named as headers are.
        FileNotFoundError
            If there is none, but one name that it would have.
        """
        name, rest = split_chain(header.name)
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in self.headers:
            raise DescriptionError(
                f"{header.name} is {self.kind}, but not named {self.headers[0]}, so that its data "
                "file is not known; open the data file itself, or rename the header"
            )
        found = list(self._iterate_data(header))
        if len(found) == 1:
            return found[0]
        if found:
            names = [os.path.basename(probe.name) for probe in found]
            raise DescriptionError(
                f"{header.name}: any of {names} may be its data file; open the data file itself"
            )
        if len(self.data) == 1:
            path = stem + self.data[0] + rest
            raise FileNotFoundError(errno.ENOENT, f"there is no data file of {header.name}", path)
        raise DescriptionError(
            f"{header.name}: there is no data file beside it, named {stem} with one of the "
            f"suffixes {list(self.data)}; open the data file itself"
        )

    def _iterate_data(self, header: Probe) -> Iterator[Probe]:
        for suffix in self.data:
            for spelling in dict.fromkeys((suffix, suffix.upper())):
                data = header.sibling(spelling, replace=True)
                if data is not None and data.name != header.name:
                    yield data
                    if not suffix:
                        return  # the name without that of the header is the most exact
                    break


def is_named_in(probe: Probe, head: bytes) -> bool:
    """Return whether the first bytes of a header hold the name of a data file."""
    name = os.path.basename(split_chain(probe.name)[0])
    return name.encode(errors="surrogateescape") in head


def find_named(header: Probe, name: str) -> Probe:
    """Return a file that a header names, seen from the header's folder.

    Raises
    ------
    DescriptionError
        If the name leads out of that folder.
    FileNotFoundError
        If there is no such file.
    """
    path = locate_data(header, name)
    data = header.neighbour(path)
    if data is None:
        raise FileNotFoundError(
            errno.ENOENT, f"the data file that {header.name} names does not exist", path
        )
    return data


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
    if header.path is not None:
        return os.path.join(os.path.dirname(header.name), name)
    url, rest = split_chain(header.name)
    return posixpath.join(posixpath.dirname(url), name) + rest
