"""Arrays bound to files: whole files, parts of files, and memory with no file.

The arrays are plain `numpy.ndarray`. Behind each lies one map of the system, which lives exactly as
long as the last array, memoryview or other object that shows its bytes; no file stays open for it
on Python 3.13 and later (before, the interpreter keeps one descriptor for each map).

This room is the only one that maps anything.
"""

from __future__ import annotations

import errno
import functools
import io
import math
import mmap as _mmap
import operator
import os
import sys
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, SupportsIndex

import numpy as np
import numpy.typing as npt

from rawmmap import _growing, _system
from rawmmap._opening import MODES, File, Opened, check_regular, open_again, open_file
from rawmmap._pages import round_down, round_up
from rawmmap._system import GRANULARITY, PAGE
from rawmmap.errors import ShortFileError, ShrunkFileError
from rawmmap.layout import MAX_BYTES, Layout, as_shape, infer_shape, plain_dtype

__all__ = [
    "GRANULARITY",
    "PAGE",
    "Mapping",
    "advise",
    "advise_window",
    "anonymous",
    "flush",
    "map_window",
    "mapping_of",
    "mmap",
    "resident",
]

Shape = SupportsIndex | Sequence[SupportsIndex]
Grow = bool | Literal["sparse"]
Mode = Literal["r", "r+", "w+", "c"]

_BYTE = np.dtype(np.uint8)


class _Record(NamedTuple):
    """What a map shows, and where it came from."""

    opened: Opened
    status: os.stat_result | None
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    order: str
    shared: bool
    grow: Grow

    @property
    def layout(self) -> Layout:
        return Layout.dense(self.dtype, self.shape, offset=self.offset, order=self.order)


    @property
    def writable(self) -> bool:
        return not self.shared or self.opened.mode in ("r+", "w+")


class _Window(_mmap.mmap):
    """A map of the system that knows what it shows."""

    __slots__ = ("handle", "record", "request")

    record: _Record
    request: tuple[str | None, int, int, bool, bool]
    handle: weakref.ref[Mapping]


def mmap(
    file: File,
    dtype: npt.DTypeLike = "u1",
    shape: Shape | None = None,
    offset: SupportsIndex | None = None,
    *,
    order: str = "C",
    mode: Mode | None = None,
    grow: Grow = True,
    shared: bool = True,
) -> npt.NDArray[Any]:
    """Return an array whose elements are the bytes of a file.

    Nothing is read before it is used, and what is assigned reaches the file (but for
    ``shared=False``). The array stays valid whatever happens to `file`; the map is given back as
    soon as the last view of it is gone.

    Parameters
    ----------
    file : path, binary file object or int
        A path, an open binary file or a descriptor. It is neither moved nor closed; its buffered
        writes are flushed first.
    dtype : dtype-like
        Type of one element, of fixed size; structured types too.
    shape : int or tuple of int, optional
        Element counts. ``-1`` is allowed once, on the major axis (the first for C order, the last
        for F order): its length follows from the size of the file. None is the rest of the file in
        one dimension.
    offset : int, optional
        Bytes before the first element; any number, aligned or not. None is the position of an open
        file object, and 0 for a path or a descriptor.
    order : {"C", "F"}
        ``"C"``: the last axis is the fastest; ``"F"``: the first one is.
    mode : {"r", "r+", "w+", "c"}, optional
        ``"r"`` reads; ``"r+"`` reads and writes; ``"w+"`` creates the file, or empties it, first;
        ``"c"`` is ``"r"`` with ``shared=False``. None is ``"r"`` for a path, and for an open file
        whatever it was opened for.
    grow : bool or "sparse"
        Whether a file that is too short is lengthened with zeros, if it may be written. Its new
        blocks are reserved, so that a full disk is an error here and now; ``"sparse"`` leaves a
        hole instead.
    shared : bool
        True: changes reach the file and every other map of it, in this process and in others.
        False: the array can be written even where the file cannot, and no change made through it
        reaches the file.

    Returns
    -------
    numpy.ndarray
        A view of the file, of exactly this type; of shape `shape`, and read-only for ``mode="r"``
        with ``shared=True``. An empty one is an ordinary array with no file behind it.

    Raises
    ------
    FileNotFoundError
        If there is no such file (but for ``mode="w+"``).
    PermissionError
        If `mode` asks for more than the open file allows, the file cannot be read, or it is too
        short and may not be written.
    OSError
        If `file` is no regular file, the disk is too full to lengthen it (it then has its old
        length), or the system has no room for another map.
    TypeError
        If the dtype holds pointers, or `file` is no file.
    ValueError
        If bytes are left over, the file is too short and ``grow=False``, or a number or a word is
        none of those above. Arguments are checked before the file is touched.

    See Also
    --------
    Mapping : the same with a handle to flush, resize and close it.

    Notes
    -----
    Threads and processes may use one file, or one array, at the same time; like any memory it is
    not locked. A forked child shares the map. If somebody else cuts the file short while the array
    is in use, touching what is gone kills the process, as it does in any language.

    Examples
    --------
    >>> import rawmmap
    >>> a = rawmmap.mmap("waves.bin", "<f4", (2, 3), offset=8, mode="w+")
    >>> a[:] = [[1, 2, 3], [4, 5, 6]]
    >>> rawmmap.mmap("waves.bin", "<f4", (-1, 3), offset=8)
    array([[1., 2., 3.],
           [4., 5., 6.]], dtype=float32)
    """
    return _bind(file, dtype, shape, offset, order, mode, grow, shared)[0]


def map_window(
    fd: int,
    start: int,
    stop: int,
    *,
    path: str | None = None,
    shared: bool = False,
    writable: bool = True,
) -> tuple[npt.NDArray[np.uint8], int]:
    """Map the bytes ``[start, stop)`` of an open regular file; for the rooms above, and cheap.

    Returns
    -------
    buffer : numpy.ndarray
        Bytes, from `origin` to `stop`. They are unmapped when its last view is gone.
    origin : int
        `start` rounded down to the granularity: byte ``p`` of the file is ``buffer[p - origin]``,
        and ``layout.moved(-origin).view(buffer)`` is the array of a layout.

    Raises
    ------
    ShrunkFileError
        If the file ends before `stop`.
    OSError
        If the system has no room for another map.
    """
    origin = start - start % GRANULARITY
    if stop <= start:
        raise ValueError(f"a window of the bytes {start} to {stop} is empty")
    window = _new_window(fd, origin, stop, path, shared, writable)
    window.request = path, start, stop, shared, writable
    return np.frombuffer(window, _BYTE), origin


def advise_window(buffer: npt.NDArray[np.uint8], advice: str) -> None:
    """Give `advice` on what `map_window` returned; where the system lacks it, do nothing."""
    number = _system.ADVICE[advice]
    if number is not None and sys.platform != "win32":
        buffer.base.obj.madvise(number)  # type: ignore[union-attr]


def _new_window(
    fd: int, start: int, stop: int, path: str | None, shared: bool, writable: bool
) -> _Window:
    try:
        if sys.platform == "win32":
            return _Window(fd, stop - start, access=_ACCESS[shared, writable], offset=start)
        flags, prot = _FLAGS[shared], _PROTECTION[writable]
        if sys.version_info >= (3, 13):
            return _Window(fd, stop - start, flags, prot, offset=start, trackfd=False)
        return _Window(fd, stop - start, flags, prot, offset=start)
    except OSError as error:
        raise _cannot_map(error, start, stop, path) from None
    except ValueError:
        # CPython compares the length with that of the file before it maps.
        raise ShrunkFileError(path or "the file", stop, os.fstat(fd).st_size) from None


if sys.platform == "win32":
    _ACCESS = {
        (True, True): _mmap.ACCESS_WRITE,
        (True, False): _mmap.ACCESS_READ,
        (False, True): _mmap.ACCESS_COPY,
        (False, False): _mmap.ACCESS_READ,
    }
else:
    # Without MAP_NORESERVE a copy-on-write map larger than memory is refused.
    _FLAGS = {True: _mmap.MAP_SHARED, False: _mmap.MAP_PRIVATE | _system.MAP_NORESERVE}
    _PROTECTION = {True: _mmap.PROT_READ | _mmap.PROT_WRITE, False: _mmap.PROT_READ}


def _cannot_map(error: OSError, start: int, stop: int, path: str | None) -> OSError:
    text = f"cannot map the {stop - start} bytes from byte {start} on: {error.strerror}"
    if error.errno == errno.ENOMEM:
        text += (
            f"; a process may have {_most_maps()} maps at a time (vm.max_map_count), and its "
            "address space is limited (ulimit -v): drop arrays, or map fewer and larger windows"
        )
    elif error.errno == errno.EMFILE:
        text += (
            "; Python before 3.13 keeps a descriptor for each map: raise the limit (ulimit -n), "
            "drop arrays, or use Python 3.13"
        )
    return OSError(error.errno, text, path)


def _most_maps() -> str:
    try:
        with open("/proc/sys/vm/max_map_count") as file:
            return file.read().strip()
    except OSError:
        return "a limited number of"


Bound = tuple[npt.NDArray[Any], _Window | None, _Record]


def _bind(
    file: File,
    dtype: npt.DTypeLike,
    shape: Shape | None,
    offset: SupportsIndex | None,
    order: str,
    mode: str | None,
    grow: Grow,
    shared: bool,
) -> Bound:
    """Check everything that can be checked without the file, then open it and go on."""
    plain = plain_dtype(dtype)
    start = None if offset is None else operator.index(offset)
    _check_words(order, mode, grow)
    counts = _known_shape(plain, shape, start or 0, order, mode)
    opened = open_file(file, mode)
    try:
        if not opened.ours:
            _flush_stream(file, opened)
        status = os.fstat(opened.fd)
        check_regular(status, opened.path)
        if start is None:
            start = _position(file)
        size = status.st_size
        if counts is None:
            counts = infer_shape(
                plain, shape, size=size, offset=start, order=order, path=opened.path or "the file"
            )
        shared = shared and opened.mode != "c"
        record = _Record(opened, status, plain, counts, start, order, shared, grow)
        return _bind_open(record, size)
    finally:
        if opened.ours:
            os.close(opened.fd)


def _bind_open(record: _Record, size: int) -> Bound:
    """Empty the file if that is the mode, lengthen it if it is too short, and map it."""
    fd, _, path, mode, _ = record.opened
    nbytes = _checked_nbytes(record.dtype, record.shape, record.offset, record.order)
    if mode == "w+":
        os.ftruncate(fd, 0)
        size = 0
    if not nbytes:
        return _empty(record), None, record
    stop = record.offset + nbytes
    if stop <= size:
        window = _whole_window(record, stop)
    else:
        _check_growth(record, size, stop)
        _growing.lengthen(fd, path, size, stop, sparse=record.grow == "sparse")
        try:
            window = _whole_window(record, stop)
        except BaseException:
            _growing.restore(fd, size, (stop,))
            raise
    return _array(window, record), window, record


def _whole_window(record: _Record, stop: int) -> _Window:
    fd, _, path, _, _ = record.opened
    origin = record.offset - record.offset % GRANULARITY
    window = _new_window(fd, origin, stop, path, record.shared, record.writable)
    window.record = record
    return window


def _array(window: _Window, record: _Record) -> npt.NDArray[Any]:
    """Return the array of all that `window` shows."""
    # numpy.frombuffer holds an export of the map, which keeps it from being closed under the array;
    # numpy.ndarray(buffer=...) would not.
    start = record.offset % GRANULARITY
    if record.dtype.subdtype is not None:
        buffer = np.frombuffer(window, _BYTE)
        return record.layout.moved(start - record.offset).view(buffer)
    flat = np.frombuffer(window, record.dtype, offset=start)
    return flat if len(record.shape) == 1 else flat.reshape(record.shape, order=record.order)  # type: ignore[call-overload]


def _empty(record: _Record) -> npt.NDArray[Any]:
    array = np.empty(record.shape, record.dtype, record.order)  # type: ignore[call-overload]
    array.flags.writeable = record.writable
    return array  # type: ignore[no-any-return]


def _check_words(order: str, mode: str | None, grow: Grow) -> None:
    if order != "C" and order != "F":
        raise ValueError(f"order must be 'C' or 'F', not {order!r}")
    if mode not in MODES:
        raise ValueError(f"mode must be 'r', 'r+', 'w+', 'c' or None, not {mode!r}")
    if grow not in (True, False, "sparse"):
        raise ValueError(f"grow must be True, False or 'sparse', not {grow!r}")


def _known_shape(
    dtype: np.dtype[Any], shape: Shape | None, offset: int, order: str, mode: str | None
) -> tuple[int, ...] | None:
    """Return the checked shape, or None where it follows from the size of the file."""
    if offset < 0:
        raise ValueError(f"offset {offset} is negative; it counts bytes from the file's start")
    counts = (-1,) if shape is None else as_shape(shape)
    if -1 in counts:
        if mode == "w+":
            raise ValueError(
                f"shape {shape} takes a length from the size of the file, which mode='w+' empties; "
                "give all lengths"
            )
        return None
    counts = infer_shape(dtype, counts, size=0, offset=offset, order=order)
    _checked_nbytes(dtype, counts, offset, order)
    return counts


# NumPy 1 has at most 32 axes and NumPy 2 has 64; what it refuses must be refused in time.
_FEW_AXES = 32


def _checked_nbytes(
    dtype: np.dtype[Any], shape: tuple[int, ...], offset: int, order: str
) -> int:
    """Return the bytes of all elements, after making sure that such an array can exist."""
    nbytes = dtype.itemsize * math.prod(shape)
    if offset + nbytes > MAX_BYTES:
        Layout.dense(dtype, shape, offset=offset, order=order)
    if not nbytes or len(shape) + len(dtype.shape) > _FEW_AXES:
        np.empty(shape if not nbytes else (0,) * len(shape), dtype)
    return nbytes


def _check_growth(record: _Record, size: int, stop: int) -> None:
    path = record.opened.path
    if not record.grow:
        raise ShortFileError(
            path or "the file", stop, size, "pass grow=True to lengthen it, or a smaller shape"
        )
    if record.opened.mode not in ("r+", "w+"):
        raise PermissionError(
            errno.EACCES,
            f"{stop} bytes are needed and the file has {size}; it cannot be lengthened with "
            f"mode={record.opened.mode!r}: pass mode='r+', or a smaller shape",
            path,
        )


def _flush_stream(file: Any, opened: Opened) -> None:
    if opened.mode != "r" and hasattr(file, "flush"):
        file.flush()


def _position(file: Any) -> int:
    return operator.index(file.tell()) if hasattr(file, "tell") else 0


def anonymous(
    dtype: npt.DTypeLike, shape: Shape, *, order: str = "C", shared: bool = True
) -> npt.NDArray[Any]:
    """Return an array of zeros in memory of its own, with no file behind it.

    Parameters
    ----------
    dtype : dtype-like
        Type of one element, of fixed size.
    shape : int or tuple of int
        Element counts.
    order : {"C", "F"}
        ``"C"``: the last axis is the fastest; ``"F"``: the first one is.
    shared : bool
        True: a child that is forked later sees what its parent writes, and the other way round.
        False: each of them keeps its own values from the fork on.

    Returns
    -------
    numpy.ndarray
        Writable; its memory is given back when the last view is gone.

    Raises
    ------
    TypeError
        If the dtype holds pointers.
    ValueError
        If a length is negative, or all elements are more than 2**63 - 1 bytes.
    OSError
        If there is not enough memory.

    Examples
    --------
    >>> import rawmmap
    >>> counts = rawmmap.anonymous("i8", (2, 3))
    >>> counts[0] += 1
    >>> counts
    array([[1, 1, 1],
           [0, 0, 0]])
    """
    plain = plain_dtype(dtype)
    _check_words(order, None, False)
    counts = as_shape(shape)
    if any(n < 0 for n in counts):
        raise ValueError(f"shape {counts} has a negative length, and there is no file to infer it")
    nbytes = _checked_nbytes(plain, counts, 0, order)
    record = _Record(
        Opened(-1, False, None, "r+", None), None, plain, counts, 0, order, shared, False
    )
    if not nbytes:
        return _empty(record)
    try:
        window = _new_memory(nbytes, shared)
    except OSError as error:
        raise _cannot_map(error, 0, nbytes, None) from None
    window.record = record
    return _array(window, record)


def _new_memory(nbytes: int, shared: bool) -> _Window:
    if sys.platform == "win32":
        return _Window(-1, nbytes)
    kind = _mmap.MAP_SHARED if shared else _mmap.MAP_PRIVATE
    return _Window(-1, nbytes, kind | _mmap.MAP_ANONYMOUS)


class Mapping:
    """A map of a file with a handle: to flush, advise, resize and close it.

    The arguments are those of `mmap`. As a context manager it closes itself at the end.

    Raises
    ------
    OSError, TypeError, ValueError
        As `mmap`.

    Examples
    --------
    >>> import rawmmap
    >>> with rawmmap.Mapping("log.bin", "<i4", (2, 3), mode="w+") as m:
    ...     m.array[:] = 7
    ...     m.resize((3, 3))
    ...     m.array[2] = 8
    ...     m.flush()
    >>> rawmmap.mmap("log.bin", "<i4", (-1, 3))
    array([[7, 7, 7],
           [7, 7, 7],
           [8, 8, 8]], dtype=int32)
    """

    __slots__ = ("__weakref__", "_array", "_closed", "_record", "_window")

    _array: Any
    _closed: bool
    _record: _Record
    _window: _Window | None

    def __init__(
        self,
        file: File,
        dtype: npt.DTypeLike = "u1",
        shape: Shape | None = None,
        offset: SupportsIndex | None = None,
        *,
        order: str = "C",
        mode: Mode | None = None,
        grow: Grow = True,
        shared: bool = True,
    ) -> None:
        _, window, record = _bind(file, dtype, shape, offset, order, mode, grow, shared)
        self._closed = False
        self._take(window, record)

    def _take(self, window: _Window | None, record: _Record) -> None:
        self._window, self._record, self._array = window, record, None
        if window is not None:
            window.handle = weakref.ref(self)

    @property
    def array(self) -> npt.NDArray[Any]:
        """The array itself: a view of the file, as `mmap` returns it.

        Raises
        ------
        ValueError
            If the mapping is closed.
        """
        self._check_open()
        array = None if self._array is None else self._array()
        if array is None:
            # Held weakly, since the array of the handle itself must not keep it from closing.
            window, record = self._window, self._record
            array = _empty(record) if window is None else _array(window, record)
            self._array = weakref.ref(array)
        return array

    @property
    def layout(self) -> Layout:
        """Where every element lies in the file."""
        return self._record.layout

    @property
    def path(self) -> str | None:
        """Name of the file as it was given; None where there is none."""
        return self._record.opened.path

    @property
    def window(self) -> tuple[int, int]:
        """Bytes of the file that are mapped: the first one, and past the last one."""
        start, stop = self.layout.extent
        return round_down(start, GRANULARITY), stop

    @property
    def mode(self) -> str:
        """``"r"``, ``"r+"``, ``"w+"`` or ``"c"``."""
        return self._record.opened.mode

    @property
    def shared(self) -> bool:
        """Whether changes reach the file and its other maps."""
        return self._record.shared

    @property
    def closed(self) -> bool:
        """Whether the map is gone."""
        return self._closed

    def flush(self, *, wait: bool = True) -> None:
        """Write all changes to disk; see `rawmmap.flush`."""
        flush(self.array, wait=wait)

    def advise(self, advice: str) -> None:
        """Tell the system how the whole map will be used; see `rawmmap.advise`."""
        advise(self.array, advice)

    def resident(self) -> float:
        """Return the share of all pages that is in memory; see `rawmmap.resident`."""
        return resident(self.array)

    def resize(self, shape: Shape) -> None:
        """Give the major axis another length, in the file and in memory; map anew.

        The file grows as it does for `mmap`, with its new blocks reserved unless the mapping was
        made with ``grow="sparse"``. It is cut only where it ends with this map: bytes behind the
        map are not touched.

        Parameters
        ----------
        shape : int or tuple of int
            Element counts; only the major axis (the first for C order, the last for F order) may
            differ from those that the mapping has.

        Raises
        ------
        BufferError
            If arrays or other views of the mapping are alive.
        io.UnsupportedOperation
            If the mapping is read-only, private or without a file.
        OSError
            If the disk is full, or the file is no longer to be found. After any failure file and
            mapping are as before.
        ValueError
            If another axis changes, a length is negative, or the mapping is closed.
        """
        self._check_open()
        _check_changeable(self._record, "resize")
        if self._record.status is None:
            raise io.UnsupportedOperation("memory without a file cannot be resized; make it anew")
        record = self._record._replace(shape=_resized(self._record, shape))
        _checked_nbytes(record.dtype, record.shape, record.offset, record.order)
        opened = open_again(record.opened.path, record.opened.source, self._record.status)
        try:
            self._replace(record, opened.fd)
        finally:
            if opened.ours:
                os.close(opened.fd)

    def _replace(self, record: _Record, fd: int) -> None:
        """Bring file and mapping to `record`; nothing is given up before its successor is there."""
        old, new = _end(self._record), _end(record)
        size = os.fstat(fd).st_size
        cut = new < old == size
        grown = bool(math.prod(record.shape)) and new > size
        if grown:
            _growing.lengthen(fd, self.path, size, new, sparse=record.grow == "sparse")
        try:
            fresh = _window_for(record, fd)
            spare = _window_for(self._record, fd) if cut else None
            self._unmap()
        except BaseException:
            if grown:
                _growing.restore(fd, size, (new,))
            raise
        try:
            if cut:
                os.ftruncate(fd, new)
        except OSError:
            self._take(spare, self._record)
            raise
        self._take(fresh, record)

    def _unmap(self) -> None:
        if self._window is None:
            return
        try:
            self._window.close()
        except BufferError:
            raise BufferError(
                f"{self.path}: arrays or other views of this mapping are still in use, and would "
                "read memory that is gone; delete them first"
            ) from None

    def close(self) -> None:
        """Unmap; a second call does nothing.

        Raises
        ------
        BufferError
            If arrays or other views of the mapping are alive; the mapping then stays as it is.
        """
        if not self._closed:
            self._unmap()
            self._closed = True

    def __enter__(self) -> Mapping:
        """Return the mapping itself.

        Raises
        ------
        ValueError
            If it is closed.
        """
        self._check_open()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        """Close the mapping.

        Raises
        ------
        BufferError
            As `close`, unless another exception is on its way: its traceback may well hold the
            views, and they are unmapped when it is dropped.
        """
        try:
            self.close()
        except BufferError:
            if error is None:
                raise

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"{self.path}: the mapping is closed")

    def __repr__(self) -> str:
        state = "closed " if self._closed else ""
        return f"<{state}Mapping of {self.path!r}, mode={self.mode!r}, {self.layout}>"


def _end(record: _Record) -> int:
    return record.offset + record.dtype.itemsize * math.prod(record.shape)


def _window_for(record: _Record, fd: int) -> _Window | None:
    if not math.prod(record.shape):
        return None
    window = _whole_window(record._replace(opened=record.opened._replace(fd=fd)), _end(record))
    window.record = record
    return window


def _resized(record: _Record, shape: Shape) -> tuple[int, ...]:
    counts = as_shape(shape)
    if len(counts) != len(record.shape):
        raise ValueError(
            f"the mapping has {len(record.shape)} axes, {record.shape}, and shape {counts} has "
            f"{len(counts)}"
        )
    major = 0 if record.order == "C" else len(counts) - 1
    for axis, (n, old) in enumerate(zip(counts, record.shape, strict=True)):
        if n < 0:
            raise ValueError(f"shape {counts} has a negative length")
        if axis != major and n != old:
            raise ValueError(
                f"only axis {major}, the major one, can be resized: axis {axis} has length {old}, "
                f"not {n}"
            )
    return counts


def _check_changeable(record: _Record, what: str) -> None:
    if record.shared and record.writable:
        return
    kind = "read-only" if record.shared else "private (copy-on-write)"
    raise io.UnsupportedOperation(
        f"cannot {what} a {kind} map of {record.opened.path}; map it with mode='r+' and shared=True"
    )


def mapping_of(array: Any) -> Mapping:
    """Return the handle of the map behind an array.

    Parameters
    ----------
    array : numpy.ndarray
        An array that `mmap`, `anonymous` or `Mapping.array` returned, or any view of one:
        slices, transposed and reinterpreted ones, memoryviews.

    Returns
    -------
    Mapping
        The same handle each time, as long as somebody holds it.

    Raises
    ------
    ValueError
        If the array is not mapped by this library. (Empty arrays of `mmap` are not mapped.)

    Examples
    --------
    >>> import rawmmap
    >>> a = rawmmap.mmap("points.bin", "<f8", (4, 2), mode="w+")
    >>> rawmmap.mapping_of(a[1:, 0]).layout
    Layout(dtype='<f8', shape=(4, 2), strides=(16, 8), offset=0)
    """
    window = _window_of(array)
    if window is None:
        raise ValueError(_not_mapped(array))
    known = getattr(window, "handle", None)
    handle: Mapping | None = None if known is None else known()
    if handle is None:
        handle = object.__new__(Mapping)
        handle._closed = False
        handle._take(window, _record_of(window))
    return handle


def _not_mapped(array: object) -> str:
    return f"this {type(array).__name__} is no view of a file or memory that rawmmap has mapped"


def _window_of(array: object) -> _Window | None:
    """Follow the owners of an array's memory down to the map."""
    owner: Any = array
    while owner is not None and not isinstance(owner, _Window):
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    return owner


def _record_of(window: _Window) -> _Record:
    """Return the record of a map; `map_window` saves itself the time to make one."""
    if not hasattr(window, "record"):
        path, start, stop, shared, writable = window.request
        opened = Opened(-1, False, path, "r+" if writable and shared else "r", None)
        window.record = _Record(opened, None, _BYTE, (stop - start,), start, "C", shared, False)
    return window.record


def _mapped(array: Any) -> tuple[_Window | None, npt.NDArray[Any]]:
    """Return the map of an array and the array; no map for empty arrays, which need none."""
    window = _window_of(array)
    view = np.asarray(array) if window is not None or isinstance(array, np.ndarray) else None
    if view is None or (window is None and view.size):
        raise ValueError(_not_mapped(array))
    return window, view


def _address(array: npt.NDArray[Any]) -> int:
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


def _page_ranges(array: npt.NDArray[Any], base: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of whole pages, from `base` on, that hold any byte of the array."""
    start = _address(array) - base
    if not array.nbytes:
        return
    if array.flags.forc:
        yield round_down(start, PAGE), round_up(start + array.nbytes, PAGE)
        return
    # Runs that are less than a page apart leave no whole page untouched between them.
    element = np.dtype((np.void, array.itemsize))
    runs = Layout(element, array.shape, array.strides, start).runs(PAGE - 1)
    starts = np.sort(runs.starts())
    first = starts // PAGE
    last = (starts + runs.length - 1) // PAGE + 1
    apart = first[1:] > last[:-1]
    begins = first[np.concatenate([[True], apart])] * PAGE
    ends = last[np.concatenate([apart, [True]])] * PAGE
    yield from zip(begins.tolist(), ends.tolist(), strict=True)


@functools.singledispatch
def flush(array: Any, *, wait: bool = True) -> None:
    """Write the changes made through an array to disk.

    Only the whole pages that hold any byte of the view are written; a map needs no flush for other
    processes to see its changes, only for them to outlive a crash of the system.

    Parameters
    ----------
    array : numpy.ndarray
        A shared, writable mapped array or any view of one.
    wait : bool
        True: return when the data is on disk. False: only ask for it.

    Raises
    ------
    io.UnsupportedOperation
        If the map is read-only or private.
    OSError
        If the disk could not write.
    ValueError
        If the array is not mapped by this library; empty arrays have nothing to flush.

    Examples
    --------
    >>> import rawmmap
    >>> a = rawmmap.mmap("state.bin", "<f4", 1000, mode="w+")
    >>> a[:10] = 1
    >>> rawmmap.flush(a[:10])
    """
    window, view = _mapped(array)
    if window is None:
        return
    record = _record_of(window)
    _check_changeable(record, "flush")
    base = _address(np.frombuffer(window, _BYTE))
    try:
        for start, stop in _page_ranges(view, base):
            _system.sync(window, start, stop, base, wait=wait)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write mapped pages: {error.strerror}", record.opened.path
        ) from None


def advise(array: Any, advice: str) -> None:
    """Tell the system how an array will be used, or bring its pages into memory.

    It acts on the whole pages that hold any byte of the view. No advice changes a value: on a
    private map ``"dontneed"`` marks pages as the first to go instead of dropping changes.

    Parameters
    ----------
    array : numpy.ndarray
        A mapped array or any view of one.
    advice : str
        ``"normal"``, ``"random"`` (no read-ahead), ``"sequential"`` (much of it), ``"willneed"``
        (read soon), ``"dontneed"``, ``"hugepage"``, ``"nohugepage"``, ``"populate_read"`` (read
        now, and map) or ``"populate_write"`` (the same, ready to be written).

    Raises
    ------
    ValueError
        If there is no such advice, or the array is not mapped by this library.
    NotImplementedError
        If this system has no such advice.
    io.UnsupportedOperation
        If ``"populate_write"`` is asked for on a read-only map.
    OSError
        If pages cannot be populated: the file was cut short, the disk cannot read, or the memory
        does not suffice. Touching such a page would kill the process; this does not.

    Examples
    --------
    >>> import rawmmap
    >>> a = rawmmap.mmap("table.bin", "<f4", (1000, 16), mode="w+")
    >>> rawmmap.advise(a, "random")
    """
    window, view = _mapped(array)
    if window is None:
        _system.check_advice(advice)
        return
    record = _record_of(window)
    if advice == "populate_write":
        _check_writable(record)
    base = _address(np.frombuffer(window, _BYTE))
    try:
        _system.check_advice(advice)
        for start, stop in _page_ranges(view, base):
            _system.advise(base + start, stop - start, advice, keep=not record.shared)
    except OSError as error:
        raise _cannot_advise(error, advice, record) from None


def _check_writable(record: _Record) -> None:
    if not record.writable:
        raise io.UnsupportedOperation(
            f"cannot populate a read-only map of {record.opened.path} for writing; use "
            "'populate_read', or map it with mode='r+'"
        )


def _cannot_advise(error: OSError, advice: str, record: _Record) -> OSError:
    text = f"cannot follow the advice {advice!r}: {error.strerror}"
    if error.errno in (errno.EFAULT, errno.EIO):
        text += (
            f"; the map ends at byte {_end(record)}: the file was cut short since it was mapped, "
            "or the disk cannot read or hold it. Do not touch these pages; map the file again"
        )
    return OSError(error.errno, text, record.opened.path)


def resident(array: Any) -> float:
    """Return the share of an array's pages that is in memory.

    Parameters
    ----------
    array : numpy.ndarray
        A mapped array or any view of one.

    Returns
    -------
    float
        From 0.0 to 1.0, of the whole pages that hold any byte of the view; 1.0 for empty views.
        Linux counts the page cache, and shows it only to who may write or owns the file: to others
        all pages seem to be there.

    Raises
    ------
    ValueError
        If the array is not mapped by this library.
    NotImplementedError
        If this system does not tell.

    Examples
    --------
    >>> import rawmmap
    >>> a = rawmmap.mmap("fresh.bin", "u1", 8192, mode="w+")
    >>> a[:] = 1
    >>> rawmmap.resident(a)
    1.0
    """
    window, view = _mapped(array)
    if window is None:
        return 1.0
    base = _address(np.frombuffer(window, _BYTE))
    pages = [
        _system.is_resident(base + start, stop - start) for start, stop in _page_ranges(view, base)
    ]
    return float(np.concatenate(pages).mean()) if pages else 1.0
