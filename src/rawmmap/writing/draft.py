"""Drafts: hidden files that take what is written, until all of it is there."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy.typing as npt

from rawmmap.files.hidden import draft_path, scratch_path
from rawmmap.files.io import open_for_writing, reserve
from rawmmap.files.presence import Presence
from rawmmap.files.replace import create_draft
from rawmmap.files.status import generation_of
from rawmmap.layout import Layout
from rawmmap.mapping import PAGE, map_window
from rawmmap.sources.local import explain_errors
from rawmmap.writing.positional import scatter
from rawmmap.writing.state import ChangedFileError

__all__ = ["Draft"]

# Many pieces shorter than this that share their pages are stored through a map: a call for each
# would take longer. A draft is never cut, and its blocks are reserved, so no store can fail.
_SHORT = 1024
_MANY = 256


@dataclass(frozen=True, slots=True)
class Draft:
    """A hidden file of a known size.

    Parameters
    ----------
    target : str
        The file that it is for; errors name it.
    path : str
        The draft itself.
    size : int
        Bytes that it has.
    """

    target: str
    path: str
    size: int

    @classmethod
    def plan_beside(cls, target: str, size: int) -> Self:
        """Plan a draft that can be renamed to `target`; nothing happens before `create`."""
        return cls(target, draft_path(target), size)

    @classmethod
    def plan_copy(cls, target: str, size: int) -> Self:
        """Plan a draft whose bytes are copied into `target`, whose folder may be read-only."""
        return cls(target, scratch_path(target), size)

    @property
    def exists(self) -> bool:
        """Whether there is a draft: not before `create`, and no longer after `remove`."""
        return os.path.exists(self.path)

    def create(self) -> Presence:
        """Create the draft, of zeros; an existing one keeps its bytes.

        Returns
        -------
        Presence
            What keeps other writers from taking the draft for a leftover.

        Raises
        ------
        OSError
            If the disk has too little space, or the folder does not exist.
        """
        self._check_space()
        presence = self.enter()
        try:
            self.create_file()
        except BaseException:
            self.remove()
            presence.leave()
            raise
        return presence

    def create_file(self) -> None:
        """Create the draft as one of several, for which somebody has entered already."""
        with self._explain_errors(0, self.size, "reserving"):
            create_draft(self.path, self.target, self.size)

    def enter(self) -> Presence:
        """Tell other writers that this draft is being written."""
        try:
            permissions = os.stat(self.target).st_mode & 0o666
        except OSError:
            permissions = 0o666
        return Presence.enter(self.path, permissions)

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> int:
        """Store an array where `layout` says; threads and processes may do so at the same time.

        Returns
        -------
        int
            Which file took it, for `check`; 0 for an empty array.
        """
        if not layout.nbytes:
            return 0
        with self.open() as fd, self._explain_errors(*layout.extent, "writing"):
            runs = layout.runs()
            many = runs.count > _MANY and runs.length < _SHORT
            if many and runs.steps[-1] <= PAGE:
                self._write_mapped(fd, layout, values)
            else:
                scatter(fd, layout, values)
            return _identity(fd)

    def identify(self) -> int:
        """Return which file the draft is, as `write` does."""
        with self.open() as fd:
            return _identity(fd)

    def check(self, written: Iterable[int]) -> None:
        """Refuse a draft that is not the file into which all arrays were written.

        Parameters
        ----------
        written : iterable of int
            What `write` has returned for them.

        Raises
        ------
        ChangedFileError
            If the draft is gone, or was removed and created again in between.
        """
        try:
            fd = open_for_writing(self.path)
        except FileNotFoundError:
            same = False
        else:
            same = set(written) <= {0, _identity(fd)}
            os.close(fd)
        if not same:
            raise ChangedFileError(
                errno.ESTALE,
                "the draft of this write was removed, by another write or when a part of this one "
                "failed; nothing was written, call to_raw again",
                self.target,
            )

    def _write_mapped(self, fd: int, layout: Layout, values: npt.NDArray[Any]) -> None:
        start, stop = layout.extent
        reserve(fd, start, stop)
        buffer, origin = map_window(fd, start, stop, path=self.target, shared=True)
        layout.shifted(-origin).view(buffer)[...] = values

    @contextlib.contextmanager
    def open(self) -> Iterator[int]:
        """Open the draft for reading and writing."""
        try:
            fd = open_for_writing(self.path)
        except FileNotFoundError:
            raise FileNotFoundError(
                errno.ENOENT,
                "this write has failed already, and what was written of it is gone",
                self.target,
            ) from None
        try:
            yield fd
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Remove the draft, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def _check_space(self) -> None:
        free = shutil.disk_usage(os.path.dirname(self.path)).free
        if self.size > free and not self.exists:
            raise OSError(
                errno.ENOSPC,
                f"{self.size} bytes are to be written, but {free} are free on this disk; free some "
                "space",
                self.target,
            )

    @contextlib.contextmanager
    def _explain_errors(self, start: int, stop: int, doing: str) -> Iterator[None]:
        """Let errors name the target: the draft's name means nothing to the caller."""
        try:
            with explain_errors(self.target, start, stop, doing):
                yield
        except OSError as error:
            if error.filename != self.path:
                raise
            raise OSError(error.errno, error.strerror, self.target) from error


def _identity(fd: int) -> int:
    """Return a number that this file has and one of the same name, created later, has not."""
    # Not of None, whose hash another process does not share before Python 3.12.
    return hash((os.fstat(fd).st_ino, generation_of(fd) or 0))
