"""How parts of several files make up one result, and what a plan chooses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawmmap import Layout, RawArray
from rawmmap import access as accessing
from rawmmap.access import plan
from rawmmap.errors import ShortFileError
from rawmmap.layout import Part, Values
from rawmmap.layout.mosaic import Mosaic
from rawmmap.layout.samples import native
from rawmmap.sources import Files
from tests.strategies import advanced_keys, basic_keys


class Facts(NamedTuple):
    maps: bool
    prefers_reads: bool
    gap: int


LOCAL = Facts(maps=True, prefers_reads=False, gap=4095)
NETWORK = Facts(maps=True, prefers_reads=True, gap=4095)
REMOTE = Facts(maps=False, prefers_reads=True, gap=2**18)


@pytest.mark.parametrize(
    ("layout", "access", "facts", "way"),
    [
        (Layout.dense("u1", 2**20), "auto", LOCAL, "read"),
        (Layout.dense("u1", 2**20 + 1), "auto", LOCAL, "map"),
        (Layout.dense("u1", 2**20 + 1), "auto", NETWORK, "read"),
        (Layout.dense("u1", 1), "map", NETWORK, "map"),
        (Layout.dense("u1", 2**30), "map", REMOTE, "read"),
        (Layout.dense("u1", 2**30), "read", LOCAL, "read"),
        (Layout("u1", 2**20, (2**15,), 0), "read", LOCAL, "sift"),
        (Layout("u1", 2**20, (2**15,), 0), "auto", LOCAL, "map"),
    ],
)
def test_ways(layout: Layout, access: Any, facts: Facts, way: str) -> None:
    assert plan(layout, access, facts).way == way


def test_sparse_windows_ask_for_their_pages() -> None:
    runs = plan(Layout("u1", 10_000, (2**15,), 0), "auto", LOCAL).runs
    assert runs is not None
    assert (runs.count, runs.length) == (10_000, 1)
    assert plan(Layout.dense("u1", 2**25), "auto", LOCAL).runs is None


@pytest.fixture
def arrays(tmp_path: Path) -> list[np.ndarray]:
    every = [(np.arange(600_000) + i).astype(">i4").reshape(600, 1000) for i in range(3)]
    for i, array in enumerate(every):
        (tmp_path / f"{i}.raw").write_bytes(bytes(i) + array.tobytes())
    return every


@pytest.fixture
def files(tmp_path: Path, arrays: list[np.ndarray]) -> Files:
    return Files.of([tmp_path / f"{i}.raw" for i in range(3)])


def parts_of(rows: int, columns: int) -> list[Part]:
    """One row of cells: three files, missing values, known values."""
    known = Values(np.full((rows, columns), 7, ">i4"))
    cells: list[Any] = [
        Layout.dense(">i4", (600, 1000), offset=i)[:rows, :columns] for i in range(3)
    ]
    cells += [None, known]
    return [
        Part(
            (slice(0, rows), slice(i * columns, (i + 1) * columns)),
            cell,
            i if i < 3 else -1,
        )
        for i, cell in enumerate(cells)
    ]


@pytest.mark.parametrize("access", ["auto", "map", "read"])
@pytest.mark.parametrize("size", [(3, 2), (600, 1000), (300, 1), (600, 3)])
def test_parts_make_up_one_array(
    files: Files, arrays: list[np.ndarray], access: Any, size: tuple[int, int]
) -> None:
    rows, columns = size
    expected = np.concatenate(
        [a[:rows, :columns] for a in arrays] + [np.full(size, -1, ">i4"), np.full(size, 7, ">i4")],
        axis=1,
    )
    dtype = np.dtype(">i4")
    found = accessing.read(files, parts_of(*size), expected.shape, dtype, access, -1)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)
    found[...] = 0


def test_parts_are_written(files: Files, arrays: list[np.ndarray], tmp_path: Path) -> None:
    parts = parts_of(5, 4)
    values = np.arange(60, dtype="i4").reshape(5, 12)
    accessing.write(files, parts[:3], values)
    for i, array in enumerate(arrays):
        array[:5, :4] = values[:, 4 * i : 4 * i + 4]
        assert (tmp_path / f"{i}.raw").read_bytes() == bytes(i) + array.tobytes()
    with pytest.raises(ValueError, match="no file"):
        accessing.write(files, parts, np.zeros((5, 20)))
    assert (tmp_path / "0.raw").read_bytes() == arrays[0].tobytes()


def test_a_replaced_member_is_an_os_error(files: Files, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(bytes(2_400_002))
    os.replace(tmp_path / "new", tmp_path / "1.raw")
    with pytest.raises(OSError, match=r"another file.*1\.raw"):
        accessing.read(files, parts_of(2, 2), (2, 10), np.dtype(">i4"), "auto", 0)


SERIES = (3, 2, 4, 5)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Two files of six that exist, and the array that they make up."""
    folder = tmp_path_factory.mktemp("series")
    array = np.arange(120, dtype=">i2").reshape(SERIES)
    for i, member in enumerate(array.reshape(6, 4, 5)):
        (folder / f"{i}.raw").write_bytes(b"head" + member.tobytes())
    return folder, array


@given(st.data(), st.sampled_from(["auto", "map", "read"]), st.booleans())
def test_every_key_of_a_series(
    series: tuple[Path, np.ndarray], data: st.DataObject, access: Any, advanced: bool
) -> None:
    folder, array = series
    expected = array.copy()
    expected[1, 0] = -3
    numbers = [0, 1, -1, 3, 4, 5]
    mosaic = Mosaic.stack(
        Layout.dense(">i2", SERIES[2:], offset=4), SERIES[:2], numbers, fill_value=-3
    )
    files = Files.of([folder / f"{i}.raw" for i in range(6)])
    raw = RawArray.of(files, mosaic, native(mosaic.dtype), access=access)
    key = data.draw(advanced_keys(SERIES) if advanced else basic_keys(SERIES))
    try:
        wanted = expected[key]
    except IndexError:
        with pytest.raises(IndexError):
            raw[key]
        return
    found = raw[key]
    assert found.shape == wanted.shape
    assert found.dtype == "=i2"
    np.testing.assert_array_equal(found, wanted)


@given(st.data(), st.booleans())
def test_every_assignment_to_a_series(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, advanced: bool
) -> None:
    folder = tmp_path_factory.mktemp("written")
    array = np.zeros(SERIES, ">i2")
    for i in range(6):
        (folder / f"{i}.raw").write_bytes(b"head" + bytes(40))
    mosaic = Mosaic.stack(Layout.dense(">i2", SERIES[2:], offset=4), SERIES[:2])
    files = Files.of([folder / f"{i}.raw" for i in range(6)])
    raw = RawArray.of(files, mosaic, native(mosaic.dtype), "r+")
    key = data.draw(advanced_keys(SERIES) if advanced else basic_keys(SERIES))
    try:
        values = np.arange(np.size(array[key])).reshape(np.shape(array[key]))
    except IndexError:
        with pytest.raises(IndexError):
            raw[key] = 0
        return
    array[key] = values
    raw[key] = values
    for i, member in enumerate(array.reshape(6, 4, 5)):
        assert (folder / f"{i}.raw").read_bytes() == b"head" + member.tobytes()


def test_files_of_an_arrangement_must_be_long_enough(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(3)]
    for path, n in zip(paths, (3, 2, 4), strict=True):
        np.arange(2 * n, dtype="<i2").tofile(path)
    files = Files.of(paths)
    layout = Layout.dense("<i2", (1, 2))
    array = RawArray.of(files, Mosaic.join(layout, [3, 2, 4]))
    assert array.shape == (9, 2)
    assert array[[0, 8]].tolist() == [[0, 1], [6, 7]]
    RawArray.of(files, Mosaic.join(layout, [3, 9, 4], files=[0, -1, 2]))
    with pytest.raises(ShortFileError, match="1"):
        RawArray.of(files, Mosaic.join(layout, [3, 3, 4]))
    with pytest.raises(ShortFileError):
        RawArray.of(files, Mosaic.stack(Layout.dense("<i2", 5), (3,)))


def test_fields_of_many_files(tmp_path: Path) -> None:
    record = np.dtype([("t", ">f8"), ("v", "<i2", (2,))])
    values = np.frombuffer(bytes(range(48)), record).reshape(2, 2)
    paths = [tmp_path / str(i) for i in range(2)]
    for path, row in zip(paths, values, strict=True):
        row.tofile(path)
    array = RawArray.of(Files.of(paths), Mosaic.stack(Layout.dense(record, 2), (2,)))
    np.testing.assert_array_equal(array["t"], values["t"])
    np.testing.assert_array_equal(array["v"], values["v"])
    assert array[["t"]].tolist() == values[["t"]].tolist()
    with pytest.raises(IndexError, match="no field"):
        array["x"]
