"""NumPy's header in the unused bytes before a variable."""

from __future__ import annotations

import os
from pathlib import Path

from numpy.lib import format as npy

from rawmmap.formats.described_file import DescribedFile, choose
from rawmmap.layout import Layout

__all__ = ["write_npy"]

# Magic string, version 1.0 and the length of what follows, in two bytes.
_PREAMBLE = 10
# numpy.load reads no longer header unless it is told to trust the file.
_LONGEST = 10_000


def write_npy(
    subject: DescribedFile, target: str | os.PathLike[str] | None, variable: str | None
) -> Path:
    """Write what `rawmmap.to_npy` promises, for a file that is described already."""
    place = Path(subject.path)
    if target is not None and os.path.realpath(target) != os.path.realpath(place):
        raise ValueError(
            f"{os.fspath(target)} is not the data file {place}: the header stands before the data "
            "in one file; leave target out"
        )
    name, _, layout = choose(
        subject, variable, _dense, "dense, in C or Fortran order, as a .npy file has to be"
    )
    header = _header(subject, name, layout)
    _check_others(subject, name, layout)
    with open(place, "r+b", buffering=0) as file:
        _check_unused(place, file.read(layout.offset), layout.offset)
        file.seek(0)
        if file.write(header) < len(header):
            raise OSError(f"{place}: only a part of the {len(header)} bytes could be written")
        os.fsync(file.fileno())
    return place


def _dense(layout: Layout) -> bool:
    return layout.contiguous or _fortran(layout)


def _fortran(layout: Layout) -> bool:
    return layout.transpose(range(layout.ndim)[::-1]).contiguous


def _header(subject: DescribedFile, name: str, layout: Layout) -> bytes:
    """Return a header that ends where the variable starts."""
    words = {
        "descr": npy.dtype_to_descr(layout.dtype),
        "fortran_order": _fortran(layout) and not layout.contiguous,
        "shape": layout.shape,
    }
    text = repr(words).encode("latin-1")
    free, needed = layout.offset, _PREAMBLE + len(text) + 1
    if not needed <= free <= _PREAMBLE + _LONGEST:
        raise ValueError(
            f"{subject.path}: variable {name!r} starts at byte {free}, so {free} bytes are free "
            f"for a header that needs {needed} and may have {_PREAMBLE + _LONGEST}, since "
            "numpy.load takes no longer one; rewrite the data, with offset=4096"
        )
    length = free - _PREAMBLE
    return npy.magic(1, 0) + length.to_bytes(2, "little") + text.ljust(length - 1) + b"\n"


def _check_others(subject: DescribedFile, name: str, layout: Layout) -> None:
    for other, placed in subject.variables.items():
        if not isinstance(placed.data, Layout):
            continue
        start, stop = placed.data.extent
        if start < min(stop, layout.offset):
            raise ValueError(
                f"{subject.path}: the header of {name!r} would take the bytes 0 to "
                f"{layout.offset}, but variable {other!r} has its data at {start} to {stop}; "
                "choose the variable that comes first in the file"
            )


def _check_unused(path: Path, found: bytes, free: int) -> None:
    """Raise unless the bytes before the data are zero, or a header with nothing but zeros after."""
    rest = found[_header_length(found) :].lstrip(b"\0")
    if rest:
        raise ValueError(
            f"{path}: byte {free - len(rest)} of the {free} before the data is not zero, and they "
            "are no .npy header: something that is not described lies there, and is kept"
        )


def _header_length(found: bytes) -> int:
    if not found.startswith(npy.MAGIC_PREFIX) or len(found) < _PREAMBLE:
        return 0
    size = 2 if found[6] == 1 else 4
    length = 8 + size + int.from_bytes(found[8 : 8 + size], "little")
    return length if length <= len(found) else 0
