"""Credentials of URLs and options: taken out of names, put back for fsspec, kept out of errors.

A URL with credentials, ``https://user:password@host/a.bin``, is split where it enters the library:
into a URL without them, which is the name of the file in everything that is shown, and options that
hold them. Options go to fsspec, are pickled, and are never shown. Pure, no I/O.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

__all__ = ["hide_all_credentials", "hide_credentials", "hide_in_text", "reveal_credentials"]

# The entry of the options that holds what was taken out of URLs: user and password by number of the
# URL in the chain, and parameters of queries by URL.
_KEY = "rawmmap"
_USERS, _QUERIES = "users", "queries"

_LINK = re.compile(r"([a-zA-Z][\w+.\-]*)://(?:([^/?#]*)@)?([^?#]*)(?:\?([^#]*))?((?:#.*)?)")
_HTTP = ("http", "https")
# In these an @ divides other things, such as a repository from a branch.
_NO_USERS = ("github", "git", "gitlab", "hf")
# Parameters that let their holder in: of signed URLs of S3, Google, Azure, Alibaba and CloudFront,
# and the usual names of tokens.
_SECRET_PREFIXES = ("x-amz-", "x-goog-", "x-oss-")
_SECRET_NAMES = frozenset(
    [
        "access_token",
        "api-key",
        "api_key",
        "apikey",
        "auth",
        "authorization",
        "awsaccesskeyid",
        "credential",
        "expires",
        "googleaccessid",
        "key",
        "key-pair-id",
        "ossaccesskeyid",
        "password",
        "policy",
        "secret",
        "se",
        "sig",
        "signature",
        "ske",
        "skoid",
        "sks",
        "skt",
        "sktid",
        "skv",
        "sp",
        "spr",
        "sr",
        "st",
        "sv",
        "token",
    ]
)
# Shorter texts are taken for settings.
_SHORTEST = 4


def hide_credentials(
    url: str, storage_options: Mapping[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """Return a URL without its credentials, and the options with them.

    Parameters
    ----------
    url : str
        A path, a URL or a chain of URLs.
    storage_options : mapping, optional
        Options for fsspec.

    Returns
    -------
    url : str
        The same URL without user and password, and without the parameters of a signature.
    options : dict
        What `reveal_credentials` needs to put them back into this URL, or into that of a file
        beside it.
    """
    options = dict(storage_options or {})
    users: dict[int, str] = {}
    queries: list[str] = []
    links = []
    for number, link in enumerate(url.split("::")):
        public, user, query = _split(link)
        links.append(public)
        if user:
            users[number] = user
        queries.append(query)
    if not users and not any(queries):
        return url, options
    public_url = "::".join(links)
    hidden = options.get(_KEY, {})
    options[_KEY] = {
        _USERS: {**hidden.get(_USERS, {}), **users},
        _QUERIES: {**hidden.get(_QUERIES, {}), public_url: queries},
    }
    return public_url, options


def hide_all_credentials(
    urls: Sequence[str], storage_options: Mapping[str, Any] | None = None
) -> tuple[list[str], dict[str, Any]]:
    """Return URLs without their credentials, and the options with those of all of them.

    Raises
    ------
    ValueError
        If they name different users.
    """
    options = dict(storage_options or {})
    names, users = [], []
    for url in urls:
        name, options = hide_credentials(url, options)
        names.append(name)
        users.append(options.get(_KEY, {}).get(_USERS, {}))
    if any(user != users[0] for user in users):
        raise ValueError(
            f"{names[0]}: the files of a list must have the same user and password; pass them in "
            "storage_options"
        )
    return names, options


def _split(link: str) -> tuple[str, str, str]:
    """Return one URL of a chain without its credentials, its user, and its secret parameters."""
    match = _LINK.fullmatch(link)
    if match is None:
        return link, "", ""
    protocol, user, rest, query, fragment = match.groups()
    if user and not (protocol in _HTTP or (":" in user and protocol not in _NO_USERS)):
        rest, user = f"{user}@{rest}", ""
    if protocol in _HTTP and query:
        parameters = query.split("&")
        secret = [text for text in parameters if _is_secret(text)]
        query = "&".join(text for text in parameters if text not in secret)
    else:
        secret = []
    return f"{protocol}://{rest}{f'?{query}' if query else ''}{fragment}", user, "&".join(secret)


def _is_secret(parameter: str) -> bool:
    name = parameter.partition("=")[0].lower()
    return name in _SECRET_NAMES or name.startswith(_SECRET_PREFIXES)


def reveal_credentials(url: str, storage_options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the URL and the options that fsspec needs; see `hide_credentials`."""
    options = dict(storage_options)
    hidden = options.pop(_KEY, None)
    if not hidden:
        return url, options
    queries = hidden[_QUERIES].get(url)
    if queries is None:
        # A file beside a signed one: the signature may be that of the folder.
        queries = next(iter(hidden[_QUERIES].values()), [])
    links = url.split("::")
    for number, user in hidden[_USERS].items():
        if number < len(links):
            links[number] = _add_user(links[number], number, user, options)
    for number, query in enumerate(queries[: len(links)]):
        if query:
            links[number] += ("&" if "?" in links[number] else "?") + query
    return "::".join(links), options


def _add_user(link: str, number: int, user: str, options: dict[str, Any]) -> str:
    """Put user and password into the headers of HTTP, which are not logged, or into the URL."""
    protocol, _, rest = link.partition("://")
    if protocol not in _HTTP:
        return f"{protocol}://{user}@{rest}"
    header = {"Authorization": f"Basic {b64encode(unquote_to_bytes(user)).decode()}"}
    nested = dict(options.get(protocol, {}))
    # fsspec takes the options of the first URL of a chain from the top too.
    passed = options.pop("headers", {}) if number == 0 else {}
    options[protocol] = {**nested, "headers": {**nested.get("headers", {}), **passed, **header}}
    return link


def hide_in_text(text: str, storage_options: Mapping[str, Any]) -> str:
    """Return a text, such as that of an error, without anything that the options hold."""
    for secret in sorted(_find_texts(storage_options), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _find_texts(options: Any) -> set[str]:
    """Return all texts in options, at any depth, that are long enough to be secrets."""
    if isinstance(options, Mapping):
        hidden = options.get(_KEY)
        found = {
            text for key, value in options.items() if key != _KEY for text in _find_texts(value)
        }
        return found | (_find_hidden(hidden) if hidden else set())
    if isinstance(options, list | tuple | set | frozenset):
        return {text for value in options for text in _find_texts(value)}
    if isinstance(options, bytes):
        options = options.decode(errors="replace")
    return {options} if isinstance(options, str) and len(options) >= _SHORTEST else set()


def _find_hidden(hidden: Mapping[str, Any]) -> set[str]:
    users = set(hidden[_USERS].values())
    passwords = {user.partition(":")[2] for user in users}
    parameters = {
        parameter
        for queries in hidden[_QUERIES].values()
        for query in queries
        for parameter in query.split("&")
    }
    values = {parameter.partition("=")[2] for parameter in parameters}
    found = users | passwords | parameters | values
    return {text for text in found | set(map(unquote, found)) if len(text) >= _SHORTEST}
