"""From the arguments of `mmap` to an array: the checks, in their order, then the file."""

from __future__ import annotations

import errno
import math
import mmap as _mmap
import operator
import os
import sys
from stat import S_ISREG
from typing import Any, Literal, SupportsIndex

import numpy as np
import numpy.typing as npt

from rawmmap.errors import ReadOnlyShortFileError, ShortFileError, add_file_name, name_file
from rawmmap.files import grow
from rawmmap.files.opening import (
    File,
    OpenFile,
    name_of,
    not_regular_error,
    open_file,
    remove_if_empty,
)
from rawmmap.layout import MAX_BYTES, infer_shape
from rawmmap.layout.samples import mappable_dtype
from rawmmap.mapping._arguments import (
    Shape,
    as_counts,
    as_integer,
    check_emptying,
    check_keywords,
    check_nbytes,
    check_numbers,
    positional_error,
    refuse_memmap_order,
)
from rawmmap.mapping._system import GRANULARITY
from rawmmap.mapping._window import (
    EMPTY,
    Grow,
    MapInfo,
    Window,
    array_on,
    map_file,
    map_to_end,
    mapping_error,
    register,
)

__all__ = ["Mode", "anonymous", "bind", "empty_array", "mmap"]

Mode = Literal["r", "r+", "w+", "c"]
BoundArray = tuple[npt.NDArray[Any], Window | None, MapInfo]

_REST = (-1,)
_READING = ("r", "c")


@refuse_memmap_order(2)
def mmap(
    file: File,
    dtype: npt.DTypeLike = "u1",
    shape: Shape | None = None,
    offset: SupportsIndex | None = None,
    *extra: Any,
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
    *extra
        Refused: the others are passed by their keywords, unlike those of `numpy.memmap`.
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
        short and may not be written: that error is a `ShortFileError` as well.
    OSError
        If `file` is not a regular file, the disk is too full to lengthen it (the file then stays
        as it was, for ``mode="w+"`` too), or the system allows no further map.
    TypeError
        If the dtype holds pointers, `file` is not a file, or the arguments are in the order of
        `numpy.memmap`, whose third is the mode.
    ValueError
        If bytes are left over, the file is too short and ``grow=False``, or a number or a keyword
        is not one of those above. Arguments are checked before the file is touched.

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

    To correct values in place, forbid the file to grow, so that a wrong shape cannot lengthen it:

    >>> b = rawmmap.mmap("waves.bin", "<f4", (2, 3), offset=8, mode="r+", grow=False)
    >>> b[0, 1] = 20
    """
    return bind(file, dtype, shape, offset, order, mode, grow, shared, extra)[0]


def anonymous(
    dtype: npt.DTypeLike, shape: Shape, *, order: str = "C", shared: bool = True
) -> npt.NDArray[Any]:
    """Return an array of zeros in newly mapped memory, with no file behind it.

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
    try:
        plain = mappable_dtype(dtype)
        check_keywords(order, None, False, shared)
        counts = as_counts(shape)
        if any(n < 0 for n in counts):
            raise ValueError(f"shape {counts} has a negative length; there is no file to infer it")
        nbytes = check_nbytes(plain, counts, 0, order)
    except (TypeError, ValueError) as error:
        add_file_name(error, "anonymous memory")
        raise
    info = MapInfo(None, None, None, plain, counts, 0, order, "r+", bool(shared), False)
    if not nbytes:
        return empty_array(info)
    try:
        window = _new_memory(nbytes, shared)
    except OSError as error:
        raise mapping_error(error, 0, nbytes, None) from None
    window.info = info
    return array_on(window, info)


def _new_memory(nbytes: int, shared: bool) -> Window:
    if sys.platform == "win32":
        return register(Window(-1, nbytes))
    kind = _mmap.MAP_SHARED if shared else _mmap.MAP_PRIVATE
    return register(Window(-1, nbytes, kind | _mmap.MAP_ANONYMOUS))


def bind(
    file: File,
    dtype: npt.DTypeLike,
    shape: Shape | None,
    offset: SupportsIndex | None,
    order: str,
    mode: str | None,
    grow: Grow,
    shared: bool,
    extra: tuple[Any, ...] = (),
) -> BoundArray:
    """Check all that can be checked without the file, then open it and go on."""
    try:
        if extra:
            raise positional_error(shape, extra)
        plain = mappable_dtype(dtype)
        start = None if offset is None else as_integer(offset, "offset")
        check_keywords(order, mode, grow, shared)
        counts = _REST if shape is None else as_counts(shape)
        if mode == "w+":
            check_emptying(file, counts, grow)
        if shape is not None or start is not None:
            check_numbers(plain, counts, start or 0, order)
        opened = open_file(file, mode)
        return _bind_opened(file, opened, plain, counts, start, order, grow, shared)
    except (TypeError, ValueError) as error:
        add_file_name(error, name_of(file))
        raise


def _bind_opened(
    file: File,
    opened: OpenFile,
    plain: np.dtype[Any],
    counts: tuple[int, ...],
    start: int | None,
    order: str,
    grow: Grow,
    shared: bool,
) -> BoundArray:
    """Map the open file, and leave it as it was where that fails."""
    fd, ours, path, mode, source, fresh = opened
    try:
        if not ours:
            start = _flush_and_tell(file, fd, path, start)
        start = start or 0
        shared = mode != "c" and bool(shared)
        if counts is _REST and mode in _READING:
            bound = _bind_rest(fd, path, plain, start, order, mode, shared)
            if bound is not None:
                return bound
        status = os.fstat(fd)
        if not S_ISREG(status.st_mode):
            raise not_regular_error(status, path)
        if -1 in counts:
            _check_size(fd, status.st_size, path)
            with name_file(path or "the file"):
                counts = infer_shape(plain, counts, size=status.st_size, offset=start, order=order)
        info = MapInfo(path, source, status, plain, counts, start, order, mode, shared, grow)
        return _bind_open(info, fd, status.st_size)
    except BaseException:
        if fresh:
            remove_if_empty(fd, path)
        raise
    finally:
        if ours:
            os.close(fd)


def _bind_rest(
    fd: int,
    path: str | None,
    dtype: np.dtype[Any],
    offset: int,
    order: str,
    mode: str,
    shared: bool,
) -> BoundArray | None:
    """Map all there is to be read, in one go; None where that takes a closer look.

    Only regular files can be mapped without saying how much, so that one call tells whether this
    is one, and its size.
    """
    if dtype.ndim:
        return None
    try:
        window = map_to_end(fd, offset, path, shared)
        array = np.frombuffer(window, dtype, -1, offset % GRANULARITY)
    except (OSError, ValueError):
        return None
    if not array.size:
        return None
    window.info = info = MapInfo(
        path, None, None, dtype, array.shape, offset, order, mode, shared, False
    )
    return array, window, info


def _bind_open(info: MapInfo, fd: int, size: int) -> BoundArray:
    """Lengthen the file if it is too short, map it, and empty it if that is the mode."""
    nbytes = info.dtype.itemsize * math.prod(info.shape)
    if info.offset + nbytes > MAX_BYTES:  # only now known of an offset that is a file's position
        check_nbytes(info.dtype, info.shape, info.offset, info.order)
    if not nbytes:
        if info.mode == "w+":
            os.ftruncate(fd, 0)
        return empty_array(info), None, info
    window = map_file(info, fd) if info.offset + nbytes <= size else _map_grown(info, fd, size)
    if info.mode == "w+" and size:
        _clear(info, fd, size)
    return array_on(window, info), window, info


def _map_grown(info: MapInfo, fd: int, size: int) -> Window:
    _check_growth(info, size)
    grow.lengthen(fd, info.path, size, info.end, sparse=info.grow == "sparse")
    try:
        return map_file(info, fd)
    except BaseException:
        grow.restore(fd, size, (info.end,))
        raise


def _clear(info: MapInfo, fd: int, size: int) -> None:
    """Empty a file that is long enough and mapped already, so that little can fail from here on."""
    try:
        grow.clear(fd, info.path, info.end, sparse=info.grow == "sparse")
    except BaseException:
        if size < info.end:
            grow.restore(fd, size, (info.end,))
        raise


def empty_array(info: MapInfo) -> npt.NDArray[Any]:
    """Return an array of no bytes; there is nothing to map."""
    array: npt.NDArray[Any] = np.ndarray(info.shape, info.dtype, EMPTY)
    array.flags.writeable = info.writable
    return array


def _check_growth(info: MapInfo, size: int) -> None:
    may_write = info.mode in ("r+", "w+")
    if not info.grow:
        way = "grow=True" if may_write else "mode='r+' and grow=True"
        hint = f"pass {way} to lengthen it, or a smaller shape"
        raise ShortFileError(info.path or "the file", info.end, size, hint)
    if not may_write:
        hint = (
            f"it cannot be lengthened with mode={info.mode!r}: pass mode='r+', or a smaller shape"
        )
        raise ReadOnlyShortFileError(info.path, info.end, size, hint)


def _check_size(fd: int, size: int, path: str | None) -> None:
    """Refuse a file that has data and says that it is empty, as most files of /proc do."""
    if size:
        return
    try:
        lies = os.pread(fd, 1, 0) and not os.fstat(fd).st_size
    except (AttributeError, OSError):
        return
    if lies:
        raise OSError(
            errno.ENODEV,
            "the system says that this file has 0 bytes, though it has data, so that it cannot be "
            "mapped; copy its data into another file first",
            path,
        )


def _flush_and_tell(file: Any, fd: int, path: str | None, start: int | None) -> int | None:
    """Hand a stream's buffered writes to the system; return where it stands if nobody else said."""
    if hasattr(file, "flush"):
        file.flush()
    if start is not None or not hasattr(file, "tell"):
        return start
    try:
        return operator.index(file.tell())
    except OSError:
        status = os.fstat(fd)
        if S_ISREG(status.st_mode):
            raise
        raise not_regular_error(status, path) from None
