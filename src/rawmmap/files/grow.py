"""Lengthening a file so that a full disk is an error now, and never a crash or a shorter file."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Container

from rawmmap.files import io, libc
from rawmmap.files.io import UNSUPPORTED

__all__ = ["clear", "lengthen", "restore"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_ZEROS = bytes(1 << 20)


def lengthen(fd: int, path: str | None, size: int, needed: int, *, sparse: bool = False) -> None:
    """Lengthen the file from `size` to `needed` bytes with zeros.

    A file that somebody else has made longer than `needed` meanwhile stays as it is, and after a
    failure the file has its old length.

    Parameters
    ----------
    fd : int
        Descriptor open for reading and writing.
    path : str or None
        The file's name, for error messages.
    size, needed : int
        Bytes that the file has, and bytes that it is to have.
    sparse : bool
        Leave a hole instead of reserving the new blocks.

    Raises
    ------
    OSError
        If the disk is full, or a limit on the length of files is passed.
    """
    try:
        if sparse:
            _extend(fd, needed)
        else:
            _reserve(fd, size, needed)
    except OSError as error:
        raise OSError(error.errno, _explain(error, fd, size, needed, sparse), path) from error


def clear(fd: int, path: str | None, needed: int, *, sparse: bool = False) -> None:
    """Make a file of at least `needed` bytes end there, and all of it zeros.

    If the disk is too full for blocks in the place of its holes, the file stays as it was.

    Parameters
    ----------
    fd : int
        Descriptor open for reading and writing.
    path : str or None
        The file's name, for error messages.
    needed : int
        Bytes that the file is to have.
    sparse : bool
        Leave a hole instead of reserving blocks.

    Raises
    ------
    OSError
        If the disk is full.
    """
    if needed and not sparse and _zero_in_place(fd, path, needed):
        return
    os.ftruncate(fd, 0)
    if needed:
        lengthen(fd, path, 0, needed, sparse=sparse)


def restore(fd: int, size: int, ours: Container[int]) -> None:
    """Cut the file back to `size` bytes if its length is one that we gave it.

    Cutting a file to the length it has gives back the blocks that were reserved behind its end.
    """
    if os.fstat(fd).st_size in ours:
        os.ftruncate(fd, size)


def _zero_in_place(fd: int, path: str | None, needed: int) -> bool:
    """Make the first `needed` bytes zeros and the file end there; False where that cannot be done.

    The blocks stay reserved all the time, so that nobody else can take them between the two steps.
    """
    try:
        # First the holes, which need blocks; the contents change only after they have them.
        libc.fallocate(fd, libc.KEEP_SIZE, 0, needed)
        libc.fallocate(fd, libc.KEEP_SIZE | libc.ZERO_RANGE, 0, needed)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        text = f"cannot reserve blocks for the {needed} bytes of the emptied file: {error.strerror}"
        raise OSError(error.errno, f"{text}; make room, or pass grow='sparse'", path) from error
    os.ftruncate(fd, needed)
    return True


def _extend(fd: int, needed: int) -> None:
    try:
        # Allocating the last byte sets the length in one step that cannot shorten the file, where
        # ftruncate would cut off what another process has added since its length was read. The one
        # block stays: another process may have stored something in it already.
        libc.fallocate(fd, 0, needed - 1, 1)
    except OSError as error:
        if error.errno not in UNSUPPORTED | _FULL:
            raise
        if os.fstat(fd).st_size < needed:
            os.ftruncate(fd, needed)


def _reserve(fd: int, size: int, needed: int) -> None:
    # The length changes only after all blocks are there: what fails half-way has changed nothing
    # that others can see, and nothing of theirs can be cut off while it is taken back.
    ours = {size}
    try:
        try:
            libc.fallocate(fd, libc.KEEP_SIZE, size, needed - size)
            libc.fallocate(fd, 0, needed - 1, 1)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            _reserve_otherwise(fd, size, needed, ours)
    except BaseException:
        restore(fd, size, ours)
        raise


def _reserve_otherwise(fd: int, size: int, needed: int, ours: set[int]) -> None:
    try:
        # NFS 4.2 allocates, but only together with the length.
        libc.fallocate(fd, 0, size, needed - size)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        _write_zeros(fd, needed, ours)


def _write_zeros(fd: int, needed: int, ours: set[int]) -> None:
    """Write zeros behind the end; add each length that this gives the file to `ours`."""
    if sys.platform == "win32":
        # It allocates when it lengthens.
        if os.fstat(fd).st_size < needed:
            os.ftruncate(fd, needed)
        return
    # Always at the present end: so it is on files opened for appending too, whatever is asked.
    while (size := os.fstat(fd).st_size) < needed:
        ours.add(size + io.write_at(fd, memoryview(_ZEROS)[: needed - size], size))


def _explain(error: OSError, fd: int, size: int, needed: int, sparse: bool) -> str:
    asked = f"cannot lengthen the file from {size} to {needed} bytes: {error.strerror}"
    if error.errno == errno.EFBIG:
        return f"{asked}; see the limits of the file system and of this process (RLIMIT_FSIZE)"
    if error.errno not in _FULL or not hasattr(os, "fstatvfs"):
        return asked
    disk = os.fstatvfs(fd)
    free = f"{needed - size} more are needed and {disk.f_bavail * disk.f_frsize} are free"
    return f"{asked}; {free}: make room" + ("" if sparse else ", or pass grow='sparse'")
