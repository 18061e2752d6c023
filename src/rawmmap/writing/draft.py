"""Drafts: hidden files that take what is written, until all of it is there."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy.typing as npt

from rawmmap.files.io import open_for_writing, reserve
from rawmmap.files.replace import create_draft, draft_path, scratch_path
from rawmmap.layout import Layout
from rawmmap.mapping import PAGE, map_window
from rawmmap.sources.local import explain_errors
from rawmmap.writing.positional import scatter

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

    def create(self) -> None:
        """Create the draft, of zeros; an existing one keeps its bytes.

        Raises
        ------
        OSError
            If the disk has too little space, or the folder does not exist.
        """
        self._check_space()
        with self._explain_errors(0, self.size, "reserving"):
            try:
                create_draft(self.path, self.target, self.size)
            except OSError:
                self.remove()
                raise

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> None:
        """Store an array where `layout` says; threads and processes may do so at the same time."""
        if not layout.nbytes:
            return
        with self.open() as fd, self._explain_errors(*layout.extent, "writing"):
            runs = layout.runs()
            many = runs.count > _MANY and runs.length < _SHORT
            if many and runs.steps[-1] <= PAGE:
                self._write_mapped(fd, layout, values)
            else:
                scatter(fd, layout, values)

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
