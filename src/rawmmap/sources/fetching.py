"""Byte ranges through fsspec: all of a request concurrently, and every answer checked.

An answer is refused if it has another length than was asked for, comes from another place in the
file, or from another state of the file. HTTP and S3 say all of this in the head of each answer (RFC
9110, sections 8.8, 14.4 and 15.3.7). Of other file systems the states are asked for once the bytes
have come, so that a change in the meantime is noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from rawmmap.sources.answers import (
    Fetch,
    check_info,
    check_range,
    check_state,
    check_status,
    store,
    store_stream,
)
from rawmmap.sources.tuning import TUNING

__all__ = ["Fetch", "failure_of", "fetch", "is_http", "request_states"]

T = TypeVar("T")

_ABSENT = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
# HTTP servers that have answered a HEAD request; that they know no file is believed then.
_ANSWERING_HEAD: set[str] = set()


def fetch(fs: Any, fetches: Sequence[Fetch]) -> None:
    """Fill the targets, and check that every file is in the state that is known of it.

    Raises
    ------
    OSError
        If an answer is wrong, too short, or of another state of the file.
    Exception
        Whatever the file system raises.
    """
    pieces = [piece for item in fetches for piece in item.split(TUNING.remote_piece)]
    # Those whose answers do not say their state.
    unchecked: list[Fetch] = []
    if not pieces:
        return
    if not _is_concurrent(fs):
        _fetch_in_turn(fs, pieces, unchecked)
    else:
        fetch_one = _fetch_http if is_http(fs) else _fetch_s3 if _is_s3(fs) else _fetch_any
        _run_all(fs, lambda piece: fetch_one(fs, piece, unchecked), pieces)
    _check_states(fs, unchecked)


def _is_concurrent(fs: Any) -> bool:
    return bool(fs.async_impl) and not fs.asynchronous


def is_http(fs: Any) -> bool:
    """Return whether the requests of a file system are those of fsspec's HTTP and no others."""
    if "http" not in (fs.protocol if isinstance(fs.protocol, list | tuple) else (fs.protocol,)):
        return False
    from fsspec.implementations.http import HTTPFileSystem

    return getattr(type(fs), "_cat_file", None) is HTTPFileSystem._cat_file


def _is_s3(fs: Any) -> bool:
    """Return whether a file system is s3fs, with what `_fetch_s3` needs of it."""
    module = type(fs).__module__
    return module == "s3fs.core" and hasattr(sys.modules[module], "_error_wrapper")


def _run_all(fs: Any, work: Callable[[T], Awaitable[None]], items: Sequence[T]) -> None:
    """Do the work for all items on the loop of a file system, and wait for it."""
    from fsspec.asyn import sync

    sync(fs.loop, _run, work, items)


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


def _fetch_in_turn(fs: Any, pieces: Sequence[Fetch], unchecked: list[Fetch]) -> None:
    paths = [piece.path for piece in pieces]
    starts, stops = [piece.start for piece in pieces], [piece.stop for piece in pieces]
    answers = fs.cat_ranges(paths, starts, stops, on_error="raise")
    for piece, data in zip(pieces, answers, strict=True):
        store(piece, data)
    unchecked += pieces


async def _fetch_any(fs: Any, piece: Fetch, unchecked: list[Fetch]) -> None:
    store(piece, await fs._cat_file(piece.path, start=piece.start, end=piece.stop))
    unchecked.append(piece)


async def _fetch_s3(fs: Any, piece: Fetch, unchecked: list[Fetch]) -> None:
    """Fetch one range of an object, as s3fs does, which does not hand on the head of the answer."""
    from s3fs.core import _error_wrapper

    bucket, key, version = fs.split_path(piece.path)
    request = {"Bucket": bucket, "Key": key, "Range": piece.header}
    if version is not None:
        request["VersionId"] = version

    async def get() -> tuple[Mapping[str, Any], bytes]:
        answer = await fs._call_s3("get_object", **request)
        try:
            return answer, await answer["Body"].read()
        finally:
            answer["Body"].close()

    answer, data = await _error_wrapper(get, retries=fs.retries)
    check_range(piece, answer.get("ContentRange", ""))
    if not check_state(piece, {**answer, "Content-Range": answer.get("ContentRange", "")}):
        unchecked.append(piece)
    store(piece, data)


async def _fetch_http(fs: Any, piece: Fetch, unchecked: list[Fetch]) -> None:
    """Fetch one range; what does not say its state is added to `unchecked`."""
    options = {"read_bufsize": TUNING.remote_buffer, **fs.kwargs}
    headers = {
        **options.pop("headers", {}),
        "Range": piece.header,
        # Bytes of the file, and not of some compressed form of it.
        "Accept-Encoding": "identity",
    }
    session = await fs.set_session()
    async with session.get(fs.encode_url(piece.path), headers=headers, **options) as response:
        check_status(piece, response)
        if not check_state(piece, response.headers):
            unchecked.append(piece)
        await store_stream(piece, response.content.iter_any())


def _check_states(fs: Any, pieces: Sequence[Fetch]) -> None:
    """Ask for the states of files, and refuse those that have changed."""
    files = {piece.path: piece for piece in pieces}
    for piece, info in zip(files.values(), request_states(fs, list(files)), strict=True):
        check_info(piece, info)


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
    hidden = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

    async def ask(path: str) -> None:
        try:
            infos[path] = await (_ask_http(fs, path) if is_http(fs) else fs._info(path))
        except absent as error:
            failure = failure_of(error)
            if failure is not None and getattr(failure, "status", None) not in hidden:
                raise

    if _is_concurrent(fs):
        if paths:
            _run_all(fs, ask, paths)
        return [infos.get(path) for path in paths]
    for path in paths:
        with contextlib.suppress(*absent):
            infos[path] = fs.info(path)
    return [infos.get(path) for path in paths]


async def _ask_http(fs: Any, path: str) -> Any:
    """Return what an HTTP server says of a file, by one request where it has answered HEAD before.

    fsspec sends a GET request too, since some servers refuse HEAD, or know nothing of it.
    """
    from aiohttp import ClientResponseError
    from fsspec.implementations.http import _file_info

    server = path.split("/", 3)[2]
    try:
        info = await _file_info(fs.encode_url(path), await fs.set_session(), **fs.kwargs)
    except ClientResponseError as error:
        if server in _ANSWERING_HEAD and error.status in _ABSENT:
            raise FileNotFoundError(path) from error
        return await fs._info(path)
    if info.get("size") is None:
        return await fs._info(path)
    _ANSWERING_HEAD.add(server)
    return {"name": path, **info, "type": "file"}


def failure_of(error: BaseException) -> BaseException | None:
    """Return why a request for a file failed, or None if the file does not exist.

    fsspec reports every failure over HTTP as a missing file.
    """
    cause = error.__cause__
    if not isinstance(cause, OSError) and not type(cause).__module__.startswith("aiohttp"):
        return None
    return None if getattr(cause, "status", None) in _ABSENT else cause
