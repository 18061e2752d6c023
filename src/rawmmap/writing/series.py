"""Many new files in the places of old ones, and then the one sidecar that describes them."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rawmmap.errors import DescriptionError
from rawmmap.files.hidden import hidden_path
from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.lock import locked
from rawmmap.files.presence import Presence
from rawmmap.files.replace import sync
from rawmmap.layout import Layout
from rawmmap.writing.draft import Draft
from rawmmap.writing.replace import Replace
from rawmmap.writing.sidecars import (
    check_replaceable,
    draft_text,
    install_text,
    remove_untrue,
    restore_text,
)
from rawmmap.writing.state import ChangedFileError, State

__all__ = ["ReplaceSeries"]

# Threads that wait for the disk.
_WAITING = 16


@dataclass(frozen=True, slots=True)
class ReplaceSeries:
    """New files, each renamed to its target when all of them are on disk; then their sidecar.

    In the layouts that are written, the files lie one after another: file number n has the bytes
    from ``n * step`` on. The leading axes of a layout lead from file to file.

    ::

        n * step                    (n + 1) * step
        |  file n              |....|  file n + 1          |....|
           offset of a variable        the same one, one step along the leading axis

    A failure before the first rename leaves all files as they were; a later one leaves each file
    whole, but some may be new already. A sidecar that would not be true of the new files is removed
    before the first rename.

    Parameters
    ----------
    folder : str
        Absolute path of the folder of the files.
    packed : bytes
        Their names, compressed, since every task knows them.
    sizes : tuple of int
        Bytes of each file; of several groups of equal numbers of files, bytes of each in a group.
    axes : int
        Number of leading axes of all layouts.
    token : str
        What the names of the drafts have in common.
    label : str
        The path that their sidecar and their lock are named after; no file lies there.
    text : bytes or None
        The sidecar, compressed. Without one the files must not be described, then either.
    planned : State, optional
        What the sidecar was when this was planned, if it is to be replaced by one that tells of
        further files. It stays until then.
    """

    folder: str
    packed: bytes
    sizes: tuple[int, ...]
    axes: int
    token: str
    label: str
    text: bytes | None = None
    planned: State | None = None

    @classmethod
    def of(
        cls,
        folder: str,
        names: Sequence[str],
        sizes: tuple[int, ...],
        axes: int,
        label: str,
        text: str | None = None,
        planned: State | None = None,
    ) -> Self:
        """Plan to write files; nothing happens before `begin`."""
        packed = zlib.compress("\0".join(names).encode(errors="surrogateescape"), 1)
        compressed = None if text is None else zlib.compress(text.encode(), 1)
        return cls(folder, packed, sizes, axes, secrets.token_hex(6), label, compressed, planned)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files in their folder."""
        return _unpack(self.packed)

    @property
    def target(self) -> str:
        """The files, as errors name them."""
        return self.label

    @property
    def draft(self) -> Draft:
        """The draft that is renamed last."""
        return self._member(len(self.names) - 1).draft

    @property
    def step(self) -> int:
        """Bytes from one file to the next in the layouts."""
        return max(*self.sizes, 1)

    def layout(self, member: Layout, shape: Sequence[int], first: int = 0) -> Layout:
        """Return where the elements of a variable lie in all files.

        Parameters
        ----------
        member : Layout
            Where they lie in each file.
        shape : sequence of int
            Lengths of the leading axes, in C order of the files.
        first : int
            Number of the first file.
        """
        outer = Layout.dense(np.dtype("u1"), shape)
        strides = tuple(stride * self.step for stride in outer.strides)
        return Layout(
            member.dtype,
            (*shape, *member.shape),
            (*strides, *member.strides),
            first * self.step + member.offset,
        )

    def _member(self, number: int) -> Replace:
        target = os.path.join(self.folder, self.names[number])
        size = self.sizes[number * len(self.sizes) // len(self.names)]
        # Drafts of the label, so that the next writer of the series removes them after a kill.
        name = os.path.basename(hidden_path(self.label, f"{self.token}-{number}.part"))
        path = os.path.join(os.path.dirname(os.path.realpath(target)), name)
        return Replace(Draft(target, path, size))

    def _members(self) -> Iterator[Replace]:
        return (self._member(number) for number in range(len(self.names)))

    def check(self) -> None:
        """Refuse files that cannot be replaced, and a sidecar that is not one of ours."""
        if self.planned is not None:
            self.planned.check(self.label)
        check_replaceable(self.label, self._text)
        links: dict[str, str] = {}
        for member in self._members():
            member.check()
            if os.path.islink(member.target):
                other = links.setdefault(os.path.realpath(member.target), member.target)
                if other != member.target:
                    raise DescriptionError(f"{other} and {member.target} are links to one file")

    @property
    def _text(self) -> str | None:
        return None if self.text is None else zlib.decompress(self.text).decode()

    def begin(self) -> Presence:
        """Create the drafts."""
        self.check()
        self._check_space()
        presence = self.draft.enter()
        try:
            for member in self._members():
                member.draft.create_file()
        except BaseException:
            self.rollback()
            presence.leave()
            raise
        return presence

    def _check_space(self) -> None:
        nbytes = sum(self.sizes) * (len(self.names) // len(self.sizes))
        free = shutil.disk_usage(self.folder).free
        if nbytes > free and not self._member(0).draft.exists:
            raise OSError(
                errno.ENOSPC,
                f"{nbytes} bytes are to be written to {len(self.names)} files, but {free} are free "
                "on this disk; free some space",
                self.folder,
            )

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> int:
        """Store an array in the drafts of the files that its leading axes lead to."""
        if not layout.nbytes:
            return 0
        for index in np.ndindex(layout.shape[: self.axes]):
            part = layout[index]
            number = part.extent[0] // self.step
            self._member(number).draft.write(
                part.shifted(-number * self.step), np.asarray(values[index])
            )
        # They are created and removed together.
        return self.draft.identify()

    def commit(self, written: Iterable[int]) -> None:
        """Rename all drafts, once all of them are on disk, and replace the sidecar."""
        with locked(self.label):
            self.draft.check(written)
            self.check()
            self._sync()
            with deferring_interrupts():
                self._rename_all()

    def _rename_all(self) -> None:
        first, *others = self._members()
        with self._draft_text(first.draft) as sidecar:
            self._rename_first(first)
            for member in others:
                _rename(member)
            for folder in {os.path.dirname(name) for name in self.names}:
                sync(os.path.join(self.folder, folder))
            if sidecar is not None:
                install_text(sidecar, self.label)

    def _draft_text(self, first: Draft) -> contextlib.AbstractContextManager[str | None]:
        """Write the sidecar while a full disk is a failure like any other."""
        text = self._text
        if text is None:
            return contextlib.nullcontext()
        like = first.target if os.path.exists(first.target) else first.path
        return draft_text(self.label, text.encode(), like)

    def _rename_first(self, first: Replace) -> None:
        """Rename the first draft, without a sidecar that would not be true of the new files."""
        replaced = self.text is not None and self.planned is None
        before = remove_untrue(self.label, self._text or "") if replaced else None
        try:
            _rename(first)
        except BaseException:
            restore_text(self.label, before, first.draft.target)
            raise

    def _sync(self) -> None:
        """Wait until all drafts are on disk, so that hardly anything can fail later."""
        # Side by side, they share what the file system has to do for each.
        with ThreadPoolExecutor(_WAITING) as pool:
            for _ in pool.map(_sync_draft, self._members()):
                pass

    def rollback(self) -> None:
        """Remove the drafts."""
        for member in self._members():
            member.rollback()


def _rename(member: Replace) -> None:
    """Rename a draft, unless a worker that was lost has done so."""
    target = member.draft.target
    if member.draft.exists:
        member.commit((), wait=False)
    elif not os.path.exists(target) or os.stat(target).st_size != member.draft.size:
        raise ChangedFileError(
            errno.ESTALE, "another write came between; call to_raw again", target
        )


def _sync_draft(member: Replace) -> None:
    if member.draft.exists:
        sync(member.draft.path)


@lru_cache(maxsize=8)
def _unpack(packed: bytes) -> tuple[str, ...]:
    names = zlib.decompress(packed).decode(errors="surrogateescape").split("\0")
    return tuple(names)
