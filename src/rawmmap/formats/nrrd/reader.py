"""NRRD: which files hold the image, and what its axes are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.header_files import HeaderFiles, is_named_in
from rawmmap.formats.nrrd.axes import describe_axes
from rawmmap.formats.nrrd.header import MAGIC, Header, read_header
from rawmmap.formats.numbers import parse_count, parse_integer
from rawmmap.formats.probe import Probe
from rawmmap.formats.volumes import DataFiles, expand_pattern, find_data_files, skip_lines

__all__ = ["NrrdReader"]

# What became the layout, or an axis.
_USED = {
    "dimension",
    "type",
    "encoding",
    "endian",
    "sizes",
    "data file",
    "line skip",
    "byte skip",
    "labels",
    "units",
    "sample units",
    "content",
}
_NOTES = {
    "spacings",
    "thicknesses",
    "axis mins",
    "axis maxs",
    "centers",
    "kinds",
    "space",
    "space dimension",
    "space units",
    "space origin",
    "space directions",
    "measurement frame",
    "min",
    "max",
    "old min",
    "old max",
    "number",
}


def _is_header(head: bytes) -> bool:
    return head.startswith(MAGIC)


_FILES = HeaderFiles("a header of NRRD", _is_header, (".nhdr",))


class NrrdReader:
    """Reads a NRRD header; the probe is of the header, whether the data follow it or not."""

    name = "nrrd"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts as a NRRD header does, or one beside it names the file."""
        return _find_header(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the image, a variable named ``data``, and of its axes.

        Raises
        ------
        DescriptionError
            If the header is malformed, or says something that is not implemented.
        FileNotFoundError
            If a data file is missing.
        ShortFileError
            If a data file is too short.
        """
        source = _find_header(probe) or probe
        header = read_header(source)
        try:
            return _describe(source, header)
        except (DescriptionError, ShortFileError):
            raise
        except ValueError as error:
            raise DescriptionError(f"{header.name}: {error}") from error


def _find_header(probe: Probe) -> Probe | None:
    """Return the file itself if it is a header, else one that is named after it and names it."""
    if _is_header(probe.head):
        return probe
    return _FILES.find_beside(probe, lambda head: _is_header(head) and is_named_in(probe, head))


def _describe(source: Probe, header: Header) -> Description:
    encoding = header.text("encoding").lower()
    if encoding != "raw":
        raise ValueError(
            f"encoding: {encoding[:80]!r} cannot be read in place, raw can; open the file with "
            "pynrrd, or save it without compression, by 'unu save -e raw'"
        )
    unknown = sorted(set(header.fields) - _USED - _NOTES)
    if unknown:
        raise ValueError(f"the fields {unknown[:9]} are not implemented")
    dtype, sizes = header.dtype(), header.sizes()
    names, split = _data_files(header)
    attached = not names
    probes = [source] if attached else find_data_files(source, names)
    lines = parse_count("line skip", header.fields.get("line skip", "0"))
    skip = parse_integer("byte skip", header.fields.get("byte skip", "0"))
    if skip < -1:
        raise ValueError(f"byte skip: {skip} is neither a count nor -1")
    if attached and header.nbytes is None:
        raise ValueError("an empty line must end the header, before the data")
    start = header.nbytes or 0 if attached else 0

    def find_start(file: Probe, nbytes: int) -> int:
        if skip == -1:
            return max(file.size - nbytes, 0)
        return start + skip_lines(file, lines) + skip

    if attached and lines:
        raise ValueError("line skip: lines are skipped in data files of their own only")
    files = DataFiles(probes, find_start)
    data = files.arrange(dtype, sizes[::-1], split)
    dims, labels, attrs = describe_axes(header, sizes)
    notes: dict[str, Any] = {key: header.fields[key] for key in sorted(_NOTES & set(header.fields))}
    variables = {"data": Variable(dims, data, attrs), **labels}
    coords = frozenset(labels)
    return Description(files.names[0], variables, coords, header.keys | notes, files=files.names)


def _data_files(header: Header) -> tuple[Sequence[str], int]:
    """Return the names of the data files, and how many leading axes count them."""
    words = header.fields.get("data file", "").split()
    dimension = len(header.sizes())
    if not words:
        return [], 0
    if words[0].upper() == "LIST":
        if len(words) > 2:
            raise ValueError("data file: LIST is followed by one number at most")
        return header.names, dimension - _slices(words[1:], dimension)
    if "%" in words[0] and 4 <= len(words) <= 5:
        first, last, step = (parse_integer("data file", word) for word in words[1:4])
        names = expand_pattern(words[0], first, last, step)
        return names, dimension - _slices(words[4:], dimension)
    return [header.fields["data file"]], 0


def _slices(words: Sequence[str], dimension: int) -> int:
    """Return the dimension of what each file holds."""
    n = parse_count("data file", words[0], 1) if words else max(dimension - 1, 1)
    if n > dimension:
        raise ValueError(f"data file: files of {n} dimensions cannot make one of {dimension}")
    return n
