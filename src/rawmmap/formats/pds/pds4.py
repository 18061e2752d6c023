"""PDS4: arrays in files that an XML label names (PDS4 Information Model, class Array)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.fill_value import fill_value_attrs
from rawmmap.formats.header_files import find_named
from rawmmap.formats.numbers import parse_count, parse_number
from rawmmap.formats.probe import Probe
from rawmmap.formats.volumes import check_dimension
from rawmmap.formats.xml import parse_xml
from rawmmap.layout import Layout, Mosaic

__all__ = ["Pds4Reader"]

_MARKS = (b"pds.nasa.gov/pds4/pds/", b"File_Area_Observational")
_TYPES = {
    "SignedByte": "i1",
    "UnsignedByte": "u1",
    "ComplexMSB8": ">c8",
    "ComplexMSB16": ">c16",
    "ComplexLSB8": "<c8",
    "ComplexLSB16": "<c16",
    "IEEE754MSBSingle": ">f4",
    "IEEE754MSBDouble": ">f8",
    "IEEE754LSBSingle": "<f4",
    "IEEE754LSBDouble": "<f8",
} | {
    f"{sign}{order}{n}": f"{'>' if order == 'MSB' else '<'}{sign[0].lower().replace('s', 'i')}{n}"
    for sign in ("Signed", "Unsigned")
    for order in ("MSB", "LSB")
    for n in (2, 4, 8)
}
_DIMS = {"line": "y", "sample": "x", "band": "band"}


class Pds4Reader:
    """Reads the label of a PDS4 product; the probe is of the label."""

    name = "pds4"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is a label of PDS4, by its namespace."""
        head = probe.head.lstrip(b"\xef\xbb\xbf \r\n\t")
        return head.startswith(b"<") and _MARKS[0] in head and b"<Product_" in head

    def read(self, probe: Probe) -> Description:
        """Return the description of the arrays: ``data``, or by their identifiers if several.

        Raises
        ------
        DescriptionError
            If the label is malformed, or says something that is not implemented.
        FileNotFoundError
            If a data file is missing.
        ShortFileError
            If a data file is too short.
        """
        top = parse_xml(probe)
        for element in top.iter():
            element.tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
        try:
            return _describe(probe, top)
        except (DescriptionError, ShortFileError):
            raise
        except ValueError as error:
            raise DescriptionError(f"{probe.name}: {error}") from error


def _describe(probe: Probe, top: ET.Element) -> Description:
    arrays = list(_find_arrays(top))
    if not arrays:
        raise ValueError("the label describes no array")
    files: dict[str, Probe] = {}
    numbers: dict[str, int] = {}
    variables = {}
    for number, (name, element) in enumerate(arrays):
        data = find_named(probe, name)
        path = data.name
        files.setdefault(path, data)
        dims, layout = _arrange(element)
        if layout.extent[1] > files[path].size:
            raise ShortFileError(path, layout.extent[1], files[path].size)
        key = "data" if len(arrays) == 1 else _name(element, number)
        if key in variables:
            key = f"{key}_{number}"
        where = numbers.setdefault(path, len(numbers))
        placed = layout if where == 0 else Mosaic.stack(layout, (), (where,))
        if len(arrays) > 1:
            dims = tuple(f"{key}_{dim}" for dim in dims)
        variables[key] = Variable(dims, placed, _attrs(element, layout.dtype))
    identification = top.find("Identification_Area")
    notes = {} if identification is None else dict(_texts(identification))
    return Description(next(iter(files)), variables, attrs=notes, files=tuple(files))


def _find_arrays(top: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    """Yield the file name and the element of each array."""
    for area in top:
        if not area.tag.startswith("File_Area"):
            continue
        name = (area.findtext("File/file_name") or "").strip()
        for element in area:
            if element.tag.startswith("Array"):
                yield name, element


def _texts(element: ET.Element) -> Iterator[tuple[str, str]]:
    for child in element:
        if not len(child) and child.text and child.text.strip():
            yield child.tag, child.text.strip()


def _name(element: ET.Element, number: int) -> str:
    return (element.findtext("local_identifier") or f"array_{number}").strip()


def _arrange(element: ET.Element) -> tuple[tuple[str, ...], Layout]:
    order = (element.findtext("axis_index_order") or "Last Index Fastest").strip()
    if order != "Last Index Fastest":
        raise ValueError(f"axis_index_order {order[:80]!r} is not implemented")
    name = (element.findtext("Element_Array/data_type") or "").strip()
    if name not in _TYPES:
        raise ValueError(f"data_type {name[:80]!r} is none of {sorted(_TYPES)}")
    offset = parse_count("offset", element.findtext("offset") or "0")
    axes = sorted(
        (
            parse_count("sequence_number", axis.findtext("sequence_number") or "", 1),
            parse_count("elements", axis.findtext("elements") or "", 1),
            (axis.findtext("axis_name") or "").strip(),
        )
        for axis in element.findall("Axis_Array")
    )
    check_dimension("axes", len(axes))
    if [number for number, *_ in axes] != list(range(1, len(axes) + 1)) or not axes:
        raise ValueError(f"the sequence_number of {len(axes)} axes do not count from 1")
    names = [_DIMS.get(name.lower(), name) or f"dim_{i}" for i, (*_, name) in enumerate(axes)]
    if len(set(names)) < len(names):
        names = [f"dim_{i}" for i in range(len(names))]
    layout = Layout.dense(_TYPES[name], [n for _, n, _ in axes], offset=offset)
    return tuple(names), layout


def _attrs(element: ET.Element, dtype: np.dtype[Any]) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    for key, name, plain in (
        ("scaling_factor", "scale_factor", 1),
        ("value_offset", "add_offset", 0),
    ):
        text = element.findtext(f"Element_Array/{key}")
        if text is not None and parse_number(key, text) != plain:
            attrs[name] = parse_number(key, text)
    unit = (element.findtext("Element_Array/unit") or "").strip()
    if unit:
        attrs["units"] = unit
    fill = element.findtext("Special_Constants/missing_constant")
    if fill is not None:
        try:
            attrs |= fill_value_attrs(fill.strip(), dtype)
        except ValueError as error:
            raise ValueError(f"missing_constant {fill[:80]!r} is not a number") from error
    return attrs
