"""What the system offers for maps and Python does not, or only while it holds up other threads.

The calls go through `ctypes`, which lets other threads run while they wait for the disk. All ranges
are addresses that the caller keeps mapped during the call. Where a system lacks a call, it raises
`OSError` with ``ENOSYS`` (or `NotImplementedError` for what users ask for by name).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "ADVICE",
    "GRANULARITY",
    "KEEP_SIZE",
    "MAP_NORESERVE",
    "PAGE",
    "advise",
    "check_advice",
    "fallocate",
    "is_resident",
    "sync",
]

#: Bytes of a page, the unit of protection and of the page cache.
PAGE = mmap.PAGESIZE
#: What the start of a map in its file must be a multiple of, in bytes.
GRANULARITY = mmap.ALLOCATIONGRANULARITY
#: `fallocate` reserves blocks but leaves the file's length alone.
KEEP_SIZE = 1

_LINUX = sys.platform.startswith("linux")
_LIBRARY: Any = None if sys.platform == "win32" else ctypes.CDLL(None, use_errno=True)

# <sys/mman.h> of each system; POSIX gives names, not numbers.
_MS_ASYNC = 1
_MS_SYNC = {"darwin": 0x10, "freebsd": 0}.get(sys.platform.rstrip("0123456789"), 4)

_WORDS = ("normal", "random", "sequential", "willneed", "dontneed", "hugepage", "nohugepage")
#: Number of each advice, or None where this system has no such advice. ``cold`` is internal.
ADVICE: dict[str, int | None] = {
    **{word: getattr(mmap, f"MADV_{word.upper()}", None) for word in _WORDS},
    "populate_read": 22 if _LINUX else None,
    "populate_write": 23 if _LINUX else None,
}
# Linux 5.4: first to go when memory runs short; unlike MADV_DONTNEED it never drops a change.
_MADV_COLD = 20


def _noreserve() -> int:
    # Python has the constant from 3.13 on; it differs between a few kinds of processors.
    if not _LINUX:
        return getattr(mmap, "MAP_NORESERVE", 0)
    usual = ("x86_64", "i686", "aarch64", "armv7l", "riscv64", "s390x", "loongarch64")
    known = dict.fromkeys(usual, 0x4000) | {"ppc64le": 0x40, "ppc64": 0x40}
    return getattr(mmap, "MAP_NORESERVE", known.get(platform.machine(), 0))


#: Flag of a private map that may be larger than memory; 0 where there is none.
MAP_NORESERVE = _noreserve()


def _function(name: str, *argtypes: Any) -> Any:
    function = getattr(_LIBRARY, name, None)
    if function is not None:
        function.argtypes = argtypes
        function.restype = ctypes.c_int
    return function


_SIZE = ctypes.c_size_t
_msync = _function("msync", ctypes.c_void_p, _SIZE, ctypes.c_int)
_madvise = _function("madvise", ctypes.c_void_p, _SIZE, ctypes.c_int)
_mincore = _function("mincore", ctypes.c_void_p, _SIZE, ctypes.c_void_p)
_fallocate = _function(
    "fallocate64" if hasattr(_LIBRARY, "fallocate64") else "fallocate",
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_int64,
)


def _call(function: Any, *arguments: Any) -> None:
    """Call `function`, again after signals that interrupted it; raise what it reports."""
    number = errno.ENOSYS
    while function is not None:
        if function(*arguments) == 0:
            return
        number = ctypes.get_errno()
        if number != errno.EINTR:
            break
    raise OSError(number, os.strerror(number))


def sync(window: mmap.mmap, start: int, stop: int, base: int, *, wait: bool) -> None:
    """Write the pages of ``[start, stop)``, bytes of `window`, which lies at address `base`."""
    if _msync is None:
        window.flush(start, stop - start)
    else:
        _call(_msync, base + start, stop - start, _MS_SYNC if wait else _MS_ASYNC)


def check_advice(advice: str) -> int:
    """Return the number of `advice`.

    Raises
    ------
    ValueError
        If there is no such advice.
    NotImplementedError
        If this system has no such advice.
    """
    if advice not in ADVICE:
        raise ValueError(f"advice {advice!r} is none of {', '.join(ADVICE)}")
    number = ADVICE[advice]
    if number is None or _madvise is None:
        raise NotImplementedError(f"{sys.platform} has no advice {advice!r} for mapped memory")
    return number


def advise(address: int, nbytes: int, advice: str, *, keep: bool) -> None:
    """Give `advice` on the pages at `address`; with `keep` none of them may lose a change.

    Raises
    ------
    ValueError, NotImplementedError
        As `check_advice`.
    OSError
        If the system could not do what it was asked.
    """
    number = check_advice(advice)
    if keep and advice == "dontneed" and _LINUX:
        number = _MADV_COLD
    try:
        _call(_madvise, address, nbytes, number)
    except OSError as error:
        # Ranges are whole pages and mapped, so that EINVAL can only mean an unknown advice.
        if error.errno in (errno.EINVAL, errno.ENOSYS):
            raise NotImplementedError(f"this kernel has no advice {advice!r}") from error
        raise


def is_resident(address: int, nbytes: int) -> npt.NDArray[np.bool_]:
    """Return for each page from `address` on whether it is in memory."""
    if _mincore is None:
        raise NotImplementedError(f"{sys.platform} does not tell which pages are in memory")
    pages = np.empty(-(-nbytes // PAGE), np.uint8)
    _call(_mincore, address, nbytes, pages.ctypes.data)
    return (pages & 1).astype(np.bool_)


def fallocate(fd: int, mode: int, start: int, nbytes: int) -> None:
    """Reserve the blocks of ``[start, start + nbytes)``; lengthen a file, never shorten it."""
    _call(_fallocate, fd, mode, start, nbytes)
