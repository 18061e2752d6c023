"""What every source of bytes can do: the waist of the library, below which nobody knows arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Access", "Expected", "Identity", "Lengths", "Range", "Source", "Starts"]

Access = Literal["auto", "map", "read"]

#: First bytes of ranges.
Starts = Sequence[int] | npt.NDArray[np.int64]
#: One length for all ranges, or one for each.
Lengths = int | npt.NDArray[np.int64]


class Identity(NamedTuple):
    """What tells one state of a file from another, without reading it.

    Attributes
    ----------
    name : str
        Real path or URL.
    size : int
        Bytes.
    modified : int or str or None
        Modification time in nanoseconds, or what a server tells of the file's state (an ETag).
    inode : int or None
        Number of the file within its file system.
    generation : int or None
        Which use of that number it is, where the file system tells.
    """

    name: str
    size: int
    modified: int | str | None
    inode: int | None = None
    generation: int | None = None


class Range(NamedTuple):
    """Byte ranges of one file that a request for several files wants."""

    file: int
    starts: Starts
    lengths: Lengths


#: The ranges of a map that will be read, some starts at a time, and their common length.
Expected = tuple[Iterator[npt.NDArray[np.int64]], int]


class Source(Protocol):
    """A file, wherever it is; picklable, and without anything open between two calls.

    All methods may be called from several threads at once. All of them raise `OSError` if the file
    is gone, was replaced since the source was opened, or is too short; a file that has grown stays
    readable.
    """

    @property
    def url(self) -> str:
        """Absolute path, or URL."""

    @property
    def identity(self) -> Identity:
        """The state of the file when this source was opened."""

    @property
    def maps(self) -> bool:
        """Whether `map` works."""

    @property
    def prefers_reads(self) -> bool:
        """Whether ``access="auto"`` must not map, as on network file systems."""

    @property
    def gap(self) -> int:
        """Bytes between two ranges that are read faster than two ranges are asked for."""

    def read(self, starts: Starts, lengths: Lengths) -> memoryview:
        """Return the bytes of ranges, end to end, in writable memory.

        One request for all: a source may join and reorder them. Ranges may overlap.
        """

    def map(
        self, start: int, stop: int, expected: Expected | None = None
    ) -> tuple[npt.NDArray[Any], int]:
        """Return copy-on-write memory that shows a range of the file.

        Parameters
        ----------
        start, stop : int
            First byte, and past the last byte.
        expected : (iterator of arrays of int, int), optional
            Starts and the length of the only ranges that will be read: they are asked for at once,
            and nothing is read ahead.

        Returns
        -------
        buffer : numpy.ndarray
            Bytes.
        origin : int
            Byte of the file that ``buffer[0]`` shows.

        Raises
        ------
        io.UnsupportedOperation
            If the source has no maps.
        """

    def prefetch(self, starts: Starts, length: int) -> None:
        """Ask for ranges that will be read soon, without waiting for them."""

    def write(self, starts: Starts, lengths: Lengths, buffer: memoryview) -> None:
        """Store the bytes of `buffer`, which lie end to end in it, at ranges of the file.

        Raises
        ------
        io.UnsupportedOperation
            If the source cannot be written to.
        """

    def reopen(self) -> Source:
        """Return the same file in its present state."""
