"""Write arrays to flat files: `to_raw`."""

from __future__ import annotations

import numbers
import os
from typing import Any, Literal, SupportsIndex

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.delayed import Delayed

from rawmmap.array import RawArray
from rawmmap.dask.encoding import encode_array
from rawmmap.dask.reading import as_dask
from rawmmap.dask.store import check_unmasked, store
from rawmmap.description.keyword_types import as_integer
from rawmmap.description.naming import name_files
from rawmmap.description.patterns import VARIABLE, Pattern
from rawmmap.errors import name_file
from rawmmap.formats.series import names_series
from rawmmap.layout import Layout
from rawmmap.layout.samples import parse_dtype
from rawmmap.sources import local_path, name_of
from rawmmap.writing import Draft, InPlace, Replace, ReplaceSeries, State, WritePlan, settle
from rawmmap.writing.describing import check_description_kept

__all__ = ["as_array", "local_pattern", "local_target", "to_raw"]


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
    """Write an array to a flat file, chunk by chunk and in parallel.

    Parameters
    ----------
    x : array-like
        Usually a Dask array, of which each chunk is computed, written and released. A DataArray or
        Dataset is written with a sidecar, as by ``x.rawmmap.to_raw(path)``, with the keywords of
        that method.
    path : path-like
        The file. A pattern such as ``"ux-{i:04d}.bin"``, if no file of this very name exists,
        stands for many: one for each position along the leading axis, or along as many leading axes
        as the pattern has fields.
    dtype : dtype-like, optional
        Type of the elements in the file, byte order included, or the name of a type that NumPy
        lacks (``"<i3"``; see the page on samples); by default that of `x`.
    offset : int
        Byte of the file at which the first element starts. With mode "w", zeros precede it.
    order : {"C", "F"}
        ``"C"``: the last axis is the fastest; ``"F"``: the first one is. Chunks that are contiguous
        in the file are written fastest.
    mode : {"w", "r+"}
        ``"w"``: create or replace the file; an old file stays as it was until all of the new one is
        on disk. ``"r+"``: write into an existing file, which grows if needed and keeps all other
        bytes.
    compute : bool
        Whether to write now. If False, nothing is written until the result is computed.

    Returns
    -------
    dask.delayed.Delayed or None
        With ``compute=False``, an object that writes the file when it is computed.

    Raises
    ------
    FileNotFoundError
        If the folder or, with mode "r+", the file does not exist.
    TypeError
        If the dtype holds pointers, or the array is masked: call its ``filled()`` first.
    ValueError
        If an argument has an invalid value, the shape of the array is unknown, or the file has a
        sidecar that would no longer be true. Nothing is written in that case.
    OSError
        If the disk is full or fails, or another write changed the file in the meantime. The file is
        left as it was.

    Notes
    -----
    The files of a series are renamed one after the other when all of them are on disk: a failure
    before that leaves all of them as they were, one in that step leaves each file whole, but some
    of them new. Other files of the pattern are left alone.

    Chunks are first written to a hidden temporary file in the same folder, which needs that much
    space on the disk. With mode "w" it is then renamed to the target, with mode "r+" it is copied
    into it. Therefore several writers of one file, in threads or processes, take effect one after
    the other, and `x` may be read lazily from the target itself.

    Under the process and distributed schedulers, the workers must see the file under the same path.
    Peak memory is that of the chunks being computed. A computation that is killed may leave its
    temporary file, ``.rawmmap-*.part``; so may one with ``compute=False`` that fails while it is
    computed together with others by `dask.compute`.

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
    pattern = local_pattern(path)
    with name_file(target if pattern is None else pattern.text):
        if mode not in ("w", "r+"):
            raise ValueError(f"mode must be 'w' or 'r+', not {mode!r}")
        offset = as_integer("", "offset", offset)
        array, stored = _as_stored(as_array(x), dtype, os.fsdecode(path))
        if pattern is not None:
            _check_new(mode)
            plan = _plan_series(pattern, array, stored, offset, order)
        else:
            layout = Layout.dense(stored, array.shape, offset=offset, order=order)
            plan = (_plan_in_place if mode == "r+" else _plan_replacement)(target, array, layout)
    return store(plan, compute)


def _as_stored(array: Any, dtype: npt.DTypeLike | None, what: str) -> tuple[Any, npt.DTypeLike]:
    """Return the array to store, encoded if `dtype` names samples, and the type of its elements."""
    if dtype is None:
        return array, array.dtype
    stored, samples = parse_dtype(dtype)
    return array if samples is None else encode_array(array, samples, what), stored


def _check_new(mode: str) -> None:
    if mode == "r+":
        raise ValueError("mode='r+' writes into one file, and not into a series")


def _plan_replacement(target: str, array: Any, layout: Layout) -> WritePlan:
    transaction = Replace(Draft.plan_beside(target, layout.offset + layout.nbytes))
    return WritePlan(transaction, [(array, layout)])


def _plan_in_place(target: str, array: Any, layout: Layout) -> WritePlan:
    settle(target)
    planned = State.of(target)
    end = layout.offset + layout.nbytes
    transaction = InPlace.of(target, [layout], planned, size=end, may_grow=True)
    transaction.check()
    check_description_kept(target, layout)
    return WritePlan(transaction, [(array, transaction.layouts[0])])


def _plan_series(
    pattern: Pattern, array: Any, dtype: Any, offset: SupportsIndex, order: Literal["C", "F"]
) -> WritePlan:
    fields = pattern.names
    if VARIABLE in fields:
        raise ValueError(
            f"{pattern.text}: the field {{{VARIABLE}}} stands for the names of the variables of a "
            "dataset, and a plain array has none; name the field otherwise"
        )
    if array.ndim < len(fields) or 0 in array.shape[: len(fields)]:
        raise ValueError(
            f"{pattern.text}: the fields {list(fields)} are leading axes of some length, but the "
            f"array has shape {array.shape}"
        )
    shape = array.shape[: len(fields)]
    positions = {name: np.arange(n) for name, n in zip(fields, shape, strict=True)}
    names, _ = name_files(pattern, positions)
    member = Layout.dense(dtype, array.shape[len(fields) :], offset=offset, order=order)
    size = member.offset + member.nbytes
    folder = os.path.abspath(pattern.folder)
    # Folders of the pattern are not folders of the lock.
    label = os.path.join(folder, pattern.label[len(pattern.folder) :].replace("/", "_"))
    transaction = ReplaceSeries.of(folder, names, (size,), len(fields), label)
    return WritePlan(transaction, [(array, transaction.layout(member, shape))])


def local_pattern(path: str | os.PathLike[str]) -> Pattern | None:
    """Return the pattern of a series to be written; None for the path of one file."""
    name = os.fsdecode(path)
    name = local_path(name) or name
    return Pattern(name) if names_series(name) else None


def local_target(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a file to be written; refuse a remote URL."""
    name = os.fsdecode(path)
    # Without a scheme it is a path, whatever characters it contains.
    local = local_path(name) if "://" in name else name
    if local is None:
        raise ValueError(
            f"{name_of(name)[0]}: only local files can be written; copy it there afterwards"
        )
    return os.path.abspath(local)


def as_array(x: Any) -> Any:
    """Return any array as a NumPy or Dask array of known shape, without copying or loading it."""
    check_unmasked(x)
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
