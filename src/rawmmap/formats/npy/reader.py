"""NumPy's ``.npy`` format, versions 1 to 3 (`numpy.lib.format`): the header says the layout."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from rawmmap.description.model import Description, Variable
from rawmmap.description.template import LayoutTemplate
from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe
from rawmmap.layout import plain_dtype

__all__ = ["NpyReader"]


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
        with probe.open() as file:
            try:
                shape, fortran, dtype = self._header(file)
                plain_dtype(dtype)
                _check_lengths(shape)
            except OSError:
                raise
            # What NumPy raises depends on its version: TokenError, RecursionError and others, too.
            except Exception as error:
                raise DescriptionError(f"{probe.name}: {error}") from error
            offset = file.tell()
        dims = tuple(f"dim_{i}" for i in range(len(shape)))
        order = "F" if fortran else "C"
        template = LayoutTemplate(dtype, shape, offset, order)
        return Description(probe.name, {"data": Variable(dims, template)}, unnamed=True)

    @staticmethod
    def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        version = npy.read_magic(file)
        if version == (1, 0):
            return npy.read_array_header_1_0(file)
        # Versions 2 and 3 differ only in the encoding of field names, which the reader of 2
        # takes as latin-1; names beyond ASCII are the only reason for version 3.
        if version == (2, 0):
            return npy.read_array_header_2_0(file)
        raise ValueError(f".npy version {version} is none of (1, 0) and (2, 0)")


def _check_lengths(shape: tuple[int, ...]) -> None:
    if any(n < 0 for n in shape):
        raise ValueError(f"the header has the shape {shape}, with a negative length")
