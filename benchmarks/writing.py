"""Writing one array, chunk by chunk, into one flat file."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import dask
import dask.array as da
import numpy as np

from . import cache
from .cases import THREADS, Case, Workload
from .contestants import Contestant, Memory
from .flat import Flat

__all__ = ["Write"]


class _Writer(Contestant):
    def files(self, flat: Flat) -> list[Path]:
        return []

    def target(self, flat: Flat) -> Path:
        """Return the file or folder that is written."""
        return flat.folder / "written.raw"

    def write(self, x: da.Array, flat: Flat) -> None:
        raise NotImplementedError

    def check(self, flat: Flat) -> None:
        """Compare what was written with the source, byte for byte."""
        with self.target(flat).open("rb") as file:
            file.seek(flat.offset)
            for _, block in flat.blocks():
                assert file.read(block.nbytes) == block.tobytes()
            assert not file.read(1)


class _ToRaw(_Writer):
    name = "rawmmap.to_raw"
    needs = ("rawmmap.dask:to_raw",)

    def write(self, x: da.Array, flat: Flat) -> None:
        import rawmmap

        rawmmap.to_raw(x, self.target(flat), offset=flat.offset)


class _Store(_Writer):
    name = "da.store into np.memmap"
    lock: ClassVar[bool] = True

    def write(self, x: da.Array, flat: Flat) -> None:
        target = np.memmap(self.target(flat), flat.dtype, "w+", flat.offset, flat.shape)
        da.store(x, target, lock=self.lock)


class _StoreUnlocked(_Store):
    name = "da.store into np.memmap, lock=False"
    lock = False


class _Pwrite(_Writer):
    """The least that has to be done: the chunks are in memory, and two threads write them."""

    name = "pwrite, two threads"

    def write(self, x: da.Array, flat: Flat) -> None:
        blocks = [node() for node in _nodes(x)]
        starts = [flat.offset + i * flat.frame_bytes for i in flat.starts]
        fd = os.open(self.target(flat), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

        def put(block: Any, position: int) -> None:
            left = memoryview(block).cast("B")
            while left:
                count = os.pwrite(fd, left, position)
                left, position = left[count:], position + count

        try:
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(put, blocks, starts))
        finally:
            os.close(fd)


def _nodes(x: da.Array) -> list[Callable[[], Any]]:
    return [
        lambda key=key: dask.get(dict(x.dask), key) for key in dask.core.flatten(x.__dask_keys__())
    ]


class _ToFile(_Writer):
    name = "compute().tofile"

    def write(self, x: da.Array, flat: Flat) -> None:
        with self.target(flat).open("wb") as file:
            file.write(bytes(flat.offset))
            x.compute().tofile(file)


class _Zarr(_Writer):
    name = "Zarr, uncompressed"
    needs = ("zarr",)

    def target(self, flat: Flat) -> Path:
        return flat.folder / "written.zarr"

    def _array(self, flat: Flat, **kwargs: Any) -> Any:
        import zarr

        return zarr.create_array(
            self.target(flat), shape=flat.shape, dtype=flat.dtype,
            chunks=(flat.rows, *flat.shape[1:]), compressors=None, zarr_format=3, **kwargs,
        )  # fmt: skip

    def write(self, x: da.Array, flat: Flat) -> None:
        da.store(x, self._array(flat), lock=False)

    def check(self, flat: Flat) -> None:
        import zarr

        array = zarr.open_array(self.target(flat), mode="r")
        for start, block in flat.blocks():
            np.testing.assert_array_equal(array[start : start + len(block)], block)


class Write(Case):
    """Time until all bytes are on disk, which is where some return and others do not."""

    name = "write"
    title = "Write the whole array by chunks from memory until it is on disk, two threads"
    state = "any"
    reference = "pwrite, two threads"
    rounds = 3

    def contestants(self) -> list[Contestant]:
        return [_Pwrite(), _ToRaw(), _Store(), _StoreUnlocked(), _ToFile(), _Zarr()]

    @contextmanager
    def bind(
        self, contestant: Contestant, work: Workload
    ) -> Generator[Callable[[int], Any], None, None]:
        assert isinstance(contestant, _Writer)
        source = Memory().open_chunked(work.main)
        target = contestant.target(work.main)
        try:
            with dask.config.set(scheduler="threads", num_workers=THREADS):
                yield lambda i: self._write(contestant, source, work.main)
        finally:
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def _write(self, contestant: _Writer, source: da.Array, flat: Flat) -> float:
        """Return the seconds until the contestant's own call returned."""
        start = time.perf_counter()
        contestant.write(source, flat)
        returned = time.perf_counter() - start
        for path in cache.files_below([contestant.target(flat)]):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        return returned

    def check(self, result: Any, i: int, work: Workload) -> None:
        """Nothing: `metrics` is told which contestant wrote, and compares its bytes."""

    def metrics(
        self, contestant: Contestant, result: Any, seconds: float, work: Workload
    ) -> dict[str, float]:
        assert isinstance(contestant, _Writer)
        contestant.check(work.main)
        size = work.main.nbytes / 1e9
        return {"GB/s": size / seconds, "GB/s when the call returns": size / result}
