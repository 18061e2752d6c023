"""What lies at a path when a write is planned, and whether it is still that."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from rawmmap.files.status import status_and_generation
from rawmmap.formats import sidecar

__all__ = ["ChangedFileError", "State"]


class ChangedFileError(OSError):
    """A file is not what it was when a write into it was planned; nothing was written."""


class _File(NamedTuple):
    """One state of one file. An inode alone says little: it is used again at once."""

    inode: int
    generation: int | None
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class State:
    """The data file and the sidecar at a path; None for what does not exist.

    Attributes
    ----------
    data : _File or None
        The data file.
    sidecar : tuple or None
        The sidecar, and a digest of its text.
    """

    data: _File | None
    sidecar: tuple[_File, bytes] | None

    @classmethod
    def of(cls, target: str) -> Self:
        """Return the present state."""
        path = sidecar.sidecar_path_of(target)
        # A file of that name may be anything, a pipe too, which would make us wait.
        described = _digest(path) if sidecar.is_sidecar(path) else None
        return cls(_stat(target), described)

    def check(self, target: str, size: Literal["same", "longer", "exact"] = "same") -> None:
        """Refuse a file that is not what it was.

        Parameters
        ----------
        target : str
            Its path.
        size : {"same", "longer", "exact"}
            Whether it must have the same size, may have grown, or must not even have been written
            to in place.

        Raises
        ------
        ChangedFileError
            If another write came between.
        """
        now = State.of(target)
        what = _difference(self.data, now.data, size)
        if what is None and self.sidecar != now.sidecar:
            what = "its sidecar is another"
        if what is not None:
            raise ChangedFileError(
                errno.ESTALE,
                f"changed since this write was planned: {what}; another write came between, call "
                "to_raw again",
                target,
            )


def _difference(then: _File | None, now: _File | None, size: str) -> str | None:
    if then is None or now is None:
        return None if then is now else "the file was created or removed"
    if (now.inode, now.generation) != (then.inode, then.generation):
        return "another file has taken its place"
    if now.size < then.size or (now.size > then.size and size != "longer"):
        return f"{then.size} bytes then, {now.size} now"
    if size == "exact" and now != then:
        return "it was written to"
    return None


def _stat(path: str) -> _File | None:
    try:
        return _file_of(*status_and_generation(path))
    except FileNotFoundError:
        return None
    except OSError:  # whoever reads it reports what is wrong
        return _file_of(os.stat(path), None)


def _digest(path: str) -> tuple[_File, bytes] | None:
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            digest = hashlib.sha256(file.read()).digest()
    except FileNotFoundError:
        return None
    return _file_of(status, None), digest


def _file_of(status: os.stat_result, generation: int | None) -> _File:
    return _File(status.st_ino, generation, status.st_size, status.st_mtime_ns)
