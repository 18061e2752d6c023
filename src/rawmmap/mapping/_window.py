"""Maps of the system: what each one shows, how it is made, and the array on it."""

from __future__ import annotations

import errno
import math
import mmap
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from rawmmap.errors import ShrunkFileError
from rawmmap.files.opening import Source
from rawmmap.layout import Layout
from rawmmap.layout.pages import window as window_range
from rawmmap.mapping import _system
from rawmmap.mapping._system import GRANULARITY

if TYPE_CHECKING:
    from rawmmap.mapping._mapping import Mapping

__all__ = [
    "EMPTY",
    "Grow",
    "MapInfo",
    "Window",
    "advise_window",
    "array_on",
    "mapping_error",
    "map_file",
    "map_to_end",
    "map_window",
    "info_of",
    "register",
    "window_of",
]

Grow = bool | Literal["sparse"]

_BYTE = np.dtype(np.uint8)
_WRITING = ("r+", "w+")
#: The memory of empty arrays that were asked for: by it they are told from arrays of others.
EMPTY = bytearray()

# Where no more maps are allowed, the heap cannot grow either, and even to raise an error would be a
# MemoryError. These are given back then. Untouched, they take no memory.
_SLACK = [mmap.mmap(-1, 1) for _ in range(4)]
_LIVE: set[weakref.ref[Window]] = set()
_forget = _LIVE.discard


class MapInfo(NamedTuple):
    """What a map shows, and where it came from."""

    path: str | None
    source: Source
    status: os.stat_result | None
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    order: str
    mode: str
    shared: bool
    grow: Grow

    @property
    def layout(self) -> Layout:
        return Layout.dense(self.dtype, self.shape, offset=self.offset, order=self.order)

    @property
    def nbytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)

    @property
    def end(self) -> int:
        return self.offset + self.nbytes

    @property
    def anonymous(self) -> bool:
        return self.status is None and self.path is None and self.mode == "r+"

    @property
    def name(self) -> str:
        return self.path or ("anonymous memory" if self.anonymous else "the file")

    @property
    def writable(self) -> bool:
        return not self.shared or self.mode in _WRITING


class Window(mmap.mmap):
    """A map of the system that knows what it shows.

    Attributes
    ----------
    info : MapInfo
        What it shows.
    request : tuple
        Path, start, stop, shared and writable of a window that has no info yet.
    handle : weak reference to Mapping
        The handle that was made for it last.
    """

    __slots__ = ("handle", "info", "request")

    info: MapInfo
    request: tuple[str | None, int, int, bool, bool]
    handle: weakref.ref[Mapping]


def map_window(
    fd: int,
    start: int,
    stop: int,
    *,
    path: str | None = None,
    shared: bool = False,
    writable: bool = True,
) -> tuple[npt.NDArray[np.uint8], int]:
    """Map the bytes ``[start, stop)`` of an open regular file, at little cost.

    Parameters
    ----------
    fd : int
        Descriptor of a regular file; it is not needed any more afterwards.
    start, stop : int
        First byte, and past the last byte.
    path : str, optional
        The file's name, for error messages.
    shared, writable : bool
        Whether changes reach the file; whether there may be any.

    Returns
    -------
    buffer : numpy.ndarray
        Bytes, from `origin` to `stop`. They are unmapped when its last view is gone.
    origin : int
        `start` rounded down to the granularity: byte ``p`` of the file is ``buffer[p - origin]``,
        and ``layout.shifted(-origin).view(buffer)`` is the array of a layout.

    Raises
    ------
    ShrunkFileError
        If the file ends before `stop`.
    OSError
        If the system allows no further map.
    """
    if stop <= start:
        raise ValueError(f"a window of the bytes {start} to {stop} is empty")
    origin, stop = window_range(start, stop, GRANULARITY)
    window = _new(fd, origin, stop, path, shared, writable)
    window.request = path, start, stop, shared, writable
    return np.frombuffer(window, _BYTE), origin


def descriptors_in_maps() -> int:
    """Return how many descriptors the maps of this process keep open: none on Python 3.13."""
    return 0 if sys.version_info >= (3, 13) else len(_LIVE)


def advise_window(buffer: npt.NDArray[np.uint8], advice: str) -> None:
    """Give `advice` on what `map_window` returned; where the system lacks it, do nothing."""
    number = _system.ADVICE[advice]
    if number is not None and sys.platform != "win32":
        owner: Any = buffer.base
        owner.obj.madvise(number)


def map_file(info: MapInfo, fd: int) -> Window:
    """Map all that `info` describes, of the file that is open as `fd`.

    Raises
    ------
    ShrunkFileError, OSError
        As `map_window`.
    """
    path, _, _, dtype, shape, offset, _, mode, shared, _ = info  # properties take time
    origin, end = window_range(offset, offset + dtype.itemsize * math.prod(shape), GRANULARITY)
    window = _new(fd, origin, end, path, shared, not shared or mode in _WRITING)
    window.info = info
    return window


def map_to_end(fd: int, offset: int, path: str | None, shared: bool) -> Window:
    """Map all of a file from `offset` on, to be read; of nothing but a regular file.

    Raises
    ------
    OSError
        If the file ends before the window of `offset`, or is not a regular file.
    """
    # A length of zero is all there is to CPython, and an error to the system.
    origin, _ = window_range(offset, offset, GRANULARITY)
    return _new(fd, origin, origin, path, shared, not shared)


def array_on(window: Window, info: MapInfo) -> npt.NDArray[Any]:
    """Return the array of all that `window` shows."""
    # numpy.frombuffer holds an export of the map, which keeps it from being closed under the array;
    # numpy.ndarray(buffer=...) would not.
    _, _, _, dtype, shape, offset, order, _, _, _ = info
    start = offset % GRANULARITY
    if dtype.ndim:
        return info.layout.shifted(start - offset).view(np.frombuffer(window, _BYTE))
    array: npt.NDArray[Any] = np.frombuffer(window, dtype, -1, start)
    if len(shape) != 1:
        array = array.reshape(shape, order="F" if order == "F" else "C")
    return array


def window_of(array: object) -> Window | None:
    """Follow the owners of an array's memory down to the map; None if there is none."""
    owner: Any = array
    while owner is not None and not isinstance(owner, Window):
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    return _by_address(array) if owner is None and isinstance(array, np.ndarray) else owner


def _by_address(array: npt.NDArray[Any]) -> Window | None:
    """Find the map that an array lies in though its owners do not lead there (DLPack, ctypes)."""
    address = array.__array_interface__["data"][0]
    for known in list(_LIVE):
        window = known()
        if window is not None and not window.closed:
            start = np.frombuffer(window, _BYTE).__array_interface__["data"][0]
            if start <= address < start + len(window):
                return window
    return None


def register(window: Window) -> Window:
    """Let `window_of` find a map by its address."""
    _LIVE.add(weakref.ref(window, _forget))
    return window


def info_of(window: Window) -> MapInfo:
    """Return the info of a map; `map_window` saves itself the time to make one."""
    if not hasattr(window, "info"):
        path, start, stop, shared, writable = window.request
        mode = "r+" if shared and writable else "r"
        size = (stop - start,)
        window.info = MapInfo(path, None, None, _BYTE, size, start, "C", mode, shared, False)
    return window.info


if sys.platform == "win32":
    _ACCESS = {
        (True, True): mmap.ACCESS_WRITE,
        (True, False): mmap.ACCESS_READ,
        (False, True): mmap.ACCESS_COPY,
        (False, False): mmap.ACCESS_READ,
    }
else:
    # Without MAP_NORESERVE a copy-on-write map larger than memory is refused.
    _FLAGS = {True: mmap.MAP_SHARED, False: mmap.MAP_PRIVATE | _system.MAP_NORESERVE}
    _PROTECTION = {True: mmap.PROT_READ | mmap.PROT_WRITE, False: mmap.PROT_READ}


def _new(fd: int, start: int, stop: int, path: str | None, shared: bool, writable: bool) -> Window:
    try:
        if sys.platform == "win32":
            window = Window(fd, stop - start, access=_ACCESS[shared, writable], offset=start)
        elif sys.version_info >= (3, 13):
            window = Window(
                fd, stop - start, _FLAGS[shared], _PROTECTION[writable], offset=start, trackfd=False
            )
        else:
            window = Window(fd, stop - start, _FLAGS[shared], _PROTECTION[writable], offset=start)
    except OSError as error:
        raise mapping_error(error, start, stop, path) from None
    except ValueError:
        # CPython compares the length with that of the file before it maps.
        raise ShrunkFileError(path or "the file", stop, os.fstat(fd).st_size) from None
    _LIVE.add(weakref.ref(window, _forget))
    return window


def mapping_error(error: OSError, start: int, stop: int, path: str | None) -> OSError:
    """Return `error` with what was asked, which limit it may have met, and what to do."""
    if error.errno == errno.ENOMEM:
        _SLACK.clear()
    text = f"cannot map the {stop - start} bytes from byte {start} on: {error.strerror}"
    if error.errno == errno.ENOMEM:
        text += (
            f"; a process may have {_most_maps()} maps at a time (vm.max_map_count), and its "
            "memory is limited (ulimit -v): drop arrays, or map fewer and larger windows"
        )
    elif error.errno == errno.EMFILE:
        text += (
            "; Python before 3.13 keeps a descriptor for each map: raise the limit (ulimit -n), "
            "drop arrays, or use Python 3.13"
        )
    elif error.errno == errno.ENODEV:
        text += "; its file system has no maps of it: copy its data into another file first"
    return OSError(error.errno, text, path)


def _most_maps() -> str:
    try:
        fd = os.open("/proc/sys/vm/max_map_count", os.O_RDONLY)
    except OSError:
        return "a limited number of"
    try:
        return os.read(fd, 20).decode().strip()
    finally:
        os.close(fd)
