"""Remote files, through fsspec: only the requested byte ranges are fetched.

Ranges that lie close together are fetched as one, and all ranges of a request, in one file or in
many, concurrently. The state of each file on the server (its ETag or modification time) is
requested at the same time: bytes of a file that has changed are an error.
"""

from __future__ import annotations

import asyncio
import errno
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar, NoReturn, Self, cast

import fsspec
import numpy as np
import numpy.typing as npt
from fsspec.asyn import sync

from rawmmap.errors import ShrunkFileError
from rawmmap.sources.base import Expected, Identity, Lengths, Source, Starts, replaced_error
from rawmmap.sources.local import LocalFile
from rawmmap.sources.tuning import TUNING

__all__ = ["RemoteFile", "open_remote", "open_remote_stream"]

# Names that file systems give to the state of a file, the most exact first.
_STATES = ("ETag", "etag", "LastModified", "last_modified", "mtime", "updated", "created")
_CACHES = ("simplecache::", "filecache::")


def open_remote(url: str, storage_options: Mapping[str, Any]) -> Source:
    """Open the source of a URL; a locally cached copy is an ordinary local file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If the server does not answer, or answers with an error.
    ValueError
        If fsspec does not know the protocol.
    """
    if not url.startswith(_CACHES):
        return RemoteFile.open(url, storage_options)
    try:
        return LocalFile.open(fsspec.open_local(url, **storage_options))
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        _raise_os_error(error, url, storage_options)


def open_remote_stream(url: str, storage_options: Mapping[str, Any]) -> BinaryIO:
    """Open a remote file for reading from its start."""
    fs, path = fsspec.url_to_fs(url, **storage_options)
    return cast("BinaryIO", fs.open(path, "rb"))


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that fsspec can reach.

    Parameters
    ----------
    url : str
        Its URL.
    identity : Identity
        Its URL, its size, and its state as the server reports it.
    options : dict
        Options for fsspec; they may hold credentials and are never shown.
    """

    maps: ClassVar[bool] = False
    prefers_reads: ClassVar[bool] = True
    gap: ClassVar[int] = TUNING.remote_gap

    url: str
    identity: Identity
    options: dict[str, Any] = field(hash=False, repr=False)

    @classmethod
    def open(cls, url: str, storage_options: Mapping[str, Any]) -> Self:
        """Request the size and state of a file.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        OSError
            If the server does not answer, or does not report the size of the file.
        """
        try:
            fs, path = fsspec.url_to_fs(url, **storage_options)
            fs.invalidate_cache(path)
            info = fs.info(path)
        except FileNotFoundError:
            raise FileNotFoundError(
                errno.ENOENT, "there is no such file; check the URL", url
            ) from None
        except Exception as error:  # noqa: BLE001 - each file system has errors of its own
            _raise_os_error(error, url, storage_options)
        if info.get("type") == "directory":
            raise IsADirectoryError(errno.EISDIR, "this is a directory; name a file in it", url)
        if info.get("size") is None:
            raise OSError(
                errno.EIO,
                "the server does not report the size; prefix the URL with simplecache::",
                url,
            )
        identity = Identity(url, int(info["size"]), _state_of(info))
        return cls(url, identity, dict(storage_options))

    def reopen(self) -> Self:
        """Open the same file again, in its present state."""
        return self.open(self.url, self.options)

    def read(self, starts: Starts, lengths: Lengths) -> memoryview:
        """Return the bytes of ranges, end to end; see `Source`."""
        return self.read_together([(self, starts, lengths)])[0]

    @staticmethod
    def read_together(
        requests: Sequence[tuple[RemoteFile, Starts, Lengths]],
    ) -> list[memoryview]:
        """Return the bytes of ranges of several files with equal options, in one request."""
        joined = [_Joined.of(starts, lengths) for _, starts, lengths in requests]
        files = [file for file, _, _ in requests]
        blocks = _fetch(files, joined)
        results = []
        for file, ranges in zip(files, joined, strict=True):
            results.append(ranges.split([next(blocks) for _ in ranges.first], file.url))
        return results

    def map(
        self, start: int, stop: int, expected: Expected | None = None
    ) -> tuple[npt.NDArray[Any], int]:
        """Refuse: only local files can be mapped."""
        raise io.UnsupportedOperation(f"{self.url}: only local files can be mapped")

    def prefetch(self, starts: Starts, length: int) -> None:
        """Do nothing: the bytes would have to be fetched again."""

    def write(self, starts: Starts, lengths: Lengths, buffer: memoryview) -> None:
        """Refuse: remote files can only be replaced as a whole."""
        raise io.UnsupportedOperation(f"{self.url}: only local files can be written to")

    def check_same(self, info: Mapping[str, Any]) -> None:
        """Refuse a file whose size or state has changed since it was opened."""
        state, known = _state_of(info), self.identity.modified
        size = info.get("size")
        if (state == known or known is None) and size in (None, self.identity.size):
            return
        if size is not None and size < self.identity.size:
            raise ShrunkFileError(self.url, self.identity.size, size)
        raise replaced_error(self.url)


@dataclass(frozen=True, slots=True)
class _Joined:
    """Ranges, joined where they lie close together.

    Attributes
    ----------
    first, last : array of int
        Starts and ends of the joined ranges.
    starts, lengths : array of int
        The requested ranges.
    where : array of int
        Number of the joined range that holds each requested one.
    """

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    where: npt.NDArray[np.intp]

    @classmethod
    def of(cls, starts: Starts, lengths: Lengths) -> Self:
        begins = np.asarray(starts, np.int64)
        counts = np.broadcast_to(np.asarray(lengths, np.int64), begins.shape)
        order = np.argsort(begins, kind="stable")
        low = begins[order]
        high = np.maximum.accumulate(low + counts[order]) if low.size else low
        apart = low[1:] - high[:-1] > TUNING.remote_gap
        where = np.empty(begins.shape, np.intp)
        where[order] = np.concatenate([[0], np.cumsum(apart)])[: low.size]
        first = low[np.concatenate([[True], apart])[: low.size]]
        last = high[np.concatenate([apart, [True]])[-low.size :]] if low.size else low
        return cls(first, last, begins, counts, where)

    def split(self, blocks: Sequence[bytes], url: str) -> memoryview:
        """Return the bytes of the requested ranges, end to end."""
        for first, last, block in zip(self.first.tolist(), self.last.tolist(), blocks, strict=True):
            if len(block) != last - first:
                raise ShrunkFileError(url, last, first + len(block))
        result = bytearray(int(self.lengths.sum()))
        at = 0
        offsets = self.starts - self.first[self.where]
        for number, begin, n in zip(
            self.where.tolist(), offsets.tolist(), self.lengths.tolist(), strict=True
        ):
            result[at : at + n] = memoryview(blocks[number])[begin : begin + n]
            at += n
        return memoryview(result)


def _fetch(files: Sequence[RemoteFile], joined: Sequence[_Joined]) -> Any:
    """Return an iterator over the bytes of all ranges, and check the state of every file."""
    options = files[0].options
    try:
        fs = fsspec.url_to_fs(files[0].url, **options)[0]
        paths = [fs._strip_protocol(file.url) for file in files]
        every = [path for path, r in zip(paths, joined, strict=True) for _ in range(r.first.size)]
        starts = [n for ranges in joined for n in ranges.first.tolist()]
        stops = [n for ranges in joined for n in ranges.last.tolist()]
        blocks, states = _request(fs, paths, (every, starts, stops))
        for file, info in zip(files, states, strict=True):
            file.check_same(info)
    except OSError as error:
        _raise_os_error(error, files[0].url, options)
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        _raise_os_error(_as_os_error(error), files[0].url, options)
    return iter(blocks)


def _request(
    fs: Any, paths: Sequence[str], ranges: tuple[list[str], list[int], list[int]]
) -> tuple[Sequence[bytes], Sequence[Mapping[str, Any]]]:
    """Request the bytes of ranges and the states of files at the same time."""
    for path in paths:
        fs.invalidate_cache(path)
    if not fs.async_impl or fs.asynchronous:
        blocks = fs.cat_ranges(*ranges, on_error="raise")
        return blocks, [fs.info(path) for path in paths]

    async def gather() -> Any:
        return await asyncio.gather(
            fs._cat_ranges(*ranges, on_error="raise"), *(fs._info(path) for path in paths)
        )

    blocks, *states = sync(fs.loop, gather)
    return blocks, states


def _state_of(info: Mapping[str, Any]) -> str | None:
    return next((str(info[key]) for key in _STATES if info.get(key) is not None), None)


def _as_os_error(error: Exception) -> OSError:
    return OSError(errno.EIO, f"reading failed: {type(error).__name__}: {error}")


def _raise_os_error(error: Exception, url: str, options: Mapping[str, Any]) -> NoReturn:
    """Raise the error of a file system or server as an `OSError` that shows no options."""
    text = str(error)
    secrets = sorted(_find_secrets(options), key=len, reverse=True)
    leaks = any(secret in text for secret in secrets)
    if not leaks and isinstance(error, ValueError | ImportError):
        raise error
    if not leaks and isinstance(error, OSError) and error.filename is not None:
        raise error
    for secret in secrets:
        text = text.replace(secret, "***")
    kind = type(error) if type(error) in (FileNotFoundError, PermissionError) else OSError
    number = getattr(error, "errno", None) or errno.EIO
    raise kind(number, f"reading failed: {type(error).__name__}: {text}", url) from None


def _find_secrets(options: Any) -> set[str]:
    """Return all strings in options, at any depth, that are long enough to be secrets."""
    if isinstance(options, Mapping):
        return {text for value in options.values() for text in _find_secrets(value)}
    if isinstance(options, list | tuple | set):
        return {text for value in options for text in _find_secrets(value)}
    return {options} if isinstance(options, str) and len(options) > 3 else set()


def file_exists(url: str, storage_options: Mapping[str, Any]) -> bool:
    """Return whether there is a file of this URL."""
    try:
        fs, path = fsspec.url_to_fs(url, **storage_options)
        return bool(fs.exists(path))
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        _raise_os_error(error, url, storage_options)


def find_files(
    url: str, depth: int, storage_options: Mapping[str, Any]
) -> list[tuple[str, int, tuple[Any, ...]]]:
    """Return name, size and state of the files at most `depth` levels below a folder."""
    try:
        fs, path = fsspec.url_to_fs(url, **storage_options)
        fs.invalidate_cache()
        found = fs.find(path, maxdepth=depth, detail=True)
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        _raise_os_error(error, url, storage_options)
    start = len(path.rstrip("/")) + 1
    return [
        (name[start:], int(info["size"] or 0), (_state_of(info),)) for name, info in found.items()
    ]
