"""Conformance tests that sources of other packages can subclass, as this package's own do."""

# ruff: noqa: D102
from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rawmmap.sources import Source

__all__ = ["SourceTests"]

_DATA = bytes(np.arange(100_000, dtype="<u4").view("u1"))


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
