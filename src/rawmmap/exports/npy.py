"""NumPy's header in the unused bytes before a variable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.lib import format as npy

from rawmmap.exports.subject import Subject, choose, open_subject
from rawmmap.layout import Layout

__all__ = ["to_npy"]

# Magic string, version 1.0 and the length of what follows, in two bytes.
_PREAMBLE = 10
# numpy.load reads no longer header unless it is told to trust the file.
_LONGEST = 10_000


def to_npy(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    variable: str | None = None,
    **keywords: Any,
) -> Path:
    """Write NumPy's header into the unused bytes before a variable of a file.

    The file itself is then a ``.npy`` file, whatever its name: ``numpy.load(path)`` and
    ``numpy.load(path, mmap_mode="r")`` give the variable. Only bytes before the variable change,
    and only if no described variable has any of them and all are zero or already such a header. A
    sidecar stays as true as it was. Files that `rawmmap.to_raw` writes from datasets leave 4096
    bytes for this; the variable is then the first one.

    Parameters
    ----------
    path : path-like
        The data file, or its sidecar.
    target : path-like, optional
        The data file, if it is given: there is no other choice.
    variable : str, optional
        The variable, where there are several.
    **keywords
        The words of `rawmmap.describe` that describe the file.

    Returns
    -------
    pathlib.Path
        The data file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PermissionError
        If the file may not be written to.
    ValueError
        If nothing describes the file, the variable has gaps or runs backwards, or the bytes before
        it are too few, too many, or in use. Nothing is written then.

    Notes
    -----
    Follows the ``.npy`` format, version 1.0, of ``numpy.lib.format``: 10 bytes, then a dictionary
    padded with spaces up to the data, 10,000 bytes at most, since ``numpy.load`` takes no more.
    The header says how long the variable is now: after the file has grown, export it again.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from rawmmap.exports import to_npy
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(bytes(4096) + np.arange(6, dtype=">i2").tobytes())
    >>> _ = to_npy(path, dtype=">i2", shape=(2, 3), offset=4096)
    >>> np.load(path).tolist()
    [[0, 1, 2], [3, 4, 5]]
    >>> folder.cleanup()
    """
    subject = open_subject(path, **keywords)
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


def _header(subject: Subject, name: str, layout: Layout) -> bytes:
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
            "numpy.load takes no longer one; write the data anew, with offset=4096"
        )
    length = free - _PREAMBLE
    return npy.magic(1, 0) + length.to_bytes(2, "little") + text.ljust(length - 1) + b"\n"


def _check_others(subject: Subject, name: str, layout: Layout) -> None:
    for other, placed in subject.placed.items():
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
