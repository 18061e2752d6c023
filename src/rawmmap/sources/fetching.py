"""Byte ranges through fsspec: all of a request concurrently, and every answer checked.

An answer is refused if it has another length than was asked for, comes from another place in the
file, or from another state of the file. HTTP says all of this in the head of each answer (RFC 9110,
sections 8.8, 14.4 and 15.3.7). Of other file systems the states are asked for once the bytes have
come, so that a change in the meantime is noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from fsspec.asyn import sync

from rawmmap.errors import ShrunkFileError
from rawmmap.sources.base import replaced_error
from rawmmap.sources.state import State
from rawmmap.sources.tuning import TUNING

__all__ = ["Fetch", "failure_of", "fetch", "is_http", "request_states"]

T = TypeVar("T")

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


def fetch(fs: Any, fetches: Sequence[Fetch]) -> None:
    """Fill the targets, and check that every file is in the state that is known of it.

    Raises
    ------
    OSError
        If an answer is wrong, too short, or of another state of the file.
    Exception
        Whatever the file system raises.
    """
    pieces = [piece for item in fetches for piece in _split(item, TUNING.remote_piece)]
    if not pieces:
        return
    if not _is_concurrent(fs):
        _fetch_in_turn(fs, pieces)
    elif is_http(fs):
        unchecked: list[Fetch] = []
        sync(fs.loop, _run, lambda piece: _fetch_http(fs, piece, unchecked), pieces)
        _check_states(fs, unchecked)
        return
    else:
        sync(fs.loop, _run, lambda piece: _fetch_any(fs, piece), pieces)
    _check_states(fs, pieces)


def _split(item: Fetch, most: int) -> Iterator[Fetch]:
    """Cut a long range into pieces of equal lengths, which are fetched concurrently."""
    count = -(-(item.stop - item.start) // most)
    length = -(-(item.stop - item.start) // max(count, 1))
    for start in range(item.start, item.stop, max(length, 1)):
        stop = min(start + length, item.stop)
        target = item.target[start - item.start : stop - item.start]
        yield item._replace(start=start, stop=stop, target=target)


def _is_concurrent(fs: Any) -> bool:
    return bool(fs.async_impl) and not fs.asynchronous


def is_http(fs: Any) -> bool:
    """Return whether the requests of a file system are those of fsspec's HTTP and no others."""
    if "http" not in (fs.protocol if isinstance(fs.protocol, list | tuple) else (fs.protocol,)):
        return False
    from fsspec.implementations.http import HTTPFileSystem

    return getattr(type(fs), "_cat_file", None) is HTTPFileSystem._cat_file


async def _run(work: Callable[[T], Awaitable[None]], items: Sequence[T]) -> None:
    """Do all items, a bounded number of them at a time; the first error ends all."""
    queue = iter(items)

    async def do_next() -> None:
        for item in queue:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(TUNING.remote_requests, len(items))):
                group.create_task(do_next())
    except ExceptionGroup as failures:
        first = failures.exceptions[0]
    else:
        return
    raise first  # with its own cause


def _fetch_in_turn(fs: Any, pieces: Sequence[Fetch]) -> None:
    paths = [piece.path for piece in pieces]
    starts, stops = [piece.start for piece in pieces], [piece.stop for piece in pieces]
    answers = fs.cat_ranges(paths, starts, stops, on_error="raise")
    for piece, data in zip(pieces, answers, strict=True):
        _store(piece, data)


async def _fetch_any(fs: Any, piece: Fetch) -> None:
    _store(piece, await fs._cat_file(piece.path, start=piece.start, end=piece.stop))


def _store(piece: Fetch, data: bytes) -> None:
    if len(data) < piece.stop - piece.start:
        raise ShrunkFileError(piece.url, piece.stop, piece.start + len(data))
    if len(data) > piece.stop - piece.start:
        raise _ignored_range_error(piece)
    piece.target[:] = np.frombuffer(data, np.uint8)


async def _fetch_http(fs: Any, piece: Fetch, unchecked: list[Fetch]) -> None:
    """Fetch one range; what does not say its state is added to `unchecked`."""
    options = {"read_bufsize": TUNING.remote_buffer, **fs.kwargs}
    headers = {
        **options.pop("headers", {}),
        "Range": f"bytes={piece.start}-{piece.stop - 1}",
        # Bytes of the file, and not of some compressed form of it.
        "Accept-Encoding": "identity",
    }
    session = await fs.set_session()
    async with session.get(fs.encode_url(piece.path), headers=headers, **options) as response:
        _check_status(piece, response)
        if not _check_state(piece, response.headers):
            unchecked.append(piece)
        await _store_stream(piece, response.content.iter_any())


async def _store_stream(piece: Fetch, chunks: Any) -> None:
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


def _check_status(piece: Fetch, response: Any) -> None:
    """Refuse an answer that does not hold the bytes that were asked for."""
    status, content = response.status, response.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(content.strip())
    if status == HTTPStatus.PARTIAL_CONTENT:
        first, last, _ = match.groups() if match else (None, None, None)
        if content and (first, last) != (str(piece.start), str(piece.stop - 1)):
            raise OSError(
                errno.EIO,
                f"bytes {piece.start} to {piece.stop} were asked for, but the server answered with "
                f"the range {content!r}",
                piece.url,
            )
        return
    size = response.headers.get("Content-Length")
    if status == HTTPStatus.OK:
        if piece.start == 0 and size == str(piece.stop) == str(piece.state.size):
            return
        raise _ignored_range_error(piece)
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and match and match[3].isdecimal():
        raise ShrunkFileError(piece.url, piece.stop, int(match[3]))
    raise _status_error(piece, status, response.reason)


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


def _check_state(piece: Fetch, headers: Mapping[str, str]) -> bool:
    """Refuse an answer of another state of the file; return whether it says its state at all."""
    key = piece.state.key
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    size = int(match[3]) if match and match[3].isdecimal() else None
    told = {} if key is None else {key: headers.get(key)}
    _check_info(piece, {**told, "size": size})
    return key is None or key in headers


def _check_states(fs: Any, pieces: Sequence[Fetch]) -> None:
    """Ask for the states of files, and refuse those that have changed."""
    files = {piece.path: piece for piece in pieces if piece.state.key is not None}
    for piece, info in zip(files.values(), request_states(fs, list(files)), strict=True):
        _check_info(piece, info)


def _check_info(piece: Fetch, info: Mapping[str, Any]) -> None:
    if piece.state.agrees(info):
        return
    size = info.get("size")
    if size is not None and size < piece.state.size:
        raise ShrunkFileError(piece.url, piece.state.size, size)
    raise replaced_error(piece.url)


def request_states(fs: Any, paths: Sequence[str], *, missing_ok: bool = False) -> list[Any]:
    """Return what a file system says of files, asked at the same time.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        The file system.
    paths : sequence of str
        Files, as it calls them.
    missing_ok : bool
        Return None for files that do not exist, or may not be seen.
    """
    for path in paths:
        fs.invalidate_cache(path)
    infos: dict[str, Any] = {}
    absent = (FileNotFoundError, PermissionError) if missing_ok else ()

    async def ask(path: str) -> None:
        try:
            infos[path] = await fs._info(path)
        except absent as error:
            if failure_of(error) is not None:
                raise

    if _is_concurrent(fs):
        if paths:
            sync(fs.loop, _run, ask, paths)
        return [infos.get(path) for path in paths]
    for path in paths:
        with contextlib.suppress(*absent):
            infos[path] = fs.info(path)
    return [infos.get(path) for path in paths]


def failure_of(error: BaseException) -> BaseException | None:
    """Return why a file could not be looked for, or None if there just is no such file.

    fsspec says of whatever goes wrong with HTTP that there is no such file.
    """
    cause = error.__cause__
    if not isinstance(cause, OSError) and not type(cause).__module__.startswith("aiohttp"):
        return None
    absent = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
    return None if getattr(cause, "status", None) in absent else cause
