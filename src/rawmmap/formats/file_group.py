"""A look at files that belong together by their names, as `Probe` is a look at one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from rawmmap.formats.probe import Probe
from rawmmap.sources.listing import existing_files, list_names
from rawmmap.sources.opening import local_path, split_chain

__all__ = ["FileGroup"]


class FileGroup:
    """The files of a folder, or those of them whose names begin in one way.

    Parameters
    ----------
    folder : str
        The folder, a path or URL; empty for the current one.
    prefix : str
        How the names begin.
    storage_options : mapping, optional
        Options for fsspec, for URLs.
    rest : str
        What follows the names in a URL, such as the archive that holds the files.
    """

    def __init__(
        self,
        folder: str,
        prefix: str = "",
        storage_options: Mapping[str, Any] | None = None,
        rest: str = "",
    ) -> None:
        self.folder = folder
        self.prefix = prefix
        self._options = dict(storage_options or {})
        self._rest = rest

    @classmethod
    def of(cls, path: str, storage_options: Mapping[str, Any] | None = None) -> FileGroup:
        """Return the files of a folder, or else those of which the paths begin with `path`."""
        if local_path(path) is None:
            folder = bool(list_names(path, storage_options))
        else:
            folder = os.path.isdir(path)
        first, rest = split_chain(path)
        if folder:
            return cls(first.rstrip("/") or "/", "", storage_options, rest)
        return cls(*os.path.split(first), storage_options, rest)

    @classmethod
    def beside(cls, probe: Probe) -> FileGroup:
        """Return all files of the folder that a file lies in."""
        first, rest = split_chain(probe.name)
        return cls(os.path.dirname(first), "", probe.storage_options, rest)

    @property
    def is_local(self) -> bool:
        """Whether the folder is a local one, which can be listed at once."""
        return local_path(self.folder) is not None

    @property
    def name(self) -> str:
        """What all paths begin with."""
        return self.path_of(self.prefix)

    @cached_property
    def names(self) -> list[str]:
        """Names of the files within the folder, sorted."""
        return sorted(n for n in self._all_names if n.startswith(self.prefix))

    @cached_property
    def _all_names(self) -> frozenset[str]:
        return frozenset(list_names(self.folder + self._rest, self._options))

    def others(self) -> FileGroup:
        """Return all files of the folder."""
        group = FileGroup(self.folder, "", self._options, self._rest)
        group.__dict__["_all_names"] = self._all_names
        return group

    def path_of(self, name: str) -> str:
        """Return the path or URL of a file in the folder."""
        return (os.path.join(self.folder, name) if name else self.folder) + self._rest

    def existing(self, names: Iterable[str]) -> list[str]:
        """Return those of some names of files that exist, without a listing of a remote folder."""
        paths = {self.path_of(name): name for name in names}
        return [paths[path] for path in existing_files(paths, self._options)]

    def probe(self, name: str) -> Probe:
        """Return a look at one of the files.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be reached.
        """
        return Probe(self.path_of(name), self._options)
