"""Parts of an existing file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.io import reserve
from rawmmap.files.lock import locked
from rawmmap.files.presence import Presence
from rawmmap.layout import Layout
from rawmmap.sources.local import LocalFile
from rawmmap.writing.append import lengthening
from rawmmap.writing.draft import Draft
from rawmmap.writing.draft_transaction import DraftTransaction
from rawmmap.writing.positional import copy_runs
from rawmmap.writing.state import State

__all__ = ["InPlace", "reserve_holes", "advance_mtime"]


@dataclass(frozen=True, slots=True)
class InPlace(DraftTransaction):
    """Parts of an existing file, which grows to `size` bytes if it is shorter.

    The byte runs of the parts lie end to end in the draft, and are copied by `commit`. Writers of
    the same part, or of parts that overlap, come one after the other.

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
            runs = part.runs()
            moves.append((runs.packed.shifted(end), part))
            end += runs.nbytes
        least = max([size, *(part.extent[1] for part in parts)])
        return cls(Draft.plan_copy(target, end), tuple(moves), least, planned, may_grow)

    @property
    def layouts(self) -> list[Layout]:
        """Where each part lies in the draft."""
        return [packed for packed, _ in self.moves]

    def check(self) -> None:
        """Refuse a target that is not a regular file, or was changed since."""
        LocalFile.open(self.draft.target)
        self.planned.check(self.draft.target, "longer" if self.may_grow else "same")

    def begin(self) -> Presence:
        """Create the draft, unless the target may not be written."""
        self.check()
        with open(self.draft.target, "r+b"):
            pass
        return self.draft.create()

    def commit(self, written: Iterable[int]) -> None:
        """Copy the parts into the target; after a failure it has its old length.

        An interrupt waits until all of them are copied.
        """
        target = self.draft.target
        with locked(target), self.draft.open() as source:
            self.draft.check(written)
            self.check()
            before = os.stat(target).st_mtime_ns
            starts = [part.extent[0] for _, part in self.moves if part.nbytes]
            with deferring_interrupts():
                with lengthening(target, min(starts, default=self.size), self.size) as fd:
                    self._copy(source, fd)
                    if os.fstat(fd).st_size < self.size:
                        os.ftruncate(fd, self.size)
                    os.fsync(fd)
                advance_mtime(target, before)
                self.draft.remove()

    def _copy(self, source: int, fd: int) -> None:
        reserve_holes(fd, [part for _, part in self.moves])
        at = 0
        for _, part in self.moves:
            runs = part.runs()
            copy_runs(source, at, fd, runs)
            at += runs.nbytes


def reserve_holes(fd: int, parts: Sequence[Layout]) -> None:
    """Reserve blocks for holes that are written to, so that nothing changes on a full disk."""
    status = os.fstat(fd)
    if getattr(status, "st_blocks", sys.maxsize) * 512 >= status.st_size:
        return
    for part in parts:
        runs = part.runs()
        for starts in runs.batches() if runs.nbytes else ():
            for start in starts.tolist():
                reserve(fd, start, start + runs.length)


def advance_mtime(target: str, before: int) -> None:
    """Advance the modification time past `before`, within a tick of the system's clock, too."""
    status = os.stat(target)
    if status.st_mtime_ns <= before:
        with contextlib.suppress(PermissionError):  # the file of another user
            os.utime(target, ns=(status.st_atime_ns, before + 1))
