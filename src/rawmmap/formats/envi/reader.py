"""ENVI's header as one of the formats: which files belong together, and where the data lie."""

from __future__ import annotations

import numpy as np

from rawmmap.description.model import Description
from rawmmap.errors import ShortFileError
from rawmmap.formats.envi.header import INTERLEAVES, TYPES, Header, is_header, read_header
from rawmmap.formats.envi.labels import describe_raster
from rawmmap.formats.header_files import HeaderFiles
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout

__all__ = ["EnviReader"]

_CODES = {code: name for name, code in TYPES.items()}
_FILE_TYPES = {"envi", "envi standard", "envi classification", "standard", "classification"}
_SUFFIXES = ("", ".img", ".dat", ".raw", ".bin", ".sli", ".hyspex", ".bsq", ".bil", ".bip")


_FILES = HeaderFiles("an ENVI header", is_header, (".hdr", ".HDR"), _SUFFIXES)


class EnviReader:
    """Reads the header of an ENVI raster; the probe may be of the header or of the data file."""

    name = "envi"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is an ENVI header, or has one beside it, by its content."""
        return _FILES.find_header(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the raster, a variable named ``data``, and of its labels.

        Raises
        ------
        DescriptionError
            If the header is malformed, or says something that is not implemented.
        ShortFileError
            If the data file is too short for it.
        """
        header, data = _FILES.pair(probe)
        parsed = read_header(header)
        interleave = _interleave(parsed, data.suffix)
        layout = _layout_of(parsed, interleave)
        # Before coordinates are made, whose lengths a damaged header may give as anything.
        if layout.extent[1] > data.size:
            raise ShortFileError(data.name, layout.extent[1], data.size)
        return describe_raster(parsed, interleave, layout, data.name)


def _layout_of(header: Header, interleave: str) -> Layout:
    """Return where the elements lie; the axes are in the order of the file.

    Raises
    ------
    DescriptionError
        If a keyword that says so is missing, malformed or not implemented.
    """
    _check_kind(header)
    dtype = _dtype(header)
    counts = [_positive(header, key) for key in ("bands", "lines", "samples")]
    bands, lines, samples = counts
    before, after = _frame(header, "major frame offsets")
    inner_before, inner_after = _frame(header, "minor frame offsets")
    if (before or after) and interleave == "bsq" and bands > 1:
        raise header.error("major frame offsets are not implemented for several bands of bsq")
    if (inner_before or inner_after) and interleave != "bil":
        raise header.error(f"minor frame offsets are implemented for bil only, not {interleave}")
    row = samples * dtype.itemsize
    if interleave == "bsq":
        line = before + row + after
        strides = (line * lines, line, dtype.itemsize)
    elif interleave == "bil":
        inner = inner_before + row + inner_after
        strides = (inner, before + inner * bands + after, dtype.itemsize)
    else:
        strides = (dtype.itemsize, before + row * bands + after, dtype.itemsize * bands)
    order = INTERLEAVES[interleave]
    offset = header.count("header offset", "0") + before + inner_before
    try:
        return Layout(dtype, counts, strides, offset).transpose(order)
    except ValueError as error:
        raise header.error(str(error)) from error


def _check_kind(header: Header) -> None:
    kind = " ".join(header.text("file type", "ENVI Standard").lower().split())
    if kind not in _FILE_TYPES:
        raise header.error(f"file type = {kind[:80]!r} is not implemented; ENVI Standard is")
    if header.text("file compression", "0") != "0":
        raise header.error(
            "file compression is on: the data file is compressed with gzip; decompress it, and "
            "set file compression = 0"
        )
    if "read procedures" in header:
        raise header.error("read procedures, programs that read the data, are not implemented")


def _dtype(header: Header) -> np.dtype[np.generic]:
    code = header.count("data type")
    if code not in _CODES:
        raise header.error(f"data type = {code} is not implemented; those of {_CODES} are")
    dtype = np.dtype(_CODES[code])
    order = header.text("byte order", "0" if dtype.itemsize == 1 else None)
    if order not in ("0", "1"):
        raise header.error(f"byte order = {order[:80]!r} is neither 0 (little) nor 1 (big)")
    return dtype.newbyteorder("<" if order == "0" else ">")


def _interleave(header: Header, suffix: str) -> str:
    """Return the interleaving; where none is given it is that of the suffix, as in GDAL."""
    default = suffix[1:] if suffix[1:] in INTERLEAVES else "bsq"
    word = header.text("interleave", default).lower()
    if word not in INTERLEAVES:
        raise header.error(f"interleave = {word[:80]!r} is none of {sorted(INTERLEAVES)}")
    return word


def _positive(header: Header, key: str) -> int:
    n = header.count(key)
    if n == 0:
        raise header.error(f"{key} = 0; a raster has at least one")
    return n


def _frame(header: Header, key: str) -> tuple[int, int]:
    """Return how many bytes precede and follow a frame."""
    items = header.items(key) or ["0", "0"]
    if len(items) != 2 or not all(item.isdecimal() and len(item) < 19 for item in items):
        raise header.error(f"{key} = {items[:4]} are not two counts of bytes")
    return int(items[0]), int(items[1])
