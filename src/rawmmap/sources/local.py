"""Files of this system: windows of them, positional reads and positional writes.

How a read goes, by what was measured faster: small selections by positional reads of just their
runs, everything else through a private map of their window, which costs no copy and dies with the
array. Where a selection is sparse, read-ahead is switched off and exactly its pages are asked
for, all at once, before they are needed.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rawmmap.errors import ShrunkFileError
from rawmmap.files import libc
from rawmmap.layout import Layout, Runs
from rawmmap.mapping import PAGE, advise_window, map_window
from rawmmap.sources.base import Access, Identity, Points

__all__ = ["LocalFile", "explained"]

# Without O_NONBLOCK opening a pipe that has taken the file's place would wait for its other end.
_FLAGS = sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK"))
_READ = os.O_RDONLY | _FLAGS
_WRITE = os.O_RDWR | _FLAGS

# Below about 1 MiB a positional read is at least as fast as a map, and each run costs a system
# call: beyond some thousands of them, page faults are cheaper.
_SMALL = 2**20
_FEW_RUNS = 4096

# A window is sparse if the pages of its extent are more than 3/2 of those that it needs.
_SPARSE = 3, 2

# The kernel cuts a request for read-ahead to the device's own limit, often 128 KiB.
_HINT = 2**17
# Windows with more wanted bytes than this are left to the kernel: hints would push each other out.
_MOST_HINTED = 2**30
_SAMPLES = 8

# A read of so few bytes comes whole or ends with the file.
_SHORT_READ = 4096

# So many bytes between two runs are read faster than a second call is made.
_NEAR = 2**16

# Writes of shorter pieces than this, and of many, go through maps.
_SHORT = 1024
_FEW_WRITES = 256

# Where bytes are touched that nobody asked for, this many at a time; what a map has touched counts
# as memory of the process.
_SLAB = 2**26


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file of this system; each access opens and closes it.

    Parameters
    ----------
    url : str
        Its absolute path.
    identity : Identity
        Its real path, size, modification time in nanoseconds and inode when it was opened.
    """

    url: str
    identity: Identity

    @classmethod
    def open(cls, path: str) -> Self:
        """Look at a file, without opening it.

        Raises
        ------
        FileNotFoundError
            If there is none.
        OSError
            If it is a directory, a pipe, or anything else that has no bytes at positions.
        """
        try:
            found = os.stat(path)
        except FileNotFoundError:
            raise FileNotFoundError(
                errno.ENOENT, "there is no such file; check its name and folder", path
            ) from None
        if not stat.S_ISREG(found.st_mode):
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(
                    errno.EISDIR, "this is a directory; name a file in it", path
                )
            raise OSError(errno.EINVAL, "only regular files have bytes at positions", path)
        real = os.path.realpath(path)
        own = os.path.abspath(path)
        # One object where both are equal, so that it is pickled once.
        return cls(
            real if own == real else own,
            Identity(real, found.st_size, found.st_mtime_ns, found.st_ino),
        )

    def reopened(self) -> Self:
        """Return the same file in its present state."""
        return self.open(self.url)

    def read(self, layout: Layout, access: Access) -> npt.NDArray[Any]:
        """Return the elements of `layout`: writable, without any effect on the file."""
        start, stop = layout.extent
        if start == stop:
            return np.empty(layout.shape, layout.dtype)
        fd = os.open(self.url, _READ)
        try:
            return self._read(fd, layout, access)
        except OSError as error:
            with explained(self.url, start, stop, "reading"):
                raise error from None
        finally:
            os.close(fd)

    def _read(self, fd: int, layout: Layout, access: Access) -> npt.NDArray[Any]:
        self._check_same(fd)
        if access == "map" or (access == "auto" and layout.nbytes > _SMALL):
            return self._mapped(fd, layout)
        if layout.contiguous:
            return self._copied(fd, layout)
        runs = layout.runs(PAGE - 1)
        if access == "auto" and (runs.nbytes > _SMALL or runs.count > _FEW_RUNS):
            return self._mapped(fd, layout)
        if runs.count > _FEW_RUNS and runs.steps[-1] <= _NEAR:
            return self._sifted(fd, layout)
        return runs.packed.view(self._pieces(fd, runs.starts(), runs.length))

    def take(self, layout: Layout, points: Points, access: Access) -> npt.NDArray[Any]:
        """Return ``array[points]``, a copy, where `points` pick along the leading axes."""
        picked = points[0].shape
        rest = layout.shape[len(points) :]
        if 0 in picked or 0 in rest:
            return np.empty(picked + rest, layout.dtype)
        runs, starts = layout.point_runs(points, PAGE - 1)
        many = starts.size * runs.length > _SMALL or starts.size > _FEW_RUNS
        fd = os.open(self.url, _READ)
        try:
            self._check_same(fd)
            if access == "map" or (access == "auto" and many):
                near, nearby = _narrowed(layout, points)
                return self._mapped(fd, near, starts, runs)[nearby]
            buffer = self._pieces(fd, starts, runs.length)
        except OSError as error:
            with explained(self.url, int(starts.min()), int(starts.max()), "reading"):
                raise error from None
        finally:
            os.close(fd)
        return runs.points(picked).view(buffer)

    def write(self, layout: Layout, values: npt.NDArray[Any], access: Access = "auto") -> None:
        """Store `values`, of the shape of `layout`, and touch no other byte."""
        start, stop = layout.extent
        if start == stop:
            return
        runs = layout.runs()
        # Where runs are many and each page holds some of them, a map is cheaper.
        crowded = runs.count > _FEW_WRITES and runs.length < _SHORT and runs.steps[-1] <= PAGE
        with self._writing(start, stop) as fd:
            if crowded and access != "read":
                for index, piece in _slabs(layout):
                    self._writable(fd, piece)[...] = values[index]
                return
            for index, piece in _slabs(layout):
                runs = piece.runs()
                _scatter(fd, runs.packed, runs.starts(), runs.length, values[index])

    def put(
        self,
        layout: Layout,
        points: Points,
        values: npt.NDArray[Any],
        access: Access = "auto",
    ) -> None:
        """Store ``array[points] = values``, where `points` pick along the leading axes."""
        if not values.size:
            return
        runs, starts = layout.point_runs(points)
        low, high = int(starts.min()), int(starts.max()) + runs.length
        with self._writing(low, high) as fd:
            _scatter(fd, runs.points(points[0].shape), starts, runs.length, values)

    def _check_same(self, fd: int) -> int:
        """Return the file's present size, unless another file has taken its place.

        Reading that one by the layout of the old one would give garbage without a word.
        """
        found = os.fstat(fd)
        if found.st_ino != self.identity.node:
            raise OSError(
                errno.ESTALE,
                "another file has taken the place of this one since it was opened; open it again",
                self.url,
            )
        return found.st_size

    @contextmanager
    def _writing(self, start: int, stop: int) -> Iterator[int]:
        """Open the file for writing, make sure that it still reaches to byte `stop`, close it."""
        fd = os.open(self.url, _WRITE)
        try:
            size = self._check_same(fd)
            if size < stop:
                raise ShrunkFileError(self.url, stop, size)
            with explained(self.url, start, stop, "writing"):
                yield fd
        finally:
            os.close(fd)

    def _mapped(
        self,
        fd: int,
        layout: Layout,
        starts: npt.NDArray[np.int64] | None = None,
        runs: Runs | None = None,
    ) -> npt.NDArray[Any]:
        """Return a private view of the window of `layout`, of which only `starts` may be needed."""
        start, stop = layout.extent
        buffer, origin = map_window(fd, start, stop, path=self.url)
        needed = layout.nbytes if starts is None else starts.size * PAGE
        if (stop - start) * _SPARSE[1] > needed * _SPARSE[0] and stop - start > PAGE:
            plan = runs or layout.runs(PAGE - 1)
            if starts is not None or _is_sparse(plan, stop - start):
                advise_window(buffer, "random")
                _prefetch(fd, plan.batches() if starts is None else iter([starts]), plan.length)
        return layout.shifted(-origin).view(buffer)

    def _writable(self, fd: int, layout: Layout) -> npt.NDArray[Any]:
        """Return a shared view of the window of `layout`, whose stores cannot meet a full disk."""
        start, stop = layout.extent
        runs = layout.runs(PAGE - 1)
        for first in runs.starts().tolist():
            _reserve(fd, first, first + runs.length)
        buffer, origin = map_window(fd, start, stop, path=self.url, shared=True)
        return layout.shifted(-origin).view(buffer)

    def _copied(self, fd: int, layout: Layout) -> npt.NDArray[Any]:
        """Return a contiguous layout's elements, by one positional read."""
        view = _memory(layout.nbytes)
        self._read_all(fd, view, layout.offset)
        return np.ndarray(layout.shape, layout.dtype, view)

    def _sifted(self, fd: int, layout: Layout) -> npt.NDArray[Any]:
        """Return elements that lie near each other, by reading what is between them too."""
        result = np.empty(layout.shape, layout.dtype)
        for index, piece in _slabs(layout):
            start, stop = piece.extent
            view = _memory(stop - start)
            self._read_all(fd, view, start)
            result[index] = piece.shifted(-start).view(view)
        return result

    def _pieces(self, fd: int, starts: npt.NDArray[np.int64], length: int) -> memoryview:
        """Return the bytes of runs of equal length, end to end."""
        if starts.size > 1:
            _prefetch(fd, iter([starts]), length)
        if length <= _SHORT_READ and hasattr(os, "pread"):
            # Nearly all of the time of short reads goes into Python: this is its fastest way.
            every = starts.tolist()
            found = bytearray().join(map(os.pread, repeat(fd), repeat(length), every))
            if len(found) < starts.size * length:
                raise ShrunkFileError(self.url, max(every) + length, os.fstat(fd).st_size)
            return memoryview(found)
        view = _memory(starts.size * length)
        at = 0
        for first in starts.tolist():
            self._read_all(fd, view[at : at + length], first)
            at += length
        return view

    def _read_all(self, fd: int, view: memoryview, position: int) -> None:
        """Fill `view` from `position`; one call transfers at most 2 GiB."""
        while (n := _read_at(fd, view, position)) < len(view):
            if not n:
                raise ShrunkFileError(self.url, position + len(view), os.fstat(fd).st_size)
            view = view[n:]
            position += n


def _memory(nbytes: int) -> memoryview:
    """Return memory to read into; bytearrays are faster to make, but filled with zeros."""
    return memoryview(bytearray(nbytes)) if nbytes <= _SHORT_READ else np.empty(nbytes, "u1").data


def _read_at(fd: int, view: memoryview, position: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(fd, [view], position)
    os.lseek(fd, position, os.SEEK_SET)  # no other call uses this descriptor
    data = os.read(fd, len(view))
    view[: len(data)] = data
    return len(data)


def _write_at(fd: int, view: memoryview, position: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, view, position)
    os.lseek(fd, position, os.SEEK_SET)
    return os.write(fd, view)


def _write_all(fd: int, view: memoryview, position: int) -> None:
    while view:
        n = _write_at(fd, view, position)
        view = view[n:]
        position += n


def _scatter(
    fd: int,
    packed: Layout,
    starts: npt.NDArray[np.int64],
    length: int,
    values: npt.NDArray[Any],
) -> None:
    """Write values that lie in runs of equal length, in the order of the runs."""
    if packed.contiguous:
        data = np.ascontiguousarray(values, packed.dtype)
    else:
        data = np.empty(starts.size * length, "u1")
        packed.view(data)[...] = values
    whole = np.ravel(data).view(np.uint8).data
    for i, first in enumerate(starts.tolist()):
        _write_all(fd, whole[i * length : (i + 1) * length], first)


@contextmanager
def explained(path: str, start: int, stop: int, doing: str) -> Iterator[None]:
    """Let errors of the system name the file, the bytes and, where the disk is full, its room."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        free = shutil.disk_usage(os.path.dirname(path)).free if full else 0
        raise OSError(
            error.errno,
            f"{error.strerror} while {doing} bytes {start} to {stop}"
            + (f"; {free} bytes are free on this disk: make room" if full else ""),
            path,
        ) from error


def _reserve(fd: int, start: int, stop: int) -> None:
    """Give holes in this range blocks of their own; a file system that cannot has no holes."""
    try:
        libc.fallocate(fd, libc.KEEP_SIZE, start, stop - start)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise


def _narrowed(layout: Layout, points: Points) -> tuple[Layout, Points]:
    """Return the part of `layout` between the outermost of `points`, and the points within it."""
    lows = [int(p.min()) for p in points]
    highs = [int(p.max()) for p in points]
    near = layout[tuple(slice(a, b + 1) for a, b in zip(lows, highs, strict=True))]
    return near, tuple(p - low for p, low in zip(points, lows, strict=True))


def _slabs(
    layout: Layout, index: tuple[slice, ...] = ()
) -> Iterator[tuple[tuple[slice, ...], Layout]]:
    """Cut a layout along its slowest axes until every piece lies within a bounded extent."""
    index = index or tuple(slice(0, n) for n in layout.shape)
    start, stop = layout.extent
    if stop - start <= _SLAB or layout.size == 1:
        yield index, layout
        return
    steps = [abs(s) if n > 1 else -1 for n, s in zip(layout.shape, layout.strides, strict=True)]
    axis = steps.index(max(steps))
    n = layout.shape[axis]
    inner = stop - start - (n - 1) * steps[axis]
    most = max((_SLAB - inner) // max(steps[axis], 1) + 1, 1)
    for first in range(0, n, most):
        last = min(first + most, n)
        piece = layout[(slice(None),) * axis + (slice(first, last),)]
        base = index[axis].start
        part = slice(base + first, base + last)
        yield from _slabs(piece, (*index[:axis], part, *index[axis + 1 :]))


def _is_sparse(runs: Runs, extent: int) -> bool:
    # A run that starts anywhere touches one page more than its length fills.
    wanted = runs.count * (runs.length // PAGE + 1) * PAGE
    return runs.count > 1 and wanted <= _MOST_HINTED and extent * _SPARSE[1] > wanted * _SPARSE[0]


def _prefetch(fd: int, batches: Iterator[npt.NDArray[np.int64]], length: int) -> None:
    """Ask for exactly the pages of these runs, unless a sample of them is in memory already."""
    if not hasattr(os, "posix_fadvise"):
        return
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    pieces = [(at, min(_HINT, length - at)) for at in range(0, length, _HINT)]
    for number, starts in enumerate(batches):
        if number == 0 and _in_memory(fd, starts[:: max(1, starts.size // _SAMPLES)]):
            return
        for first in starts.tolist():
            for at, n in pieces:
                os.posix_fadvise(fd, first + at, n, os.POSIX_FADV_WILLNEED)


def _in_memory(fd: int, starts: npt.NDArray[np.int64]) -> bool:
    if not hasattr(os, "RWF_NOWAIT"):
        return False
    byte = [bytearray(1)]
    try:
        for first in starts.tolist():
            os.preadv(fd, byte, first, os.RWF_NOWAIT)
    except OSError:  # not there yet, or a file system that cannot tell
        return False
    return True
