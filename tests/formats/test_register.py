"""Readers of other packages: registered, or brought by an entry point."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.description import Description, LayoutTemplate, Variable
from rawmmap.errors import DescriptionError
from rawmmap.formats import register, registry
from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import Reader
from rawmmap.layout import Layout, Mosaic
from rawmmap.testing import ReaderTests
from rawmmap.xarray.engine import RawmmapEntrypoint

MAGIC = b"SCOPE1"
HEADER = struct.Struct("<6sHd")


class ScopeReader:
    """Reads the traces of an oscilloscope: a mark, the number of channels, the rate, samples."""

    name = "scope"

    def recognises(self, probe: Probe) -> bool:
        return probe.head.startswith(MAGIC) and len(probe.head) >= HEADER.size

    def read(self, probe: Probe) -> Description:
        if not self.recognises(probe):
            raise DescriptionError(f"{probe.name}: not a trace, or cut short")
        _, channels, rate = HEADER.unpack(probe.head[: HEADER.size])
        if not channels:
            raise DescriptionError(f"{probe.name}: the header says that there are no channels")
        samples = LayoutTemplate(np.dtype("<i2"), (-1, channels), HEADER.size)
        trace = Variable(("time", "channel"), samples, {"rate": rate})
        return Description(probe.name, {"trace": trace})


VALUES = np.arange(12, dtype="<i2").reshape(6, 2)


def make_trace(path: Path) -> None:
    path.write_bytes(HEADER.pack(MAGIC, 2, 1e6) + VALUES.tobytes())


class TestScope(ReaderTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return ScopeReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        return make_trace


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the test change which readers are known."""
    monkeypatch.setattr(registry, "_READERS", dict(registry._READERS))
    registry._load_entry_points.cache_clear()
    yield
    registry._load_entry_points.cache_clear()


def check_opens(path: Path) -> None:
    with xr.open_dataset(path, engine="rawmmap") as ds:
        np.testing.assert_array_equal(ds["trace"], VALUES)
        assert ds["trace"].dims == ("time", "channel")
        assert ds["trace"].attrs == {"rate": 1e6}
    assert rawmmap.open(path, format="scope").coverage == [(0, HEADER.size)]


@pytest.mark.usefixtures("readers")
def test_a_registered_reader_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    make_trace(path)
    with pytest.raises(ValueError, match="nothing says"):
        rawmmap.open(path)
    register(ScopeReader())
    check_opens(path)


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize("value", ["ScopeReader", "READER"])
def test_an_entry_point_brings_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == "rawmmap.formats"
        return [EntryPoint("scope", f"{__name__}:{value}", group)]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    make_trace(tmp_path / "a.trace")
    check_opens(tmp_path / "a.trace")


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize(
    "value", ["no_such_module:Reader", f"{__name__}:NONE", f"{__name__}:VALUES"]
)
def test_a_reader_that_cannot_be_loaded_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    def entry_points(*, group: str) -> list[EntryPoint]:
        return [
            EntryPoint("broken", value, group),
            EntryPoint("scope", f"{__name__}:READER", group),
        ]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    make_trace(tmp_path / "a.trace")
    with pytest.warns(RuntimeWarning, match=f"'broken', {value}, cannot be loaded"):
        rawmmap.open(tmp_path / "a.trace")
    check_opens(tmp_path / "a.trace")


READER = ScopeReader()


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize("missing", ["name", "recognises", "read"])
def test_what_lacks_a_part_of_a_reader_is_refused(missing: str) -> None:
    class Incomplete:
        name: Any = "incomplete"
        recognises: Any = ScopeReader.recognises
        read: Any = ScopeReader.read

    setattr(Incomplete, missing, None)
    with pytest.raises(TypeError, match=missing):
        register(Incomplete())
    assert "incomplete" not in registry._READERS


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    make_trace(tmp_path / "a.trace")
    with pytest.raises(ValueError, match="npy"):
        rawmmap.open(tmp_path / "a.trace", format="scope")


class TilesReader:
    """Two files side by side, the second of which may be missing; takes the number of rows."""

    name = "tiles"
    options = frozenset({"shape"})
    own_engine = True

    def recognises(self, probe: Probe) -> bool:
        return probe.head.startswith(b"tile")

    def read(self, probe: Probe, shape: Any = None) -> Description:
        names = [probe.name, probe.name.replace("a.", "b."), probe.name.replace("a.", "c.")]
        existing = probe.existing(names)
        files = tuple(name for name in names if name in existing)
        numbers = [files.index(name) if name in existing else -1 for name in names]
        layout = Layout.dense("<i2", shape or 3, offset=4)
        tiles = Mosaic.stack(layout, (3,), numbers, fill_value=-9)
        alone = Mosaic.stack(layout, (), (len(files) - 1,))
        variables = {"tiles": Variable(("tile", "x"), tiles), "last": Variable(("x",), alone)}
        return Description(probe.name, variables, files=files)


def make_tiles(folder: Path) -> Path:
    (folder / "a.tile").write_bytes(b"tile" + np.arange(3, dtype="<i2").tobytes())
    (folder / "c.tile").write_bytes(b"tile" + np.arange(10, 13, dtype="<i2").tobytes())
    return folder / "a.tile"


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize("place", ["local", "memory"])
def test_a_description_of_several_files(tmp_path: Path, place: str) -> None:
    register(TilesReader())
    path = str(make_tiles(tmp_path))
    if place == "memory":
        fs = fsspec.filesystem("memory")
        fs.put(str(tmp_path) + "/", "memory://tiles/", recursive=True)
        path = "memory://tiles/a.tile"
    raw = rawmmap.open(path)
    assert len(raw.files) == 2
    np.testing.assert_array_equal(raw["last"].data[:], [10, 11, 12])
    with xr.open_dataset(path, engine="rawmmap") as ds:
        expected = [[0, 1, 2], [-9, -9, -9], [10, 11, 12]]
        np.testing.assert_array_equal(ds["tiles"], expected)
        np.testing.assert_array_equal(ds["tiles"][1:, ::2], np.array(expected)[1:, ::2])


@pytest.mark.usefixtures("readers")
def test_each_of_several_files_must_be_long_enough(tmp_path: Path) -> None:
    register(TilesReader())
    path = make_tiles(tmp_path)
    (tmp_path / "c.tile").write_bytes(b"tile\0\0")
    with pytest.raises(ValueError, match=r"c\.tile"):
        rawmmap.open(path)


@pytest.mark.usefixtures("readers")
def test_what_works_on_one_file_says_so(tmp_path: Path) -> None:
    register(TilesReader())
    with pytest.raises(ValueError, match="2 files"):
        _ = rawmmap.open(make_tiles(tmp_path)).source


@pytest.mark.usefixtures("readers")
def test_keywords_that_a_reader_takes(tmp_path: Path) -> None:
    register(TilesReader())
    path = make_tiles(tmp_path)
    assert rawmmap.open(path, format="tiles", shape=2).sizes == {"tile": 3, "x": 2}
    with pytest.raises(ValueError, match=r"dims=.*it takes \['shape'\]"):
        rawmmap.open(path, format="tiles", shape=2, dims=("y",))


def test_options_of_formats_describe_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, VALUES)
    with pytest.raises(ValueError, match="group="):
        rawmmap.open(path, group="a")
    with pytest.raises(ValueError, match="group= is an option of single formats"):
        rawmmap.open(path, group="a", dtype="u1")


@pytest.mark.usefixtures("readers")
def test_files_with_an_engine_of_their_own_are_not_claimed(tmp_path: Path) -> None:
    register(TilesReader())
    path = make_tiles(tmp_path)
    assert not RawmmapEntrypoint().guess_can_open(path)
    register(ScopeReader())
    make_trace(path)
    assert RawmmapEntrypoint().guess_can_open(path)


@pytest.mark.parametrize("content", [b"", b"text\n" * 2000, bytes(10_000), bytes(range(256)) * 40])
def test_all_readers_together_open_a_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    opens: list[str] = []
    inner = Probe.open

    def count(probe: Probe) -> BinaryIO:
        opens.append(probe.name)
        return inner(probe)

    monkeypatch.setattr(Probe, "open", count)
    assert registry.recognise(Probe(str(path))) is None
    assert len(registry.format_names()) > 16
    assert opens in ([], [str(path)])
