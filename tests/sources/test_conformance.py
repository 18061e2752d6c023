"""The sources of this package pass the tests that it offers to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from rawmmap.sources import Source, open_source
from rawmmap.testing import SourceTests


class TestLocal(SourceTests):
    @pytest.fixture
    def source_of(self, tmp_path: Path) -> Callable[[bytes], Source]:
        def make(data: bytes) -> Source:
            (tmp_path / "a.raw").write_bytes(data)
            return open_source(tmp_path / "a.raw")

        return make


class TestRemote(SourceTests):
    @pytest.fixture
    def source_of(self) -> Iterator[Callable[[bytes], Source]]:
        fs = fsspec.filesystem("memory")

        def make(data: bytes) -> Source:
            fs.pipe("/rawmmap-conformance/a.raw", data)
            return open_source("memory://rawmmap-conformance/a.raw")

        yield make
        fs.rm("/rawmmap-conformance", recursive=True)
