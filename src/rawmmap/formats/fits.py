"""FITS images, headers by astropy (FITS Standard 4.0)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout
from rawmmap.libraries import load_library

__all__ = ["FitsReader"]

_MARK = b"SIMPLE  ="
_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_AXES = ("x", "y", "z")
_HIDDEN = {"SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "", "END"}
_HIDDEN |= {"BSCALE", "BZERO", "BLANK"}
_MOST_UNITS = 10_000


class FitsReader:
    """Reads the headers of all images in a FITS file."""

    name = "fits"
    own_engine = True

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts as FITS files do."""
        return probe.head.startswith(_MARK)

    def read(self, probe: Probe) -> Description:
        """Return the description of the images: ``data``, or by the names of their extensions.

        Raises
        ------
        DescriptionError
            If a header is malformed, or there are no images that are not compressed.
        ImportError
            If astropy is not installed.
        ShortFileError
            If the file is too short.
        """
        fits = load_library("astropy.io.fits", "FITS headers are read")
        with probe.open() as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with fits.open(stream, memmap=False, disable_image_compression=True) as units:
                    return _describe(fits, probe, units)
            except ShortFileError:
                raise
            except DescriptionError:
                raise
            # What astropy raises for damaged headers depends on where the damage is.
            except Exception as error:
                raise DescriptionError(f"{probe.name}: {error}") from error


def _describe(fits: Any, probe: Probe, units: Any) -> Description:
    images = list(_images(fits, units))
    if not images:
        kinds = sorted({type(unit).__name__ for unit in units if unit.header.get("NAXIS", 0)})
        raise DescriptionError(
            f"{probe.name}: there are no images, only {kinds}; open tables and compressed images "
            "with astropy.io.fits"
        )
    variables: dict[str, Variable] = {}
    for number, header, offset in images:
        name = "data" if len(images) == 1 else _name(header, number, variables)
        shape = tuple(int(header[f"NAXIS{i}"]) for i in range(int(header["NAXIS"]), 0, -1))
        if int(header["BITPIX"]) not in _TYPES:
            raise ValueError(f"BITPIX {header['BITPIX']} is none of {sorted(_TYPES)}")
        layout = Layout.dense(_TYPES[int(header["BITPIX"])], shape, offset=offset)
        if layout.extent[1] > probe.size:
            raise ShortFileError(probe.name, layout.extent[1], probe.size)
        dims = _dims(len(shape), "" if len(images) == 1 else f"{name}_")
        variables[name] = Variable(dims, layout, _attrs(header, layout.dtype))
    notes = {} if len(images) == 1 else dict(_cards(units[0].header))
    return Description(probe.name, variables, attrs=notes)


def _images(fits: Any, units: Any) -> Iterator[tuple[int, Any, int]]:
    """Yield number, header and the first byte of each image."""
    for number, unit in enumerate(units):
        if number > _MOST_UNITS:
            raise ValueError(f"more than {_MOST_UNITS} headers")
        image = isinstance(unit, fits.PrimaryHDU | fits.ImageHDU)
        if image and unit.header.get("NAXIS", 0) and not isinstance(unit, fits.GroupsHDU):
            yield number, unit.header, int(unit.fileinfo()["datLoc"])


def _name(header: Any, number: int, taken: dict[str, Variable]) -> str:
    text = str(header.get("EXTNAME", "")).strip() or ("primary" if number == 0 else f"ext_{number}")
    version = header.get("EXTVER", 1)
    if text in taken:
        text = f"{text}_{version}"
    return f"{text}_{number}" if text in taken else text


def _dims(ndim: int, prefix: str) -> tuple[str, ...]:
    names = [*_AXES, *(f"axis_{i}" for i in range(4, ndim + 1))][:ndim]
    return tuple(prefix + name for name in reversed(names))


def _attrs(header: Any, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return what values mean to xarray, and all cards that say anything else."""
    attrs = dict(_cards(header))
    scale, zero = float(header.get("BSCALE", 1)), float(header.get("BZERO", 0))
    if (scale, zero) != (1, 0):
        attrs |= {"scale_factor": scale, "add_offset": zero}
    blank = header.get("BLANK")
    if blank is not None and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if limits.min <= int(blank) <= limits.max:
            attrs["_FillValue"] = dtype.newbyteorder("=").type(int(blank))
    if "BUNIT" in attrs:
        attrs["units"] = attrs.pop("BUNIT")
    return attrs


def _cards(header: Any) -> Iterator[tuple[str, Any]]:
    comments: dict[str, list[str]] = {}
    for card in header.cards:
        key = card.keyword
        if key in _HIDDEN or key.startswith("NAXIS"):
            continue
        if key in ("COMMENT", "HISTORY"):
            comments.setdefault(key, []).append(str(card.value))
        elif isinstance(card.value, str | int | float):
            yield key, card.value
    yield from ((key, "\n".join(lines)) for key, lines in comments.items())
