"""Grids of contiguous chunks: put together, the chunks make up the array that NumPy sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawmmap.layout import Layout, Mosaic, Values
from rawmmap.layout.bits import BitLayout, Packing
from rawmmap.layout.grid import chunk_grid
from rawmmap.layout.mosaic import Cell, Tile
from tests.strategies import plain_dtypes, shapes

Array = npt.NDArray[Any]
MIB = 2**20


def storage_order(data: Any) -> tuple[int, ...]:
    return chunk_grid(data, MIB, reorder=True).axes


def assemble(
    data: Any, files: list[bytes], limit: int, fill: int = 0, reorder: bool = False
) -> Array:
    """Return the array that the chunks make up, after checking that they are equal and disjoint."""
    grid = chunk_grid(data, limit, reorder=reorder)
    data = data.transpose(grid.axes)
    result = np.full(data.shape, fill, data.dtype)
    times = np.zeros(data.shape, int)
    for chunk in grid.chunks():
        raw = chunk.data
        if raw is None:
            raw = files[chunk.file][chunk.offset : chunk.offset + grid.nbytes]
        assert len(raw) == grid.nbytes
        at = tuple(
            slice(i * n, (i + 1) * n) for i, n in zip(chunk.position, grid.lengths, strict=True)
        )
        result[at] = np.frombuffer(raw, data.dtype).reshape(grid.lengths)
        times[at] += 1
    if data.size:
        assert all(n % c == 0 for n, c in zip(data.shape, grid.lengths, strict=True))
        assert (times == 1).all() or grid.has_missing
        assert times.max() <= 1
    return result


@given(data=st.data(), shape=shapes, dtype=plain_dtypes, limit=st.integers(1, 300))
def test_every_layout_is_made_of_chunks(
    data: st.DataObject, shape: tuple[int, ...], dtype: np.dtype[Any], limit: int
) -> None:
    axes = data.draw(st.permutations(range(len(shape))))
    file = np.arange(3 + int(np.prod(shape)) * dtype.itemsize, dtype="u1").tobytes()
    layout = Layout.dense(dtype, [shape[a] for a in axes], offset=3).transpose(
        [axes.index(a) for a in range(len(axes))]
    )
    key = tuple(data.draw(st.slices(n)) for n in shape)
    part = layout[key]
    for reorder in (False, True):
        one = part.transpose(storage_order(part)) if reorder else part
        found = assemble(part, [file], limit, reorder=reorder)
        assert found.tobytes() == (one.view(file).tobytes() if one.size else b"")


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    missing=st.sets(st.integers(0, 4)),
    values=st.sets(st.integers(0, 4)),
    limit=st.integers(1, 100),
    order=st.sampled_from("CF"),
)
def test_pieces_of_unequal_lengths(
    lengths: list[int], missing: set[int], values: set[int], limit: int, order: Any
) -> None:
    array = np.arange(1, sum(lengths) * 4 + 1, dtype=">i2").reshape(-1, 4)
    cells: list[Cell] = []
    files: list[bytes] = []
    start = 0
    for number, n in enumerate(lengths):
        part = array[start : start + n]
        start += n
        if number in missing:
            cells.append(Cell(None))
            part[...] = 0
        elif number in values:
            cells.append(Cell(Values(part)))
        else:
            cells.append(Cell(Layout.dense(">i2", part.shape, offset=1, order=order), len(files)))
            files.append(b"x" + part.tobytes(order))
    if len(missing & set(range(len(lengths)))) == len(lengths):
        return
    mosaic = Mosaic.concatenate(cells, lengths=lengths)
    np.testing.assert_array_equal(assemble(mosaic, files, limit), array)


def test_tiles_are_cut_where_they_meet() -> None:
    array = np.arange(60, dtype="<u2").reshape(6, 10)
    boxes = [(0, 4, 0, 4), (0, 4, 4, 10), (4, 6, 0, 10)]
    tiles: list[Tile] = []
    files: list[bytes] = []
    for top, bottom, left, right in boxes:
        part = array[top:bottom, left:right]
        tiles.append(Tile(top, left, Layout.dense("<u2", part.shape), len(files)))
        files.append(part.tobytes())
    mosaic = Mosaic.tiles(tiles)
    assert chunk_grid(mosaic, MIB).lengths == (1, 2)
    np.testing.assert_array_equal(assemble(mosaic, files, MIB), array)


def test_an_axis_in_blocks() -> None:
    stored = np.arange(24, dtype="<i4").reshape(3, 2, 4)
    mosaic = Mosaic.blocks(Layout.dense("<i4", stored.shape), 0, 2)
    expected = stored.transpose(0, 2, 1).reshape(12, 2)
    found = assemble(mosaic, [stored.tobytes()], MIB)
    np.testing.assert_array_equal(found, expected)
    ordered = chunk_grid(mosaic, MIB, reorder=True)
    assert (ordered.axes, ordered.lengths) == ((1, 0), (2, 4))
    found = assemble(mosaic, [stored.tobytes()], MIB, reorder=True)
    np.testing.assert_array_equal(found, expected.T)


@pytest.mark.parametrize(
    ("shape", "limit", "lengths"),
    [
        ((4, 5, 6), MIB, (4, 5, 6)),
        ((1000, 512, 512), MIB, (1, 512, 512)),
        ((1000, 64, 64), MIB, (50, 64, 64)),
        ((10, 2**22), MIB, (1, 2**18)),
        # A prime number of rows: one row each, since all of them would be far too large.
        ((10007, 25_000), MIB, (1, 25_000)),
        # A prime number of elements: all of them, since one each would be far too many.
        ((1_000_003,), MIB, (1_000_003,)),
        ((0, 5), MIB, (1, 5)),
        ((), MIB, ()),
    ],
)
def test_the_size_of_chunks(shape: tuple[int, ...], limit: int, lengths: tuple[int, ...]) -> None:
    assert chunk_grid(Layout.dense("<f4", shape), limit).lengths == lengths


def test_axes_stay_where_they_are_if_they_can() -> None:
    assert storage_order(Layout.dense("u1", (2, 3, 4))) == (0, 1, 2)
    assert storage_order(Layout.dense("u1", (2, 3, 4), order="F")) == (2, 1, 0)
    assert storage_order(Layout.dense("u1", (1, 3, 4), order="F")) == (0, 2, 1)
    assert storage_order(Layout("u1", (3, 4, 2), (2, 0, 1), 0)) == (0, 1, 2)
    assert storage_order(Layout("u1", (3, 4), (-4, 1), 8)) == (0, 1)
    assert storage_order(Values(np.zeros((2, 3), order="F"))) == (0, 1)


def test_samples_of_bits_have_no_grid() -> None:
    with pytest.raises(TypeError, match="bits"):
        chunk_grid(BitLayout.of(Packing(1), 80, size=10), MIB)
