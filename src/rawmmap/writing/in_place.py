"""Parts of an existing file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rawmmap.access import read_layout
from rawmmap.files.lock import locked
from rawmmap.layout import Layout
from rawmmap.sources.local import LocalFile
from rawmmap.writing.append import lengthening
from rawmmap.writing.draft import Draft
from rawmmap.writing.positional import blocks, scatter
from rawmmap.writing.state import State

__all__ = ["InPlace", "copy_elements", "touch_later"]


@dataclass(frozen=True, slots=True)
class InPlace:
    """Parts of an existing file, which grows to `size` bytes if it is shorter.

    The parts lie end to end in the draft, each in the order that its elements have in the target,
    and are copied by `commit`. Writers of the same part, or of parts that overlap, come one after
    the other.

    Parameters
    ----------
    draft : Draft
        The parts.
    moves : tuple of (Layout, Layout)
        Where each part lies in the draft, and where in the target.
    size : int
        Bytes that the target has at least, once it is written.
    planned : State
        What the target was when this was planned.
    may_grow : bool
        Whether the target may have grown since.
    """

    draft: Draft
    moves: tuple[tuple[Layout, Layout], ...]
    size: int
    planned: State
    may_grow: bool = False

    @classmethod
    def of(
        cls,
        target: str,
        parts: Sequence[Layout],
        planned: State,
        *,
        size: int = 0,
        may_grow: bool = False,
    ) -> Self:
        """Plan to write into parts of a file; nothing happens before `begin`."""
        moves, end = [], 0
        for part in parts:
            moves.append((_packed(part, end), part))
            end += part.nbytes
        least = max([size, *(part.extent[1] for part in parts)])
        return cls(Draft.plan_copy(target, end), tuple(moves), least, planned, may_grow)

    @property
    def layouts(self) -> list[Layout]:
        """Where each part lies in the draft."""
        return [packed for packed, _ in self.moves]

    @property
    def target(self) -> str:
        """The file that is changed."""
        return self.draft.target

    def check(self) -> None:
        """Refuse a target that is not a regular file, or was changed since."""
        LocalFile.open(self.draft.target)
        self.planned.check(self.draft.target, "longer" if self.may_grow else "same")

    def begin(self) -> None:
        """Create the draft, unless the target may not be written."""
        self.check()
        with open(self.draft.target, "r+b"):
            pass
        self.draft.create()

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> None:
        """Store an array in the draft."""
        self.draft.write(layout, values)

    def commit(self) -> None:
        """Copy the parts into the target; after a failure it has its old length."""
        target = self.draft.target
        with locked(target):
            if not self.draft.exists:
                return  # A scheduler has lost the result of the first commit, and repeats it.
            self.check()
            before = os.stat(target).st_mtime_ns
            starts = [part.extent[0] for _, part in self.moves if part.nbytes]
            with lengthening(target, min(starts, default=self.size), self.size) as fd:
                self._copy(fd)
                if os.fstat(fd).st_size < self.size:
                    os.ftruncate(fd, self.size)
                os.fsync(fd)
            touch_later(target, before)
        self.draft.remove()

    def _copy(self, fd: int) -> None:
        source = LocalFile.open(self.draft.path)
        for packed, part in self.moves:
            copy_elements(source, packed, fd, part)

    def rollback(self) -> None:
        """Remove the draft."""
        self.draft.remove()


def copy_elements(source: LocalFile, packed: Layout, fd: int, part: Layout) -> None:
    """Copy elements of a draft into an open file, block by block."""
    for key in blocks(part.shape, part.dtype.itemsize) if part.nbytes else ():
        scatter(fd, part[key], read_layout(source, packed[key], "read"))


def _packed(layout: Layout, offset: int) -> Layout:
    """Return a layout without gaps whose axes have the order that they have in `layout`."""
    axes = sorted(range(layout.ndim), key=lambda axis: -abs(layout.strides[axis]))
    shape = [layout.shape[axis] for axis in axes]
    dense = Layout.dense(layout.dtype, shape, offset=offset)
    return dense.transpose([int(axis) for axis in np.argsort(axes)])


def touch_later(target: str, before: int) -> None:
    """Let the modification time move, though the system's clock may not have ticked since."""
    status = os.stat(target)
    if status.st_mtime_ns <= before:
        os.utime(target, ns=(status.st_atime_ns, before + 1))
