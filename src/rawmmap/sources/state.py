"""The state of a remote file, as far as its file system tells: what shows that it has changed."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = ["State", "States", "describe_state"]

# Names that file systems give to what changes with the content of a file, the most exact first.
_KEYS = (
    "ETag",
    "etag",
    "generation",
    "md5Hash",
    "Content-MD5",
    "content_md5",
    "Digest",
    "sha",
    "hex",
    "blob_id",
    "CRC",
    "chksum",
    "LastModified",
    "last_modified",
    "Last-Modified",
    "mtime",
    "modified",
    "modify",
    "updated",
    "date_time",
    "created",
)


@dataclass(frozen=True, slots=True)
class State:
    """The state of a file.

    Parameters
    ----------
    size : int
        Bytes.
    key : str or None
        What the file system tells of it, such as ``"ETag"``; None if it tells nothing.
    check : int
        A checksum of that, of 32 bits.
    """

    size: int
    key: str | None
    check: int

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Self:
        """Return the state of a file from what `fsspec`'s ``info`` says of it."""
        key = _key_of(info)
        return cls(int(info["size"]), key, 0 if key is None else _checksum(info[key]))

    def agrees(self, info: Mapping[str, Any]) -> bool:
        """Return whether a file in this state may be described so."""
        told = None if self.key is None else info.get(self.key)
        same = told is None or _checksum(told) == self.check
        return same and info.get("size") in (None, self.size)


@dataclass(frozen=True, slots=True)
class States:
    """The states of many files, in little memory.

    Attributes
    ----------
    key : str or None
        As for `State`, of all files.
    sizes : array of int64
        Bytes of each file.
    checks : array of uint32
        Checksums.
    """

    key: str | None
    sizes: npt.NDArray[np.int64]
    checks: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, states: Sequence[State]) -> Self | None:
        """Return the states of files; None where not all are known by the same key."""
        keys = {state.key for state in states}
        if len(keys) != 1:
            return None
        sizes = np.array([state.size for state in states], np.int64)
        checks = np.array([state.check for state in states], np.uint32)
        return cls(keys.pop(), sizes, checks)

    def __getitem__(self, number: int) -> State:
        return State(int(self.sizes[number]), self.key, int(self.checks[number]))

    def __reduce__(self) -> tuple[Any, ...]:
        # Files of a series are often equally long, which compresses to nothing.
        sizes = zlib.compress(self.sizes.tobytes(), 1)
        return _restore_states, (self.key, sizes, self.checks.tobytes())


def _restore_states(key: str | None, sizes: bytes, checks: bytes) -> States:
    counts = np.frombuffer(zlib.decompress(sizes), np.int64)
    return States(key, counts, np.frombuffer(checks, np.uint32))


def describe_state(info: Mapping[str, Any]) -> str:
    """Return the state of a file for tokens: a text that is never equal for unknown states."""
    key = _key_of(info)
    return f"unknown {uuid.uuid4().hex}" if key is None else f"{key} {_text_of(info[key])}"


def _key_of(info: Mapping[str, Any]) -> str | None:
    return next((key for key in _KEYS if info.get(key) is not None), None)


def _checksum(value: Any) -> int:
    return zlib.crc32(_text_of(value).encode(errors="replace"))


def _text_of(value: Any) -> str:
    """Return a state as text, the same for a file that is listed and for one that is asked for."""
    text = str(value.timestamp() if hasattr(value, "timestamp") else value)
    return text.removeprefix("W/").strip('"')
