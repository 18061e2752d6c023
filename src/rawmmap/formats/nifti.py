"""NIfTI-1, NIfTI-2 and Analyze 7.5: headers by nibabel, data in the same file or in ``.img``."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.header_files import HeaderFiles
from rawmmap.formats.probe import Probe
from rawmmap.formats.volumes import name_axes
from rawmmap.layout import Layout, Values
from rawmmap.libraries import load_library

__all__ = ["NiftiReader"]

_NIFTI1 = (b"n+1\0", b"ni1\0")
_NIFTI2 = (b"n+2\0", b"ni2\0")
_SIZES = {348, 540}
_UNITS = {"meter": "m", "mm": "mm", "micron": "um", "sec": "s", "msec": "ms", "usec": "us"}


def _size_of_header(head: bytes) -> int:
    """Return the first number, in whichever byte order makes sense, or 0."""
    sizes = int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")
    return next((size for size in sizes if size in _SIZES), 0)


def _is_header(head: bytes) -> bool:
    size = _size_of_header(head)
    if size == 540:
        return head[4:8] in _NIFTI2
    if size != 348 or len(head) < 348:
        return False
    # Analyze has no mark; the number of dimensions, in the same byte order, is plausible there.
    order: Literal["little", "big"] = (
        "little" if int.from_bytes(head[:4], "little") == 348 else "big"
    )
    dimensions = int.from_bytes(head[40:42], order)
    return 1 <= dimensions <= 7


_FILES = HeaderFiles(
    "a header of NIfTI or Analyze", _is_header, (".hdr", ".HDR"), (".img",), append=False
)


class NiftiReader:
    """Reads the header of an image; the probe is of ``.nii``, or of ``.hdr`` or ``.img``."""

    name = "nifti"
    own_engine = True

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file has such a header, or one of its name beside it."""
        return _find_header(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the image, a variable named ``data``, and of its axes.

        Raises
        ------
        DescriptionError
            If the header is malformed.
        FileNotFoundError
            If the data file is missing.
        ImportError
            If nibabel is not installed.
        ShortFileError
            If the data file is too short.
        """
        nibabel = load_library("nibabel", "NIfTI and Analyze headers are read")
        header = _find_header(probe)
        if header is None:
            raise DescriptionError(f"{probe.name}: it has no header of NIfTI or Analyze")
        try:
            parsed = _parse(nibabel, header.head)
            single = getattr(parsed, "is_single", False)
            data = _FILES.find_data(header) if header is probe and not single else probe
            return _describe(data, parsed)
        except (ShortFileError, OSError):
            raise
        # nibabel has errors of its own for headers that contradict themselves.
        except (ValueError, KeyError, TypeError, nibabel.spatialimages.HeaderDataError) as error:
            raise DescriptionError(f"{header.name}: {error}") from error


def _find_header(probe: Probe) -> Probe | None:
    return _FILES.find_header(probe) if probe.suffix == ".img" or _is_header(probe.head) else None


def _parse(nibabel: Any, head: bytes) -> Any:
    size = _size_of_header(head)
    if size == 540:
        kind = nibabel.Nifti2Header if head[4:8] == b"n+2\0" else nibabel.nifti2.Nifti2PairHeader
    elif head[344:348] in _NIFTI1:
        single = head[344:348] == b"n+1\0"
        kind = nibabel.Nifti1Header if single else nibabel.nifti1.Nifti1PairHeader
    else:
        kind = nibabel.spm99analyze.Spm99AnalyzeHeader
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Extensions, which follow the header, say nothing about the data.
        return kind(head[:size], check=False)


def _describe(data: Probe, header: Any) -> Description:
    shape = [int(n) for n in header.get_data_shape()]
    if not shape or min(shape) < 0:
        raise ValueError(f"the header has the shape {shape}")
    dtype = np.dtype(header.get_data_dtype())
    dims = _dims(len(shape))
    components: tuple[str, ...] = ()
    if dtype.names is not None:
        # Colours: fields of bytes, which make an axis.
        components, counts = ("component",), [len(dtype.names)]
        dtype = np.dtype("u1")
    else:
        counts = []
    offset = int(header.get_data_offset())
    layout = Layout.dense(dtype, [*shape[::-1], *counts], offset=offset)
    if layout.extent[1] > data.size:
        raise ShortFileError(data.name, layout.extent[1], data.size)
    labels, notes = _axes(header, dims, shape)
    variables = {"data": Variable((*dims[::-1], *components), layout, _attrs(header)), **labels}
    return Description(data.name, variables, frozenset(labels), notes)


def _dims(ndim: int) -> list[str]:
    names = name_axes(min(ndim, 4))
    return names + [f"dim_{i}" for i in range(4, ndim)]


def _attrs(header: Any) -> dict[str, Any]:
    slope, inter = header.get_slope_inter()
    if slope is None or (slope, inter or 0.0) == (1.0, 0.0):
        return {}
    return {"scale_factor": float(slope), "add_offset": float(inter or 0.0)}


def _axes(
    header: Any, dims: list[str], shape: list[int]
) -> tuple[dict[str, Variable], dict[str, Any]]:
    """Return the coordinates of an image that is not turned, and its affine matrix otherwise."""
    text = bytes(header["descrip"]).rstrip(b"\0").decode("latin-1").strip()
    notes: dict[str, Any] = {"description": text} if text else {}
    if not hasattr(header, "get_xyzt_units"):
        # Analyze does not say which way its axes go; programs keep that in files of their own.
        return {}, notes | {"pixdim": [float(n) for n in header.get_zooms()]}
    affine = np.asarray(header.get_best_affine(), float)
    notes["affine"] = affine.ravel().tolist()
    units = header.get_xyzt_units()
    labels = {}
    linear = affine[:3, :3]
    if np.array_equal(linear, np.diag(np.diag(linear))) and np.diag(linear).all():
        for axis, dim in enumerate(dims[:3]):
            values = affine[axis, 3] + linear[axis, axis] * np.arange(shape[axis])
            labels[dim] = Variable((dim,), Values(values), _unit(units[0]))
    if len(shape) > 3:
        zooms = header.get_zooms()
        if len(zooms) > 3 and zooms[3] > 0:
            values = float(header["toffset"]) + float(zooms[3]) * np.arange(shape[3])
            labels["t"] = Variable(("t",), Values(values), _unit(units[1]))
    return labels, notes


def _unit(word: str) -> dict[str, Any]:
    return {"units": _UNITS[word]} if word in _UNITS else {}
