"""Dask arrays into flat files: `to_raw`, and what writes several arrays into one file."""

from __future__ import annotations

import functools
import importlib
import numbers
import os
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, SupportsIndex

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.delayed import Delayed, delayed

from rawmmap.array import RawArray
from rawmmap.dask.reading import Slices, as_dask
from rawmmap.layout import Layout
from rawmmap.sources import local_path
from rawmmap.sources.writing import ChangedFileError, Overwrite, Replacement

__all__ = ["Goal", "Piece", "Writing", "known", "local_target", "others", "store", "to_raw"]


class Goal(Protocol):
    """How a file comes into being, and what is left of it after a failure."""

    def check(self) -> None:
        """Refuse a file that is not as it was when this was planned."""

    def begin(self) -> None:
        """Make the file ready to be written to."""

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> None:
        """Store an array in the file."""

    def finish(self) -> None:
        """Put the file in place, once all of it is on disk."""

    def abandon(self) -> None:
        """Leave everything as it was."""


Piece = tuple[Any, Layout]


# Libraries whose objects a room above this one writes, and which module of it to load for them.
_ROOMS = {"xarray": "rawmmap.xarray.writing.front"}


def _also_others(function: Callable[..., Delayed | None]) -> Callable[..., Delayed | None]:
    """Let rooms above write what they know, by registering in `others`."""
    others.register(object, function)

    @functools.wraps(function)
    def to_raw(x: Any, path: str | os.PathLike[str], **words: Any) -> Delayed | None:
        libraries = {base.__module__.partition(".")[0] for base in type(x).__mro__}
        for room in libraries & set(_ROOMS):
            importlib.import_module(_ROOMS[room])
        return others(x, path, **words)

    return to_raw


@functools.singledispatch
def others(x: Any, path: str | os.PathLike[str], **words: Any) -> Delayed | None:
    """Write anything; the function that does it is chosen by the type of `x`."""
    raise NotImplementedError


@_also_others
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
        ``"C"``: the last axis is the fastest; ``"F"``: the first one is. Chunks that are contiguous
        in the file are written fastest.
    mode : {"w", "r+"}
        ``"w"``: a new file, or the replacement of an old one, which stays as it was until all of
        the new one is on disk. ``"r+"``: into an existing file, which grows if need be and keeps
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
    Mode "r+" is not safe onto the very file that `x` is lazily read from: chunks may then read what
    others have written. Mode "w" is.

    Under the process and distributed schedulers, the workers must see the file under the same path.
    Peak memory is that of the chunks at work. A computation that is killed leaves a hidden
    ``.name.*.part`` beside the target at the most; so may one of ``compute=False`` whose chunks
    fail while it is computed together with others, by `dask.compute`.

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
    target = local_target(path)
    if mode not in ("w", "r+"):
        raise ValueError(f"mode must be 'w' or 'r+', not {mode!r}")
    array = known(x)
    layout = Layout.dense(
        array.dtype if dtype is None else dtype, array.shape, offset=offset, order=order
    )
    size = layout.offset + layout.nbytes
    goal = Overwrite.of(target, size, exact=False) if mode == "r+" else Replacement.of(target, size)
    return store(goal, [(array, layout)], compute)


def local_target(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a file to be written, unless it is of another place."""
    name = os.fsdecode(path)
    local = local_path(name)
    if local is None:
        raise ValueError(f"{name}: only local files can be written; copy it there afterwards")
    return os.path.abspath(local)


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


class Writing(Delayed):
    """A file to be written, which cleans up if it is computed by itself and fails."""

    __slots__ = ("_goal",)

    def __init__(self, finished: Delayed, goal: Any) -> None:
        super().__init__(finished.key, finished.dask)  # type: ignore[no-untyped-call]
        self._goal = goal

    def compute(self, **words: Any) -> None:
        """Write the file; `words` as for ``dask.compute``."""
        self._goal.check()
        try:
            super().compute(**words)  # type: ignore[no-untyped-call]
        except ChangedFileError:
            raise
        except BaseException:
            self._goal.abandon()
            raise


def store(goal: Goal, pieces: Sequence[Piece], compute: bool) -> Delayed | None:
    """Write arrays into one file, each where its layout says, and finish the file.

    Parameters
    ----------
    goal : Goal
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
    if compute:
        _store_now(goal, pieces)
        return None
    begun = delayed(_begin, pure=False)(goal)
    written = [
        _writes(begun, array, layout)
        if isinstance(array, da.Array)
        else delayed(_write, pure=False)(array, begun, None, layout)
        for array, layout in pieces
    ]
    return Writing(delayed(_finish, pure=False)(begun, written), goal)


def _store_now(goal: Goal, pieces: Sequence[Piece]) -> None:
    goal.check()
    try:
        goal.begin()
        for array, layout in pieces:
            if not isinstance(array, da.Array):
                _write(array, goal, None, layout)
        lazy = [_writes(goal, array, layout) for array, layout in pieces if _is_lazy(array)]
        if lazy:
            dask.compute(lazy)
        goal.finish()
    except BaseException:
        goal.abandon()
        raise


def _is_lazy(array: Any) -> bool:
    return isinstance(array, da.Array)


def _begin(goal: Goal) -> Goal:
    goal.begin()
    return goal


def _finish(begun: Goal, written: Any) -> None:
    try:
        begun.finish()
    except BaseException:
        begun.abandon()
        raise


def _writes(goal: Goal | Delayed, array: da.Array, layout: Layout) -> da.Array:
    """Return what, once computed, has written one array."""
    written: da.Array = da.map_blocks(
        _write,
        array,
        goal,
        Slices(array.chunks),
        layout=layout,
        chunks=tuple((1,) * n for n in array.numblocks),
        dtype=np.uint8,
        meta=np.empty((0,) * array.ndim, np.uint8),
        name=f"rawmmap-write-{dask.base.tokenize(array.name, layout, secrets.token_hex())}",
    )
    return written


def _write(
    block: Any, goal: Goal, where: tuple[slice, ...] | None, layout: Layout
) -> npt.NDArray[np.uint8]:
    """Write one chunk, and return as little as Dask can put together."""
    part = layout if where is None else layout[where]
    try:
        goal.write(part, _fitting(np.asarray(block), part))
    except BaseException:
        goal.abandon()
        raise
    return np.ones((1,) * part.ndim, np.uint8)


def _fitting(block: npt.NDArray[Any], part: Layout) -> npt.NDArray[Any]:
    """Refuse what is not as it was announced: NumPy would repeat or cut it without a word."""
    if block.shape != part.shape:
        raise ValueError(f"a chunk of shape {part.shape} came out as {block.shape}")
    wanted = part.dtype
    if block.dtype.kind == wanted.kind and wanted.kind in "SU" and block.dtype != wanted:
        width = np.strings.str_len(block).max(initial=0)
        if width > wanted.itemsize // np.dtype(f"{wanted.kind}1").itemsize:
            raise ValueError(f"text of {width} characters does not fit into {wanted}")
    return block
