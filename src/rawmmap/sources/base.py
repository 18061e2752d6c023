"""The protocol of sources of bytes; nothing below it knows arrays."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

__all__ = [
    "Access",
    "Expected",
    "Identity",
    "Lengths",
    "Range",
    "Source",
    "Starts",
    "replaced_error",
]

Access = Literal["auto", "map", "read"]

#: First bytes of ranges.
Starts = Sequence[int] | npt.NDArray[np.int64]
#: One length for all ranges, or one for each.
Lengths = int | npt.NDArray[np.int64]


class Identity(NamedTuple):
    """The state of a file, as far as it can be told without reading it.

    Attributes
    ----------
    name : str
        Real path or URL.
    size : int
        Bytes.
    modified : int or str or None
        Modification time in nanoseconds, or the state that a server reports (an ETag).
    inode : int or None
        Number of the file within its file system.
    generation : int or None
        Generation of the inode, where the file system reports it: inodes are used again.
    """

    name: str
    size: int
    modified: int | str | None
    inode: int | None = None
    generation: int | None = None


def replaced_error(url: str) -> OSError:
    """Return the error for a file that is not the one that was opened."""
    return OSError(
        errno.ESTALE, "another file has replaced this one since it was opened; open it again", url
    )


class Range(NamedTuple):
    """Byte ranges of one file, within a request for several files."""

    file: int
    starts: Starts
    lengths: Lengths


#: Ranges of a map that will be read: batches of starts, and the common length.
Expected = tuple[Iterator[npt.NDArray[np.int64]], int]


class Source(Protocol):
    """A local or remote file; picklable, and nothing stays open between two calls.

    All methods may be called from several threads at once. They raise `OSError` if the file
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
        """Whether ``access="auto"`` reads and never maps, as on network file systems."""

    @property
    def gap(self) -> int:
        """Largest gap in bytes between two ranges for which reading both in one is faster."""

    def read(self, starts: Starts, lengths: Lengths) -> memoryview:
        """Return the bytes of ranges, end to end, in writable memory.

        This is one request: a source may join and reorder the ranges. They may overlap.
        """

    def map(
        self, start: int, stop: int, expected: Expected | None = None
    ) -> tuple[npt.NDArray[Any], int]:
        """Map a range of the file, copy-on-write.

        Parameters
        ----------
        start, stop : int
            First byte, and past the last byte.
        expected : (iterator of arrays of int, int), optional
            Starts and common length of the only ranges that will be read. They are requested at
            once, and read-ahead is off.

        Returns
        -------
        buffer : numpy.ndarray
            Bytes.
        origin : int
            Byte of the file that ``buffer[0]`` shows.

        Raises
        ------
        io.UnsupportedOperation
            If the source cannot be mapped.
        """

    def prefetch(self, starts: Starts, length: int) -> None:
        """Start to fetch ranges that will be read soon, without waiting for them."""

    def write(self, starts: Starts, lengths: Lengths, buffer: memoryview) -> None:
        """Write the bytes of `buffer`, end to end, to ranges of the file.

        Raises
        ------
        io.UnsupportedOperation
            If the source cannot be written to.
        """

    def reopen(self) -> Source:
        """Open the same file again, in its present state."""
