"""The handle of a map: what it shows, closing it, and giving it another length."""

from __future__ import annotations

import io
import os
import weakref
from html import escape
from typing import Any, NoReturn, SupportsIndex

import numpy.typing as npt

from rawmmap.drawing import Drawing, draw_file, make_edges
from rawmmap.errors import add_file_name
from rawmmap.files import grow
from rawmmap.files.opening import File, absolute_path, open_again
from rawmmap.layout import Layout
from rawmmap.layout.pages import window as window_range
from rawmmap.mapping._advice import (
    advise,
    check_writes_reach_file,
    flush,
    not_mapped_error,
    resident,
)
from rawmmap.mapping._arguments import Shape, as_counts, check_nbytes, refuse_memmap_order
from rawmmap.mapping._mmap import Mode, bind, empty_array
from rawmmap.mapping._page_cache import resident_shares
from rawmmap.mapping._system import GRANULARITY
from rawmmap.mapping._window import (
    Grow,
    MapInfo,
    Window,
    array_on,
    info_of,
    map_file,
    window_of,
)

__all__ = ["Mapping", "mapping_of"]


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

    __slots__ = ("__weakref__", "_absolute_path", "_array", "_closed", "_info", "_window")

    _array: Any
    _closed: bool
    _absolute_path: str | None
    _info: MapInfo
    _window: Window | None

    @refuse_memmap_order(3)
    def __init__(
        self,
        file: File,
        dtype: npt.DTypeLike = "u1",
        shape: Shape | None = None,
        offset: SupportsIndex | None = None,
        *extra: Any,
        order: str = "C",
        mode: Mode | None = None,
        grow: Grow = True,
        shared: bool = True,
    ) -> None:
        _, window, info = bind(file, dtype, shape, offset, order, mode, grow, shared, extra)
        self._init(window, info)

    def _init(self, window: Window | None, info: MapInfo) -> None:
        self._closed = False
        self._absolute_path = absolute_path(info.path)
        self._set(window, info)

    def _set(self, window: Window | None, info: MapInfo) -> None:
        self._window, self._info, self._array = window, info, None
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
            window, info = self._window, self._info
            array = empty_array(info) if window is None else array_on(window, info)
            self._array = weakref.ref(array)
        return array

    @property
    def layout(self) -> Layout:
        """Where every element lies in the file."""
        return self._info.layout

    @property
    def path(self) -> str | None:
        """Name of the file as it was given; None where there is none."""
        return self._info.path

    @property
    def window(self) -> tuple[int, int]:
        """Bytes of the file that are mapped: the first, and past the last; none where empty."""
        start, stop = self.layout.extent
        return window_range(start, stop, GRANULARITY) if start < stop else (start, stop)

    @property
    def mode(self) -> str:
        """``"r"``, ``"r+"``, ``"w+"`` or ``"c"``."""
        return self._info.mode

    @property
    def shared(self) -> bool:
        """Whether changes reach the file and its other maps."""
        return self._info.shared

    @property
    def closed(self) -> bool:
        """Whether the map is gone."""
        return self._closed

    def flush(self, *, wait: bool = True) -> None:
        """Write all changes to disk; see `rawmmap.flush`."""
        self._check_open()
        check_writes_reach_file(self._info, "flush")
        flush(self.array, wait=wait)

    def advise(self, advice: str) -> None:
        """Tell the system how the whole map will be used; see `rawmmap.advise`."""
        advise(self.array, advice)

    def resident(self) -> float:
        """Return the share of all pages that is in memory; see `rawmmap.resident`."""
        return resident(self.array)

    def resize(self, shape: Shape) -> None:
        """Give the major axis another length, in the file and in memory; map the file again.

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
            If the disk is full, or the file was removed or replaced. After any failure file and
            mapping are as before.
        ValueError
            If another axis changes, a length is negative, or the mapping is closed.
        """
        self._check_open()
        if self._info.anonymous:
            raise io.UnsupportedOperation(
                "anonymous memory has no file, and cannot be resized; make another"
            )
        check_writes_reach_file(self._info, "resize")
        if self._info.status is None:
            raise io.UnsupportedOperation(
                f"a window of {self._info.name} cannot be resized; map the file"
            )
        try:
            info = self._info._replace(shape=_check_resize(self._info, shape))
            check_nbytes(info.dtype, info.shape, info.offset, info.order)
        except (TypeError, ValueError) as error:
            add_file_name(error, self.path)
            raise
        fd, ours = open_again(self._absolute_path, info.source, self._info.status)
        try:
            self._replace(info, fd)
        finally:
            if ours:
                os.close(fd)

    def _replace(self, info: MapInfo, fd: int) -> None:
        """Bring file and mapping to `info`; nothing is released before its replacement exists."""
        old, new = self._info.end, info.end
        size = os.fstat(fd).st_size
        cut = new < old == size
        grown = info.nbytes > 0 and new > size
        if grown:
            grow.lengthen(fd, self.path, size, new, sparse=info.grow == "sparse")
        try:
            fresh = map_file(info, fd) if info.nbytes else None
            spare = map_file(self._info, fd) if cut else None
            self._unmap()
        except BaseException:
            if grown:
                grow.restore(fd, size, (new,))
            raise
        try:
            if cut:
                os.ftruncate(fd, new)
        except OSError:
            self._set(spare, self._info)
            raise
        self._set(fresh, info)

    def _unmap(self) -> None:
        if self._window is None:
            return
        try:
            self._window.close()
        except BufferError:
            raise BufferError(
                f"{self._info.name}: arrays or other views of this mapping are still in use, "
                "and would read memory that is gone; delete them first"
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
            raise ValueError(f"{self._info.name}: the mapping is closed")

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self._info.name}: a mapping can neither be copied nor pickled; copy its array, "
            "or map the file again where it is needed"
        )

    def draw(self) -> Drawing:
        """Return a picture of the file: the array, the window around it, and what is in memory."""
        layouts, windows = {"array": [self.layout]}, {"window": [self.window]}
        nbytes, memory = self.layout.extent[1], None
        if self._absolute_path is not None:
            nbytes = max(nbytes, os.path.getsize(self._absolute_path))
            memory = resident_shares(self._absolute_path, make_edges(nbytes).tolist())
        return Drawing((draw_file(self._info.name, nbytes, layouts, windows, memory),))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>{self.draw()._repr_html_()}"

    def __repr__(self) -> str:
        state = "closed " if self._closed else ""
        return f"<{state}Mapping of {self._info.name!r}, mode={self.mode!r}, {self.layout}>"


def _check_resize(info: MapInfo, shape: Shape) -> tuple[int, ...]:
    counts = as_counts(shape)
    if len(counts) != len(info.shape):
        raise ValueError(
            f"the mapping has {len(info.shape)} axes, {info.shape}, and shape {counts} has "
            f"{len(counts)}; give a length for each axis"
        )
    major = 0 if info.order == "C" else len(counts) - 1
    for axis, (n, old) in enumerate(zip(counts, info.shape, strict=True)):
        if n < 0:
            raise ValueError(
                f"shape {counts} has a negative length; the mapping has shape {info.shape}: "
                "give its new one"
            )
        if axis != major and n != old:
            raise ValueError(
                f"only axis {major}, the major one, can be resized: axis {axis} has length {old}, "
                f"not {n}"
            )
    return counts


def mapping_of(array: Any) -> Mapping:
    """Return the handle of the map behind an array.

    Parameters
    ----------
    array : numpy.ndarray
        An array that `mmap`, `anonymous` or `Mapping.array` returned, or any view of one:
        slices, transposed and reinterpreted ones, memoryviews, arrays that went through DLPack.

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
    window = window_of(array)
    if window is None:
        raise ValueError(not_mapped_error(array))
    known = getattr(window, "handle", None)
    handle: Mapping | None = None if known is None else known()
    if handle is None:
        handle = object.__new__(Mapping)
        handle._init(window, info_of(window))
    return handle
