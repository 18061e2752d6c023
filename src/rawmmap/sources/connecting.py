"""File systems of URLs, and their errors as `OSError` that show no credentials."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NoReturn

from rawmmap.errors import name_file
from rawmmap.libraries import MissingLibraryError, explain_missing, load_library
from rawmmap.sources.credentials import hide_in_text, reveal_credentials
from rawmmap.sources.fetching import failure_of

__all__ = [
    "connect",
    "connect_all",
    "copy_file",
    "raise_not_found",
    "raise_open_error",
    "raise_os_error",
]

# Kinds of errors that stay what they are, and their numbers where a file system gives none.
_NUMBERS: dict[type[OSError], int] = {
    FileNotFoundError: errno.ENOENT,
    PermissionError: errno.EACCES,
    TimeoutError: errno.ETIMEDOUT,
}


def connect(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the file system of a URL, and the file as it is called there."""
    target, kwargs = reveal_credentials(url, options)
    with explain_missing(f"{url}: this protocol is read"), name_file(url):
        fs, path = _load_fsspec().core.url_to_fs(target, **kwargs)
    return fs, path


def copy_file(url: str, options: Mapping[str, Any]) -> Any:
    """Return the path of the local copy of a file behind a cache; a list if it is a pattern."""
    target, kwargs = reveal_credentials(url, options)
    with explain_missing(f"{url}: this protocol is read"):
        return _load_fsspec().open_local(target, **kwargs)


def _load_fsspec() -> Any:
    return load_library("fsspec", "Remote files are read")


def connect_all(urls: Sequence[str], options: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """Return file systems and paths of URLs; those of one server share a file system."""
    known: dict[str, Any] = {}
    places = []
    for url in urls:
        server = "/".join(url.split("/", 3)[:3])
        if "::" in url or server not in known:
            known[server], path = connect(url, options)
        else:
            path = known[server]._strip_protocol(reveal_credentials(url, options)[0])
        places.append((known[server], path))
    return places


def raise_os_error(error: BaseException, url: str, options: Mapping[str, Any]) -> NoReturn:
    """Raise the error of a file system or server as an `OSError` that shows no options."""
    text = str(error)
    hidden = hide_in_text(text, options)
    if hidden == text and isinstance(error, OSError) and "://" in str(error.filename):
        raise error
    kind = next((kind for kind in _NUMBERS if isinstance(error, kind)), OSError)
    number = getattr(error, "errno", None) or _NUMBERS.get(kind, errno.EIO)
    raise kind(number, f"reading failed: {type(error).__name__}: {hidden}", url) from None


def raise_open_error(error: Exception, url: str, options: Mapping[str, Any]) -> NoReturn:
    """Raise the error of a file that could not be opened, or of a protocol that is not known."""
    if isinstance(error, MissingLibraryError):
        raise error
    if not isinstance(error, ValueError | ImportError):
        raise_os_error(error, url, options)
    text = hide_in_text(str(error), options)
    if text == str(error):
        raise error
    raise (ValueError if isinstance(error, ValueError) else ImportError)(text) from None


def raise_not_found(
    error: Exception, names: Sequence[str], url: str, options: Mapping[str, Any]
) -> NoReturn:
    """Raise the error for a file that does not exist, or that cannot be reached at all."""
    name = names[0] if names else url
    failure = failure_of(error)
    if getattr(failure, "status", None) in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise_os_error(PermissionError(errno.EACCES, str(failure)), name, options)
    if failure is not None:
        raise_os_error(failure, name, options)
    text = "there is no such file; check the URL"
    raise FileNotFoundError(errno.ENOENT, text, name) from None
