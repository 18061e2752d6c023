"""Remote files, through fsspec: only the requested byte ranges are fetched.

Ranges that lie close together are fetched as one, and all ranges of a request, in one file or in
many, concurrently. Bytes of a file that has changed since it was opened are an error.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, BinaryIO, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from rawmmap.sources.answers import Fetch
from rawmmap.sources.base import Expected, Identity, Lengths, Source, Starts
from rawmmap.sources.connecting import (
    connect,
    connect_all,
    copy_file,
    raise_not_found,
    raise_open_error,
    raise_os_error,
)
from rawmmap.sources.credentials import (
    hide_credentials,
)
from rawmmap.sources.fetching import fetch, request_states
from rawmmap.sources.local import LocalFile
from rawmmap.sources.opening import is_cached
from rawmmap.sources.ranges import JoinedRanges
from rawmmap.sources.state import State, describe_state
from rawmmap.sources.tuning import TUNING

__all__ = [
    "RemoteFile",
    "open_remote",
    "open_remote_files",
    "open_remote_stream",
]

# Caches of parts of files, which serve zeros in the place of parts whose request failed.
_UNSAFE = frozenset(["blockcache", "cached"])


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
    ImportError
        If fsspec, or what it needs for the protocol, is not installed.
    """
    url, options = hide_credentials(url, storage_options)
    if not is_cached(url):
        return open_remote_files([url], options)[0]
    try:
        return _open_copy(copy_file(url, options), url, options)
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        raise_open_error(error, url, options)


def open_remote_files(urls: Sequence[str], storage_options: Mapping[str, Any]) -> list[RemoteFile]:
    """Open many remote files: their sizes and states are requested at the same time.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If the server does not answer, or does not report the size of a file.
    ValueError
        If fsspec does not know the protocol, or it is a cache of parts of files.
    """
    for url in urls:
        if _UNSAFE.intersection(url.split("::")):
            raise ValueError(
                f"{url}: this cache can return zeros where a request failed; use simplecache:: or "
                "filecache::, which fetch whole files"
            )
    return [
        RemoteFile.of(url, info, storage_options)
        for url, info in zip(urls, _describe(urls, storage_options), strict=True)
    ]


def _describe(urls: Sequence[str], options: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what the file systems say of files, all of one file system asked at the same time."""
    infos: dict[str, Mapping[str, Any]] = {}
    groups: dict[int, tuple[Any, dict[str, str]]] = {}
    paths: dict[str, str] = {}
    try:
        for url in urls:
            fs, path = connect(url, options)
            groups.setdefault(id(fs), (fs, {}))[1][path] = url
        for fs, paths in groups.values():
            told = request_states(fs, list(paths))
            infos.update(zip(paths.values(), told, strict=True))
    except FileNotFoundError as error:
        raise_not_found(error, [name for p, name in paths.items() if p in str(error)], url, options)
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        raise_open_error(error, url, options)
    return [infos[url] for url in urls]


class _RemoteStream(io.RawIOBase):
    """The bytes of a remote file, one after the other, each answer checked."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence, self._source.identity.size)
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        n = min(len(buffer), max(self._source.identity.size - self._position, 0))
        if n:
            buffer[:n] = self._source.read((self._position,), n)
            self._position += n
        return n


def open_remote_stream(source: Source) -> BinaryIO:
    """Open a remote file for reading from its start."""
    return cast("BinaryIO", io.BufferedReader(_RemoteStream(source), TUNING.remote_gap))


@dataclass(frozen=True, slots=True)
class LocalCopy(LocalFile):
    """The local copy of a remote file, which is fetched again where there is none.

    Parameters
    ----------
    origin : str
        The URL that the copy comes from.
    options : dict
        Options for fsspec; they may hold credentials and are never shown.
    """

    origin: str = ""
    options: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def reopen(self) -> Source:  # type: ignore[override]
        """Open the copy again, which a cache that looks for changes may have fetched again."""
        return open_remote(self.origin, self.options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_copy, (self.url, self.identity, self.origin, self.options)


def _restore_copy(path: str, identity: Identity, origin: str, options: Mapping[str, Any]) -> Source:
    """Return the copy that was pickled, or one of this machine."""
    if os.path.exists(path):
        copy = _open_copy(path, origin, options)
        if copy.identity == identity:
            return copy
    return open_remote(origin, options)


def _open_copy(path: str, origin: str, options: Mapping[str, Any]) -> LocalCopy:
    file = LocalFile.open(path)
    values = {f.name: getattr(file, f.name) for f in fields(file)}
    return LocalCopy(**values, origin=origin, options=dict(options))


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that fsspec can reach.

    Parameters
    ----------
    url : str
        Its URL, without credentials.
    identity : Identity
        Its URL, its size, and its state as the server reports it.
    state : State
        What answers are compared with.
    options : dict
        Options for fsspec; they may hold credentials and are never shown.
    """

    maps: ClassVar[bool] = False
    prefers_reads: ClassVar[bool] = True
    gap: ClassVar[int] = TUNING.remote_gap

    url: str
    identity: Identity
    state: State = field(repr=False)
    options: dict[str, Any] = field(hash=False, repr=False)

    @classmethod
    def of(cls, url: str, info: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Return the file that a file system describes so.

        Raises
        ------
        OSError
            If it is a directory, or its size is not known.
        """
        if info.get("type") == "directory":
            raise IsADirectoryError(errno.EISDIR, "this is a directory; name a file in it", url)
        if info.get("size") is None:
            raise OSError(
                errno.EIO,
                "the server does not report the size; prefix the URL with simplecache::",
                url,
            )
        identity = Identity(url, int(info["size"]), describe_state(info))
        return cls(url, identity, State.of(info), dict(options))

    @classmethod
    def listed(cls, url: str, state: State, options: Mapping[str, Any]) -> Self:
        """Return a file whose state is known from a listing, without a request for it."""
        return cls(url, Identity(url, state.size, state.check), state, dict(options))

    def reopen(self) -> Source:
        """Open the same file again, in its present state."""
        return open_remote(self.url, self.options)

    def read(self, starts: Starts, lengths: Lengths) -> memoryview:
        """Return the bytes of ranges, end to end; see `Source`."""
        return self.read_together([(self, starts, lengths)])[0]

    @staticmethod
    def read_together(
        requests: Sequence[tuple[RemoteFile, Starts, Lengths]],
    ) -> list[memoryview]:
        """Return the bytes of ranges of several files with equal options, in one request."""
        joined = [
            JoinedRanges.of(starts, lengths, TUNING.remote_gap) for _, starts, lengths in requests
        ]
        memory = [ranges.allocate() for ranges in joined]
        files = [file for file, _, _ in requests]
        _fetch_blocks(files, joined, [blocks for _, blocks in memory])
        return [
            ranges.gather(result, blocks)
            for ranges, (result, blocks) in zip(joined, memory, strict=True)
        ]

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


def _fetch_blocks(
    files: Sequence[RemoteFile],
    joined: Sequence[JoinedRanges],
    targets: Sequence[Sequence[npt.NDArray[np.uint8]]],
) -> None:
    """Fill the memory of the blocks of several files."""
    options = files[0].options
    groups: dict[int, tuple[Any, list[Fetch]]] = {}
    try:
        places = connect_all([file.url for file in files], options)
        for file, (fs, path), ranges, blocks in zip(files, places, joined, targets, strict=True):
            bounds = zip(ranges.first.tolist(), ranges.last.tolist(), blocks, strict=True)
            groups.setdefault(id(fs), (fs, []))[1].extend(
                Fetch(file.url, path, file.state, first, last, block)
                for first, last, block in bounds
            )
        for fs, fetches in groups.values():
            fetch(fs, fetches)
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        raise_os_error(error, files[0].url, options)
