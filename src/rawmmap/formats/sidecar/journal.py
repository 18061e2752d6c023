"""A data file and its sidecar, replaced together though no system renames two files at once.

The sidecar of a new data file is first put beside it as ``.NAME.json.INODE.pending``, where INODE
is that of the new data file, still a draft. Then the draft is renamed to the data file, which
decides: from here on the pending sidecar is the one that counts, since its name holds the inode of
the data file, and before it did not count. At last it is renamed to the sidecar.

Readers look for a pending sidecar of the inode that they see, and writers finish what one that was
killed has left.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from rawmmap.files.replace import install, replacing, sync
from rawmmap.formats import sidecar
from rawmmap.layout import Layout
from rawmmap.sources import Identity
from rawmmap.sources.writing import (
    ChangedFileError,
    Overwrite,
    Replacement,
    Tail,
    check_planned,
)

__all__ = [
    "LongerFile",
    "LongerTail",
    "NewFile",
    "check_sidecar",
    "load",
    "newest",
    "settle",
    "write_sidecar",
]

_ENDING = ".pending"


def _pending(own: str, node: int) -> str:
    """Return the name of the sidecar that counts once the data file has the inode `node`."""
    folder, name = os.path.split(os.path.realpath(own))
    return os.path.join(folder, f".{name}.{node}{_ENDING}")


def _node(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def newest(path: str) -> str:
    """Return which file is the sidecar of `path` at this moment; it need not exist."""
    own = sidecar.beside(path)
    node = _node(path)
    if node is not None and _counts(pending := _pending(own, node), own):
        return pending
    return own


def _counts(pending: str, own: str) -> bool:
    """Return whether a pending sidecar is there, and nobody has edited the other one since."""
    try:
        made = os.stat(pending).st_mtime_ns
        return os.stat(own).st_mtime_ns <= made
    except FileNotFoundError:
        return os.path.exists(pending)


def load(path: str) -> tuple[bytes, int | None]:
    """Return the text of the sidecar of `path`, and the inode of the data that it belongs to."""
    own = sidecar.beside(path)
    node = _node(path)
    if node is not None and _counts(pending := _pending(own, node), own):
        with contextlib.suppress(FileNotFoundError):
            return sidecar.read_bytes(pending), node
    return sidecar.read_bytes(own), node


def settle(path: str) -> None:
    """Finish, or clear away, what a writer that was killed has left of its sidecar."""
    own = os.path.realpath(sidecar.beside(path))
    node = _node(path)
    found = list(_all_pending(own))
    drafts = _drafts(path) if found else set()
    for number, name in found:
        if number == node and _counts(name, own):
            os.replace(name, own)
        elif number not in drafts:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def _all_pending(own: str) -> Iterator[tuple[int, str]]:
    folder, name = os.path.split(own)
    start = f".{name}."
    for entry in sorted(os.listdir(folder)):
        number = entry.removeprefix(start).removesuffix(_ENDING)
        if entry == f"{start}{number}{_ENDING}" and number.isdecimal():
            yield int(number), os.path.join(folder, entry)


def _drafts(path: str) -> set[int]:
    """Return the inodes of files that somebody may be writing at this moment."""
    folder, name = os.path.split(os.path.realpath(path))
    with os.scandir(folder) as entries:
        return {
            entry.inode()
            for entry in entries
            if entry.name.startswith(f".{name}.") and entry.name.endswith(".part")
        }


def write_sidecar(path: str, text: str) -> str:
    """Replace the sidecar of `path`, at once or not at all, and return its path."""
    settle(path)
    own = sidecar.beside(path)
    with replacing(own) as draft:
        _write(draft, text)
    return own


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A new data file and its sidecar; the old ones stay valid until both are on disk.

    Parameters
    ----------
    data : Replacement
        The data file.
    text : str
        Its sidecar.
    planned : Identity, optional
        What the old data file was, if parts of it are in the new one.
    """

    data: Replacement
    text: str
    planned: Identity | None = None

    def check(self) -> None:
        """Refuse an old file that was changed since parts of it were to be kept."""
        if self.planned is not None:
            check_planned(self.data.target, self.planned)

    def begin(self) -> None:
        """Create the draft of the data file."""
        self.check()
        if os.path.isdir(os.path.dirname(os.path.realpath(self.data.target))):
            settle(self.data.target)
        self.data.begin()

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> None:
        """Store an array in the draft."""
        self.data.write(layout, values)

    def finish(self) -> None:
        """Put both in place, once all of them is on disk."""
        own = os.path.realpath(sidecar.beside(self.data.target))
        pending = _pending(own, os.stat(self.data.draft).st_ino)
        _write(pending, self.text)
        with contextlib.suppress(FileNotFoundError):
            os.chmod(pending, os.stat(own).st_mode & 0o7777)
        sync(pending)
        sync(os.path.dirname(own))
        install(self.data.draft, self.data.target)
        os.replace(pending, own)
        sync(os.path.dirname(own))

    def abandon(self) -> None:
        """Remove the drafts, unless the new data file is in place already."""
        node = _node(self.data.draft)
        if node is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_pending(sidecar.beside(self.data.target), node))
        self.data.abandon()


@dataclass(frozen=True, slots=True)
class LongerFile:
    """A data file that gets more variables at its end, and then a sidecar that tells of them.

    Parameters
    ----------
    data : Overwrite
        The data file.
    text : str
        Its new sidecar.
    before : bytes
        Its sidecar when this was planned.
    """

    data: Overwrite
    text: str
    before: bytes

    def check(self) -> None:
        """Refuse a file, or a sidecar, that was changed since."""
        self.data.check()
        check_sidecar(self.data.target, self.before)

    def begin(self) -> None:
        """Lengthen the data file."""
        self.check()
        self.data.begin()

    def write(self, layout: Layout, values: npt.NDArray[Any]) -> None:
        """Store an array in the data file."""
        self.data.write(layout, values)

    def finish(self) -> None:
        """Replace the sidecar, once the data is on disk."""
        self.data.finish()
        write_sidecar(self.data.target, self.text)

    def abandon(self) -> None:
        """Give the data file its old length again."""
        self.data.abandon()


@dataclass(frozen=True, slots=True)
class LongerTail(Tail):
    """The end of a data file, and then a sidecar that tells how long it has become.

    Parameters
    ----------
    text : str
        The new sidecar.
    before : bytes
        The sidecar when this was planned.
    """

    text: str
    before: bytes

    def check(self) -> None:
        """Refuse a file, or a sidecar, that was changed since."""
        Tail.check(self)
        check_sidecar(self.target, self.before)

    def finish(self) -> None:
        """Replace the sidecar, once the data is on disk."""
        Tail.finish(self)
        write_sidecar(self.target, self.text)


def check_sidecar(target: str, planned: bytes) -> None:
    """Refuse a sidecar that is not what it was when a write was planned."""
    if load(target)[0] != planned:
        raise ChangedFileError(
            errno.ESTALE,
            "changed since this write was planned: its sidecar is another; call to_raw again",
            target,
        )
