"""Parts of existing files: arrays in many pieces, in one file or in a series."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from rawmmap.errors import DescriptionError
from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.io import open_for_writing
from rawmmap.files.lock import locked
from rawmmap.files.presence import Presence
from rawmmap.layout import Arrangement, Layout
from rawmmap.sources import Files
from rawmmap.sources.local import explain_errors
from rawmmap.writing.draft import Draft
from rawmmap.writing.draft_transaction import DraftTransaction
from rawmmap.writing.in_place import advance_mtime, reserve_holes
from rawmmap.writing.positional import copy_elements
from rawmmap.writing.state import State

__all__ = ["InPlaceParts"]


@dataclass(frozen=True, slots=True, eq=False)
class InPlaceParts(DraftTransaction):
    """Arrays in many pieces, of files that keep their sizes.

    The arrays lie end to end in one draft, in C order; `commit` copies from it to each file what
    belongs there, one file after the other. A failure in that step leaves some of them changed.

    Parameters
    ----------
    draft : Draft
        The arrays; its target is the file, or what the sidecar of a series is named after.
    moves : tuple of (Layout, Arrangement)
        Where each array lies in the draft, and where in the files.
    files : Files
        The files, by their numbers in the arrangements.
    planned : State
        What file and sidecar were when this was planned.
    """

    moves: tuple[tuple[Layout, Arrangement], ...]
    files: Files
    planned: State

    @classmethod
    def of(cls, target: str, parts: Sequence[Arrangement], files: Files, planned: State) -> Self:
        """Plan to write into parts of files; nothing happens before `begin`.

        Raises
        ------
        DescriptionError
            If elements lie in no file, or are samples of a few bits.
        """
        moves, end = [], 0
        for part in parts:
            for piece in part.parts():
                if not isinstance(piece.data, Layout):
                    raise DescriptionError(
                        f"{target}: elements of this region are missing, known already or samples "
                        "of a few bits, and cannot be written"
                    )
            moves.append((Layout.dense(part.dtype, part.shape, offset=end), part))
            end += part.nbytes
        return cls(Draft.plan_copy(target, end), tuple(moves), files, planned)

    @property
    def layouts(self) -> list[Layout]:
        """Where each array lies in the draft."""
        return [packed for packed, _ in self.moves]

    def _by_file(self) -> dict[int, list[tuple[Layout, Layout]]]:
        """Return for each file where its elements lie in the draft, and where in the file."""
        result: dict[int, list[tuple[Layout, Layout]]] = {}
        for packed, arrangement in self.moves:
            for part in arrangement.parts():
                if isinstance(part.data, Layout):
                    result.setdefault(part.file, []).append((packed[part.index], part.data))
        return result

    def check(self) -> None:
        """Refuse files that were replaced since, and another sidecar."""
        self.planned.check(self.target)

    def begin(self) -> Presence:
        """Create the draft, unless a file may not be written."""
        self.check()
        for number in self._by_file():
            with open(self.files[number].url, "r+b"):
                pass
        return self.draft.create()

    def commit(self, written: Iterable[int]) -> None:
        """Copy the arrays into the files; an interrupt waits until all of them are copied."""
        with locked(self.target), self.draft.open() as source:
            self.draft.check(written)
            self.check()
            with deferring_interrupts():
                for number, moves in self._by_file().items():
                    path = self.files[number].url
                    with self._locked_too(path), _open(path, moves) as fd:
                        for packed, part in moves:
                            copy_elements(source, packed, fd, part)
                self.draft.remove()

    def _locked_too(self, path: str) -> contextlib.AbstractContextManager[None]:
        """Hold the lock of a file of a series; that of the target is held already."""
        return contextlib.nullcontext() if path == self.target else locked(path)


@contextlib.contextmanager
def _open(path: str, moves: Sequence[tuple[Layout, Layout]]) -> Iterator[int]:
    """Open a file to write to it, and wait until that is on disk."""
    before = os.stat(path).st_mtime_ns
    start = min(part.extent[0] for _, part in moves)
    stop = max(part.extent[1] for _, part in moves)
    fd = open_for_writing(path)
    try:
        with explain_errors(path, start, stop, "writing"):
            reserve_holes(fd, [part for _, part in moves])
            yield fd
            os.fsync(fd)
    finally:
        os.close(fd)
    advance_mtime(path, before)
