"""What is written, and how the file changes: as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt

from rawmmap.files.presence import Presence
from rawmmap.layout import Layout
from rawmmap.writing.draft import Draft

__all__ = ["Transaction", "WritePlan"]


class Transaction(Protocol):
    """A change of one file, or of a series.

    Everything is written into a draft, a hidden file; only `commit` changes the target, under a
    lock that is held for just that step. So a failure, whenever it comes and whoever is still
    writing, leaves the target as it was, and removing the draft is all of a rollback. Transactions
    are picklable; `begin`, `write` and `commit` may be repeated, by other processes too, where a
    scheduler has lost their results.
    """

    @property
    def target(self) -> str:
        """The file, which errors name."""

    @property
    def draft(self) -> Draft:
        """The draft; of several, the one that is renamed last."""

    def check(self) -> None:
        """Refuse a target that is not as it was when this was planned."""

    def begin(self) -> Presence:
        """Create the draft; other writers leave it alone until what this returns is left."""

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> int:
        """Store an array in the draft; return which file that was, for `commit`."""

    def commit(self, written: Iterable[int]) -> None:
        """Change the target, once all that `write` has returned for the arrays is here."""

    def rollback(self) -> None:
        """Remove the draft."""


class WritePlan(NamedTuple):
    """Arrays, and the transaction that takes them.

    Attributes
    ----------
    transaction : Transaction
        How the file changes.
    batches : sequence of (array, Layout)
        NumPy or Dask arrays, and where their elements go in the draft.
    """

    transaction: Transaction
    batches: Sequence[tuple[Any, Layout]]
