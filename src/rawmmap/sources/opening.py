"""Open paths and URLs as sources or streams."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from rawmmap.sources.base import Source
from rawmmap.sources.credentials import hide_credentials
from rawmmap.sources.local import LocalFile
from rawmmap.sources.state import State

__all__ = [
    "is_cached",
    "local_path",
    "name_of",
    "open_listed",
    "open_source",
    "open_sources",
    "split_chain",
    "stream_of",
]

_CACHES = ("simplecache::", "filecache::")
_LOCAL = ("file://", "local://")


def local_path(url: str | bytes | os.PathLike[Any]) -> str | None:
    """Return the path of a local file, or None for the URL of a remote one."""
    if not isinstance(url, str | bytes | os.PathLike):
        raise TypeError(
            f"a path or URL is needed, not {type(url).__name__}: only files have bytes at "
            "positions that can be read later and elsewhere"
        )
    path = os.fsdecode(url)
    if os.path.exists(path) or (isinstance(url, os.PathLike) and "://" not in path):
        return path  # even if its name looks like a URL
    for protocol in _LOCAL:
        if path.startswith(protocol):
            return path.removeprefix(protocol)
    return None if "://" in path or "::" in path else path


def is_cached(url: str) -> bool:
    """Return whether a URL stands for a local copy of a remote file."""
    return url.startswith(_CACHES)


def split_chain(url: str) -> tuple[str, str]:
    """Return the part of a URL that ends with the name of the file, and the rest.

    The rest is the query, and in a chain such as ``zip://a.bin::s3://bucket/b.zip`` whatever holds
    the file; what is added to the first part names a file beside it.
    """
    if local_path(url) is not None:
        return url, ""
    links = url.split("::")
    number = next((i for i, link in enumerate(links) if "://" in link), len(links) - 1)
    link, mark, query = links[number].partition("?")
    rest = "".join(f"::{other}" for other in links[number + 1 :])
    return "::".join([*links[:number], link]), mark + query + rest


def name_of(
    url: str | bytes | os.PathLike[Any], storage_options: Mapping[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """Return the path of a local file, or a URL without credentials; and the options with them."""
    path = local_path(url)
    if storage_options is not None and not isinstance(storage_options, Mapping):
        name = hide_credentials(os.fsdecode(url), None)[0] if path is None else path
        raise TypeError(
            f"{name}: storage_options must be a mapping of options, not {storage_options!r}"
        )
    if path is not None:
        return path, dict(storage_options or {})
    return hide_credentials(os.fsdecode(url), storage_options)


def open_source(
    url: str | bytes | os.PathLike[Any], storage_options: Mapping[str, Any] | None = None
) -> Source:
    """Open the source of the bytes of `url`, a path or any URL that fsspec knows.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it is not a regular file, or cannot be reached.
    """
    path = local_path(url)
    if path is not None:
        return LocalFile.open(path)
    from rawmmap.sources.remote import open_remote

    return open_remote(os.fsdecode(url), dict(storage_options or {}))


def open_sources(
    urls: Sequence[str], storage_options: Mapping[str, Any] | None = None
) -> list[Source]:
    """Open the sources of many files; the states of remote ones are requested at the same time."""
    from rawmmap.sources.remote import open_remote_files

    options = dict(storage_options or {})
    if any(local_path(url) is not None or is_cached(url) for url in urls):
        return [open_source(url, options) for url in urls]
    return [*open_remote_files(urls, options)]


def open_listed(url: str, state: State, storage_options: Mapping[str, Any]) -> Source:
    """Return the source of a remote file whose state is known, without a request for it."""
    from rawmmap.sources.remote import RemoteFile

    return RemoteFile.listed(url, state, storage_options)


def stream_of(source: Source) -> BinaryIO:
    """Open the file of a source for reading from its start; the caller closes it."""
    if isinstance(source, LocalFile):
        return open(source.url, "rb")
    from rawmmap.sources.remote import open_remote_stream

    return open_remote_stream(source)
