"""What an ENVI header says about its raster besides where it lies: labels and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.formats.envi.header import INTERLEAVES, Header
from rawmmap.formats.envi.maps import cf_units, describe_map
from rawmmap.formats.fill_value import fill_value_attrs
from rawmmap.layout import Layout, Values

__all__ = ["describe_raster"]

_AXES = ("band", "y", "x")
# What became the layout, or a variable of its own, or an attribute of CF.
_USED = {
    "samples",
    "lines",
    "bands",
    "header offset",
    "file type",
    "file compression",
    "data type",
    "interleave",
    "byte order",
    "major frame offsets",
    "minor frame offsets",
    "wavelength",
    "wavelength units",
    "band names",
    "fwhm",
    "bbl",
    "coordinate system string",
}


def describe_raster(header: Header, interleave: str, layout: Layout, path: str) -> Description:
    """Return the description of the raster in the data file `path`.

    Raises
    ------
    DescriptionError
        If a keyword is malformed.
    """
    order = INTERLEAVES[interleave]
    dims = tuple(_AXES[axis] for axis in order)
    attrs, used = _value_attrs(header, layout)
    labels = dict(_band_labels(header)) | describe_map(header)
    if "map info" in header and "x" in labels:
        used.add("map info")
    if "spatial_ref" in labels:
        attrs["grid_mapping"] = "spatial_ref"
    notes = {key.replace(" ", "_"): _note(header, key) for key in header.entries if key not in used}
    variables = {"data": Variable(dims, layout, attrs), **labels}
    return Description(path, variables, frozenset(labels), notes)


def _note(header: Header, key: str) -> str | list[str]:
    # The description is a sentence, though in braces.
    is_list = key in header.lists and key != "description"
    return header.items(key) if is_list else header.entries[key]


def _value_attrs(header: Header, layout: Layout) -> tuple[dict[str, Any], set[str]]:
    """Return the attributes of CF that say what values mean, and the keywords used up."""
    used = set(_USED)
    attrs = _fill_value(header, layout.dtype)
    if attrs:
        used.add("data ignore value")
    bands = header.count("bands")
    gains = header.numbers("data gain values", bands)
    offsets = header.numbers("data offset values", bands)
    # Gains that differ by band cannot be said by one attribute: both stay as they are written.
    if len(set(gains)) <= 1 and len(set(offsets)) <= 1:
        attrs |= {"scale_factor": gains[0]} if gains else {}
        attrs |= {"add_offset": offsets[0]} if offsets else {}
        used |= {"data gain values", "data offset values"}
    return attrs, used


def _fill_value(header: Header, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return the value to ignore in the type of the data; nothing where it cannot have it."""
    text = header.entries.get("data ignore value")
    try:
        return {} if text is None else fill_value_attrs(text, dtype)
    except ValueError as error:
        raise header.error(f"data ignore value = {str(text)[:80]!r} is not a number") from error


def _band_labels(header: Header) -> Iterator[tuple[str, Variable]]:
    bands = header.count("bands")
    unit = header.entries.get("wavelength units", "")
    attrs = {} if unit.lower() in ("", "unknown", "index") else {"units": cf_units(unit)}
    for key in ("wavelength", "fwhm"):
        values = header.numbers(key, bands)
        if values:
            yield key, Variable(("band",), Values(np.array(values)), attrs)
    good = header.numbers("bbl", bands)
    if good:
        note = {"long_name": "bad bands list: 1 is a good band, 0 a bad one"}
        yield "bbl", Variable(("band",), Values(np.array(good)), note)
    names = header.items("band names", bands)
    if names and len(names) != bands:
        raise header.error(f"band names has {len(names)} items; there are {bands} bands")
    if names:
        yield "band_name", Variable(("band",), Values(np.array(names)))
