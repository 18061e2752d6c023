"""MRC2014 and CCP4 maps: images and volumes of electron microscopy, headers by mrcfile."""

from __future__ import annotations

from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout, Values
from rawmmap.layout.bits import BitLayout, Packing
from rawmmap.layout.samples import Samples, parse_dtype
from rawmmap.libraries import load_library

__all__ = ["MrcReader"]

_NBYTES = 1024
_MARK = b"MAP "
_TYPES = {0: "i1", 1: "i2", 2: "f4", 3: "ci2", 4: "c8", 6: "u2", 12: "f2"}
# Four bits, of which the lower ones of a byte come first, in rows of whole bytes: as IMOD has them.
_NIBBLES = 101


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


def _parse(mrcfile: Any, head: bytes) -> tuple[Any, str]:
    """Return the header, and its byte order."""
    order = mrcfile.utils.byte_order_from_machine_stamp(np.frombuffer(head[212:216], "u1"))
    dtype = mrcfile.dtypes.HEADER_DTYPE.newbyteorder(order)
    header = np.frombuffer(head[:_NBYTES], dtype)[0]
    return header, order


def _describe(probe: Probe, parsed: tuple[Any, str]) -> Description:
    header, order = parsed
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
    layout, samples = _arrange(int(header["mode"]), order, shape, _NBYTES + extended)
    if layout.extent[1] > probe.size:
        raise ShortFileError(probe.name, layout.extent[1], probe.size)
    labels = _labels(header, dims, shape)
    count = min(max(int(header["nlabl"]), 0), 10)
    texts = [bytes(label).decode("latin-1").strip("\0 ") for label in header["label"][:count]]
    notes = {"labels": texts} if texts else {}
    variables = {"data": Variable(dims, layout, samples=samples), **labels}
    return Description(probe.name, variables, frozenset(labels), notes)


def _arrange(
    mode: int, order: str, shape: tuple[int, ...], offset: int
) -> tuple[Layout | BitLayout, Samples | None]:
    """Return where the elements of a mode lie, and how they are stored."""
    if mode == _NIBBLES:
        rows = Layout.dense(np.uint8, (*shape[:-1], -(-shape[-1] // 2)), offset=offset)
        strides = (*(8 * step for step in rows.strides[:-1]), 4)
        return BitLayout(Packing(4, "lsb"), Layout(np.uint8, shape, strides, 8 * offset)), None
    if mode not in _TYPES:
        raise ValueError(f"the mode {mode} is none of {[*_TYPES, _NIBBLES]}")
    dtype, samples = parse_dtype(order + _TYPES[mode])
    return Layout.dense(dtype, shape, offset=offset), samples


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
