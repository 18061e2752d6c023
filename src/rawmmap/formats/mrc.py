"""MRC2014 and CCP4 maps: images and volumes of electron microscopy, headers by mrcfile."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout, Values
from rawmmap.libraries import load_library

__all__ = ["MrcReader"]

_NBYTES = 1024
_MARK = b"MAP "


class MrcReader:
    """Reads the header of an MRC file."""

    name = "mrc"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file has the mark of MRC2014, and one of its machine stamps."""
        head = probe.head
        return head[208:212] == _MARK and head[212:214] in (b"\x44\x44", b"\x44\x41", b"\x11\x11")

    def read(self, probe: Probe) -> Description:
        """Return the description of the image or volume, a variable named ``data``.

        Raises
        ------
        DescriptionError
            If the header is malformed, or the mode is not implemented.
        ImportError
            If mrcfile is not installed.
        ShortFileError
            If the file is too short.
        """
        mrcfile = load_library("mrcfile", "MRC headers are read")
        if not self.recognises(probe) or probe.size < _NBYTES:
            raise DescriptionError(f"{probe.name}: it has no header of MRC2014")
        try:
            return _describe(probe, _parse(mrcfile, probe.head))
        except ShortFileError:
            raise
        except ValueError as error:
            raise DescriptionError(f"{probe.name}: {error}") from error


def _parse(mrcfile: Any, head: bytes) -> tuple[Any, np.dtype[Any]]:
    """Return the header, and the type of an element."""
    order = mrcfile.utils.byte_order_from_machine_stamp(np.frombuffer(head[212:216], "u1"))
    dtype = mrcfile.dtypes.HEADER_DTYPE.newbyteorder(order)
    header = np.frombuffer(head[:_NBYTES], dtype)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return header, np.dtype(mrcfile.utils.dtype_from_mode(header["mode"])).newbyteorder(order)


def _describe(probe: Probe, parsed: tuple[Any, np.dtype[Any]]) -> Description:
    header, dtype = parsed
    columns, rows, sections, extended, planes = (
        int(header[key]) for key in ("nx", "ny", "nz", "nsymbt", "mz")
    )
    if min(columns, rows, sections) <= 0 or extended < 0:
        raise ValueError(
            f"nx {columns}, ny {rows}, nz {sections} and an extended header of {extended} bytes "
            "are not all positive"
        )
    axes = _axes(header)
    dims: tuple[str, ...] = axes
    shape: tuple[int, ...] = (sections, rows, columns)
    if int(header["ispg"]) >= 401 and planes > 0 and sections % planes == 0:
        dims, shape = ("volume", *axes), (sections // planes, planes, rows, columns)
    layout = Layout.dense(dtype, shape, offset=_NBYTES + extended)
    if layout.extent[1] > probe.size:
        raise ShortFileError(probe.name, layout.extent[1], probe.size)
    labels = _labels(header, dims, shape)
    count = min(max(int(header["nlabl"]), 0), 10)
    texts = [bytes(label).decode("latin-1").strip("\0 ") for label in header["label"][:count]]
    notes = {"labels": texts} if texts else {}
    variables = {"data": Variable(dims, layout), **labels}
    return Description(probe.name, variables, frozenset(labels), notes)


def _axes(header: Any) -> tuple[str, ...]:
    """Return the axes in the order of the file, sections first; maps may have them turned."""
    order = [int(header[key]) for key in ("maps", "mapr", "mapc")]
    if sorted(order) != [1, 2, 3]:
        order = [3, 2, 1]
    return tuple(" xyz"[number] for number in order)


def _labels(header: Any, dims: tuple[str, ...], shape: tuple[int, ...]) -> dict[str, Variable]:
    """Return the positions of voxels, where the cell has a size."""
    labels = {}
    for dim, n in zip(dims, shape, strict=True):
        if dim == "volume":
            continue
        cell, samples = float(header["cella"][dim]), int(header[f"m{dim}"])
        if cell > 0 and samples > 0 and np.isfinite(cell):
            values = float(header["origin"][dim]) + cell / samples * np.arange(n)
            labels[dim] = Variable((dim,), Values(values), {"units": "angstrom"})
    return labels
