"""How many bytes of each part of a file a layout has, without listing its elements."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from rawmmap.layout.strided import Layout

__all__ = ["bytes_between", "bytes_of_ranges"]

# Blocks that are counted one by one; what lies closer together than the parts is spread evenly.
_MOST_BLOCKS = 4096


def bytes_between(layout: Layout, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how many bytes of a layout lie between each edge and the next.

    Parameters
    ----------
    layout : Layout
        Elements that share no bytes.
    edges : numpy.ndarray
        Positions in the file, ascending.

    Returns
    -------
    numpy.ndarray
        One number fewer than there are edges. Where elements lie closer together than the edges,
        they count as if they were spread evenly, so that a million records cost no more than ten.
    """
    if not layout.size:
        return np.zeros(len(edges) - 1)
    width = float(np.diff(edges).max(initial=1.0))
    steps = sorted(
        ((abs(step), n) for step, n in zip(layout.strides, layout.shape, strict=True) if n > 1),
        reverse=True,
    )
    # Backwards steps start at the other end.
    back = sum(s * (n - 1) for s, n in zip(layout.strides, layout.shape, strict=True) if s < 0)
    starts = np.array([layout.offset + back], np.float64)
    length = layout.extent[1] - layout.extent[0]
    while steps and steps[0][0] > width / 2 and len(starts) * steps[0][1] <= _MOST_BLOCKS:
        step, n = steps.pop(0)
        starts = np.add.outer(starts, step * np.arange(n, dtype=np.float64)).ravel()
        length -= step * (n - 1)
    nbytes = layout.nbytes / len(starts)
    return _count(starts, np.full(len(starts), float(length)), nbytes / length, edges)


def bytes_of_ranges(
    ranges: Iterable[tuple[int, int]], edges: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return how many bytes of some ranges lie between each edge and the next."""
    pairs = np.array(list(ranges), np.float64).reshape(-1, 2)
    return _count(pairs[:, 0], pairs[:, 1] - pairs[:, 0], 1.0, edges)


def _count(
    starts: npt.NDArray[np.float64],
    lengths: npt.NDArray[np.float64],
    density: float,
    edges: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the bytes between edges of ranges that are filled to some part."""
    total = np.zeros(len(edges))
    for first in range(0, len(starts), _MOST_BLOCKS):
        some = slice(first, first + _MOST_BLOCKS)
        before = edges[:, None] - starts[None, some]
        total += np.clip(before, 0, lengths[None, some]).sum(axis=1)
    counted: npt.NDArray[np.float64] = np.diff(total) * density
    return counted
