"""`Files`: the many files that an array lies in, looked at when they are needed."""

from __future__ import annotations

import errno
import os
import threading
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rawmmap.errors import ShortFileError
from rawmmap.sources.base import Identity, Range, Source
from rawmmap.sources.opening import local_path, open_source
from rawmmap.sources.tuning import TUNING

__all__ = ["Files"]

# So many bits of each inode are kept: enough to tell a replaced file, and few bytes in a pickle.
_BITS = np.uint32

# More names than this are compressed in pickles.
_FEW = 64


class Files:
    """Files by number; none of them stays open, and few of them are remembered.

    Parameters
    ----------
    urls : sequence of str
        Where they are. A sequence that follows a rule is kept as it is.
    storage_options : mapping, optional
        Options for fsspec, for URLs of other systems; never shown.
    inodes : array of int, optional
        The inode of each, of which the lowest 32 bits count, from a listing.
    digest : str
        What tells the state of all of them, from the same listing.
    """

    __slots__ = ("_inodes", "_lock", "_options", "_sizes", "_sources", "digest", "urls")

    def __init__(
        self,
        urls: Sequence[str],
        storage_options: Mapping[str, Any] | None = None,
        inodes: npt.NDArray[Any] | None = None,
        digest: str = "",
    ) -> None:
        self.urls = urls
        self.digest = digest
        self._options = dict(storage_options or {})
        self._inodes = None if inodes is None else np.asarray(inodes).astype(_BITS)
        # Needed only until the files are known to be long enough, and not pickled.
        self._sizes: npt.NDArray[np.int64] | None = None
        self._sources: OrderedDict[int, Source] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def of(
        cls,
        urls: Sequence[str | os.PathLike[str]],
        storage_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Return files as they are now: every one of them is looked at, but not opened.

        Raises
        ------
        FileNotFoundError
            If one does not exist.
        """
        names = [os.path.abspath(p) if (p := local_path(u)) else os.fsdecode(u) for u in urls]
        if any(local_path(name) is None for name in names):
            identities = [open_source(name, storage_options).identity for name in names]
            return cls(names, storage_options, None, _digest(repr(identities).encode()))
        states = np.array([_state_of(name) for name in names], np.int64).reshape(-1, 3)
        text = "\0".join(names).encode(errors="surrogateescape")
        files = cls(names, storage_options, states[:, 2], _digest(text, states.tobytes()))
        files._sizes = states[:, 0]
        return files

    @classmethod
    def single(cls, source: Source) -> Self:
        """Return one file that was looked at already."""
        files = cls.__new__(cls)
        files._set_single(source)
        return files

    def _set_single(self, source: Source) -> None:
        self.urls = (source.url,)
        self.digest = ""
        self._options = {}
        self._inodes = None
        self._sizes = None
        self._sources = OrderedDict({0: source})
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.urls)

    def __getitem__(self, number: int) -> Source:
        """Return the source of a file.

        Raises
        ------
        OSError
            If it is gone, or another file has taken its place since it was listed.
        """
        source = self._sources.get(number)
        return self._open(number) if source is None else source

    def _open(self, number: int) -> Source:
        source = open_source(self.urls[number], self._options)
        inode = source.identity.inode
        listed = inode if self._inodes is None else int(self._inodes[number])
        if inode is not None and listed is not None and (inode ^ listed) & 0xFFFFFFFF:
            raise OSError(
                errno.ESTALE,
                "another file has taken the place of this one since it was opened; open it again",
                source.url,
            )
        with self._lock:
            self._sources[number] = source
            while len(self._sources) > TUNING.open_sources:
                self._sources.popitem(last=False)
        return source

    def check_sizes(self, needed: int) -> None:
        """Refuse files of fewer than `needed` bytes, as far as their sizes are known.

        Raises
        ------
        ShortFileError
            Which names the first one.
        """
        if self._sizes is None:
            sizes = np.array([self[number].identity.size for number in range(len(self))], np.int64)
        else:
            sizes = self._sizes
        short = np.flatnonzero(sizes < needed)
        if short.size:
            raise ShortFileError(self.urls[short[0]], needed, int(sizes[short[0]]))

    @property
    def identities(self) -> tuple[Identity | str, ...]:
        """What tells the present state of all files from any other, for tokens."""
        if self.digest:
            return (self.digest,)
        return tuple(self[number].identity for number in range(len(self)))

    def reopen(self) -> Files:
        """Return the same files in their present state."""
        if len(self) == 1:
            return Files.single(self[0].reopen())
        return Files.of(self.urls, self._options)

    def read(self, ranges: Sequence[Range]) -> list[memoryview]:
        """Return the bytes of ranges of several files; those of one kind in one request."""
        results: list[memoryview | None] = [None] * len(ranges)
        together: dict[Any, list[int]] = {}
        for number, (file, starts, lengths) in enumerate(ranges):
            source = self[file]
            if hasattr(source, "read_together"):
                together.setdefault(type(source), []).append(number)
            else:
                results[number] = source.read(starts, lengths)
        for kind, numbers in together.items():
            requests = [(self[ranges[n].file], *ranges[n][1:]) for n in numbers]
            for number, data in zip(numbers, kind.read_together(requests), strict=True):
                results[number] = data
        return [data for data in results if data is not None]

    def __reduce__(self) -> tuple[Any, ...]:
        if len(self.urls) == 1 and self._inodes is None and 0 in self._sources:
            return _restore_single, (self._sources[0],)
        urls: Any = self.urls
        inodes: Any = self._inodes
        if isinstance(urls, list) and len(urls) > _FEW:
            urls = _pack("\0".join(urls).encode(errors="surrogateescape"))
        if inodes is not None:
            # Files that were made together have inodes that follow each other.
            inodes = _pack(np.diff(inodes, prepend=inodes.dtype.type(0)).tobytes())
        return _restore, (urls, self._options, inodes, self.digest)

    def __repr__(self) -> str:
        return f"<Files {self.urls[0] if len(self.urls) == 1 else f'{len(self.urls)} files'}>"


def _pack(data: bytes) -> bytes:
    return zlib.compress(data, 1)


def _restore(urls: Any, options: Mapping[str, Any], inodes: Any, digest: str) -> Files:
    if isinstance(urls, bytes):
        urls = zlib.decompress(urls).decode(errors="surrogateescape").split("\0")
    if inodes is not None:
        steps = np.frombuffer(zlib.decompress(inodes), _BITS)
        inodes = np.cumsum(steps, dtype=_BITS)
    return Files(urls, options, inodes, digest)


def _restore_single(source: Source) -> Files:
    return Files.single(source)


def _state_of(path: str) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ino & 0x7FFFFFFFFFFFFFFF


def _digest(*data: bytes) -> str:
    digest = blake2b(digest_size=16)
    for part in data:
        digest.update(part)
    return digest.hexdigest()
