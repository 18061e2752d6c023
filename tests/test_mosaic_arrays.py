"""Arrays in many pieces: any key, read or stored, gives what NumPy gives for the same elements."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawmmap import RawArray
from rawmmap.layout import Layout, Mosaic, Values
from rawmmap.layout.mosaic import Cell, Tile
from rawmmap.layout.samples import parse_dtype
from rawmmap.sources import Files
from tests.strategies import advanced_keys, basic_keys

Array = npt.NDArray[Any]

FILL = -7
DTYPE = np.dtype(">i4")


class Builder:
    """Makes files, and the arrangements that describe them together with what they hold.

    Attributes
    ----------
    files : list of bytes
        Contents of the files.
    missing : bool
        Whether pieces may be missing.
    """

    def __init__(self, draw: st.DrawFn, missing: bool) -> None:
        self.draw = draw
        self.files: list[bytes] = []
        self.missing = missing
        self.counter = itertools.count(1)

    def values(self, shape: Sequence[int]) -> Array:
        """Return numbers that occur once."""
        count = int(np.prod(shape))
        return np.array([next(self.counter) for _ in range(count)], DTYPE).reshape(shape)

    def add(self, array: Array) -> int:
        self.files.append(b"head" + array.tobytes())
        return len(self.files) - 1

    def length(self, most: int = 3) -> int:
        return int(self.draw(st.integers(1, most)))

    def is_missing(self) -> bool:
        return self.missing and bool(self.draw(st.integers(0, 3)) == 0)

    def layout(self, shape: Sequence[int]) -> Layout:
        return Layout.dense(DTYPE, tuple(shape), offset=4)

    def stack(self) -> tuple[Mosaic, Array]:
        shape, leading = (self.length(), self.length()), (self.length(), self.length(2))
        return self.fill_stack(self.layout(shape), self.blank(shape), leading, lambda a: a)

    def stack_of_blocks(self) -> tuple[Mosaic, Array]:
        shape = (self.length(), self.length(2), self.length())
        blocks = Mosaic.blocks(self.layout(shape), 0, 2)
        return self.fill_stack(blocks, self.blank(shape), (self.length(),), join_blocks)

    def blank(self, shape: Sequence[int]) -> Array:
        return np.full(shape, FILL, DTYPE)

    def fill_stack(
        self, data: Any, blank: Array, leading: tuple[int, ...], arrange: Any
    ) -> tuple[Mosaic, Array]:
        numbers, members = [], []
        for _ in range(int(np.prod(leading))):
            if self.is_missing():
                numbers.append(-1)
                members.append(arrange(blank))
            else:
                stored = self.values(blank.shape)
                numbers.append(self.add(stored))
                members.append(arrange(stored))
        expected = np.stack(members).reshape(leading + members[0].shape)
        return Mosaic.stack(data, leading, numbers, FILL), expected

    def join(self) -> tuple[Mosaic, Array]:
        width, count, rows = self.length(), self.length(), self.length(2)
        lengths = [self.draw(st.integers(0, 3)) for _ in range(count)]
        numbers, members = [], []
        for _, n in itertools.product(range(rows), lengths):
            stored = self.values((n, width))
            absent = self.is_missing()
            numbers.append(-1 if absent else self.add(stored))
            members.append(self.blank(stored.shape) if absent else stored)
        parts = [np.concatenate(members[row * count : (row + 1) * count]) for row in range(rows)]
        mosaic = Mosaic.join(self.layout((1, width)), lengths, 0, numbers, FILL, (rows,))
        return mosaic, np.stack(parts)

    def join_of_blocks(self) -> tuple[Mosaic, Array]:
        width, inner = self.length(2), self.length()
        counts = [self.draw(st.integers(0, 2)) for _ in range(self.length())]
        members = [self.values((n, width, inner)) for n in counts]
        numbers = [self.add(stored) for stored in members]
        longest = Mosaic.blocks(self.layout((max(counts), width, inner)), 0, 2)
        mosaic = Mosaic.join(longest, [n * inner for n in counts], 0, numbers)
        return mosaic, np.concatenate([join_blocks(stored) for stored in members])

    def tiles(self) -> tuple[Mosaic, Array]:
        rows, columns = self.length(), self.length()
        shape = 2 * rows, columns + 2
        expected = np.full(shape, FILL, DTYPE)
        tiles = []
        boxes = [(0, 0, rows, columns), (0, columns, 2 * rows, 2), (rows, 0, rows, columns)]
        for row, column, height, width in boxes:
            if not self.is_missing():
                stored = self.values((height, width))
                tiles.append(Tile(row, column, self.layout(stored.shape), self.add(stored)))
                expected[row : row + height, column : column + width] = stored
        if not tiles:
            return self.tiles()
        return Mosaic.tiles(tiles, shape, FILL), expected

    def concatenation(self) -> tuple[Mosaic, Array]:
        """Pieces of different kinds, and a mosaic among them, one after another."""
        width = self.length()
        known = self.values((self.length(), width))
        stored = self.values((self.length(), width))
        cells = [Cell(self.layout(stored.shape), self.add(stored))]
        expected = [stored]
        if self.missing:
            cells.append(Cell(Values(known)))
            expected.append(known)
            cells.append(Cell(None))
            expected.append(self.blank((2, width)))
        first = len(self.files)
        inner = self.values((3, 1, width))
        for member in inner:
            self.add(member)
        cells.append(Cell(Mosaic.stack(self.layout((width,)), (3,)), first))
        expected.append(inner[:, 0])
        lengths = [len(part) for part in expected]
        return Mosaic.concatenate(cells, 0, FILL, lengths), np.concatenate(expected)

    def series_of_tiles(self) -> tuple[Mosaic, Array]:
        """Blocks along two axes: tiles, one file after another."""
        shape = self.length(), self.length(2), self.length(2), self.length()
        tiled = Mosaic.blocks(Mosaic.blocks(self.layout(shape), 0, 2), 1, 2)

        def arrange(stored: Array) -> Array:
            return stored.transpose(0, 2, 1, 3).reshape(shape[0] * shape[2], shape[1] * shape[3])

        return self.fill_stack(tiled, self.blank(shape), (self.length(),), arrange)


def join_blocks(stored: Array) -> Array:
    """Return blocks along the first axis, elements of a block along the last, as the first axis."""
    return np.moveaxis(stored, 2, 1).reshape(-1, stored.shape[1])


KINDS = [
    Builder.stack,
    Builder.stack_of_blocks,
    Builder.join,
    Builder.join_of_blocks,
    Builder.tiles,
    Builder.concatenation,
    Builder.series_of_tiles,
]


@st.composite
def mosaics(draw: st.DrawFn, missing: bool = True) -> tuple[Mosaic, list[bytes], Array]:
    builder = Builder(draw, missing)
    mosaic, expected = draw(st.sampled_from(KINDS))(builder)
    return mosaic, builder.files, expected.astype(DTYPE)  # NumPy joins in this machine's order


def write_files(folder: str, contents: Sequence[bytes]) -> list[str]:
    paths = [os.path.join(folder, f"{i}.bin") for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        Path(path).write_bytes(content)
    return paths


def check_equal(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def is_accepted(array: Array, key: Any) -> bool:
    """Return whether NumPy takes a key."""
    try:
        array[key]
    except IndexError:
        return False
    return True


@given(mosaics(), st.sampled_from(["auto", "map", "read"]), st.data())
@settings(deadline=None)
def test_every_key_gives_what_numpy_gives(
    case: tuple[Mosaic, list[bytes], Array], access: Any, data: Any
) -> None:
    mosaic, contents, expected = case
    with tempfile.TemporaryDirectory() as folder:
        array = RawArray.of(Files.of(write_files(folder, contents)), mosaic, None, "r", access)
        assert array.shape == expected.shape
        check_equal(array[...], expected)
        for _ in range(2):
            key = data.draw(advanced_keys(expected.shape))
            if is_accepted(expected, key):
                check_equal(array[key], expected[key])
            else:
                with pytest.raises(IndexError):
                    array[key]
            key = data.draw(basic_keys(expected.shape))
            array, expected = array.part(key), np.asarray(expected[key], DTYPE)
            axes = data.draw(st.permutations(range(expected.ndim)))
            array, expected = array.transpose(axes), expected.transpose(axes)
            check_equal(array[...], expected)


@given(mosaics(missing=False), st.data())
@settings(deadline=None)
def test_every_key_stores_what_numpy_stores(
    case: tuple[Mosaic, list[bytes], Array], data: Any
) -> None:
    mosaic, contents, expected = case
    with tempfile.TemporaryDirectory() as folder:
        paths = write_files(folder, contents)
        array = RawArray.of(Files.of(paths), mosaic, None, "r+")
        key = data.draw(advanced_keys(expected.shape).filter(lambda k: is_accepted(expected, k)))
        # Which of several values for one element is stored last is not defined.
        numbers = np.arange(expected.size).reshape(expected.shape)[key]
        distinct = np.unique(numbers).size == np.size(numbers)
        values = -100 - np.arange(np.size(numbers)).reshape(np.shape(numbers))
        array[key] = values if distinct else -1
        expected[key] = values if distinct else -1
        check_equal(array[...], expected)
        for path, content in zip(paths, contents, strict=True):
            stored = Path(path).read_bytes()
            assert (len(stored), stored[:4]) == (len(content), b"head")


def test_missing_elements_cannot_be_stored(tmp_path: Path) -> None:
    paths = write_files(str(tmp_path), [bytes(8), bytes(8)])
    mosaic = Mosaic.stack(Layout.dense(DTYPE, 2), (3,), [0, -1, 1])
    array = RawArray.of(Files.of(paths), mosaic, None, "r+")
    keys: list[Any] = [..., ([0, 1], [0, 0])]
    for key in keys:
        with pytest.raises(ValueError, match="missing"):
            array[key] = 5
    assert [Path(path).read_bytes() for path in paths] == [bytes(8)] * 2


@pytest.mark.parametrize("name", ["<i3", ">ibm4", "<ci2", ">vaxd8", "<bf2"])
def test_missing_samples_are_values(tmp_path: Path, name: str) -> None:
    stored, samples = parse_dtype(name)
    assert samples is not None
    values = (np.arange(6).reshape(2, 3) + 1).astype(samples.dtype)
    contents = [samples.encode(member).tobytes() for member in values]
    files = Files.of(write_files(str(tmp_path), contents))
    for fill, expected in ((None, np.nan if values.dtype.kind in "fc" else 0), (-5, -5)):
        mosaic = Mosaic.stack(Layout.dense(stored, 3), (3,), [0, -1, 1], fill)
        array = RawArray.of(files, mosaic, samples)
        every = np.insert(values, 1, expected, axis=0)
        check_equal(array[...], every)
        check_equal(array[1], every[1])
        check_equal(array[[2, 1, 1], [0, 1, 2]], every[[2, 1, 1], [0, 1, 2]])
        check_equal(array[::-1, 1:], every[::-1, 1:])


def test_parts_are_found_one_by_one() -> None:
    stack = Mosaic.stack(Layout.dense(DTYPE, (2, 3)), (10**9, 10**9))
    assert next(stack.parts()).file == 0
    assert [part.file for part in itertools.islice(stack[5, ::-2].parts(), 2)] == [
        5 * 10**9 + 1,
        5 * 10**9 + 3,
    ]


def test_a_mosaic_for_files_of_unequal_length_must_be_long_enough() -> None:
    blocks = Mosaic.blocks(Layout.dense(DTYPE, (2, 3)), 0, 1)
    with pytest.raises(ValueError, match=r"up to 7 steps along axis 0, .* has 6"):
        Mosaic.join(blocks, [7, 3])
    (first, second) = Mosaic.join(blocks, [6, 3]).required_sizes()
    assert (list(first.files), first.nbytes) == ([1], 12)
    assert (list(second.files), second.nbytes) == ([0], 24)


def test_repeated_values(tmp_path: Path) -> None:
    mosaic = Mosaic.repeat(np.array(["2024-01-01", "2024-01-02"], "M8[ns]"), [3, 2])
    array = RawArray.of(Files.of(write_files(str(tmp_path), [b""])), mosaic)
    expected = np.repeat(np.array(["2024-01-01", "2024-01-02"], "M8[ns]"), [3, 2])
    check_equal(array[...], expected)
    check_equal(array[[4, 0]], expected[[4, 0]])
    with pytest.raises(ValueError, match=r"values of shape \(2,\), but 3 lengths"):
        Mosaic.repeat([1, 2], [1, 1, 1])
