"""What transactions with a single draft have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from rawmmap.files.presence import Presence
from rawmmap.layout import Layout
from rawmmap.writing.draft import Draft

__all__ = ["DraftTransaction"]


@dataclass(frozen=True, slots=True, eq=False)
class DraftTransaction:
    """A transaction that writes everything into one draft; subclasses add `check` and `commit`.

    Parameters
    ----------
    draft : Draft
        The draft.
    """

    draft: Draft

    @property
    def target(self) -> str:
        """The file that is changed, which errors name."""
        return self.draft.target

    def check(self) -> None:
        """Refuse a target that is not as it was when this was planned."""
        raise NotImplementedError

    def begin(self) -> Presence:
        """Check the target, and create the draft."""
        self.check()
        return self.draft.create()

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> int:
        """Store an array in the draft; return which file that was, for `commit`."""
        return self.draft.write(layout, values)

    def rollback(self) -> None:
        """Remove the draft."""
        self.draft.remove()
