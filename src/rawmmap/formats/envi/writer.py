"""ENVI's header beside a flat raster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rawmmap.description import Variable
from rawmmap.files.replace import replacing
from rawmmap.formats.described_file import DescribedFile, path_beside, target_path
from rawmmap.formats.envi.header import INTERLEAVES, TYPES
from rawmmap.formats.raster import Raster, as_raster
from rawmmap.layout import Layout

__all__ = ["write_envi"]

# A boolean is a byte of 0 and 1.
_TYPES = {"b1": TYPES["u1"], **TYPES}
# GDAL keeps the header offset in a C int; ENVI's own programs take no more either.
_INT_MAX = 2**31 - 1
_UNITS = {
    "nm": "Nanometers",
    "nanometer": "Nanometers",
    "nanometers": "Nanometers",
    "nanometre": "Nanometers",
    "nanometres": "Nanometers",
    "um": "Micrometers",
    "\u00b5m": "Micrometers",
    "\u03bcm": "Micrometers",
    "micron": "Micrometers",
    "microns": "Micrometers",
    "micrometer": "Micrometers",
    "micrometers": "Micrometers",
    "micrometre": "Micrometers",
    "micrometres": "Micrometers",
    "mm": "Millimeters",
    "cm": "Centimeters",
    "m": "Meters",
    "ghz": "GHz",
    "mhz": "MHz",
    "cm-1": "Wavenumber",
    "1/cm": "Wavenumber",
}
# Units that say by themselves that a coordinate is a wavelength; metres may be anything.
_OPTICAL = {"Nanometers", "Micrometers"}


def write_envi(
    subject: DescribedFile, target: str | os.PathLike[str] | None, variable: str | None
) -> Path:
    """Write what `rawmmap.to_envi` promises, for a file that is described already."""
    raster = as_raster(subject, variable)
    place = target_path(subject, target, ".hdr", _is_header, "an ENVI header")
    found = [Path(path_beside(subject, ".hdr")), Path(subject.path).with_suffix(".hdr")]
    if place not in found and os.path.realpath(place) not in map(os.path.realpath, found):
        raise ValueError(
            f"{place} would not be found: the ENVI header of {subject.path} is named "
            f"{found[0].name} or {found[1].name}, in its folder"
        )
    text = "\n".join(["ENVI", *(f"{key} = {value}" for key, value in _entries(raster)), ""])
    with replacing(str(place)) as draft:
        Path(draft).write_text(text, encoding="utf-8")
    return place


def _is_header(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"ENVI"


def _entries(raster: Raster) -> Iterator[tuple[str, str]]:
    bands, lines, samples = raster.layout.shape
    yield "description", f"{{{_plain(raster.name) or 'raster'}}}"
    yield "samples", str(samples)
    yield "lines", str(lines)
    yield "bands", str(bands)
    yield "header offset", str(_offset(raster))
    yield "file type", "ENVI Standard"
    yield "data type", str(_code(raster))
    yield "interleave", _interleave(raster)
    yield "byte order", "1" if raster.big else "0"
    fill, scale, shift = raster.fill(), raster.number("scale_factor"), raster.number("add_offset")
    if fill is not None:
        yield "data ignore value", repr(fill)
    if scale is not None:
        yield "data gain values", _list([repr(scale)] * bands)
    if shift is not None:
        yield "data offset values", _list([repr(shift)] * bands)
    yield from _band_entries(raster)
    yield from _map_entries(raster)


def _code(raster: Raster) -> int:
    code = _TYPES.get(f"{raster.dtype.kind}{raster.dtype.itemsize}")
    if code is None:
        raise ValueError(
            f"{_who(raster)}: ENVI has no type for {raster.dtype}; it has those of {sorted(_TYPES)}"
        )
    return code


def _offset(raster: Raster) -> int:
    if raster.layout.offset > _INT_MAX:
        raise ValueError(
            f"{_who(raster)} starts at byte {raster.layout.offset}; a header offset is at most "
            f"{_INT_MAX}"
        )
    return raster.layout.offset


def _interleave(raster: Raster) -> str:
    layout = raster.layout
    for name, order in INTERLEAVES.items():
        if layout.transpose(order).contiguous:
            return name
    dense = {name: _dense(layout, order) for name, order in INTERLEAVES.items()}
    raise ValueError(
        f"{_who(raster)}: its bands, lines and samples of shape {layout.shape} have the strides "
        f"{layout.strides} in bytes; ENVI takes those of {dense} only, without gaps and forwards"
    )


def _dense(layout: Layout, order: tuple[int, ...]) -> tuple[int, ...]:
    shape = tuple(layout.shape[axis] for axis in order)
    back = tuple(order.index(axis) for axis in range(3))
    return Layout.dense(layout.dtype, shape).transpose(back).strides


def _band_entries(raster: Raster) -> Iterator[tuple[str, str]]:
    labels = raster.labels
    units = None if labels is None else _wavelength_units(raster, labels)
    if labels is not None and units is not None:
        yield "wavelength units", units
        yield "wavelength", _list([repr(v) for v in raster.subject.values(labels).tolist()])
        return
    names = raster.band_names()
    if (labels is not None or raster.bands is None) and all(_plain(n) == n for n in names):
        yield "band names", _list(names)


def _wavelength_units(raster: Raster, labels: Variable) -> str | None:
    """Return ENVI's word for the units of a coordinate that is a wavelength, else None."""
    if labels.data.dtype.kind not in "iuf":
        return None
    units = _UNITS.get(str(labels.attrs.get("units", "")).lower())
    name = str(raster.bands).lower()
    if labels.attrs.get("standard_name") == "radiation_wavelength" or name in (
        "wavelength",
        "wavelengths",
        "wl",
    ):
        return units or "Unknown"
    return units if units in _OPTICAL else None


def _map_entries(raster: Raster) -> Iterator[tuple[str, str]]:
    if raster.transform is None:
        return
    left, right, _, top, _, down = raster.transform
    if right <= 0 or down >= 0:
        return
    yield (
        "map info",
        _list(
            ["Arbitrary", "1", "1", repr(left), repr(top), repr(right), repr(-down), "0", "North"]
        ),
    )
    wkt = raster.wkt
    if wkt is not None and wkt.startswith(("PROJCS[", "GEOGCS[")) and _one_line(wkt):
        yield "coordinate system string", f"{{{wkt}}}"


def _plain(text: str) -> str:
    """Return `text` without what separates and closes the lists of a header."""
    return " ".join("".join(" " if c in ",{}" else c for c in text).split())


def _one_line(text: str) -> bool:
    return not set(text) & set("{}\r\n")


def _list(items: list[str]) -> str:
    return f"{{{', '.join(items)}}}"


def _who(raster: Raster) -> str:
    return f"{raster.subject.path}: variable {raster.name!r}"
