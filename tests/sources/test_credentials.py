"""Credentials are taken out of URLs, put back for fsspec, and kept out of texts."""

from __future__ import annotations

from typing import Any

import pytest

from rawmmap.sources.credentials import (
    hide_all_credentials,
    hide_credentials,
    hide_in_text,
    reveal_credentials,
)
from rawmmap.sources.opening import split_chain

PLAIN = [
    "a.bin",
    "/dir/user:pw@host/a.bin",
    "memory://a.bin",
    "s3://bucket/a@b:c.bin",
    "http://host/a.bin?id=3",
    "http://host/me@here.bin",
    "github://dask:fastparquet@main/test-data/a.bin",
    "abfs://container@account.dfs.core.windows.net/a.bin",
    "hf://datasets/user/name@main/a.bin",
    "zip://a.bin::simplecache::s3://bucket/z.zip",
    "sftp://someone@host/a.bin",
]
SECRET = [
    ("ftp://u:pa:ss@host/a.bin", "ftp://host/a.bin"),
    ("sftp://u:p%40ss@host:22/a.bin", "sftp://host:22/a.bin"),
    ("simplecache::ftp://u:pass@host/a.bin", "simplecache::ftp://host/a.bin"),
    ("zip://a.bin::ftp://u:p@ss@host/z.zip", "zip://a.bin::ftp://host/z.zip"),
]
SIGNED = [
    (
        "https://b.s3.amazonaws.com/a.bin?x-id=Get&X-Amz-Signature=abcdef&X-Amz-Date=2020",
        "https://b.s3.amazonaws.com/a.bin?x-id=Get",
    ),
    ("https://acc.blob.core.windows.net/c/a.bin?sv=2020&sig=abcdef", None),
    ("https://storage.googleapis.com/b/a.bin?X-Goog-Signature=abcdef", None),
    ("https://host/a.bin?token=abcdef#part", "https://host/a.bin#part"),
]


@pytest.mark.parametrize("url", PLAIN)
def test_urls_without_credentials_stay_as_they_are(url: str) -> None:
    assert hide_credentials(url, {"anon": True}) == (url, {"anon": True})
    assert reveal_credentials(url, {"anon": True}) == (url, {"anon": True})


@pytest.mark.parametrize(("url", "public"), SECRET)
def test_users_are_put_back(url: str, public: str) -> None:
    name, options = hide_credentials(url, {"port": 3})
    assert name == public
    assert reveal_credentials(name, options) == (url, {"port": 3})
    sibling, expected = name.replace("a.bin", "a.bin.json"), url.replace("a.bin", "a.bin.json")
    assert reveal_credentials(sibling, options) == (expected, {"port": 3})
    assert hide_credentials(name, options) == (name, options)


@pytest.mark.parametrize(("url", "public"), SIGNED)
def test_signatures_are_put_back(url: str, public: str | None) -> None:
    name, options = hide_credentials(url)
    assert name == (public or url.partition("?")[0])
    revealed, rest = reveal_credentials(name, options)
    assert not rest
    base, _, query = url.partition("#")[0].partition("?")
    assert revealed.startswith(base)
    for parameter in query.split("&"):
        assert parameter in revealed
    assert "abcdef" not in hide_in_text(f"failed: {revealed} {query}", options)


def test_users_of_http_become_headers() -> None:
    name, options = hide_credentials(
        "http://u:p%3Aw@host/a.bin", {"headers": {"X": "1"}, "http": {"proxy": "p"}}
    )
    header = {"X": "1", "Authorization": "Basic dTpwOnc="}
    assert reveal_credentials(name, options) == (
        "http://host/a.bin",
        {"http": {"proxy": "p", "headers": header}},
    )
    name, options = hide_credentials("zip://a::http://u:pw@host/z.zip", {"headers": {"X": "1"}})
    inner = {"headers": {"Authorization": "Basic dTpwdw=="}}
    assert reveal_credentials(name, options)[1] == {"headers": {"X": "1"}, "http": inner}


def test_lists_keep_the_signature_of_each() -> None:
    urls = [f"https://h/{i}.bin?sig=secret{i}" for i in range(3)]
    names, options = hide_all_credentials(urls)
    assert names == [f"https://h/{i}.bin" for i in range(3)]
    assert [reveal_credentials(name, options)[0] for name in names] == urls
    with pytest.raises(ValueError, match=r"ftp://h/a: .*same user"):
        hide_all_credentials(["ftp://u:p@h/a", "ftp://u:q@h/b"])


def test_texts_show_no_options() -> None:
    options: dict[str, Any] = {
        "key": "AKIA12345",
        "nested": {"list": ["t0ken-1", ("t0ken-2",)], "bytes": b"t0ken-3"},
        "anon": False,
        "port": 22,
    }
    name, options = hide_credentials("ftp://user:pass%20word@host/a", options)
    text = f"AKIA12345 t0ken-1 t0ken-2 t0ken-3 user:pass%20word 'pass word' {name} 22"
    assert hide_in_text(text, options) == "*** *** *** *** *** '***' ftp://host/a 22"


@pytest.mark.parametrize(
    ("url", "name", "rest"),
    [
        ("a.bin", "a.bin", ""),
        ("s3://b/a.bin", "s3://b/a.bin", ""),
        ("http://h/a.bin?n=1", "http://h/a.bin", "?n=1"),
        ("simplecache::s3://b/a.bin", "simplecache::s3://b/a.bin", ""),
        ("zip://d/a.bin::s3://b/z.zip", "zip://d/a.bin", "::s3://b/z.zip"),
        (
            "simplecache::zip://a.bin::http://h/z.zip?n=1",
            "simplecache::zip://a.bin",
            "::http://h/z.zip?n=1",
        ),
    ],
)
def test_chains_are_split_after_the_file(url: str, name: str, rest: str) -> None:
    assert split_chain(url) == (name, rest)
