"""Readers of other packages: registered, or brought by an entry point."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.description import Description, LayoutTemplate, Variable
from rawmmap.errors import DescriptionError
from rawmmap.formats import register, registry
from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import Reader
from rawmmap.testing import ReaderTests

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
    monkeypatch.setattr(registry, "_READERS", dict(registry._all_readers()))
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
