"""The files that all contestants read: one array, plain or in each contestant's own format."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DIMS", "Flat", "Truth"]

DIMS = ("time", "y", "x")
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Flat:
    """One float32 array ``(time, y, x)`` in a flat file, behind a header that aligns with nothing.

    Parameters
    ----------
    folder : Path
        Where the file and its copies in other formats lie.
    shape : tuple of int
        Element counts.
    rows : int
        Frames per chunk.
    offset : int
        Bytes before the data.
    sparse : bool
        Whether the file is one large hole.
    """

    folder: Path
    shape: tuple[int, int, int]
    rows: int
    offset: int = 20
    sparse: bool = False

    dtype = np.dtype("f4")

    @property
    def path(self) -> Path:
        """The flat file."""
        return self.folder / "u.raw"

    @property
    def nbytes(self) -> int:
        """Bytes of the data, header not counted."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.nbytes // self.shape[0]

    @property
    def chunk_bytes(self) -> int:
        """Bytes of one chunk."""
        return self.rows * self.frame_bytes

    @property
    def starts(self) -> range:
        """First frame of each chunk."""
        return range(0, self.shape[0], self.rows)

    def make(self) -> None:
        """Write the flat file, unless it is there already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        size = self.offset + self.nbytes
        if self.path.exists() and self.path.stat().st_size == size:
            return
        with self.path.open("wb") as file:
            if self.sparse:
                file.truncate(size)
                return
            file.write(b"\xa5" * self.offset)
            for block in self._blocks():
                file.write(block)

    def _blocks(self) -> Iterator[bytes]:
        rng = np.random.default_rng(0)
        for start in self.starts:
            rows = min(self.rows, self.shape[0] - start)
            yield rng.random((rows, *self.shape[1:]), dtype=self.dtype).tobytes()

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """Yield the first frame and the values of each chunk, read with plain file reads."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for start in self.starts:
                rows = min(self.rows, self.shape[0] - start)
                data = file.read(rows * self.frame_bytes)
                yield start, np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])

    def read(self) -> Array:
        """Return the whole array in memory, read by NumPy from the file's bytes."""
        return np.fromfile(self.path, self.dtype, offset=self.offset).reshape(self.shape)


class Truth:
    """What NumPy says about a file's bytes, worked out once so that the array need not stay.

    Parameters
    ----------
    flat : Flat
        The file.
    count : int
        How many positions there are to vary repeated reads with.
    """

    def __init__(self, flat: Flat, count: int = 40) -> None:
        self.flat = flat
        rng = np.random.default_rng(1)
        _, ny, nx = flat.shape
        side = self.side = min(100, ny // 2)
        self.pixels = [tuple(int(rng.integers(n)) for n in flat.shape) for _ in range(count)]
        self.windows = [
            (int(rng.integers(ny - side)), int(rng.integers(nx - side))) for _ in range(count)
        ]
        self.points = {
            n: [tuple(rng.integers(0, m, n) for m in flat.shape) for _ in range(count)]
            for n in (200, 2000)
        }
        values = flat.read()
        self.mean = float(np.mean(values, dtype="f8"))
        self.pixel_values = [values[p].copy() for p in self.pixels]
        self.series = [values[:, y, x].copy() for _, y, x in self.pixels]
        self.point_values = {n: [values[p] for p in sets] for n, sets in self.points.items()}
        # A copy of every window would be as large as the file: sums of a few frames stand for it.
        self.window_sums = [
            np.sum(values[:, y : y + side, x : x + side], axis=(1, 2), dtype="f8")
            for y, x in self.windows
        ]
        y, x = self.fixed = (ny // 2 - 12, nx // 2 - 12)
        self.fixed_series = values[:, y, x].copy()
        y, x = self.corner = (ny // 10, nx // 10)
        self.corner_mean = float(np.mean(values[:, y : y + side, x : x + side], dtype="f8"))
