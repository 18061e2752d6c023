"""Dask arrays into flat files: `to_raw`, and what writes several arrays into one file."""

from __future__ import annotations

import numbers
import os
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.delayed import Delayed, delayed

from rawmmap.array import RawArray
from rawmmap.dask.reading import Slices, as_dask
from rawmmap.layout import Layout
from rawmmap.sources.writing import Overwrite, Replacement

__all__ = ["store", "to_raw"]

Goal = Replacement | Overwrite
Piece = tuple[Any, Layout]


def to_raw(
    x: Any,
    path: str | os.PathLike[str],
    *,
    dtype: npt.DTypeLike | None = None,
    offset: SupportsIndex = 0,
    order: Literal["C", "F"] = "C",
    mode: Literal["w", "r+"] = "w",
    compute: bool = True,
) -> Delayed | None:
    """Write an array into one flat file, chunk by chunk and in parallel.

    Parameters
    ----------
    x : array-like
        Usually a Dask array; each of its chunks is computed, written and forgotten. A DataArray or
        Dataset is written with its sidecar, as ``x.rawmmap.to_raw(path)`` does, and takes that
        method's keywords.
    path : path-like
        The file.
    dtype : dtype-like, optional
        Type of the elements in the file, byte order included; by default that of `x`.
    offset : int
        Byte of the file at which the first element goes. With mode "w", zeros lie before it.
    order : {"C", "F"}
        ``"C"``: the last axis is the fastest; ``"F"``: the first one is. Chunks that are contiguous in
        the file are written fastest.
    mode : {"w", "r+"}
        ``"w"``: a new file, or the replacement of an old one, which stays as it was until all of the
        new one is on disk. ``"r+"``: into an existing file, which grows if need be and keeps
        every other byte.
    compute : bool
        Whether to write now. Otherwise nothing happens until the result is computed.

    Returns
    -------
    dask.delayed.Delayed or None
        With ``compute=False``, what writes the file once it is computed.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or, with mode "r+", no such file.
    TypeError
        If the dtype holds pointers.
    ValueError
        If a word has none of its values, or the array's shape is unknown.
    OSError
        If the disk is full or fails; with mode "w" nothing is left of the new file, with mode "r+"
        the file has its old length again.

    Notes
    -----
    Under the process and distributed schedulers, the workers must see the file under the same path. Peak
    memory is that of the chunks at work. A computation that is killed leaves a hidden
    ``.name.*.part`` beside the target at the most.

    Examples
    --------
    >>> import dask.array as da, numpy as np, os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> to_raw(da.arange(6, chunks=2).reshape(2, 3), path, dtype=">i2")
    >>> np.fromfile(path, ">i2")
    array([0, 1, 2, 3, 4, 5], dtype='>i2')
    >>> folder.cleanup()
    """
    target = os.path.abspath(os.fspath(path))
    if mode not in ("w", "r+"):
        raise ValueError(f"mode must be 'w' or 'r+', not {mode!r}")
    array = known(x)
    layout = Layout.dense(
        array.dtype if dtype is None else dtype, array.shape, offset=offset, order=order
    )
    size = layout.offset + layout.nbytes
    goal = Overwrite(target, size) if mode == "r+" else Replacement.of(target, size)
    return store(goal, [(array, layout)], compute)


def known(x: Any) -> Any:
    """Return any array as a NumPy or Dask array of known shape, without copying or loading it."""
    if isinstance(x, RawArray):
        return as_dask(x)
    if not isinstance(x, da.Array):
        if isinstance(x, np.ndarray) or not (hasattr(x, "dtype") and hasattr(x, "shape")):
            return np.asarray(x)
        x = da.from_array(x, chunks="auto", name=False)
    if any(not isinstance(n, numbers.Integral) for n in x.shape):
        raise ValueError(
            f"shape {x.shape} is not known until the array is computed; call "
            "x.compute_chunk_sizes() first"
        )
    return x


def store(goal: Goal, pieces: Sequence[Piece], compute: bool) -> Delayed | None:
    """Write arrays into one file, each where its layout says, and finish the file.

    Parameters
    ----------
    goal : Replacement or Overwrite
        How the file comes into being, and what is left of it after a failure.
    pieces : sequence of (array, Layout)
        NumPy and Dask arrays; their elements must not overlap in the file.
    compute : bool
        Whether to write now.

    Returns
    -------
    dask.delayed.Delayed or None
        With ``compute=False``, what writes the file once it is computed.
    """
    begun = delayed(_begin, pure=False)(goal)
    written = [_writes(begun, goal, array, layout) for array, layout in pieces]
    finished = delayed(_finish, pure=False)(begun, goal, written)
    if not compute:
        return finished
    try:
        dask.compute(finished)
    except BaseException:
        goal.abandon()
        raise
    return None


def _begin(goal: Goal) -> Goal:
    goal.begin()
    return goal


def _finish(begun: Goal, goal: Goal, written: Any) -> None:
    goal.finish()


def _writes(begun: Delayed, goal: Goal, array: Any, layout: Layout) -> Any:
    """Return what, once computed, has written one array."""
    if not isinstance(array, da.Array):
        return delayed(_write, pure=False)(array, begun, None, layout)
    return array.map_blocks(
        _write,
        begun,
        Slices(array.chunks),
        layout=layout,
        chunks=tuple((1,) * n for n in array.numblocks),
        dtype=np.uint8,
        meta=np.empty((0,) * array.ndim, np.uint8),
        name=f"rawmmap-write-{dask.base.tokenize(array.name, goal, layout)}",
    )


def _write(
    block: Any, goal: Goal, where: tuple[slice, ...] | None, layout: Layout
) -> npt.NDArray[np.uint8]:
    """Write one chunk, and return as little as Dask can put together."""
    part = layout if where is None else layout[where]
    try:
        goal.write(part, np.asarray(block))
    except BaseException:
        goal.abandon()
        raise
    return np.ones((1,) * part.ndim, np.uint8)
