"""Transactions whose steps are tasks of a Dask graph."""

from __future__ import annotations

import errno
import os
import threading
import weakref
from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.presence import Presence
from rawmmap.layout import Layout
from rawmmap.writing.plan import Transaction

__all__ = ["OpenTransaction", "SharedTransaction"]


class SharedTransaction:
    """A transaction before it begins, as the tasks of a delayed write share it.

    A scheduler may report a failure while another thread still begins, or is about to; what was
    rolled back does not begin any more. Other processes have copies that do not know of that: what
    one of them begins too late is a leftover, for the next writer of the target to remove.

    Parameters
    ----------
    transaction : Transaction
        What begins.
    """

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self._lock = threading.Lock()
        self._ended = False
        self._open: weakref.WeakSet[OpenTransaction] = weakref.WeakSet()

    def begin(self) -> OpenTransaction:
        """Begin, unless this was rolled back meanwhile."""
        with self._lock:
            if self._ended:
                raise FileNotFoundError(
                    errno.ENOENT,
                    "this write has failed already; call to_raw again",
                    self.transaction.target,
                )
            begun = OpenTransaction(self.transaction, self.transaction.begin())
            self._open.add(begun)
            return begun

    def rollback(self) -> None:
        """Roll back what has begun, even if a traceback still refers to it."""
        with self._lock:
            self._ended = True
            self.transaction.rollback()
            for begun in list(self._open):
                begun.rollback()

    def reset(self) -> None:
        """Allow it to begin again after a failure."""
        self._ended = False

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedTransaction, (self.transaction,)


class OpenTransaction:
    """A transaction that has begun; its draft is kept as long as any process has one of these.

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
        # A list, which the finalizer shares: it is not empty if this was ever pickled.
        self._pickled: list[bool] = []
        self._end = weakref.finalize(self, _end, transaction, presence, self._pickled, os.getpid())

    @property
    def target(self) -> str:
        """The file, which errors name."""
        return self.transaction.target

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> int:
        """Store an array in the draft; return which file that was, for `commit`."""
        return self.transaction.write(layout, values)

    def commit(self, written: Iterable[int]) -> None:
        """Change the target, unless a scheduler that has lost the result repeats this call."""
        token = os.path.basename(self.transaction.draft.path)
        if self.transaction.draft.exists or not self._presence.has_note(token):
            self.transaction.commit(written)
            if self._pickled:
                self._presence.note(token)
        if not self._pickled:
            self._end()

    def rollback(self) -> None:
        """Remove the draft."""
        self.transaction.rollback()
        self._end()

    def __reduce__(self) -> tuple[Any, ...]:
        self._pickled.append(True)
        return _enter_copy, (self.transaction,)


def _enter_copy(transaction: Transaction) -> OpenTransaction:
    """Return the copy of a transaction that another process has begun."""
    begun = OpenTransaction(transaction, transaction.draft.enter())
    begun._pickled.append(True)
    return begun


def _end(transaction: Transaction, presence: Presence, pickled: list[bool], process: int) -> None:
    if process != os.getpid():
        return  # a forked child has a copy
    with deferring_interrupts():
        if pickled:
            presence.leave_to_others()
        else:
            transaction.rollback()
            presence.leave()
