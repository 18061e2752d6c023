"""Pictures of files: what each part of a bar shows is what lies there."""

from __future__ import annotations

import itertools
import mmap
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.cli import main
from rawmmap.description.model import Description, Variable
from rawmmap.description.template import LayoutTemplate
from rawmmap.drawing import Bar, Drawing, Row, draw_file, format_size, make_edges
from rawmmap.layout import Layout, Mosaic
from rawmmap.layout.density import bytes_between, bytes_of_ranges


def count(layout: Layout, edges: Any) -> Any:
    """Return what lies between edges, byte by byte."""
    covered = np.zeros(int(edges[-1]) + 1000, bool)
    for index in np.ndindex(layout.shape):
        start = layout.offset + sum(i * step for i, step in zip(index, layout.strides, strict=True))
        covered[start : start + layout.dtype.itemsize] = True
    return np.array([covered[int(a) : int(b)].sum() for a, b in itertools.pairwise(edges)])


@given(
    shape=st.lists(st.integers(1, 4), max_size=3),
    gaps=st.lists(st.integers(0, 40), min_size=3, max_size=3),
    offset=st.integers(0, 50),
    turned=st.booleans(),
)
def test_bytes_between_edges(shape: Any, gaps: Any, offset: int, turned: bool) -> None:
    """Exact where elements lie further apart than the edges, and in sum everywhere."""
    steps: list[int] = []
    step = 4
    for n, gap in zip(reversed(shape), gaps, strict=False):
        step += gap
        steps.insert(0, step)
        step *= n
    layout = Layout("<i4", shape, steps, offset)
    if turned and shape:
        layout = layout[::-1]
    end = layout.extent[1] + 7
    edges = np.arange(0, end + 1.0)
    expected = count(layout, edges)
    np.testing.assert_allclose(bytes_between(layout, edges), expected, atol=1e-9)
    wide = np.linspace(0, end, 4)
    assert bytes_between(layout, wide).sum() == pytest.approx(layout.nbytes)


def test_a_million_records_are_counted_evenly() -> None:
    layout = Layout("<i2", (10**6, 3), (69, 2), 100)
    shares = bytes_between(layout, make_edges(100 + 69 * 10**6))
    assert shares.sum() == pytest.approx(layout.nbytes, rel=1e-3)
    assert shares.max() <= 1.01 * shares.mean()
    assert bytes_of_ranges([(0, 100)], np.array([0.0, 50, 100, 200])).tolist() == [50, 50, 0]


def test_rows_of_a_file() -> None:
    layouts = {
        "u": [Layout.dense("u1", 100, offset=100)],
        "v": [Layout("u1", (100,), (2,), 300)],
    }
    bar = draw_file("a.bin", 600, layouts, {"window": [(0, 200)]}, [0.5] * 96)
    rows = {row.label: np.array(row.shares) for row in bar.rows}
    assert list(rows) == ["header", "u", "v", "gaps", "window", "memory"]
    assert rows["header"].sum() * 600 / 96 == pytest.approx(100)
    assert rows["u"].sum() * 600 / 96 == pytest.approx(100)
    # 100 bytes between the two, and 100 of the 200 that v spreads over, and the rest.
    assert rows["gaps"].sum() * 600 / 96 == pytest.approx(100 + 100 + 100)
    assert np.nonzero(rows["window"])[0].tolist() == list(range(32))
    text = str(Drawing((bar,)))
    assert text.startswith("a.bin: 600 B\n")
    assert "50 %" in text
    assert all(len(line) <= 130 for line in text.splitlines())


def test_many_variables_share_a_row() -> None:
    layouts = {f"v{i}": [Layout.dense("u1", 10, offset=10 * i)] for i in range(40)}
    assert draw_file("a", 400, layouts).rows[-1].label == "24 others"


@pytest.mark.parametrize(
    ("nbytes", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 2**40, "3 TiB")]
)
def test_sizes(nbytes: int, text: str) -> None:
    assert format_size(nbytes) == text


def test_pictures_are_xml_and_escape_names() -> None:
    bar = Bar("<a&b>", 10, (Row("x" * 40 + "<", (0.0, 0.5, 1.0)),))
    html = Drawing((bar,), "and <more>")._repr_html_()
    top = ET.fromstring(html)
    assert len(top.findall(".//rect")) == 3
    assert top.findtext("p") == "and <more>"


def labels(drawing: Drawing) -> list[str]:
    return [row.label for row in drawing.bars[0].rows]


def test_everything_that_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(8) + np.arange(12, dtype="<i2").tobytes())
    keywords: dict[str, Any] = {"dtype": "<i2", "shape": (3, 4), "offset": 8, "name": "u"}
    expected = ["header", "u", "memory"]
    assert labels(rawmmap.show(path, **keywords)) == expected
    raw = rawmmap.open(path, **keywords)
    assert labels(rawmmap.show(raw)) == expected
    ds = xr.open_dataset(path, engine="rawmmap", chunks={}, **keywords)
    assert labels(rawmmap.show(ds)) == expected
    assert labels(rawmmap.show(raw["u"].data)) == ["header", "array", "memory"]
    mapped = rawmmap.mmap(path, "<i2", (3, 4), 8)
    for x in (mapped, mapped[1], rawmmap.mapping_of(mapped)):
        assert labels(rawmmap.show(x)) == ["header", "array", "window", "memory"]
    assert labels(rawmmap.show(rawmmap.map_dataset(path, **keywords))) == [
        "header",
        "array",
        "window",
        "memory",
    ]
    drawn: list[Any] = [raw, raw["u"].data, rawmmap.mapping_of(mapped)]
    for x in drawn:
        assert "<svg" in x._repr_html_()
    assert labels(rawmmap.show(rawmmap.mapping_of(rawmmap.anonymous("u1", 10)))) == [
        "array",
        "window",
    ]


def test_what_cannot_be_shown(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="int"):
        rawmmap.show(5)
    with pytest.raises(ValueError, match="mapped"):
        rawmmap.show(np.zeros(3))
    with pytest.raises(ValueError, match="does not know its files"):
        rawmmap.show(xr.Dataset({"u": ("x", [1, 2])}))
    with pytest.raises(TypeError, match="dtype"):
        rawmmap.show(np.zeros(3), dtype="u1")
    with pytest.raises(FileNotFoundError):
        rawmmap.show(tmp_path / "missing")
    (tmp_path / "a.bin").write_bytes(bytes(100))
    drawing = rawmmap.show(tmp_path / "a.bin")
    assert drawing.note == "nothing describes this file"


def test_files_of_a_series(tmp_path: Path) -> None:
    for i in range(8):
        (tmp_path / f"u{i}.bin").write_bytes(bytes(8 + i))
    drawing = rawmmap.show(tmp_path / "u{i:d}.bin", dtype="<i2", shape=4, dims="x", name="u")
    assert len(drawing.bars) == 6
    assert [bar.nbytes for bar in drawing.bars] == [8, 9, 10, 11, 12, 13]
    assert drawing.note == "and 2 more files"
    assert all(row.note == "8 B" for bar in drawing.bars for row in bar.rows if row.label == "u")


def test_the_command_shows_files(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(1000))
    result = CliRunner().invoke(main, ["show", str(path)])
    assert result.exit_code == 0
    assert result.output.startswith("a.npy: 7.94 KiB")


def marks(drawing: Drawing, label: str) -> list[float]:
    """Return the bytes at which a row of the first file is marked."""
    bar = drawing.bars[0]
    (row,) = (row for row in bar.rows if row.label == label)
    return [round(mark * bar.nbytes) for mark in row.marks]


def note(drawing: Drawing, label: str) -> str:
    (text,) = (row.note for row in drawing.bars[0].rows if row.label == label)
    return text


def test_windows_of_chunks_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    unit = mmap.ALLOCATIONGRANULARITY
    path.write_bytes(bytes(10 + 8 * unit))
    keywords: dict[str, Any] = {"dtype": "u1", "shape": (8, unit), "offset": 10}
    ds = xr.open_dataset(path, engine="rawmmap", dims=("t", "x"), chunks={"t": 3}, **keywords)
    for x in (rawmmap.from_raw(path, **keywords, chunks=(3, -1)), ds, ds["data"]):
        drawing = rawmmap.show(x)
        label = "data" if isinstance(x, xr.Dataset) else "array"
        # The first window starts with the file; the others at the multiples below their chunks.
        assert marks(drawing, label) == [3 * unit, 6 * unit]
        assert note(drawing, label).endswith("3 chunks")
        assert "│" in str(drawing)
        assert "<path" in drawing._repr_html_()
    assert marks(rawmmap.show(ds.isel(t=slice(1, None))), "data") == []
    assert marks(rawmmap.show(ds["data"].isel(t=slice(1, None))), "array") == []
    lazy = xr.open_dataset(path, engine="rawmmap", dims=("t", "x"), **keywords)
    assert marks(rawmmap.show(lazy["data"]), "array") == []
    assert marks(rawmmap.show(rawmmap.from_raw(path, **keywords)[1:] + 1), "array") == []
    with pytest.raises(ValueError, match="from_raw"):
        rawmmap.show(da.zeros(3))


def test_more_chunks_than_can_be_drawn_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(2000))
    drawing = rawmmap.show(rawmmap.from_raw(path, "u1", 2000, chunks=2))
    assert marks(drawing, "array") == []
    assert note(drawing, "array") == "1.95 KiB, 1,000 chunks"


def test_records_and_pages_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    page = mmap.PAGESIZE
    path.write_bytes(bytes(3 * page + 1))
    keywords: dict[str, Any] = {"dtype": "u1", "shape": 100, "dims": "x", "record_dim": "t"}
    drawing = rawmmap.show(path, offset=page, record_nbytes=page, **keywords)
    assert marks(drawing, "records") == [page, 2 * page]
    assert note(drawing, "records") == f"{format_size(2 * page)}, 2 records"
    assert marks(drawing, "memory") == [page, 2 * page, 3 * page]
    assert note(drawing, "memory").endswith("4 pages")
    one = rawmmap.show(path, offset=page, record_nbytes=3 * page, **keywords)
    assert note(one, "records").endswith("1 record")


def test_a_description_is_drawn_without_its_files() -> None:
    u = Variable(("x",), Layout.dense("<i2", 10, offset=8))
    v = Variable(("x",), Mosaic.stack(Layout.dense("<i2", 10), (), (1,)))
    drawing = Description("a/u.bin", {"u": u, "v": v}, files=("a/u.bin", "a/v.bin")).draw()
    assert [(bar.title, bar.nbytes) for bar in drawing.bars] == [("u.bin", 28), ("v.bin", 20)]
    assert labels(drawing) == ["header", "u"]
    rest = Description("w.bin", {"w": Variable(("x",), LayoutTemplate(np.dtype("u1"), (-1,)))})
    assert rest.draw().note == "to the end of the file: w"
    assert "<svg" in rest._repr_html_()
