"""How a file that is written comes into being, and what is left of it after a failure."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rawmmap.files.grow import lengthen, restore
from rawmmap.files.replace import draft_path, install, sync
from rawmmap.layout import Layout
from rawmmap.sources.base import Identity
from rawmmap.sources.local import LocalFile, explained

__all__ = ["ChangedFileError", "Overwrite", "Replacement", "Tail", "check_planned"]


class ChangedFileError(OSError):
    """A file is not what it was when a write into it was planned; nothing was written."""


def check_planned(target: str, planned: Identity, *, longer: bool = False) -> None:
    """Refuse a file that was replaced, or has another size, since a write was planned.

    Parameters
    ----------
    target : str
        Its path.
    planned : Identity
        What it was.
    longer : bool
        Whether it may have grown.
    """
    now = LocalFile.open(target).identity
    if now.node != planned.node:
        what = "another file has taken its place"
    elif now.size < planned.size or (now.size > planned.size and not longer):
        what = f"{planned.size} bytes then, {now.size} now"
    else:
        return
    raise ChangedFileError(
        errno.ESTALE, f"changed since this write was planned: {what}; call to_raw again", target
    )


@dataclass(frozen=True, slots=True)
class Replacement:
    """A new file, written beside its target and renamed when all of it is on disk.

    Parameters
    ----------
    target : str
        Its path.
    size : int
        Bytes that it will have.
    draft : str
        Where it is written.
    """

    target: str
    size: int
    draft: str

    @classmethod
    def of(cls, target: str, size: int) -> Self:
        """Plan a file; nothing happens before `begin`."""
        return cls(target, size, draft_path(target))

    def check(self) -> None:
        """Do nothing: whatever is there is replaced."""

    def begin(self) -> None:
        """Create the draft, of its final length; its bytes are zeros.

        Raises
        ------
        OSError
            If the folder does not exist or the disk has too little room.
        """
        _check_target(self.target)
        _check_room(self.target, self.size)
        fd = os.open(self.draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with explained(self.target, 0, self.size, "making room for"):
                os.ftruncate(fd, self.size)
        finally:
            os.close(fd)

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> None:
        """Store an array in the draft."""
        _write(self.draft, self.target, layout, values)

    def finish(self) -> None:
        """Put the draft in the target's place, once all of it is on disk."""
        install(self.draft, self.target)

    def abandon(self) -> None:
        """Remove the draft, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.draft)


@dataclass(frozen=True, slots=True)
class Overwrite:
    """A part of an existing file, which grows to `size` bytes if it is shorter.

    Parameters
    ----------
    target : str
        Its path.
    size : int
        Bytes that it has at least, once it is written.
    planned : Identity
        What it was before.
    exact : bool
        Whether its size must still be the same when it is written.
    """

    target: str
    size: int
    planned: Identity
    exact: bool = True

    @classmethod
    def of(cls, target: str, size: int, *, exact: bool = True) -> Self:
        """Plan to write into a file as it is now; nothing happens before `begin`."""
        return cls(target, size, LocalFile.open(target).identity, exact)

    def check(self) -> None:
        """Refuse a file that was changed since."""
        check_planned(self.target, self.planned, longer=not self.exact)

    def begin(self) -> None:
        """Lengthen the file, if need be.

        Raises
        ------
        ChangedFileError
            If it was changed since.
        OSError
            If the file is gone, may not be written, or the disk has too little room.
        """
        self.check()
        length = os.stat(self.target).st_size
        if length < self.size:
            _check_room(self.target, self.size - length)
            with open(self.target, "r+b") as file:
                lengthen(file.fileno(), self.target, length, self.size, sparse=True)

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> None:
        """Store an array in the file."""
        _write(self.target, self.target, layout, values)

    def finish(self) -> None:
        """Wait until the file is on disk."""
        sync(self.target)

    def abandon(self) -> None:
        """Give the file its old length again, if it was lengthened."""
        if self.planned.size < self.size:
            with (
                contextlib.suppress(FileNotFoundError, PermissionError),
                open(self.target, "r+b") as file,
            ):
                restore(file.fileno(), self.planned.size, (self.size,))


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of an existing file, where bytes are added in order.

    The file is never longer than what is written: it does not grow before its bytes are there.

    Parameters
    ----------
    target : str
        Its path.
    start : int
        Byte at which the first new one goes; what lies behind it is overwritten.
    nbytes : int
        How many bytes there will be.
    planned : Identity
        What the file was before.
    """

    target: str
    start: int
    nbytes: int
    planned: Identity

    def check(self) -> None:
        """Refuse a file that was changed since."""
        check_planned(self.target, self.planned)

    def begin(self) -> None:
        """Make sure that the disk has room.

        Raises
        ------
        ChangedFileError
            If the file was changed since.
        OSError
            If the disk has too little room.
        """
        self.check()
        _check_room(self.target, self.nbytes)

    def write(self, data: memoryview, position: int) -> None:
        """Write bytes at a position, to which the file reaches already."""
        fd = os.open(self.target, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            with explained(self.target, position, position + data.nbytes, "writing"):
                while data:
                    n = os.pwrite(fd, data, position)
                    data = data[n:]
                    position += n
        finally:
            os.close(fd)

    def finish(self) -> None:
        """Wait until the file is on disk."""
        sync(self.target)

    def abandon(self) -> None:
        """Give the file its old length again."""
        with contextlib.suppress(FileNotFoundError, PermissionError):
            found = os.stat(self.target)
            if found.st_size > self.planned.size and found.st_ino == self.planned.node:
                os.truncate(self.target, self.planned.size)


def _write(path: str, target: str, layout: Layout, values: npt.NDArray[Any]) -> None:
    try:
        if layout.size:
            runs = layout.runs()
            data = np.empty(runs.nbytes, "u1")
            runs.packed.view(data)[...] = values
            LocalFile.open(path).write(runs.starts(), runs.length, data.data)
    except OSError as error:
        if error.filename != path or path == target:
            raise
        # The draft's name means nothing to the caller.
        raise type(error)(error.errno, error.strerror, target) from error


def _free(target: str) -> int:
    return shutil.disk_usage(os.path.dirname(os.path.realpath(target))).free


def _check_room(target: str, needed: int) -> None:
    free = _free(target)
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"{needed} bytes are to be written, but {free} are free on this disk; make room",
            target,
        )


def _check_target(target: str) -> None:
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "this is a directory; name a file in it", target)
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(errno.EINVAL, "only a regular file can be replaced", target)
