"""What the system says of maps: its units, flags and advice, and calls on mapped pages.

All ranges are addresses that the caller keeps mapped during the call.
"""

from __future__ import annotations

import errno
import mmap
import platform
import sys

import numpy as np
import numpy.typing as npt

from rawmmap.files import libc

__all__ = [
    "ADVICE",
    "GRANULARITY",
    "MAP_NORESERVE",
    "PAGE",
    "advise",
    "check_advice",
    "is_resident",
    "sync",
]

#: Bytes of a page, the unit of protection and of the page cache.
PAGE = mmap.PAGESIZE
#: What the start of a map in its file must be a multiple of, in bytes.
GRANULARITY = mmap.ALLOCATIONGRANULARITY

_LINUX = sys.platform.startswith("linux")

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


def sync(window: mmap.mmap, start: int, stop: int, base: int, *, wait: bool) -> None:
    """Write the pages of ``[start, stop)``, bytes of `window`, which lies at address `base`."""
    if libc.has("msync"):
        libc.msync(base + start, stop - start, wait=wait)
    else:
        # Python counts in bytes of the map, which may end within the last page.
        window.flush(start, min(stop, len(window)) - start)


def check_advice(advice: str) -> int:
    """Return the number of `advice`.

    Raises
    ------
    ValueError
        If there is no such advice.
    NotImplementedError
        If this system has no such advice.
    """
    if advice not in tuple(ADVICE):
        raise ValueError(f"advice {advice!r} is not one of {', '.join(ADVICE)}")
    number = ADVICE[advice]
    if number is None or not libc.has("madvise"):
        raise NotImplementedError(f"{sys.platform} has no advice {advice!r} for mapped memory")
    return number


def advise(address: int, nbytes: int, advice: str, *, keep: bool) -> None:
    """Give `advice` on the pages at `address`; with `keep` none of them loses a change.

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
        libc.madvise(address, nbytes, number)
    except OSError as error:
        # Ranges are whole pages and mapped, so that EINVAL can only mean an unknown advice.
        if error.errno in (errno.EINVAL, errno.ENOSYS):
            raise NotImplementedError(f"this kernel has no advice {advice!r}") from error
        raise


def is_resident(address: int, nbytes: int) -> npt.NDArray[np.bool_]:
    """Return for each page from `address` on whether it is in memory."""
    if not libc.has("mincore"):
        raise NotImplementedError(f"{sys.platform} does not tell which pages are in memory")
    pages = np.empty(-(-nbytes // PAGE), np.uint8)
    libc.mincore(address, nbytes, pages.ctypes.data)
    return (pages & 1).astype(np.bool_)
