"""Tests that sources and readers of other packages can subclass, as those of this package do."""

# ruff: noqa: D102
from __future__ import annotations

import contextlib
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import Reader
from rawmmap.layout import Layout
from rawmmap.sources import Source

__all__ = ["ReaderTests", "SourceTests"]

_DATA = bytes(np.arange(100_000, dtype="<u4").view("u1"))
# How many of the first bytes of a header are damaged in turn.
_DAMAGED = 1000


class SourceTests:
    """What every `rawmmap.sources.Source` must do.

    Subclass it in a test module and define the fixture `source_of`: a function that stores bytes in
    a new file and returns the source of that file.

    Examples
    --------
    ::

        class TestMine(SourceTests):
            @pytest.fixture
            def source_of(self, tmp_path):
                def make(data):
                    path = tmp_path / "data.raw"
                    path.write_bytes(data)
                    return MySource(path)

                return make
    """

    @pytest.fixture
    def source_of(self) -> Callable[[bytes], Source]:
        """Return a function that stores bytes in a new file and returns its source."""
        raise NotImplementedError("define the fixture source_of")

    @pytest.fixture
    def source(self, source_of: Any) -> Source:
        """Return the source of 400,000 bytes."""
        result: Source = source_of(_DATA)
        return result

    def test_identity(self, source: Source) -> None:
        assert source.identity.size == len(_DATA)
        assert source.url
        assert source.reopen().identity == source.identity
        assert source.gap >= 0

    def test_it_pickles(self, source: Source) -> None:
        again = pickle.loads(pickle.dumps(source))
        assert again.identity == source.identity
        assert bytes(again.read((5,), 3)) == _DATA[5:8]

    @pytest.mark.parametrize("length", [1, 4, 5000, 100_000])
    def test_ranges_of_one_length(self, source: Source, length: int) -> None:
        starts = np.array([7, 0, 290_000, 3, 7, 1000], np.int64)
        data = source.read(starts, length)
        assert bytes(data) == b"".join(_DATA[n : n + length] for n in starts.tolist())

    def test_ranges_of_several_lengths(self, source: Source) -> None:
        starts, lengths = [50, 0, 399_999, 60], np.array([10, 3, 1, 70_000], np.int64)
        data = source.read(starts, lengths)
        expected = [_DATA[n : n + m] for n, m in zip(starts, lengths.tolist(), strict=True)]
        assert bytes(data) == b"".join(expected)

    def test_no_ranges_are_no_bytes(self, source: Source) -> None:
        assert len(source.read((), 10)) == 0

    def test_what_is_read_can_be_changed(self, source: Source) -> None:
        data = source.read((0,), 10)
        data[0] = 255
        assert source.read((0,), 1)[0] == _DATA[0]

    def test_reading_past_the_end_is_an_os_error(self, source: Source) -> None:
        for starts, length in [((399_999,), 2), ((0, 400_000), 1), ((500_000,), 10)]:
            with pytest.raises(OSError):  # noqa: PT011 - the text is the source's own
                source.read(starts, length)

    def test_maps_are_copy_on_write(self, source: Source) -> None:
        if not source.maps:
            with pytest.raises(OSError):  # noqa: PT011
                source.map(0, 10)
            return
        buffer, origin = source.map(5001, 300_000)
        assert bytes(buffer[5001 - origin :]) == _DATA[5001:300_000]
        buffer[...] = 0
        assert bytes(source.read((5001,), 100)) == _DATA[5001:5101]

    def test_hints_change_nothing(self, source: Source) -> None:
        source.prefetch((0, 5000), 100)
        if source.maps:
            expected = iter([np.array([10, 90_000], np.int64)]), 4
            buffer, origin = source.map(10, 90_004, expected)
            assert bytes(buffer[90_000 - origin :]) == _DATA[90_000:90_004]


class _CountingProbe(Probe):
    """A probe that counts how often the file is opened."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.opens = 0

    def open(self) -> BinaryIO:
        self.opens += 1
        return super().open()


class ReaderTests:
    """What every reader of a format, `rawmmap.formats.registry.Reader`, must do.

    Subclass it in a test module, and define the fixtures `reader`, which returns the reader, and
    `make_sample`: a function that writes a small file of the format, named by the path that it
    takes, with its separate header beside it if the format has one. Where the data file has no
    header of its own, set `header_suffix` to what is appended to its name, and `opens_header` if
    only the header knows which file it belongs to.

    Examples
    --------
    ::

        class TestMine(ReaderTests):
            @pytest.fixture
            def reader(self):
                return MyReader()

            @pytest.fixture
            def make_sample(self):
                return lambda path: path.write_bytes(HEADER + DATA)
    """

    #: What is appended to the name of the data file to get that of its header.
    header_suffix = ""
    #: Whether the header is opened, and not the data file.
    opens_header = False

    @pytest.fixture
    def reader(self) -> Reader:
        """Return the reader."""
        raise NotImplementedError("define the fixture reader")

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        """Return a function that writes a small file of the format."""
        raise NotImplementedError("define the fixture make_sample")

    @pytest.fixture
    def sample(self, make_sample: Callable[[Path], Any], tmp_path: Path) -> Path:
        """Return the path of a file of the format, whose suffix tells nothing."""
        path = tmp_path / "sample.of_any_suffix"
        make_sample(path)
        return path

    @pytest.fixture
    def header(self, sample: Path) -> Path:
        """Return the path of the file that the header is in."""
        return sample.with_name(sample.name + self.header_suffix)

    @pytest.fixture
    def target(self, sample: Path, header: Path) -> Path:
        """Return the path of the file that is opened."""
        return header if self.opens_header else sample

    def test_it_has_a_name(self, reader: Reader) -> None:
        assert isinstance(reader.name, str)
        assert reader.name

    def test_it_recognises_by_content(self, reader: Reader, target: Path) -> None:
        assert reader.recognises(Probe(str(target)))

    def test_recognising_opens_the_file_once_at_most(self, reader: Reader, target: Path) -> None:
        probe = _CountingProbe(str(target))
        reader.recognises(probe)
        reader.recognises(probe)
        assert probe.opens <= 1

    @pytest.mark.parametrize("size", [0, 1, 7, 100, 4096, 10_000])
    def test_other_files_are_not_recognised(
        self, reader: Reader, sample: Path, tmp_path: Path, size: int
    ) -> None:
        rng = np.random.default_rng(size)
        for content in (rng.bytes(size), b" " * size, bytes(size), b"\xff" * size):
            other = tmp_path / ("other" + sample.suffix)
            other.write_bytes(content)
            assert not reader.recognises(Probe(str(other)))

    def test_what_is_described_lies_in_the_file(
        self, reader: Reader, sample: Path, target: Path
    ) -> None:
        description = reader.read(Probe(str(target)))
        assert os.path.samefile(description.path, sample)
        size = sample.stat().st_size
        resolved = description.resolve(size)
        assert resolved.variables
        for variable in resolved.variables.values():
            assert len(variable.dims) == variable.arrangement.ndim
            for part in variable.arrangement.parts():
                if isinstance(part.data, Layout):
                    start, stop = part.data.extent
                    assert 0 <= start <= stop <= size

    def test_cut_headers_raise_nothing_but_errors_of_files(
        self, reader: Reader, target: Path, header: Path
    ) -> None:
        content = header.read_bytes()
        for length in range(min(len(content), _DAMAGED)):
            header.write_bytes(content[:length])
            self._try(reader, target)

    def test_damaged_headers_raise_nothing_but_errors_of_files(
        self, reader: Reader, target: Path, header: Path
    ) -> None:
        content = header.read_bytes()
        for position in range(min(len(content), _DAMAGED)):
            for mask in (0x01, 0x80, 0xFF):
                damaged = bytearray(content)
                damaged[position] ^= mask
                header.write_bytes(damaged)
                self._try(reader, target)

    @staticmethod
    def _try(reader: Reader, path: Path) -> None:
        """Read a damaged file in every way; any other error or a warning fails the test."""
        probe = Probe(str(path))
        reader.recognises(probe)
        with warnings.catch_warnings(), contextlib.suppress(ValueError, OSError):
            warnings.simplefilter("error")
            reader.read(probe).resolve(probe.size)
