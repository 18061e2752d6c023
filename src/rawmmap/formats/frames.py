"""Recordings: frames of samples, one after another to the end of a file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rawmmap.description.model import Variable
from rawmmap.layout import Layout
from rawmmap.layout.bits import BitLayout, Packing
from rawmmap.layout.samples import Samples

__all__ = ["arrange_frames"]


def arrange_frames(
    dtype: np.dtype[Any] | Packing,
    frame: tuple[tuple[str, int], ...],
    start: int,
    stop: int,
    *,
    time: str = "sample",
    samples: Samples | None = None,
    attrs: dict[str, Any] | None = None,
) -> Variable:
    """Return the variable of all whole frames between two bytes of a file.

    Parameters
    ----------
    dtype : numpy.dtype or Packing
        Type of one stored sample, or how samples of a few bits are packed.
    frame : tuple of (str, int)
        Dims of a frame and their lengths, the slowest first; a length of 1 is kept.
    start, stop : int
        The first byte of the first frame, and the byte after the last one.
    time : str
        The dimension that counts the frames.
    samples : Samples, optional
        How stored samples become values.
    attrs : dict, optional
        Attributes.

    Raises
    ------
    ValueError
        If a frame has no bytes, or does not fill its bytes.
    """
    dims = (time, *(dim for dim, _ in frame))
    lengths = [n for _, n in frame]
    count = math.prod(lengths)
    bits = dtype.bits if isinstance(dtype, Packing) else 8 * dtype.itemsize
    if count <= 0 or count * bits % 8:
        raise ValueError(
            f"frames of {count} samples of {bits} bits do not fill whole bytes; axes are {frame}"
        )
    frames = max(stop - start, 0) // (count * bits // 8)
    shape = (frames, *lengths)
    data = (
        BitLayout.of(dtype, shape, offset=start, size=stop)
        if isinstance(dtype, Packing)
        else Layout.dense(dtype, shape, offset=start)
    )
    return Variable(dims, data, attrs or {}, samples=samples)
