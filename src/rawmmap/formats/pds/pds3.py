"""PDS3: an image behind its label, or beside it (PDS Standards Reference 3.8, appendix A)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.fill_value import fill_value_attrs
from rawmmap.formats.header_files import locate_data
from rawmmap.formats.interleave import INTERLEAVED_DIMS
from rawmmap.formats.numbers import parse_count, parse_number
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout
from rawmmap.layout.samples import Samples, parse_dtype

__all__ = ["Pds3Reader"]

_LONGEST = 2**22
_MARK = b"PDS_VERSION_ID"
_STORAGE = {
    "BAND_SEQUENTIAL": "bsq",
    "LINE_INTERLEAVED": "bil",
    "SAMPLE_INTERLEAVED": "bip",
}
# Type and byte order by the names of SAMPLE_TYPE (appendix C.3).
_TYPES = {
    "MSB_INTEGER": ">i",
    "INTEGER": ">i",
    "MAC_INTEGER": ">i",
    "SUN_INTEGER": ">i",
    "MSB_UNSIGNED_INTEGER": ">u",
    "UNSIGNED_INTEGER": ">u",
    "MAC_UNSIGNED_INTEGER": ">u",
    "SUN_UNSIGNED_INTEGER": ">u",
    "LSB_INTEGER": "<i",
    "PC_INTEGER": "<i",
    "VAX_INTEGER": "<i",
    "LSB_UNSIGNED_INTEGER": "<u",
    "PC_UNSIGNED_INTEGER": "<u",
    "VAX_UNSIGNED_INTEGER": "<u",
    "IEEE_REAL": ">f",
    "REAL": ">f",
    "FLOAT": ">f",
    "MAC_REAL": ">f",
    "SUN_REAL": ">f",
    "PC_REAL": "<f",
    "VAX_REAL": "<vaxf",
}
_NO_ENCODING = {"", "N/A", "NONE", "NULL", "UNK"}
_FILLS = ("MISSING_CONSTANT", "MISSING", "INVALID_CONSTANT", "NULL")


@dataclass(slots=True)
class _Label:
    """The entries of a label, and those of the objects in it, by name."""

    entries: dict[str, str] = field(default_factory=dict)
    objects: list[tuple[str, _Label]] = field(default_factory=list)

    def find(self, name: str) -> _Label | None:
        """Return the first object of a name, at any depth."""
        for kind, label in self.objects:
            inner = label if kind == name else label.find(name)
            if inner is not None:
                return inner
        return None


class Pds3Reader:
    """Reads the label of a PDS3 image; the probe is of the label, attached or not."""

    name = "pds3"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts with a label that points to an image."""
        return (
            probe.head.lstrip().startswith(_MARK)
            and b"^" in probe.head
            and (re.search(rb"\^[A-Z_]*IMAGE\b", probe.head) is not None)
        )

    def read(self, probe: Probe) -> Description:
        """Return the description of the image, a variable named ``data``.

        Raises
        ------
        DescriptionError
            If the label is malformed, or says something that is not implemented.
        FileNotFoundError
            If the data file is missing.
        ShortFileError
            If the data file is too short.
        """
        try:
            label = _parse(probe)
            return _describe(probe, label)
        except (DescriptionError, ShortFileError):
            raise
        except ValueError as error:
            raise DescriptionError(f"{probe.name}: {error}") from error


def _statements(text: str) -> Iterator[tuple[str, str]]:
    """Yield keyword and value of each statement, up to END; values may span lines."""
    key, parts = "", list[str]()
    quoted, depth = False, 0
    for line in re.sub(r"/\*[^\r\n]*?\*/", "", text).splitlines():
        line = line.strip()
        if not key:
            if line == "END":
                return
            name, sign, line = line.partition("=")
            if not sign:
                continue
            key, parts, line = name.strip().upper(), [], line.strip()
        parts.append(line)
        quoted, depth = _scan(line, quoted, depth)
        if not quoted and depth <= 0 and any(parts):
            yield key, " ".join(parts).strip()
            key, depth = "", 0
    if key:
        yield key, " ".join(parts).strip()


def _scan(line: str, quoted: bool, depth: int) -> tuple[bool, int]:
    """Return whether a text in quotes goes on after a line, and how many parentheses are open."""
    for i, part in enumerate(line.split('"')):
        quoted = quoted != (i > 0)
        if not quoted:
            depth += part.count("(") + part.count("{") - part.count(")") - part.count("}")
    return quoted, depth


def _parse(probe: Probe) -> _Label:
    with probe.open() as file:
        text = file.read(_LONGEST).decode("latin-1")
    stack = [_Label()]
    names: list[str] = []
    for key, value in _statements(text):
        if key in ("OBJECT", "GROUP"):
            inner = _Label()
            stack[-1].objects.append((value.strip().upper(), inner))
            stack.append(inner)
            names.append(value)
            if len(stack) > 32:
                raise ValueError("objects are nested more than 32 deep")
        elif key in ("END_OBJECT", "END_GROUP"):
            if len(stack) == 1:
                raise ValueError(f"{key} = {value[:80]} ends what never began")
            stack.pop()
        else:
            stack[-1].entries.setdefault(key, value)
    return stack[0]


def _describe(probe: Probe, label: _Label) -> Description:
    pointer = next((k for k in label.entries if re.fullmatch(r"\^[A-Z_]*IMAGE", k)), None)
    if pointer is None:
        raise ValueError("there is no pointer ^IMAGE")
    image = label.find(pointer[1:]) or label.find("IMAGE")
    if image is None:
        raise ValueError(f"there is no object {pointer[1:]}")
    data, offset = _locate(probe, label.entries, pointer)
    dims, layout, samples = _arrange(image.entries, offset)
    if layout.extent[1] > data.size:
        raise ShortFileError(data.name, layout.extent[1], data.size)
    attrs = _attrs(image.entries, layout.dtype, samples)
    notes = {
        key.lower(): value.strip('"')
        for key, value in label.entries.items()
        if not key.startswith("^") and len(value) < 200
    }
    variables = {"data": Variable(dims, layout, attrs, samples=samples)}
    return Description(data.name, variables, attrs=notes)


def _locate(probe: Probe, entries: Mapping[str, str], pointer: str) -> tuple[Probe, int]:
    """Return the data file, and the byte at which a pointer leads into it.

    A pointer is a record, counted from 1; or a byte, counted from 1; or a file, with one of them.
    """
    text = entries[pointer]
    match = re.fullmatch(
        r'\(?\s*(?:"(?P<file>[^"]+)"\s*,?)?\s*(?P<n>\d{1,18})?\s*(?P<bytes><BYTES>)?\s*\)?',
        text.strip(),
        re.IGNORECASE,
    )
    if match is None:
        raise ValueError(f"{pointer} = {text[:80]} is not a file, a record or a byte")
    n = int(match["n"] or 1)
    if n < 1:
        raise ValueError(f"{pointer} = {text[:80]} counts from 1")
    data = probe
    if match["file"]:
        found = _neighbour(probe, match["file"])
        if found is None:
            raise FileNotFoundError(
                2, f"the data file that {probe.name} names does not exist", match["file"]
            )
        data = found
    if match["bytes"] or n == 1:
        return data, n - 1
    return data, (n - 1) * parse_count("RECORD_BYTES", entries.get("RECORD_BYTES", ""), 1)


def _neighbour(probe: Probe, name: str) -> Probe | None:
    """Return the file of a name, which labels often write in capitals."""
    for spelling in dict.fromkeys((name, name.lower(), name.upper())):
        data = probe.neighbour(locate_data(probe, spelling))
        if data is not None:
            return data
    return None


def _arrange(
    entries: Mapping[str, str], offset: int
) -> tuple[tuple[str, ...], Layout, Samples | None]:
    encoding = entries.get("ENCODING_TYPE", "").strip('"').upper()
    if encoding not in _NO_ENCODING:
        raise ValueError(f"ENCODING_TYPE = {encoding[:80]}: compressed images are not read")
    rows, columns = (parse_count(k, entries.get(k, ""), 1) for k in ("LINES", "LINE_SAMPLES"))
    bands = parse_count("BANDS", entries.get("BANDS", "1"), 1)
    storage = entries.get("BAND_STORAGE_TYPE", "BAND_SEQUENTIAL").strip('"').upper()
    if storage not in _STORAGE:
        raise ValueError(f"BAND_STORAGE_TYPE = {storage[:80]} is none of {sorted(_STORAGE)}")
    dtype, samples = _dtype(entries)
    before, after = (
        parse_count(key, entries.get(key, "0"))
        for key in ("LINE_PREFIX_BYTES", "LINE_SUFFIX_BYTES")
    )
    dims = INTERLEAVED_DIMS[_STORAGE[storage]]
    lengths = {"band": bands, "y": rows, "x": columns}
    inner = columns * dtype.itemsize
    if dims == ("y", "x", "band"):
        line = before + inner * bands + after
        strides = (line, bands * dtype.itemsize, dtype.itemsize)
    else:
        # Of interleaved lines each has its own bytes before and after it, too.
        line = before + inner + after
        outer = lengths[dims[1]] * line
        strides = (outer, line, dtype.itemsize)
    layout = Layout(dtype, [lengths[dim] for dim in dims], strides, offset + before)
    return dims, layout, samples


def _dtype(entries: Mapping[str, str]) -> tuple[np.dtype[Any], Samples | None]:
    name = entries.get("SAMPLE_TYPE", "").strip('"').upper()
    bits = parse_count("SAMPLE_BITS", entries.get("SAMPLE_BITS", ""), 1)
    code = _TYPES.get(name)
    sizes = {"f": (32, 64)}.get((code or " ")[-1], (8, 16, 32, 64))
    if code is None or bits not in sizes or (code.endswith("vaxf") and bits != 32):
        raise ValueError(f"SAMPLE_TYPE = {name[:80]} of SAMPLE_BITS = {bits} is not read")
    return parse_dtype(f"{code}{bits // 8}")


def _attrs(
    entries: Mapping[str, str], dtype: np.dtype[Any], samples: Samples | None
) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    for key, name in (("SCALING_FACTOR", "scale_factor"), ("OFFSET", "add_offset")):
        if key in entries:
            attrs[name] = parse_number(key, entries[key].split("<")[0])
    fill = next((entries[key] for key in _FILLS if key in entries), None)
    if fill is not None and samples is None:
        attrs |= _fill_value(fill.strip('"'), dtype)
    if "UNIT" in entries:
        attrs["units"] = entries["UNIT"].strip('"')
    return attrs


def _fill_value(text: str, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return the value for missing data; a number with a radix gives the bytes of one."""
    match = re.fullmatch(r"16#([0-9A-Fa-f]+)#", text)
    if match is not None and len(match[1]) == 2 * dtype.itemsize:
        raw = bytes.fromhex(match[1])
        value = np.frombuffer(raw, dtype.newbyteorder(">"))[0]
        return {"_FillValue": dtype.newbyteorder("=").type(value)}
    try:
        return fill_value_attrs(text, dtype)
    except ValueError:
        return {}  # such as "N/A"
