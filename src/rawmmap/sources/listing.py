"""The files that exist for a pattern, by one listing per folder: none of them is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from rawmmap.description.matching import Level
from rawmmap.description.patterns import Pattern
from rawmmap.errors import DescriptionError
from rawmmap.sources.credentials import hide_credentials
from rawmmap.sources.files import Files
from rawmmap.sources.opening import is_cached, local_path, split_chain
from rawmmap.sources.state import States

__all__ = ["Listing", "existing_files", "list_files", "list_names", "pattern_exists"]


@dataclass(frozen=True, slots=True)
class Listing:
    """Files in a folder and in those below it.

    Attributes
    ----------
    folder : str
        The folder, an absolute path or a URL, with a slash at its end.
    names : list of str
        Names relative to it, with ``/``.
    sizes : list of int
        Their sizes in bytes.
    states : list of tuple
        Modification time and inode, or what a server reports in their place and its `State`.
    options : mapping
        Options for fsspec; None for local files.
    """

    folder: str
    names: list[str]
    sizes: list[int]
    states: list[tuple[Any, ...]]
    options: Mapping[str, Any] | None = None

    def files(self, numbers: Sequence[int]) -> Files:
        """Return some of the files, in this order."""
        urls = [self.folder + self.names[i] for i in numbers]
        states = [self.states[i] for i in numbers]
        sizes = np.array([self.sizes[i] for i in numbers], np.int64)
        digest = blake2b("\0".join(urls).encode(errors="surrogateescape"), digest_size=16)
        digest.update(sizes.tobytes())
        inodes = remote = None
        if self.options is None:
            local = np.array(states, np.int64).reshape(-1, 2)
            digest.update(local.tobytes())
            inodes = local[:, 1]
        else:
            digest.update(repr(states).encode())
            if not is_cached(self.folder):
                remote = States.of([state for _, state in states])
        return Files.listed(urls, self.options, inodes, digest.hexdigest(), sizes, remote)


def pattern_exists(url: str, storage_options: Mapping[str, Any] | None = None) -> bool:
    """Return whether there is a file whose very name is a pattern."""
    if local_path(url) is not None:
        return os.path.exists(url)
    from rawmmap.sources.finding import file_exists

    return file_exists(url, storage_options or {})


def existing_files(
    names: Iterable[str], storage_options: Mapping[str, Any] | None = None
) -> frozenset[str]:
    """Return those of some files that exist, by one listing of each folder that they lie in.

    A few remote ones are asked for one by one, at the same time, since a folder of an object store
    may be huge, and one of an HTTP server cannot be listed at all.
    """
    folders: dict[str, set[str]] = {}
    existing = set()
    names = list(names)
    remote = [name for name in names if local_path(name) is None]
    if remote:
        from rawmmap.sources.finding import find_existing

        existing = find_existing(remote, storage_options or {})
        names = [name for name in names if local_path(name) is not None]
    for name in names:
        folder, base = os.path.split(name)
        if folder not in folders:
            folders[folder] = list_names(folder)
        if base in folders[folder]:
            existing.add(name)
    return frozenset(existing)


def list_names(folder: str, storage_options: Mapping[str, Any] | None = None) -> set[str]:
    """Return the names of the files in a folder, a path or URL; none if there is no such folder."""
    if local_path(folder) is None:
        from rawmmap.sources.finding import find_files

        return {name for name, *_ in find_files(folder, 1, storage_options or {}, bool)}
    try:
        with os.scandir(folder or os.curdir) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def list_files(
    pattern: Pattern,
    storage_options: Mapping[str, Any] | None = None,
    *,
    confined: bool = False,
) -> Listing:
    """Return the files below the folder of a pattern that may belong to it.

    Parameters
    ----------
    pattern : Pattern
        What their names look like.
    storage_options : mapping, optional
        Options for fsspec, for URLs.
    confined : bool
        Whether links that lead out of the folder are refused.

    Raises
    ------
    DescriptionError
        If there is such a link.
    OSError
        If a folder cannot be listed.
    """
    folder = pattern.folder
    rows: list[tuple[str, int, Any]]
    options: Mapping[str, Any] | None = None
    if local_path(folder) is None:
        from rawmmap.sources.finding import find_files

        if "::" in split_chain(pattern.text)[1]:
            raise DescriptionError(
                f"{pattern.text}: the files of an archive cannot be listed as a series; give "
                "from_raw a list of their URLs"
            )
        base, options = hide_credentials(folder, storage_options)
        rows = find_files(
            base, len(pattern.levels), options, lambda name: _matches(pattern.levels, name)
        )
    else:
        base = os.path.join(os.path.abspath(folder), "")
        rows = list(_walk(base, "", pattern.levels))
        for name, *_ in rows if confined else ():
            _check_confined(base, name)
    names, sizes, states = zip(*rows, strict=True) if rows else ((), (), ())
    return Listing(base, list(names), list(sizes), list(states), options)


def _check_confined(folder: str, name: str) -> None:
    path = folder + name
    if os.path.islink(path) and os.path.dirname(os.path.realpath(path)) != os.path.realpath(folder):
        raise DescriptionError(
            f"{path} is a link out of its folder, to {os.path.realpath(path)}; to follow it, open "
            "the pattern of the files and not their sidecar"
        )


def _matches(levels: Sequence[Level], name: str) -> bool:
    parts = name.split("/")
    return len(parts) == len(levels) and all(map(_belongs, levels, parts))


def _belongs(level: Level, name: str) -> bool:
    """Return whether a name fits; hidden ones only where the pattern begins with a period."""
    hidden = name.startswith(".") and not level.pattern.startswith(r"\.")
    return not hidden and level.fullmatch(name) is not None


def _walk(
    folder: str, prefix: str, levels: Sequence[Level]
) -> Iterator[tuple[str, int, tuple[int, int]]]:
    """Yield name, size and state of the files whose folders and names match."""
    level, *below = levels
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _belongs(level, entry.name):
                continue
            name = prefix + entry.name
            if below:
                if entry.is_dir():
                    yield from _walk(entry.path, f"{name}/", below)
            elif entry.is_file():
                status = entry.stat()
                # Inodes of 64 bits would not fit into NumPy's signed integers.
                inode = status.st_ino & 0x7FFFFFFFFFFFFFFF
                yield name, status.st_size, (status.st_mtime_ns, inode)
