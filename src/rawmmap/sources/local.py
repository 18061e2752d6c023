"""Local files: maps, positional reads and positional writes."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from rawmmap.errors import ShrunkFileError
from rawmmap.files import io
from rawmmap.files.opening import kind_of
from rawmmap.files.status import (
    generation_of,
    has_lasting_inodes,
    is_network_device,
    real_path_of,
)
from rawmmap.mapping import PAGE, advise_window, map_window
from rawmmap.sources.base import Expected, Identity, Lengths, Starts, replaced_error
from rawmmap.sources.tuning import TUNING

__all__ = ["LocalFile", "explain_errors"]

# The coarsest resolution of file times, in nanoseconds (FAT).
_TIME_RESOLUTION = 2 * 10**9


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular local file; each access opens and closes it.

    Parameters
    ----------
    url : str
        Its absolute path.
    identity : Identity
        Its real path, size, modification time in nanoseconds, inode and generation when it was
        opened.
    prefers_reads : bool
        Whether it is on a network file system.
    changed : int or None
        Time of the last inode change in nanoseconds; None if it is so recent that a later change
        could have the same time.
    lasting_inodes : bool
        Whether the file keeps its inode number, and has it on every machine.
    """

    maps: ClassVar[bool] = True
    # The system reads whole pages.
    gap: ClassVar[int] = PAGE - 1

    url: str
    identity: Identity
    prefers_reads: bool = False
    changed: int | None = field(default=None, compare=False, repr=False)
    lasting_inodes: bool = field(default=True, repr=False)

    @classmethod
    def open(cls, path: str) -> Self:
        """Look at a file, which does not stay open.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        PermissionError
            If it may not be read.
        OSError
            If it is a directory, a pipe, or anything else that is not a regular file.
        """
        try:
            fd = io.open_for_reading(path)
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, _explain_missing(path), path) from None
        except PermissionError as error:
            raise PermissionError(
                error.errno, "this file may not be read; check its permissions", path
            ) from None
        except OSError as error:
            if error.errno == errno.ENXIO:  # a socket
                _check_regular(os.stat(path), path)
            raise
        try:
            status = os.fstat(fd)
            _check_regular(status, path)
            generation = generation_of(fd)
            real = real_path_of(fd) or os.path.realpath(path)
        finally:
            os.close(fd)
        absolute = os.path.abspath(path)
        old = time.time_ns() - status.st_ctime_ns > _TIME_RESOLUTION
        return cls(
            # One object where both are equal, so that it is pickled once.
            real if absolute == real else absolute,
            Identity(real, status.st_size, status.st_mtime_ns, status.st_ino, generation),
            is_network_device(status.st_dev),
            status.st_ctime_ns if old else None,
            has_lasting_inodes(status.st_dev),
        )

    def reopen(self) -> Self:
        """Open the same file again, in its present state."""
        return self.open(self.url)

    def read(self, starts: Starts, lengths: Lengths) -> memoryview:
        """Return the bytes of ranges, end to end; see `Source`."""
        positions = starts.tolist() if isinstance(starts, np.ndarray) else starts
        fd = io.open_for_reading(self.url)
        try:
            self._check_same(fd)
            if not isinstance(lengths, int):
                return self._read_unequal(fd, positions, lengths.tolist())
            if len(positions) > 1:
                _prefetch(fd, iter([np.asarray(positions, np.int64)]), lengths)
                if lengths <= TUNING.short_read:
                    return self._read_short(fd, positions, lengths)
            return self._read_equal(fd, positions, lengths)
        except OSError as error:
            with explain_errors(self.url, *_extent(positions, lengths), "reading"):
                raise error from None
        finally:
            os.close(fd)

    def map(
        self, start: int, stop: int, expected: Expected | None = None
    ) -> tuple[npt.NDArray[np.uint8], int]:
        """Map a range of the file, copy-on-write; see `Source`."""
        fd = io.open_for_reading(self.url)
        try:
            self._check_same(fd)
            buffer, origin = map_window(fd, start, stop, path=self.url)
            if expected is not None:
                advise_window(buffer, "random")
                _prefetch(fd, *expected)
            return buffer, origin
        except OSError as error:
            with explain_errors(self.url, start, stop, "reading"):
                raise error from None
        finally:
            os.close(fd)

    def prefetch(self, starts: Starts, length: int) -> None:
        """Start to fetch ranges that will be read soon, without waiting for them."""
        fd = io.open_for_reading(self.url)
        try:
            _prefetch(fd, iter([np.asarray(starts, np.int64)]), length)
        finally:
            os.close(fd)

    def write(self, starts: Starts, lengths: Lengths, buffer: memoryview) -> None:
        """Write bytes to ranges within the file; see `Source`."""
        positions = starts.tolist() if isinstance(starts, np.ndarray) else starts
        if not positions:
            return
        start, stop = _extent(positions, lengths)
        fd = io.open_for_writing(self.url)
        try:
            size = self._check_same(fd)
            if size < stop:
                raise ShrunkFileError(self.url, stop, size)
            with explain_errors(self.url, start, stop, "writing"):
                at = 0
                for position, length in zip(positions, _each(lengths), strict=False):
                    io.write_all(fd, buffer[at : at + length], position)
                    at += length
        finally:
            os.close(fd)

    def _check_same(self, fd: int) -> int:
        """Return the present size of the file; refuse another file that has replaced it.

        Reading a replacement by the layout of the old file would silently give wrong values. A file
        that was appended to or written into is still the same.
        """
        status = os.fstat(fd)
        identity = self.identity
        if status.st_ino != identity.inode:
            state = status.st_size, status.st_mtime_ns
            if self.lasting_inodes or state != (identity.size, identity.modified):
                raise replaced_error(self.url)
        elif (
            status.st_ctime_ns != self.changed
            and identity.generation is not None
            and generation_of(fd) not in (identity.generation, None)
        ):
            raise replaced_error(self.url)
        return status.st_size

    def _read_short(self, fd: int, positions: Sequence[int], length: int) -> memoryview:
        data = io.read_pieces(fd, positions, length)
        if len(data) < len(positions) * length:
            raise ShrunkFileError(self.url, max(positions) + length, os.fstat(fd).st_size)
        return memoryview(data)

    def _read_equal(self, fd: int, positions: Any, length: int) -> memoryview:
        view = _allocate(len(positions) * length)
        if len(positions) == 1 and io.read_at(fd, view, positions[0]) == length:
            return view
        at = 0
        for position in positions:
            self._read_all(fd, view[at : at + length], position)
            at += length
        return view

    def _read_unequal(self, fd: int, positions: Any, lengths: list[int]) -> memoryview:
        for position, length in zip(positions, lengths, strict=True):
            io.prefetch(fd, [position], length)
        view = _allocate(sum(lengths))
        at = 0
        for position, length in zip(positions, lengths, strict=True):
            self._read_all(fd, view[at : at + length], position)
            at += length
        return view

    def _read_all(self, fd: int, view: memoryview, position: int) -> None:
        if io.read_up_to(fd, view, position) < len(view):
            raise ShrunkFileError(self.url, position + len(view), os.fstat(fd).st_size)


def _explain_missing(path: str) -> str:
    text = "there is no such file; check its name and folder"
    if "*" in path:
        return (
            f"{text}; a series of files has fields in its name, such as {{step:04d}}, in place of *"
        )
    return text


def _check_regular(status: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "this is a directory; name a file in it", path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(
            errno.EINVAL,
            f"this is {kind_of(status)}, and only regular files can be read at positions; copy its "
            "data into a file first",
            path,
        )


def _each(lengths: Lengths) -> Iterable[int]:
    return repeat(lengths) if isinstance(lengths, int) else lengths.tolist()


def _extent(positions: Any, lengths: Lengths) -> tuple[int, int]:
    stops = [p + n for p, n in zip(positions, _each(lengths), strict=False)]
    return min(positions, default=0), max(stops, default=0)


def _allocate(nbytes: int) -> memoryview:
    """Return memory to read into; a bytearray is faster to create, but filled with zeros."""
    small = nbytes <= TUNING.short_read
    return memoryview(bytearray(nbytes)) if small else np.empty(nbytes, "u1").data


@contextmanager
def explain_errors(path: str, start: int, stop: int, action: str) -> Iterator[None]:
    """Add the file, the bytes and, on a full disk, the free space to errors of the system."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        free = shutil.disk_usage(os.path.dirname(path)).free if full else 0
        raise OSError(
            error.errno,
            f"{error.strerror} while {action} bytes {start} to {stop}"
            + (f"; {free} bytes are free on this disk: free some space" if full else ""),
            path,
        ) from error


def _prefetch(fd: int, batches: Iterator[npt.NDArray[np.int64]], length: int) -> None:
    """Request exactly the pages of these runs, unless a sample of them is cached already."""
    io.disable_readahead(fd)
    for number, starts in enumerate(batches):
        step = max(1, starts.size // TUNING.samples)
        if number == 0 and io.is_cached(fd, starts[::step].tolist()):
            return
        io.prefetch(fd, starts.tolist(), length)
