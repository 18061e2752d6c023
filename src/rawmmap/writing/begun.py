"""A write that has begun, as the tasks of a delayed write share it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.presence import Presence
from rawmmap.layout import Layout
from rawmmap.writing.plan import Transaction

__all__ = ["Begun"]

_live: weakref.WeakSet[Begun] = weakref.WeakSet()


class Begun:
    """A transaction and its draft, which is kept as long as any process has one of these.

    What a scheduler gives up after the failure of any task of a graph, also one that does not
    write, is collected, and then the draft goes, too. If this was pickled, other processes may have
    it, or only its pickle: then the draft is a leftover, for the next writer of the target to
    remove, when all of them have gone.

    Parameters
    ----------
    transaction : Transaction
        What has begun.
    presence : Presence
        What its `begin` has returned.
    """

    def __init__(self, transaction: Transaction, presence: Presence) -> None:
        self.transaction = transaction
        self._presence = presence
        self._pickled: list[bool] = []
        self._end = weakref.finalize(self, _end, transaction, presence, self._pickled)
        _live.add(self)

    @property
    def target(self) -> str:
        """The file, which errors name."""
        return self.transaction.target

    @classmethod
    def begin(cls, transaction: Transaction) -> Begun:
        """Begin a transaction."""
        return cls(transaction, transaction.begin())

    @staticmethod
    def end(transaction: Transaction) -> None:
        """Roll back a transaction, though a traceback may still refer to what has begun."""
        transaction.rollback()
        for begun in list(_live):
            if begun.transaction.draft.path == transaction.draft.path:
                begun._end()

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> int:
        """Store an array in the draft; return which file that was, for `commit`."""
        return self.transaction.write(layout, values)

    def commit(self, written: Iterable[int]) -> None:
        """Change the target, unless a scheduler has lost the result of that and repeats it."""
        token = os.path.basename(self.transaction.draft.path)
        if self.transaction.draft.exists or not self._presence.has_note(token):
            self.transaction.commit(written)
            if self._pickled:
                self._presence.note(token)
        if not self._pickled:
            self._end()

    def __reduce__(self) -> tuple[Any, ...]:
        self._pickled.append(True)
        return _restore, (self.transaction,)


def _restore(transaction: Transaction) -> Begun:
    begun = Begun(transaction, transaction.draft.enter())
    begun._pickled.append(True)
    return begun


def _end(transaction: Transaction, presence: Presence, pickled: list[bool]) -> None:
    with deferring_interrupts():
        if pickled:
            presence.hand_over()
        else:
            transaction.rollback()
            presence.leave()
