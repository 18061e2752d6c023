"""Servers to fetch from; they stop by themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import HttpServer, S3Server, run_http, run_s3


@pytest.fixture
def server() -> Iterator[HttpServer]:
    pytest.importorskip("aiohttp")
    with run_http() as server:
        yield server


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    pytest.importorskip("moto.moto_server.werkzeug_app")
    pytest.importorskip("s3fs")
    with run_s3() as server:
        yield server
