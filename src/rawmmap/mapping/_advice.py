"""The pages of a view: writing them to disk, advice on them, and which of them are in memory."""

from __future__ import annotations

import errno
import functools
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.errors import name_file
from rawmmap.layout import Layout
from rawmmap.layout.pages import round_down, round_up
from rawmmap.mapping import _system
from rawmmap.mapping._system import PAGE
from rawmmap.mapping._window import EMPTY, MapInfo, Window, info_of, window_of

__all__ = ["advise", "check_writes_reach_file", "flush", "not_mapped_error", "resident"]

_BYTE = np.dtype(np.uint8)


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
        If the array does not come from this library.

    Notes
    -----
    An empty array from `mmap` or `anonymous` has no pages: there is nothing to flush or to advise
    on, and all of it is in memory. An empty array from elsewhere is refused like any other.

    Examples
    --------
    >>> import rawmmap
    >>> a = rawmmap.mmap("state.bin", "<f4", 1000, mode="w+")
    >>> a[:10] = 1
    >>> rawmmap.flush(a[:10])
    """
    window, view = _find_window(array)
    if window is None:
        return
    info = info_of(window)
    check_writes_reach_file(info, "flush")
    base = _address(np.frombuffer(window, _BYTE))
    try:
        for start, stop in _page_ranges(view, base):
            _system.sync(window, start, stop, base, wait=wait)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write mapped pages: {error.strerror}", info.path
        ) from None


def advise(array: Any, advice: str) -> None:
    """Tell the system how an array will be used, or bring its pages into memory.

    It acts on the whole pages that hold any byte of the view. No advice changes a value of a file's
    array: on a private map ``"dontneed"`` marks pages as the first to go instead of dropping the
    changes in them. Private anonymous memory has nothing behind its pages: ``"dontneed"`` gives
    them back, and they read as zeros again.

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
    window, view = _find_window(array)
    info = None if window is None else info_of(window)
    with name_file(None if info is None else info.name):
        _system.check_advice(advice)
    if window is None or info is None:
        return
    if advice == "populate_write":
        _check_writable(info)
    base = _address(np.frombuffer(window, _BYTE))
    try:
        for start, stop in _page_ranges(view, base):
            _system.advise(
                base + start, stop - start, advice, keep=not info.shared and not info.anonymous
            )
    except OSError as error:
        raise _advice_error(error, advice, info) from None


def _check_writable(info: MapInfo) -> None:
    if not info.writable:
        raise io.UnsupportedOperation(
            f"cannot populate a read-only map of {info.name} for writing; use "
            "'populate_read', or map it with mode='r+'"
        )


def _advice_error(error: OSError, advice: str, info: MapInfo) -> OSError:
    text = f"cannot follow the advice {advice!r}: {error.strerror}"
    if error.errno in (errno.EFAULT, errno.EIO):
        text += (
            f"; the map ends at byte {info.end}: the file was cut short since it was mapped, "
            "or the disk cannot read or hold it. Do not touch these pages; map the file again"
        )
    return OSError(error.errno, text, info.path)


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
    window, view = _find_window(array)
    if window is None:
        return 1.0
    base = _address(np.frombuffer(window, _BYTE))
    pages = [
        _system.is_resident(base + start, stop - start) for start, stop in _page_ranges(view, base)
    ]
    return float(np.concatenate(pages).mean()) if pages else 1.0


def not_mapped_error(array: object) -> str:
    """Return the text of the error for an array that is not a view of a map."""
    text = (
        f"this {type(array).__name__} is not a view of a file or of memory mapped by rawmmap "
        "(a copy, or the result of an operation, is not one)"
    )
    # A data array of xarray, for example; its values themselves may not be in memory.
    labelled = isinstance(getattr(type(array), "values", None), property)
    return f"{text}; pass its values" if labelled else text


def check_writes_reach_file(info: MapInfo, what: str) -> None:
    """Refuse to change the file through a read-only or private map."""
    if info.shared and info.writable:
        return
    if info.anonymous:
        raise io.UnsupportedOperation(
            f"cannot {what} private anonymous memory; make it with shared=True"
        )
    kind = "read-only" if info.shared else "private (copy-on-write)"
    raise io.UnsupportedOperation(
        f"cannot {what} a {kind} map of {info.name}; map it with mode='r+' and shared=True"
    )


def _find_window(array: Any) -> tuple[Window | None, npt.NDArray[Any]]:
    """Return the map of an array and the array; no map for an empty array of `mmap`."""
    window = window_of(array)
    if window is None and not _is_empty_map(array):
        raise ValueError(not_mapped_error(array))
    return window, np.asarray(array)


def _is_empty_map(array: object) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return array is EMPTY


def _address(array: npt.NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
