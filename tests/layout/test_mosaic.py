"""Mosaics: whatever is asked of them, their pieces make up what NumPy gives."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawmmap.layout import Layout, Values
from rawmmap.layout.indexing import select
from rawmmap.layout.mosaic import Cell, Edges, Mosaic, Tile
from tests.strategies import basic_keys

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Grid:
    """Cells of an array, each in a file of its own."""

    cells: dict[tuple[int, ...], Cell]

    def cell(self, index: tuple[int, ...]) -> Cell:
        return self.cells[index]


def cut(
    array: Array, edges: Sequence[Edges], missing: set[int], known: set[int]
) -> tuple[Grid, list[bytes]]:
    """Cut an array into cells: each a file of its own, values, or missing."""
    cells: dict[tuple[int, ...], Cell] = {}
    files: list[bytes] = []
    for index in np.ndindex(*(len(e.starts) for e in edges)):
        part = array[tuple(slice(*e.bounds(i)) for e, i in zip(edges, index, strict=True))]
        number = len(cells)
        if number in missing:
            cells[index] = Cell(None)
        elif number in known:
            cells[index] = Cell(Values(part))
        else:
            cells[index] = Cell(Layout.dense(part.dtype, part.shape, offset=3), len(files))
            files.append(b"abc" + part.tobytes())
    return Grid(cells), files


def assemble(mosaic: Mosaic, files: Sequence[bytes]) -> Array:
    """Return what the parts of a mosaic make up; every element exactly once."""
    result = np.zeros(mosaic.shape, mosaic.dtype)
    times = np.zeros(mosaic.shape, int)
    for part in mosaic.parts():
        times[part.index] += 1
        if part.data is None:
            result[part.index] = -1
        elif isinstance(part.data, Values):
            result[part.index] = part.data.array
        else:
            assert isinstance(part.data, Layout)
            result[part.index] = part.data.view(files[part.file])
    assert (times == 1).all()
    return result


@st.composite
def mosaics(draw: st.DrawFn) -> tuple[Mosaic, list[bytes], Array]:
    lengths = draw(
        st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=3)
    )
    shape = tuple(sum(n) for n in lengths)
    array = np.arange(int(np.prod(shape)), dtype=">i4").reshape(shape)
    edges = tuple(
        Edges.regular(sum(n), max(n[0], 1)) if draw(st.booleans()) else Edges.of_lengths(n)
        for n in lengths
    )
    numbers = st.sets(st.integers(0, 6), max_size=3)
    missing, known = draw(numbers), draw(numbers)
    grid, files = cut(array, edges, missing, known)
    expected = array.copy()
    for number, index in enumerate(grid.cells):
        if number in missing:
            expected[tuple(slice(*e.bounds(i)) for e, i in zip(edges, index, strict=True))] = -1
    return Mosaic(array.dtype, edges, grid), files, expected


@given(mosaics(), st.data())
def test_basic_keys_and_transpositions(case: tuple[Mosaic, list[bytes], Array], data: Any) -> None:
    mosaic, files, array = case
    for _ in range(3):
        assert mosaic.shape == array.shape
        np.testing.assert_array_equal(assemble(mosaic, files), array)
        if not array.ndim:
            return
        key = data.draw(basic_keys(array.shape))
        mosaic, array = mosaic[key], array[key]
        if not isinstance(array, np.ndarray):
            array = np.asarray(array)
        axes = data.draw(st.permutations(range(array.ndim)))
        mosaic, array = mosaic.transpose(axes), array.transpose(axes)


@given(mosaics(), st.data())
def test_points(case: tuple[Mosaic, list[bytes], Array], data: Any) -> None:
    mosaic, files, array = case
    if 0 in array.shape:
        return
    step = data.draw(st.sampled_from([1, 2, -1]))
    mosaic, array = mosaic[::step], array[::step]
    picked = data.draw(st.integers(1, array.ndim))
    count = data.draw(st.integers(0, 8))
    points = [
        np.array(
            data.draw(st.lists(st.integers(0, n - 1), min_size=count, max_size=count)), np.intp
        )
        for n in array.shape[:picked]
    ]
    result = np.zeros((count, *array.shape[picked:]), array.dtype)
    for chosen, part, local in mosaic.point_parts(points):
        if part.data is None:
            values: Any = -1
        elif isinstance(part.data, Values):
            values = part.data.array[local]
        else:
            assert isinstance(part.data, Layout)
            values = part.data.view(files[part.file])[local]
        where: Any = (chosen, *part.index)
        result[where] = values
    np.testing.assert_array_equal(result, array[tuple(points)])


@given(basic_keys((4, 5, 2, 3)))
def test_a_series_of_files(key: Any) -> None:
    array = np.arange(120, dtype="<i2").reshape(4, 5, 2, 3)
    files = [array[i, j].tobytes() for i in range(4) for j in range(5)]
    mosaic = Mosaic.stack(Layout.dense("<i2", (2, 3)), (4, 5))
    np.testing.assert_array_equal(assemble(mosaic[key], files), array[key])


def test_missing_files() -> None:
    mosaic = Mosaic.stack(Layout.dense("<i2", 2), (3,), [0, -1, 1])
    files = [np.array([1, 2], "<i2").tobytes(), np.array([5, 6], "<i2").tobytes()]
    assert assemble(mosaic, files).tolist() == [[1, 2], [-1, -1], [5, 6]]


def test_a_long_series_costs_nothing_until_it_is_asked_for() -> None:
    mosaic = Mosaic.stack(Layout.dense("<f4", (100, 100)), (1_000_000,))
    assert len(pickle.dumps(mosaic)) < 2000
    assert hash(pickle.loads(pickle.dumps(mosaic))) == hash(mosaic)
    (part,) = mosaic[777_777, 5].parts()
    assert part.file == 777_777
    assert part.data == Layout.dense("<f4", 100, offset=2000)
    assert [part.file for part in mosaic[::300_000].parts()] == [0, 300_000, 600_000, 900_000]


@pytest.mark.parametrize(
    ("shape", "outer", "inner"),
    [((3, 2, 4), 0, 2), ((2, 3, 4), 1, 2), ((4, 3, 2), 1, 0), ((3, 4), 0, 1)],
)
def test_blocks(shape: tuple[int, ...], outer: int, inner: int) -> None:
    array = np.arange(int(np.prod(shape)), dtype="<i4").reshape(shape)
    mosaic = Mosaic.blocks(Layout.dense("<i4", shape), outer, inner)
    rest = [axis for axis in range(array.ndim) if axis not in (outer, inner)]
    joined = np.moveaxis(array, [outer, inner], [0, 1]).reshape(-1, *(shape[a] for a in rest))
    expected = np.moveaxis(joined, 0, outer - (inner < outer))
    np.testing.assert_array_equal(assemble(mosaic, [array.tobytes()]), expected)
    np.testing.assert_array_equal(assemble(mosaic[1:6:2], [array.tobytes()]), expected[1:6:2])


def test_pieces_of_unequal_length() -> None:
    pieces = [np.arange(n * 2, dtype="<i4").reshape(n, 2) + n for n in (3, 1, 4)]
    cells = [Cell(Layout.dense("<i4", p.shape), i) for i, p in enumerate(pieces)]
    mosaic = Mosaic.concatenate(cells)
    files = [p.tobytes() for p in pieces]
    np.testing.assert_array_equal(assemble(mosaic, files), np.concatenate(pieces))
    with pytest.raises(ValueError, match=r"shape \(3, 3\) does not continue"):
        Mosaic.concatenate([*cells, Cell(Layout.dense("<i4", (3, 3)))])


@pytest.mark.parametrize("key", [9, (0, 0, 0, 0), (..., ...), "a", 1.5])
def test_bad_keys(key: Any) -> None:
    with pytest.raises(IndexError):
        Mosaic.stack(Layout.dense("<i2", (2, 3)), (4,))[key]


RECORD = np.dtype([("t", ">f8"), ("v", "<i2", (2,))], align=False)


@pytest.mark.parametrize("kind", ["stack", "listed", "known", "joined", "nested"])
def test_fields(kind: str) -> None:
    array = np.frombuffer(np.random.default_rng(0).bytes(6 * RECORD.itemsize), RECORD)
    array = array.reshape(2, 3)
    layout = Layout.dense(RECORD, 3)
    known = Cell(Values(array[1:]) if kind == "known" else layout[None], 1)
    inner = Mosaic.join(layout[None], [1])
    mosaic = {
        "stack": Mosaic.stack(layout, (2,)),
        "joined": Mosaic.join(layout[None], [1, 1]),
        "nested": Mosaic.concatenate([Cell(inner, 0), Cell(inner, 1)]),
    }.get(kind, Mosaic.concatenate([Cell(layout[None], 0), known]))
    files = [row.tobytes() for row in array]
    for key in ("t", "v"):
        field = select(mosaic, key).layout  # type: ignore[arg-type]
        np.testing.assert_array_equal(assemble(field, files), array[key])  # type: ignore[arg-type]
        np.testing.assert_array_equal(
            assemble(mosaic[::-1, 1].field(key), files), array[::-1, 1][key]
        )
    for part in mosaic.fields(["t"]).parts():
        assert part.data is not None
        assert part.data.dtype == RECORD[["t"]]
    for name in ("x", ["t", "x"]):
        with pytest.raises(IndexError, match="no field"):
            select(mosaic, name)  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="no field"):
        select(Values(np.arange(3)), "t")  # type: ignore[arg-type]
    np.testing.assert_array_equal(
        select(Values(array), "t").layout.array,  # type: ignore[arg-type, attr-defined]
        array["t"],
    )


def test_axes_of_a_transposition_are_checked() -> None:
    mosaic = Mosaic.stack(Layout.dense("<i4", (2, 3)), (4,))
    assert mosaic.transpose((-1, 0, 1)) == mosaic.transpose((2, 0, 1))
    with pytest.raises(ValueError, match="not a permutation"):
        mosaic.transpose((0, 0, 1))


@pytest.mark.parametrize("step", [2**62, 2**63 - 1, -(2**63), 2**70])
def test_huge_steps(step: int) -> None:
    array = np.arange(24, dtype="<i4").reshape(4, 2, 3)
    mosaic = Mosaic.stack(Layout.dense("<i4", (2, 3)), (4,))
    files = [piece.tobytes() for piece in array]
    for key in (np.s_[::step], np.s_[:, :, ::step], np.s_[1::step, ::-1]):
        np.testing.assert_array_equal(assemble(mosaic[key], files), array[key])
        list(mosaic[key].point_parts([np.zeros(2, np.intp)]))


def test_pieces_along_the_last_axis_some_missing() -> None:
    pieces = [np.arange(2 * n, dtype="<i4").reshape(2, n) + n for n in (3, 1, 4)]
    cells = [Cell(Layout.dense("<i4", p.shape), i) for i, p in enumerate(pieces)]
    cells[1] = Cell(None)
    mosaic = Mosaic.concatenate(cells, -1, lengths=[3, 1, 4])
    pieces[1][:] = -1
    files = [p.tobytes() for p in pieces]
    np.testing.assert_array_equal(assemble(mosaic, files), np.concatenate(pieces, -1))
    with pytest.raises(ValueError, match="unknown"):
        Mosaic.concatenate(cells, -1)
    with pytest.raises(ValueError, match="out of bounds"):
        Mosaic.concatenate(cells, 2, lengths=[3, 1, 4])


@pytest.mark.parametrize("axis", [0, -1])
@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=6), data=st.data())
def test_files_of_unequal_length(axis: int, lengths: list[int], data: Any) -> None:
    pieces = [
        np.arange(3 * n, dtype="<i4").reshape((n, 3) if axis == 0 else (3, n)) for n in lengths
    ]
    files = [b"head" + p.tobytes("C" if axis == 0 else "F") for p in pieces]
    shape, order = ((1, 3), "C") if axis == 0 else ((3, 1), "F")
    one = Layout.dense("<i4", shape, offset=4, order=order)
    mosaic = pickle.loads(pickle.dumps(Mosaic.join(one, lengths, axis)))
    assert mosaic == Mosaic.join(one, np.array(lengths), axis)
    assert hash(mosaic) == hash(Mosaic.join(one, lengths, axis))
    array = np.concatenate(pieces, axis)
    key = data.draw(basic_keys(array.shape))
    np.testing.assert_array_equal(assemble(mosaic[key], files), array[key])
    if sum(lengths):
        (required,) = mosaic.required_sizes()
        assert list(required.nbytes) == [
            len(f) if n else 0 for f, n in zip(files, lengths, strict=True)
        ]


def test_a_century_of_daily_files_is_small() -> None:
    lengths = np.random.default_rng(1).integers(1430, 1441, 100_000)
    mosaic = Mosaic.join(Layout.dense("<f4", (1, 10), offset=16), lengths)
    assert len(pickle.dumps(mosaic)) < 100_000
    (part,) = mosaic[int(lengths[:77_777].sum())].parts()
    assert (part.file, part.data) == (77_777, Layout.dense("<f4", 10, offset=16))
    (required,) = mosaic.required_sizes()
    np.testing.assert_array_equal(required.nbytes, 16 + 40 * lengths)


@pytest.mark.parametrize("fill_value", [np.nan, np.array(np.nan), np.array([np.nan]), float("nan")])
def test_mosaics_filled_with_nan_are_equal(fill_value: Any) -> None:
    mosaic = Mosaic.stack(Layout.dense("<f4", 2), (3,), [0, -1, 1], fill_value)
    copy = pickle.loads(pickle.dumps(mosaic))
    assert copy == mosaic
    assert hash(copy) == hash(mosaic)
    assert mosaic != Mosaic.stack(Layout.dense("<f4", 2), (3,), [0, -1, 1], 0)
    assert np.isnan(mosaic.filling())


def test_sizes_that_files_must_have() -> None:
    stack = Mosaic.stack(Layout.dense("<i2", (2, 3), offset=5), (1_000_000,))
    assert list(stack.required_sizes()) == [(range(1_000_000), 17)]
    assert list(stack[5, 0].required_sizes()) == [((5,), 11)]
    blocks = Mosaic.blocks(Layout.dense("<i2", (1_000_000, 3)), 0, 1)
    assert list(blocks.required_sizes()) == [((0,), 6_000_000)]
    listed = Mosaic.concatenate([Cell(Layout.dense("<i2", n, offset=n), n % 2) for n in (2, 3, 4)])
    assert list(listed.required_sizes()) == [((0,), 12), ((1,), 9)]


def test_tiles() -> None:
    array = np.arange(2 * 5 * 6, dtype=">i4").reshape(2, 5, 6)
    boxes = [(0, 2, 0, 6), (2, 5, 0, 1), (2, 3, 1, 6), (3, 5, 4, 6)]
    pieces = [array[:, top:bottom, left:right] for top, bottom, left, right in boxes]
    tiles = [
        Tile(box[0], box[2], Layout.dense(">i4", piece.shape), i)
        for i, (box, piece) in enumerate(zip(boxes, pieces, strict=True))
    ]
    mosaic = Mosaic.tiles(tiles)
    expected = array.copy()
    expected[:, 3:5, 1:4] = -1
    files = [piece.tobytes() for piece in pieces]
    for key in (..., np.s_[1, ::-2, 1:], np.s_[:, 4, ::3]):
        np.testing.assert_array_equal(assemble(mosaic[key], files), expected[key])
    assert Mosaic.tiles(tiles, (7, 8)).shape == (2, 7, 8)
    with pytest.raises(ValueError, match="overlap"):
        Mosaic.tiles([*tiles, Tile(4, 3, Layout.dense(">i4", (2, 1, 2)))])
    with pytest.raises(ValueError, match="does not lie within"):
        Mosaic.tiles(tiles, (4, 6))
