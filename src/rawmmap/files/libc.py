"""Calls of the C library that Python does not offer, or only while it holds up other threads.

The calls go through `ctypes`, which lets other threads run while they wait for the disk. Addresses
are those of memory that the caller keeps mapped during the call. Where a system lacks a call, it
raises `OSError` with ``ENOSYS``.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from typing import Any

__all__ = [
    "KEEP_SIZE",
    "ZERO_RANGE",
    "birth_time",
    "fallocate",
    "has",
    "madvise",
    "mincore",
    "msync",
]

#: `fallocate` reserves blocks but leaves the file's length alone.
KEEP_SIZE = 1
#: `fallocate` makes a range zeros and reserves its blocks.
ZERO_RANGE = 16

_LIBRARY: Any = None if sys.platform == "win32" else ctypes.CDLL(None, use_errno=True)

# <linux/stat.h>: the descriptor itself; the time of creation, and where the answer holds it.
_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_STATX_BTIME_AT = 80
_STATX_SIZE = 256

# <sys/mman.h> of each system; POSIX gives names, not numbers.
_MS_ASYNC = 1
_MS_SYNC = {"darwin": 0x10, "freebsd": 0}.get(sys.platform.rstrip("0123456789"), 4)


def _function(name: str, *argtypes: Any) -> Any:
    function = getattr(_LIBRARY, name, None)
    if function is not None:
        function.argtypes = argtypes
        function.restype = ctypes.c_int
    return function


_msync = _function("msync", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_madvise = _function("madvise", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_mincore = _function("mincore", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_fallocate = _function(
    "fallocate64" if hasattr(_LIBRARY, "fallocate64") else "fallocate",
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_int64,
)
_statx = _function(
    "statx", ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p
)
_FUNCTIONS = {
    "statx": _statx,
    "msync": _msync,
    "madvise": _madvise,
    "mincore": _mincore,
    "fallocate": _fallocate,
}


def has(name: str) -> bool:
    """Return whether this system has the call ``msync``, ``madvise``, ``mincore`` ..."""
    return _FUNCTIONS[name] is not None


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


def msync(address: int, nbytes: int, *, wait: bool) -> None:
    """Write changed pages of a map to disk; without `wait` only ask for it."""
    _call(_msync, address, nbytes, _MS_SYNC if wait else _MS_ASYNC)


def madvise(address: int, nbytes: int, advice: int) -> None:
    """Give the advice of this number on the pages at `address`."""
    _call(_madvise, address, nbytes, advice)


def mincore(address: int, nbytes: int, result: int) -> None:
    """Store a byte per page at the address `result`; its lowest bit tells if it is in memory."""
    _call(_mincore, address, nbytes, result)


def fallocate(fd: int, mode: int, start: int, nbytes: int) -> None:
    """Reserve the blocks of ``[start, start + nbytes)``; lengthen a file, never shorten it."""
    _call(_fallocate, fd, mode, start, nbytes)


def birth_time(fd: int) -> int | None:
    """Return when an open file was created, in nanoseconds, or None where nothing tells."""
    answer = ctypes.create_string_buffer(_STATX_SIZE)
    try:
        _call(_statx, fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, ctypes.addressof(answer))
    except OSError:
        return None
    if not struct.unpack_from("I", answer)[0] & _STATX_BTIME:
        return None
    seconds, nanoseconds = struct.unpack_from("qI", answer, _STATX_BTIME_AT)
    return int(seconds) * 10**9 + int(nanoseconds)
