"""Where the values of GrADS variables lie in a file.

A file is made of grids, each preceded and followed by what XYHEADER and XYTRAILER say and, in a
sequential file, by the four-byte markers of a Fortran record. The grids of all levels of all
variables make a time, with THEADER before them and TRAILERBYTES after::

    FILEHEADER | THEADER | u: grid grid grid | v: grid | TRAILERBYTES | THEADER | u: ...
    grid:  marker | XYHEADER | rows of values | XYTRAILER | marker

Where the units of the variables are -1,20 all times of the first variable come first, then those of
the second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rawmmap.formats.grads.descriptor import Descriptor
from rawmmap.formats.grads.variables import GridVariable
from rawmmap.layout import Layout

__all__ = ["FileGrids"]

_MARKER = 4


@dataclass(frozen=True, slots=True)
class FileGrids:
    """The grids of one file.

    Parameters
    ----------
    descriptor : Descriptor
        What the descriptor file says.
    times : int
        Number of times in the file.
    members : int
        Number of members of the ensemble in the file.
    """

    descriptor: Descriptor
    times: int
    members: int

    def layouts(self) -> Iterator[Layout]:
        """Yield the layout of each variable, with the axes member, time, level, row, column.

        A variable of 0 levels has no axis of levels.

        Raises
        ------
        ValueError
            If a combination of keywords is not implemented, or the file would be too large.
        """
        self._check()
        counts = [max(variable.levels, 1) for variable in self.descriptor.variables]
        before = 0
        for variable, count in zip(self.descriptor.variables, counts, strict=True):
            layout = self._layout(variable, count, before, sum(counts))
            yield layout if variable.levels else layout[:, :, 0]
            before += count

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of all values."""
        return np.dtype(_byte_order(self.descriptor) + self.descriptor.variables[0].code)

    @property
    def _grid_start(self) -> int:
        """Bytes from the start of a grid to its first value."""
        return self._marker + self.descriptor.headers["XYHEADER"]

    @property
    def _marker(self) -> int:
        return _MARKER if "sequential" in self.descriptor.options else 0

    @property
    def _grid_bytes(self) -> int:
        rows, columns = self.descriptor.grid
        data = rows * columns * self.dtype.itemsize
        return self._grid_start + data + self.descriptor.headers["XYTRAILER"] + self._marker

    @property
    def _time_start(self) -> int:
        """Bytes from the start of a time to its first grid."""
        header = self.descriptor.headers["THEADER"]
        return header + 2 * self._marker if header else 0

    def _layout(self, variable: GridVariable, count: int, before: int, total: int) -> Layout:
        rows, columns = self.descriptor.grid
        step, size = self._grid_bytes, self.dtype.itemsize
        if variable.time_inside:
            offset = before * self.times * step
            time_step = count * step
            member_step = total * self.times * step
        else:
            offset = self._time_start + before * step
            time_step = self._time_start + total * step + self.descriptor.headers["TRAILERBYTES"]
            member_step = self.times * time_step
        shape = (self.members, self.times, count, rows, columns)
        strides = (member_step, time_step, step, columns * size, size)
        start = self.descriptor.headers["FILEHEADER"] + offset + self._grid_start
        return self._flip(Layout(self.dtype, shape, strides, start))

    def _flip(self, layout: Layout) -> Layout:
        """Return the layout from south to north and from the first level to the last."""
        options = self.descriptor.options
        # GrADS does not flip the grids of files with PDEF.
        flips = self.descriptor.projection is None
        if flips and "yrev" in options:
            layout = layout[..., ::-1, :]
        if flips and "zrev" in options:
            layout = layout[:, :, ::-1]
        return layout

    def _check(self) -> None:
        variables, headers = self.descriptor.variables, self.descriptor.headers
        codes = list(dict.fromkeys(variable.code for variable in variables))
        if len(codes) > 1:
            raise ValueError(f"the variables have the types {codes}; all must have the same one")
        for keyword, nbytes in headers.items():
            if keyword != "FILEHEADER" and nbytes % self.dtype.itemsize:
                raise ValueError(
                    f"{keyword} {nbytes} is not a multiple of the {self.dtype.itemsize} bytes of a "
                    "value, of which GrADS would take only whole ones"
                )
        if any(variable.time_inside for variable in variables):
            self._check_time_inside(variables)

    def _check_time_inside(self, variables: Sequence[GridVariable]) -> None:
        """Refuse what GrADS does not allow together with the units -1,20, or reads in another way.

        Such files have no headers between times, and all variables are stored in this way.
        """
        if not all(variable.time_inside for variable in variables):
            raise ValueError("the units -1,20 of only some variables are not implemented")
        for keyword in ("THEADER", "TRAILERBYTES"):
            if self.descriptor.headers[keyword]:
                raise ValueError(f"{keyword} is not implemented for variables with the units -1,20")
        if self.members > 1 and len({variable.levels for variable in variables}) > 1:
            raise ValueError(
                "EDEF is not implemented for variables with the units -1,20 and unequal levels"
            )
        for variable in variables:
            if variable.times not in (None, self.times):
                raise ValueError(
                    f"the units -1,20,{variable.times} of {variable.name} contradict the "
                    f"{self.times} times of a file"
                )


def _byte_order(descriptor: Descriptor) -> str:
    """Return the order of bytes, ``"<"`` or ``">"``; that of this machine where none is given."""
    native = "<" if sys.byteorder == "little" else ">"
    orders = {
        "little_endian": "<",
        "big_endian": ">",
        "byteswapped": ">" if native == "<" else "<",
    }
    named = {option: orders[option] for option in orders if option in descriptor.options}
    if len(set(named.values())) > 1:
        raise ValueError(f"OPTIONS {' and '.join(named)} contradict each other")
    return next(iter(named.values()), native)
