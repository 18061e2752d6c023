"""The tests of readers, and one more: files that are far away are read as local ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from rawmmap.dataset import RawDataset
from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import Reader
from rawmmap.sources import Files
from rawmmap.testing import ReaderTests as PublicReaderTests

__all__ = ["ReaderTests"]


class ReaderTests(PublicReaderTests):
    """What every reader of this package must do."""

    def test_remote_files_are_read_as_local_ones(
        self, reader: Reader, sample: Path, header: Path
    ) -> None:
        fs = fsspec.filesystem("memory")
        fs.store.clear()
        for path in sample.parent.rglob("*"):
            if path.is_file():
                name = path.relative_to(sample.parent).as_posix()
                fs.pipe(f"/far/{name}", path.read_bytes())
        try:
            for path in (sample, header):
                probe = Probe(f"memory://far/{path.name}")
                local = Probe(str(path))
                assert reader.recognises(probe) == reader.recognises(local)
                if reader.recognises(local):
                    self._compare(reader, probe, local)
        finally:
            fs.store.clear()

    @staticmethod
    def _compare(reader: Reader, probe: Probe, local: Probe) -> None:
        try:
            near = _open(reader, local)
        except (OSError, ValueError) as error:
            # Such as a header that is named otherwise than its data.
            with pytest.raises(type(error)):
                _open(reader, probe)
            return
        far = _open(reader, probe)
        assert far.files == tuple(f"memory://far/{Path(name).name}" for name in near.files)
        assert list(far) == list(near)
        for name, variable in near.items():
            assert far[name].dims == variable.dims
            assert repr(far[name].attrs) == repr(variable.attrs)
            np.testing.assert_array_equal(np.asarray(far[name].data), np.asarray(variable.data))


def _open(reader: Reader, probe: Probe) -> RawDataset:
    description: Any = reader.read(probe)
    return RawDataset(description, Files.of(description.files or (description.path,)))
