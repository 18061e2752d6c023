"""Datasets of HDF5 whose elements lie in other files, as a list of pieces says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rawmmap.errors import DescriptionError
from rawmmap.formats.header_files import locate_data
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout, Mosaic, Values
from rawmmap.layout.mosaic import Cell
from rawmmap.layout.shapes import dense_strides

__all__ = ["arrange_external"]


class _Piece(NamedTuple):
    """A range of bytes of a file."""

    name: str
    start: int
    size: int


def arrange_external(
    probe: Probe, dataset: Any, dtype: np.dtype[Any], files: dict[str, int]
) -> Mosaic | Values:
    """Return where the elements of a dataset lie in other files.

    Parameters
    ----------
    probe : Probe
        The HDF5 file.
    dataset : h5py.Dataset
        The dataset.
    dtype : numpy.dtype
        Type of an element.
    files : dict of str to int
        All data files with their numbers; those of the dataset are added.

    Raises
    ------
    DescriptionError
        If a file ends within a row, all of them together are too short, or a name leads out of the
        folder.
    """
    pieces = [
        _Piece(name if isinstance(name, str) else name.decode(), start, size)
        for name, start, size in dataset.external
    ]
    if not dataset.size:
        return Values(np.empty(dataset.shape, dtype.newbyteorder("=")))
    layout = _join(pieces, dtype, dataset.shape)
    if layout is not None:
        number = _number(probe, pieces[0].name, files)
        return Mosaic.stack(layout, (), (number,))
    return Mosaic.concatenate(_split(probe, dataset, dtype, pieces, files))


def _join(pieces: Sequence[_Piece], dtype: np.dtype[Any], shape: tuple[int, ...]) -> Layout | None:
    """Return equal pieces of one file that follow each other in equal steps, as one view."""
    first = pieces[0]
    nbytes = math.prod(shape) * dtype.itemsize
    if len(pieces) == 1:
        return Layout.dense(dtype, shape, offset=first.start) if first.size >= nbytes else None
    axis, length = len(shape), dtype.itemsize
    while axis and length < first.size:
        axis -= 1
        length *= shape[axis]
    outer = shape[:axis]
    same = {(piece.name, piece.size) for piece in pieces} == {(first.name, length)}
    if not same or math.prod(outer) != len(pieces):
        return None
    starts = np.array([piece.start for piece in pieces]).reshape(outer)
    strides = [_step(starts, i, length) for i in range(axis)]
    index = np.indices(outer).reshape(axis, -1)
    if not np.array_equal(first.start + np.array(strides) @ index, starts.ravel()):
        return None
    inner = dense_strides(dtype.itemsize, shape[axis:], "C")
    return Layout(dtype, shape, (*strides, *inner), first.start)


def _step(starts: np.ndarray[Any, np.dtype[np.int64]], axis: int, length: int) -> int:
    """Return the bytes from the first piece to the next one along an axis."""
    if starts.shape[axis] == 1:
        return length
    second = tuple(int(i == axis) for i in range(starts.ndim))
    return int(starts[second] - starts.flat[0])


def _split(
    probe: Probe,
    dataset: Any,
    dtype: np.dtype[Any],
    pieces: Sequence[_Piece],
    files: dict[str, int],
) -> list[Cell]:
    """Return whole rows of the first axis, as many of them as each piece has."""
    row = dtype.itemsize * math.prod(dataset.shape[1:])
    left = dataset.shape[0] if dataset.ndim else 1
    cells = []
    for name, start, size in pieces:
        rows = min(size // row, left)
        if rows < left and size % row:
            raise DescriptionError(
                f"{probe.name}: dataset {dataset.name} has rows of {row} bytes, of which one lies "
                f"partly in {name}, in {size} bytes from {start}, and partly in the next piece"
            )
        if rows:
            layout = Layout.dense(dtype, (rows, *dataset.shape[1:]), offset=start)
            cells.append(Cell(layout, _number(probe, name, files)))
            left -= rows
    if left:
        raise DescriptionError(
            f"{probe.name}: the external files of dataset {dataset.name} lack its last {left} rows"
        )
    return cells


def _number(probe: Probe, name: str, files: dict[str, int]) -> int:
    path = locate_data(probe, name)
    return files.setdefault(path, len(files))
