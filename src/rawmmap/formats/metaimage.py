"""MetaImage, ITK's ``.mhd`` beside raw data or ``.mha`` before them.

The keywords are those of the MetaIO library's documentation; positions are those of ITK, of the
centre of the first element.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.header_files import HeaderFiles, is_named_in
from rawmmap.formats.numbers import parse_count, parse_integer, parse_number
from rawmmap.formats.probe import Probe
from rawmmap.formats.volumes import (
    DataFiles,
    check_dimension,
    expand_pattern,
    find_data_files,
    name_axes,
)
from rawmmap.layout import Values

__all__ = ["MetaImageReader"]

_LONGEST = 2**20
_LAST = "ElementDataFile"
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    # As ITK writes them, whatever the length of a C long is.
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_ORDERS = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
_POSITIONS = ("Offset", "Position", "Origin")
_MATRICES = ("TransformMatrix", "Rotation", "Orientation")
# What would change values or their places, and is not implemented.
_REFUSED = {"ElementNBits", "BinaryDataByteOrder"}
# What became the layout, or an axis.
_USED = {
    "ObjectType",
    "ObjectSubType",
    "NDims",
    "DimSize",
    "ElementType",
    "ElementNumberOfChannels",
    "BinaryData",
    "CompressedData",
    "CompressedDataSize",
    "HeaderSize",
    "ElementToIntensityFunctionSlope",
    "ElementToIntensityFunctionOffset",
    *_ORDERS,
    _LAST,
}


def _is_header(head: bytes) -> bool:
    """Return whether a file begins as MetaImages do; the order of keywords is not fixed."""
    lines = [line.partition(b"=")[0].strip() for line in head[:1024].split(b"\n")]
    start = lines[0]
    known = {b"ObjectType", b"NDims", b"Comment", b"ObjectSubType"}
    return start in known and b"NDims" in lines and (b"ElementType" in head or b"DimSize" in head)


_FILES = HeaderFiles("a header of MetaImage", _is_header, (".mhd",))


class MetaImageReader:
    """Reads the header of a MetaImage; the probe is of the header, or of the data beside it."""

    name = "metaimage"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts as a MetaImage, or a header beside it names the file."""
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
        header = _find_header(probe) or probe
        try:
            entries, names, nbytes = _parse(header)
            return _describe(header, entries, names, nbytes)
        except (DescriptionError, ShortFileError):
            raise
        except ValueError as error:
            raise DescriptionError(f"{header.name}: {error}") from error


def _find_header(probe: Probe) -> Probe | None:
    """Return the file itself if it is a header, else one that is named after it and names it."""
    if _is_header(probe.head):
        return probe
    return _FILES.find_beside(probe, lambda head: _is_header(head) and is_named_in(probe, head))


def _parse(header: Probe) -> tuple[dict[str, str], list[str], int]:
    """Return the entries, the names that follow a list, and the bytes up to the data."""
    with header.open() as file:
        text = file.read(_LONGEST)
    entries: dict[str, str] = {}
    end = 0
    while _LAST not in entries:
        if end >= len(text):
            raise ValueError(f"{_LAST}, the last keyword, is missing")
        stop = text.find(b"\n", end)
        if stop < 0:
            stop = len(text)  # the last line of a header whose data lie elsewhere
        line = text[end:stop].decode("utf-8", "replace").strip()
        end = stop + 1
        key, sign, value = line.partition("=")
        if line and not sign:
            raise ValueError(f"the line {line[:80]!r} is not 'Keyword = value'")
        if line and entries.setdefault(key.strip(), value.strip()) != value.strip():
            raise ValueError(f"the keyword {key.strip()[:80]!r} has two values")
    names = text[end:].decode("utf-8", "replace").split("\n") if _lists_files(entries) else []
    return entries, [name.strip() for name in names if name.strip()], end


def _lists_files(entries: Mapping[str, str]) -> bool:
    return entries[_LAST].split()[:1] == ["LIST"]


def _describe(
    header: Probe, entries: Mapping[str, str], listed: list[str], nbytes: int
) -> Description:
    _check_kind(entries)
    count = parse_count("NDims", _get(entries, "NDims"), 1)
    check_dimension("NDims", count)
    sizes = [parse_count("DimSize", word, 1) for word in _get(entries, "DimSize").split()]
    if len(sizes) != count:
        raise ValueError(f"DimSize has {len(sizes)} numbers, but NDims is {count}")
    key = "ElementNumberOfChannels"
    channels = parse_count(key, entries.get(key, "1"), 1)
    names = name_axes(count)
    shape, dims = sizes[::-1], names[::-1]
    if channels > 1:
        shape, dims = [*shape, channels], [*dims, "component"]
    paths, split = _data_files(entries, listed, count)
    local = entries[_LAST].upper() == "LOCAL"
    probes = [header] if local else find_data_files(header, paths)
    skip = parse_integer("HeaderSize", entries.get("HeaderSize", "0"))
    start = nbytes if local else 0

    def find_start(file: Probe, nbytes: int) -> int:
        return max(file.size - nbytes, 0) if skip == -1 else start + skip

    if skip < -1:
        raise ValueError(f"HeaderSize {skip} is neither a count nor -1")
    files = DataFiles(probes, find_start)
    data = files.arrange(_dtype(entries), shape, split)
    labels = _labels(entries, names, sizes)
    attrs = _scaling(entries)
    notes = {key: value for key, value in entries.items() if key not in _USED}
    variables = {"data": Variable(tuple(dims), data, attrs), **labels}
    return Description(files.names[0], variables, frozenset(labels), notes, files=files.names)


def _get(entries: Mapping[str, str], key: str) -> str:
    if key not in entries:
        raise ValueError(f"the keyword {key} is missing")
    return entries[key]


def _check_kind(entries: Mapping[str, str]) -> None:
    kind = entries.get("ObjectType", "Image")
    if kind != "Image":
        raise ValueError(f"ObjectType = {kind[:80]!r} is not implemented; Image is")
    if entries.get("BinaryData", "True").lower() not in ("true", "1"):
        raise ValueError("BinaryData is False: the data are text")
    if entries.get("CompressedData", "False").lower() in ("true", "1"):
        raise ValueError(
            "CompressedData is True: compressed data cannot be read in place; open the file with "
            "SimpleITK, or save it without compression"
        )
    refused = sorted(_REFUSED & set(entries))
    if refused:
        raise ValueError(f"the keywords {refused} are not implemented")


def _dtype(entries: Mapping[str, str]) -> np.dtype[np.generic]:
    name = _get(entries, "ElementType").removesuffix("_ARRAY")
    if name not in _TYPES:
        raise ValueError(f"ElementType {name[:80]!r} is none of {sorted(_TYPES)}")
    big = {entries[key].lower() for key in _ORDERS if key in entries}
    if len(big) > 1 or not big <= {"true", "false", "1", "0"}:
        raise ValueError(f"{' and '.join(_ORDERS)} are {sorted(big)}, not one of True and False")
    return np.dtype((">" if big & {"true", "1"} else "<") + _TYPES[name])


def _data_files(
    entries: Mapping[str, str], listed: list[str], count: int
) -> tuple[Sequence[str], int]:
    """Return the names of the data files, and how many leading axes count them."""
    words = entries[_LAST].split()
    if _lists_files(entries):
        inner = parse_count(_LAST, words[1].rstrip("Dd"), 1) if len(words) > 1 else count - 1
        if inner > count:
            raise ValueError(f"{_LAST}: files of {inner} dimensions cannot make one of {count}")
        return listed, count - inner
    if len(words) == 4 and "%" in words[0]:
        first, last, step = (parse_integer(_LAST, word) for word in words[1:])
        return expand_pattern(words[0], first, last, step), 1
    if not words:
        raise ValueError(f"{_LAST} is empty")
    return [entries[_LAST]], 0


def _labels(
    entries: Mapping[str, str], names: Sequence[str], sizes: Sequence[int]
) -> dict[str, Variable]:
    """Return the coordinates of an image that is not rotated."""
    count = len(sizes)
    spacing = _numbers(entries, ("ElementSpacing", "ElementSize"), count)
    origin = _numbers(entries, _POSITIONS, count)
    matrix = _numbers(entries, _MATRICES, count * count) or np.eye(count).ravel().tolist()
    if not spacing and not origin:
        return {}
    turned = np.reshape(matrix, (count, count))
    if not np.array_equal(turned, np.diag(np.diag(turned))):
        return {}
    steps = np.diag(turned) * (spacing or 1.0)
    starts = origin or [0.0] * count
    return {
        name: Variable((name,), Values(start + step * np.arange(n)))
        for name, n, start, step in zip(names, sizes, starts, steps.tolist(), strict=True)
    }


def _numbers(entries: Mapping[str, str], keys: Sequence[str], count: int) -> list[float]:
    """Return the numbers of the first keyword that the header has; none if it has none."""
    key = next((key for key in keys if key in entries), None)
    if key is None:
        return []
    numbers = [parse_number(key, word) for word in entries[key].split()]
    if len(numbers) != count:
        raise ValueError(f"{key} has {len(numbers)} numbers; {count} are needed")
    return numbers


def _scaling(entries: Mapping[str, str]) -> dict[str, Any]:
    slope, offset = (
        parse_number(key, entries.get(key, default))
        for key, default in (
            ("ElementToIntensityFunctionSlope", "1"),
            ("ElementToIntensityFunctionOffset", "0"),
        )
    )
    return {} if (slope, offset) == (1, 0) else {"scale_factor": slope, "add_offset": offset}
