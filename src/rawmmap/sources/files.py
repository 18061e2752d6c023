"""`Files`: the files of an array, opened when they are needed."""

from __future__ import annotations

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
from rawmmap.sources.base import Identity, Range, Source, replaced_error
from rawmmap.sources.credentials import hide_all_credentials
from rawmmap.sources.local import LocalFile
from rawmmap.sources.opening import local_path, open_listed, open_source, open_sources
from rawmmap.sources.state import States
from rawmmap.sources.tuning import TUNING

__all__ = ["Files"]

# The bits of each inode that are kept: enough to detect a replaced file, and small in a pickle.
_BITS = np.uint32

# Lists of more names than this are compressed in pickles.
_UNCOMPRESSED_NAMES = 64


class Files:
    """Files by number; none stays open, and a bounded number of sources is cached.

    Parameters
    ----------
    urls : sequence of str
        Absolute paths or URLs. A lazy sequence is kept as it is.
    storage_options : mapping, optional
        Options for fsspec, for URLs; never shown.
    inodes : array of int, optional
        The inode of each file when it was listed; the lowest 32 bits count.
    digest : str
        Digest of the state of all files, from the same listing.
    states : States, optional
        The states of remote files in that listing.
    """

    __slots__ = ("_inodes", "_lock", "_options", "_sizes", "_sources", "_states", "digest", "urls")

    def __init__(
        self,
        urls: Sequence[str],
        storage_options: Mapping[str, Any] | None = None,
        inodes: npt.NDArray[Any] | None = None,
        digest: str = "",
        states: States | None = None,
    ) -> None:
        self.urls = urls
        self.digest = digest
        self._states = states
        self._options = dict(storage_options or {})
        self._inodes = None if inodes is None else np.asarray(inodes).astype(_BITS)
        # Needed only until the files are known to be long enough, and not pickled.
        self._sizes: npt.NDArray[np.int64] | None = None if states is None else states.sizes
        self._sources: OrderedDict[int, Source] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def of(
        cls,
        urls: Sequence[str | os.PathLike[str]],
        storage_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Return files in their present state, without opening local ones.

        The states of remote ones are requested at the same time.

        Raises
        ------
        FileNotFoundError
            If a file does not exist.
        """
        names = [os.path.abspath(p) if (p := local_path(u)) else os.fsdecode(u) for u in urls]
        if any(local_path(name) is None for name in names):
            return cls._of_remote(*hide_all_credentials(names, storage_options))
        states = np.array([_state_of(name) for name in names], np.int64).reshape(-1, 3)
        text = "\0".join(names).encode(errors="surrogateescape")
        files = cls(names, storage_options, states[:, 2], _digest(text, states.tobytes()))
        files._sizes = states[:, 0]
        return files

    @classmethod
    def _of_remote(cls, names: Sequence[str], storage_options: Mapping[str, Any]) -> Self:
        """Return files of which some are remote."""
        sources = open_sources(names, storage_options)
        digest = _digest(repr([source.identity for source in sources]).encode())
        known = [state for source in sources if (state := getattr(source, "state", None))]
        states = States.of(known) if len(known) == len(names) else None
        files = cls(names, storage_options, None, digest, states)
        files._sizes = np.array([source.identity.size for source in sources], np.int64)
        return files

    @classmethod
    def listed(
        cls,
        urls: Sequence[str],
        storage_options: Mapping[str, Any] | None,
        inodes: npt.NDArray[Any] | None,
        digest: str,
        sizes: npt.NDArray[np.int64],
        states: States | None = None,
    ) -> Self:
        """Return files whose sizes a listing has told too."""
        files = cls(urls, storage_options, inodes, digest, states)
        files._sizes = sizes
        return files

    @classmethod
    def single(cls, source: Source) -> Self:
        """Return the files of an array in one file, which is open already."""
        files = cls.__new__(cls)
        files._set_single(source)
        return files

    def _set_single(self, source: Source) -> None:
        self.urls = (source.url,)
        self.digest = ""
        self._options = {}
        self._inodes = None
        self._states = None
        self._sizes = None
        self._sources = OrderedDict({0: source})
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.urls)

    def __getitem__(self, number: int) -> Source:
        """Return the source of the file of a number, opening it if needed.

        Raises
        ------
        OSError
            If the file is gone, or was replaced since it was listed.
        """
        source = self._sources.get(number)
        return self._open(number) if source is None else source

    def _open(self, number: int) -> Source:
        source = self._open_source(number)
        inode = source.identity.inode if _has_lasting_inode(source) else None
        listed = inode if self._inodes is None else int(self._inodes[number])
        if inode is not None and listed is not None and (inode ^ listed) & 0xFFFFFFFF:
            raise replaced_error(source.url)
        with self._lock:
            self._sources[number] = source
            while len(self._sources) > TUNING.open_sources:
                self._sources.popitem(last=False)
        return source

    def _open_source(self, number: int) -> Source:
        if self._states is None:
            return open_source(self.urls[number], self._options)
        return open_listed(self.urls[number], self._states[number], self._options)

    def check_sizes(self, needed: int | npt.NDArray[np.int64]) -> None:
        """Refuse files of fewer than `needed` bytes.

        Parameters
        ----------
        needed : int or numpy.ndarray
            Bytes that all files, or each of them, must have; files that need none are not opened.

        Raises
        ------
        ShortFileError
            For the first file that is too short.
        """
        least = np.broadcast_to(np.asarray(needed, np.int64), len(self))
        numbers = np.flatnonzero(least)
        if self._sizes is None:
            sizes = np.array([self[number].identity.size for number in numbers.tolist()], np.int64)
        else:
            sizes = self._sizes[numbers]
        for i in np.flatnonzero(sizes < least[numbers]):
            number = numbers[i]
            raise ShortFileError(self.urls[number], int(least[number]), int(sizes[i]))

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """The sizes of all files in bytes, as they were listed."""
        if self._sizes is not None:
            return self._sizes
        return np.array([self[number].identity.size for number in range(len(self))], np.int64)

    @property
    def identities(self) -> tuple[Identity | str, ...]:
        """The states of all files, for tokens."""
        if self.digest:
            return (self.digest,)
        return tuple(self[number].identity for number in range(len(self)))

    def reopen(self) -> Files:
        """Open the same files again, in their present state."""
        if len(self) == 1:
            return Files.single(self[0].reopen())
        return Files.of(self.urls, self._options)

    def read(self, ranges: Sequence[Range]) -> list[memoryview]:
        """Return the bytes of ranges of several files, with one request per kind of source."""
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
        if len(self.urls) == 1 and not self.digest and 0 in self._sources:
            return _restore_single, (self._sources[0],)
        urls: Any = self.urls
        inodes: Any = self._inodes
        if isinstance(urls, list) and len(urls) > _UNCOMPRESSED_NAMES:
            urls = _pack("\0".join(urls).encode(errors="surrogateescape"))
        if inodes is not None:
            # Files that were created together often have consecutive inodes, which compress well.
            inodes = _pack(np.diff(inodes, prepend=inodes.dtype.type(0)).tobytes())
        return _restore, (urls, self._options, inodes, self.digest, self._states)

    def __repr__(self) -> str:
        return f"<Files {self.urls[0] if len(self.urls) == 1 else f'{len(self.urls)} files'}>"


def _has_lasting_inode(source: Source) -> bool:
    return not isinstance(source, LocalFile) or source.lasting_inodes


def _pack(data: bytes) -> bytes:
    return zlib.compress(data, 1)


def _restore(
    urls: Any, options: Mapping[str, Any], inodes: Any, digest: str, states: States | None
) -> Files:
    if isinstance(urls, bytes):
        urls = zlib.decompress(urls).decode(errors="surrogateescape").split("\0")
    if inodes is not None:
        steps = np.frombuffer(zlib.decompress(inodes), _BITS)
        inodes = np.cumsum(steps, dtype=_BITS)
    return Files(urls, options, inodes, digest, states)


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
