"""Bytes at the end of a file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.io import open_for_writing, reserve
from rawmmap.files.lock import locked
from rawmmap.sources.local import explain_errors
from rawmmap.writing.draft_transaction import DraftTransaction
from rawmmap.writing.positional import copy_bytes
from rawmmap.writing.sidecars import change_text
from rawmmap.writing.state import State

__all__ = ["Append", "lengthening"]


@dataclass(frozen=True, slots=True)
class Append(DraftTransaction):
    """New bytes at the end of a file, and then a sidecar that tells of them, if need be.

    They are copied in order, so that a reader sees complete records only.

    Parameters
    ----------
    draft : Draft
        The new bytes.
    start : int
        Byte of the target at which the first one goes; what lies behind it is overwritten.
    planned : State
        What the target was when this was planned.
    text : str, optional
        The new sidecar.
    """

    start: int
    planned: State
    text: str | None = None

    def check(self) -> None:
        """Refuse a target that was changed since."""
        self.planned.check(self.draft.target)

    def commit(self, written: Iterable[int]) -> None:
        """Lengthen the target, and replace the sidecar; after a failure it has its old length."""
        target = self.draft.target
        with locked(target), self.draft.open() as source, contextlib.ExitStack() as stack:
            self.draft.check(written)
            self.check()
            with lengthening(target, self.start, self.start + self.draft.size) as fd:
                copy_bytes(source, fd, self.start)
                os.fsync(fd)
                # Not between here and the end of this block, where the file would be cut.
                stack.enter_context(deferring_interrupts())
                if self.text is not None:
                    change_text(target, self.text)
            self.draft.remove()


@contextlib.contextmanager
def lengthening(target: str, start: int, stop: int) -> Iterator[int]:
    """Open a file to write its bytes ``[start, stop)``; after a failure it has its old length.

    The blocks behind its end are reserved first: a full disk is an error before the file is any
    longer. The caller holds the lock, so that nobody else of ours is writing when it is cut.
    """
    fd = open_for_writing(target)
    try:
        size = os.fstat(fd).st_size
        try:
            with explain_errors(target, start, stop, "writing"):
                if stop > size:
                    reserve(fd, max(start, size), stop)
                yield fd
        except BaseException:
            # Cutting a file to the length it has gives back what was reserved behind its end.
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)
