"""A first look at a file: what all readers of headers share, so that it is read once for all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, BinaryIO

from rawmmap.sources import Source, local_path, name_of, open_source, split_chain, stream_of
from rawmmap.sources.base import Lengths, Starts
from rawmmap.sources.listing import existing_files

__all__ = ["HEAD_BYTES", "Probe"]

#: How many of the first bytes of a file readers recognise it by.
HEAD_BYTES = 4096


class Probe:
    """A file, local or remote, that readers look at to recognise it.

    Parameters
    ----------
    name : str
        Path or URL.
    storage_options : mapping, optional
        Options for fsspec, for URLs.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it is not a regular file, or cannot be reached.

    Attributes
    ----------
    name : str
        Path, or URL without credentials.
    identity : Identity
        Which file it is, and its state.
    size : int
        Bytes of the file.
    head : bytes
        Its first 4096 bytes, read once.
    """

    def __init__(self, name: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.name, self._options = name_of(name, storage_options)
        self._source: Source = open_source(self.name, self._options)
        self._neighbours: dict[str, Probe | None] = {}
        self.identity = self._source.identity
        self.size = self.identity.size

    @property
    def storage_options(self) -> Mapping[str, Any]:
        """The options for fsspec."""
        return self._options

    @cached_property
    def path(self) -> str | None:
        """The path of a local file; None for a URL of another place."""
        return local_path(self.name)

    @cached_property
    def head(self) -> bytes:
        """The first 4096 bytes of the file, or all of a shorter one."""
        if self.path is not None:
            with self.open() as file:
                return file.read(HEAD_BYTES)
        n = min(self.size, HEAD_BYTES)
        return bytes(self._source.read((0,), n)) if n else b""

    def sibling(self, suffix: str, *, replace: bool = False) -> Probe | None:
        """Return the file of the same name with a suffix appended, or None if there is none.

        Parameters
        ----------
        suffix : str
            Such as ``".hdr"``.
        replace : bool
            Put it in the place of the last suffix instead.
        """
        name, stem, rest = self._names
        return self.neighbour((stem if replace else name) + suffix + rest)

    @property
    def suffix(self) -> str:
        """The last suffix of the file's name, such as ``".raw"``, in lower case; "" without one."""
        name, stem, _ = self._names
        return name[len(stem) :].lower()

    @cached_property
    def _names(self) -> tuple[str, str, str]:
        """The name, the same without its suffix, and what follows it in a chain of URLs."""
        name, rest = (self.name, "") if self.path is not None else split_chain(self.name)
        return name, os.path.splitext(name)[0], rest

    @property
    def neighbours(self) -> tuple[str, ...]:
        """Names of the other files that were looked for until now and exist."""
        return tuple(name for name, probe in self._neighbours.items() if probe is not None)

    def neighbour(self, name: str) -> Probe | None:
        """Return another file of the same place, or None if there is none; looked for once.

        Raises
        ------
        OSError
            If it is not known whether a remote file exists, since its server does not say.
        """
        if name not in self._neighbours:
            self._neighbours[name] = self._find(name)
        return self._neighbours[name]

    def _find(self, name: str) -> Probe | None:
        # Most files that are looked for do not exist, which this finds out most cheaply.
        if self.path is not None and not os.path.exists(name):
            return None
        try:
            return Probe(name, self._options)
        except (FileNotFoundError, PermissionError, IsADirectoryError, ValueError):
            return None
        except OSError:
            if self.path is None:
                raise
            return None

    def existing(self, names: Iterable[str]) -> frozenset[str]:
        """Return those of some files of the same place that exist, by one listing per folder.

        Parameters
        ----------
        names : iterable of str
            Paths or URLs.
        """
        return existing_files(names, self._options)

    def read(self, starts: Starts, lengths: Lengths) -> memoryview:
        """Return ranges of the file, end to end, by one request.

        Parameters
        ----------
        starts : sequence of int
            First byte of each range.
        lengths : int or array of int
            Bytes of all of them, or of each.

        Raises
        ------
        OSError
            If the file is too short for one of them, or was replaced.
        """
        return self._source.read(starts, lengths)

    def open(self) -> BinaryIO:
        """Return the file, open for reading; the caller closes it."""
        return stream_of(self._source)

    def __repr__(self) -> str:
        return f"<Probe {self.name}: {self.size} bytes>"
