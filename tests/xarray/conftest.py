"""What xarray's own tests expect of their surroundings."""

from __future__ import annotations

from typing import Any

import pytest

import rawmmap.xarray  # noqa: F401 - the accessor, whichever tests run first


def pytest_configure(config: pytest.Config) -> None:
    for mark in ("asyncio", "flaky", "network", "skip_if_param", "skip_with_dask_array"):
        config.addinivalue_line("markers", f"{mark}: one of xarray's own marks")


@pytest.fixture(params=[False, True], ids=["numpy", "dask"])
def use_dask(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["s", "ms", "us", "ns"])
def time_unit(request: pytest.FixtureRequest) -> Any:
    return request.param
