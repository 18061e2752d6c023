"""The byte ranges of a mosaic of many short pieces of one file, without a look at each of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rawmmap.layout.mosaic import Mosaic
from rawmmap.layout.records import UnequalRecords

__all__ = ["Ranges", "find_ranges"]

# Longer or fewer pieces are better fetched one by one, as windows or by a read of each.
_FEW = 64
_LONG = 2**16


class Ranges(NamedTuple):
    """Where the elements of an array lie in the first file, in the order of `axes`.

    Attributes
    ----------
    starts, lengths : numpy.ndarray
        Bytes, ascending.
    axes : tuple of int
        The axes of the array, slowest first.
    """

    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    axes: tuple[int, ...]


def find_ranges(data: Any) -> Ranges | None:
    """Return the byte ranges of whole records that follow each other, if they are many and short.

    Parameters
    ----------
    data : Arrangement
        Anything else than consecutive positions along the axis of the records, or than all of the
        other axes, has none.
    """
    if not isinstance(data, Mosaic) or not isinstance(data.cells, UnequalRecords):
        return None
    joined = data.cells.joined
    axis = joined.axis
    selected = data.selection[axis]
    every = tuple(range(len(data.edges)))
    axes = every[::-1] if axis else every
    others = all(data.selection[i] == range(data.edges[i].length) for i in axes[1:])
    plain = data.order == every and axes[0] == axis
    one = joined.layout.transpose(axes)
    if not (plain and others and one.contiguous and isinstance(selected, range)):
        return None
    first, last = (joined.lengths.find(selected[i]) for i in (0, -1)) if selected else (0, 0)
    if selected.step != 1 or last - first < _FEW or data.nbytes > _LONG * (last - first):
        return None
    starts, lengths = joined.find_ranges(selected.start, selected.stop)
    return Ranges(starts, lengths, axes)
