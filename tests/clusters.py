"""Dask clusters for tests: on this machine alone, and side by side with others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["client"]


@contextmanager
def client(n_workers: int, threads_per_worker: int, **options: Any) -> Iterator[Any]:
    """Start worker processes and yield their client; skip where distributed is not installed.

    `options` are those of ``distributed.LocalCluster``.
    """
    distributed = pytest.importorskip("distributed")
    # Without a dashboard its server starts all the same, at one fixed port for every cluster.
    with (
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=threads_per_worker,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            **options,
        ) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected
