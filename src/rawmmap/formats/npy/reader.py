"""NumPy's ``.npy`` format, versions 1 to 3 (`numpy.lib.format`): the header says the layout."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from rawmmap.description.model import Description, Variable
from rawmmap.description.template import LayoutTemplate
from rawmmap.errors import DescriptionError, name_file
from rawmmap.formats.probe import Probe
from rawmmap.layout import plain_dtype

__all__ = ["LONGEST_PREAMBLE", "NpyReader", "read_template"]

# Longer headers are refused, as NumPy does with those of untrusted files.
_MAX_HEADER = 10_000
#: Bytes within which the array begins: magic string, version and length come before the header.
LONGEST_PREAMBLE = 12 + _MAX_HEADER


class NpyReader:
    """Reads the header of a ``.npy`` file."""

    name = "npy"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts as a ``.npy`` file does."""
        return probe.head.startswith(npy.MAGIC_PREFIX)

    def read(self, probe: Probe) -> Description:
        """Return the description of the one array in the file, named ``data``.

        Raises
        ------
        DescriptionError
            If the header is malformed, or the dtype holds objects.
        """
        with probe.open() as file, name_file(probe.name):
            try:
                template = read_template(file)
            except OSError:
                raise
            # What NumPy raises depends on its version: TokenError, RecursionError and others, too.
            except Exception as error:
                raise DescriptionError(f"malformed .npy header: {error}") from error
        dims = tuple(f"dim_{i}" for i in range(template.ndim))
        return Description(probe.name, {"data": Variable(dims, template)}, unnamed=True)


def read_template(file: BinaryIO) -> LayoutTemplate:
    """Return the layout that the header at the start of an open file describes."""
    shape, fortran, dtype = _read_header(file)
    plain_dtype(dtype)
    lengths = tuple(map(int, shape))
    if any(n < 0 for n in lengths):
        raise ValueError(f"shape {lengths} has a negative length")
    return LayoutTemplate(dtype, lengths, file.tell(), "F" if fortran else "C")


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    if version == (1, 0):
        return npy.read_array_header_1_0(file)
    if version == (2, 0):
        return npy.read_array_header_2_0(file)
    if version == (3, 0):
        return npy.read_array_header_2_0(io.BytesIO(_read_utf8_header(file)))
    raise ValueError(f"version {version} is none of (1, 0), (2, 0) and (3, 0)")


def _read_utf8_header(file: BinaryIO) -> bytes:
    """Return a header of version 3, which is in UTF-8, as one of version 2, which is in latin-1.

    The header is a Python literal, in which escapes stand for the same characters.
    """
    (length,) = struct.unpack("<I", file.read(4))
    if length > _MAX_HEADER:
        raise ValueError(f"a header of {length} bytes is longer than {_MAX_HEADER}")
    text = file.read(length)
    if len(text) < length:
        raise ValueError(f"the header has {len(text)} of its {length} bytes")
    escaped = text.decode().encode("ascii", "backslashreplace")
    return struct.pack("<I", len(escaped)) + escaped
