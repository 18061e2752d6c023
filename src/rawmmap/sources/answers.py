"""Answers to requests for byte ranges: checked, and put where they belong. No I/O of its own."""

from __future__ import annotations

import errno
import re
from collections.abc import AsyncIterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rawmmap.errors import ShrunkFileError
from rawmmap.sources.base import replaced_error
from rawmmap.sources.state import State

__all__ = [
    "Fetch",
    "check_info",
    "check_range",
    "check_state",
    "check_status",
    "store",
    "store_stream",
]

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class Fetch(NamedTuple):
    """One range of bytes, and where it goes.

    Attributes
    ----------
    url : str
        The file, for errors.
    path : str
        The file, as its file system calls it.
    state : State
        What is known of the file.
    start, stop : int
        First byte, and past the last.
    target : array of uint8
        Takes the bytes.
    """

    url: str
    path: str
    state: State
    start: int
    stop: int
    target: npt.NDArray[np.uint8]

    @property
    def header(self) -> str:
        """The range as HTTP asks for it."""
        return f"bytes={self.start}-{self.stop - 1}"

    def split(self, most: int) -> Iterator[Fetch]:
        """Cut a long range into pieces of equal lengths, which are fetched concurrently."""
        count = -(-(self.stop - self.start) // most)
        length = -(-(self.stop - self.start) // max(count, 1))
        for start in range(self.start, self.stop, max(length, 1)):
            stop = min(start + length, self.stop)
            target = self.target[start - self.start : stop - self.start]
            yield self._replace(start=start, stop=stop, target=target)


def store(piece: Fetch, data: bytes) -> None:
    """Store an answer of exactly the bytes that were asked for."""
    if len(data) < piece.stop - piece.start:
        raise ShrunkFileError(piece.url, piece.stop, piece.start + len(data))
    if len(data) > piece.stop - piece.start:
        raise _ignored_range_error(piece)
    piece.target[:] = np.frombuffer(data, np.uint8)


async def store_stream(piece: Fetch, chunks: AsyncIterable[bytes]) -> None:
    """Store an answer as it comes, which saves a copy of it."""
    target, count = piece.target.data, 0
    async for chunk in chunks:
        if count + len(chunk) > len(target):
            raise _ignored_range_error(piece)
        target[count : count + len(chunk)] = chunk
        count += len(chunk)
    if count < len(target):
        raise OSError(
            errno.EIO,
            f"the answer has {count} bytes, but {len(target)} were asked for, bytes {piece.start} "
            f"to {piece.stop}; read again",
            piece.url,
        )


def check_status(piece: Fetch, response: Any) -> None:
    """Refuse an answer that does not hold the bytes that were asked for."""
    status, content = response.status, response.headers.get("Content-Range", "")
    if status == HTTPStatus.PARTIAL_CONTENT:
        check_range(piece, content)
        return
    size = response.headers.get("Content-Length")
    if status == HTTPStatus.OK:
        if piece.start == 0 and size == str(piece.stop) == str(piece.state.size):
            return
        raise _ignored_range_error(piece)
    whole = _size_in(content)
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and whole is not None:
        raise ShrunkFileError(piece.url, piece.stop, whole)
    raise _status_error(piece, status, response.reason)


def check_range(piece: Fetch, content: str) -> None:
    """Refuse an answer that says that its bytes are others than those that were asked for."""
    match = _CONTENT_RANGE.fullmatch(content.strip())
    first, last, _ = match.groups() if match else (None, None, None)
    if content and (first, last) != (str(piece.start), str(piece.stop - 1)):
        raise OSError(
            errno.EIO,
            f"bytes {piece.start} to {piece.stop} were asked for, but the server answered with "
            f"the range {content!r}",
            piece.url,
        )


def _size_in(content: str) -> int | None:
    """Return the size of the whole file that a Content-Range says."""
    match = _CONTENT_RANGE.fullmatch(content.strip())
    return int(match[3]) if match and match[3].isdecimal() else None


def _status_error(piece: Fetch, status: int, reason: str | None) -> OSError:
    text = f"the server answered {status} {reason or ''}".rstrip()
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return FileNotFoundError(errno.ENOENT, f"{text}: the file is gone", piece.url)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return PermissionError(
            errno.EACCES, f"{text}; check the credentials in storage_options", piece.url
        )
    text = f"{text} to a request for bytes {piece.start} to {piece.stop}"
    return OSError(errno.EIO, text, piece.url)


def _ignored_range_error(piece: Fetch) -> OSError:
    return OSError(
        errno.EIO,
        f"bytes {piece.start} to {piece.stop} were asked for, but the server sends more than them: "
        "it does not support ranges; fetch the whole file once by the prefix simplecache::",
        piece.url,
    )


def check_state(piece: Fetch, headers: Mapping[str, str]) -> bool:
    """Refuse an answer of another state of the file; return whether it says its state at all."""
    key = piece.state.key
    size = _size_in(headers.get("Content-Range", ""))
    told = {} if key is None else {key: headers.get(key)}
    check_info(piece, {**told, "size": size})
    return key is None or key in headers


def check_info(piece: Fetch, info: Mapping[str, Any]) -> None:
    """Refuse a file whose size or state has changed since it was opened."""
    if piece.state.agrees(info):
        return
    size = info.get("size")
    if size is not None and size < piece.state.size:
        raise ShrunkFileError(piece.url, piece.state.size, size)
    raise replaced_error(piece.url)
