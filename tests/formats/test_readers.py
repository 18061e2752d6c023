"""The readers of this package pass the tests that it offers to others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap
from rawmmap.formats.envi.reader import EnviReader
from rawmmap.formats.npy.reader import NpyReader
from rawmmap.formats.registry import Reader
from rawmmap.formats.sidecar.reader import SidecarReader
from rawmmap.testing import ReaderTests

VALUES = np.arange(12, dtype=">i2").reshape(3, 4)


class TestNpy(ReaderTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return NpyReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            with path.open("wb") as file:
                np.save(file, VALUES)

        return make


class TestSidecar(ReaderTests):
    header_suffix = ".json"

    @pytest.fixture
    def reader(self) -> Reader:
        return SidecarReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(b"head" + VALUES.tobytes())
            rawmmap.describe(
                path, dtype=">i2", shape=(-1, 4), dims=("y", "x"), offset=4, coords={"x": [1.5] * 4}
            )

        return make


class TestEnvi(ReaderTests):
    header_suffix = ".hdr"

    @pytest.fixture
    def reader(self) -> Reader:
        return EnviReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(b"head" + VALUES.tobytes())
            rawmmap.to_envi(path, dtype=">i2", shape=(3, 4), dims=("y", "x"), offset=4)

        return make
