"""A new file in the place of an old one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass

from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.lock import locked
from rawmmap.files.replace import install
from rawmmap.writing.draft_transaction import DraftTransaction
from rawmmap.writing.sidecars import check_replaceable, install_both
from rawmmap.writing.state import State

__all__ = ["Replace"]


@dataclass(frozen=True, slots=True)
class Replace(DraftTransaction):
    """A new file, renamed to its target when all of it is on disk; with its sidecar, if any.

    Parameters
    ----------
    draft : Draft
        The new file.
    text : str, optional
        Its sidecar. Without one the target must not be described, then either.
    keeps : State, optional
        What the old file was, if parts of it are in the new one: it must not have been changed.
    """

    text: str | None = None
    keeps: State | None = None

    def check(self) -> None:
        """Refuse a target that cannot be replaced, or was changed though parts of it are kept."""
        _check_regular(self.draft.target)
        if self.keeps is not None:
            self.keeps.check(self.draft.target, "exact")
        check_replaceable(self.draft.target, self.text)

    def commit(self, written: Iterable[int], *, wait: bool = True) -> None:
        """Rename the draft to the target, once all of it is on disk.

        Parameters
        ----------
        written : iterable of int
            What `write` has returned.
        wait : bool
            Whether to wait for the disk; if not, and without a sidecar, the caller sees to that.
        """
        with locked(self.draft.target):
            self.draft.check(written)
            self.check()
            with deferring_interrupts():
                if self.text is None:
                    install(self.draft.path, self.draft.target, wait=wait)
                else:
                    install_both(self.draft.path, self.draft.target, self.text)


def _check_regular(target: str) -> None:
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "this is a directory; name a file in it", target)
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(errno.EINVAL, "only a regular file can be replaced", target)
