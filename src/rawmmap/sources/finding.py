"""Which remote files exist: by requests for a few, by listings for many."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rawmmap.sources.connecting import connect, raise_open_error
from rawmmap.sources.credentials import hide_all_credentials, hide_credentials
from rawmmap.sources.fetching import is_http, request_states
from rawmmap.sources.state import State, describe_state

__all__ = ["file_exists", "find_existing", "find_files"]

# So many files are asked for one by one before their folder is listed.
_FEW = 64


def file_exists(url: str, storage_options: Mapping[str, Any]) -> bool:
    """Return whether there is a file of this URL."""
    url, options = hide_credentials(url, storage_options)
    try:
        fs, path = connect(url, options)
        return bool(fs.exists(path))
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        raise_open_error(error, url, options)


def find_existing(urls: Sequence[str], storage_options: Mapping[str, Any]) -> set[str]:
    """Return those of some remote files that exist: few are asked for, of many folders listed.

    Raises
    ------
    OSError
        If the server does not answer, or answers with an error.
    """
    names, options = hide_all_credentials(urls, storage_options)
    if not names:
        return set()
    try:
        fs, _ = connect(names[0], options)
        if is_http(fs) or len(names) <= _FEW:
            paths = [connect(name, options)[1] for name in names]
            told = request_states(fs, paths, missing_ok=True)
            return {url for url, info in zip(urls, told, strict=True) if info is not None}
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        raise_open_error(error, names[0], options)
    folders = {os.path.dirname(name) for name in names}
    found = {
        f"{folder}/{name}"
        for folder in folders
        for name, *_ in find_files(folder, 1, options, lambda _: True)
    }
    return {url for url, name in zip(urls, names, strict=True) if name in found}


def find_files(
    url: str, depth: int, storage_options: Mapping[str, Any], belongs: Callable[[str], bool]
) -> list[tuple[str, int, tuple[str, State]]]:
    """Return name, size and state of files at most `depth` levels below a folder.

    Parameters
    ----------
    url : str
        The folder.
    depth : int
        Levels below it that are listed.
    storage_options : mapping
        Options for fsspec.
    belongs : callable
        Whether a file, by its name relative to the folder, is wanted.
    """
    url, options = hide_credentials(url, storage_options)
    try:
        fs, path = connect(url, options)
        fs.invalidate_cache()
        start = len(path.rstrip("/")) + 1
        found = {
            name: info
            for name, info in fs.find(path, maxdepth=depth, detail=True).items()
            if belongs(name[start:])
        }
        # Pages of HTTP servers list names alone.
        unknown = [name for name, info in found.items() if info.get("size") is None]
        found.update(zip(unknown, request_states(fs, unknown), strict=True))
        _check_sizes(found, url)
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        raise_open_error(error, url, options)
    return [
        (name[start:], state.size, (describe_state(info), state))
        for name, info in found.items()
        for state in [State.of(info)]
    ]


def _check_sizes(infos: Mapping[str, Mapping[str, Any]], url: str) -> None:
    """Refuse files whose size a server does not report."""
    unknown = next((name for name, info in infos.items() if info.get("size") is None), None)
    if unknown is not None:
        raise OSError(
            errno.EIO, f"the server does not report the size of {unknown.rpartition('/')[2]}", url
        )
