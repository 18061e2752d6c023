"""A cluster whose workers together have less memory than the file."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from .cases import Case, Workload
from .contestants import Contestant
from .flat import Flat

__all__ = ["Workers"]

_SIGNS = ("pausing", "paused", "spill", "restart", "exceeded", "unmanaged memory use is high")

# Workers that pause for want of memory wait for ever.
_PATIENCE = 60.0


@dataclass
class _Watch:
    """Samples the resident memory of processes until it is stopped."""

    pids: list[int]
    before: int = 0
    peak: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> _Watch:
        import psutil

        self._processes = [psutil.Process(pid) for pid in self.pids]
        self.before = self.peak = self._largest()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _largest(self) -> int:
        import psutil

        sizes = [0]
        for process in self._processes:
            # A worker that was killed has no memory; its loss is counted as a restart.
            try:
                sizes.append(process.memory_info().rss)
            except psutil.NoSuchProcess:
                continue
        return max(sizes)

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            self.peak = max(self.peak, self._largest())

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()


@dataclass
class _Outcome:
    mean: float
    grown: int
    events: int


class Workers(Case):
    """The cluster is started and warmed up before the clock starts, anew for each contestant."""

    name = "workers"
    title = "Mean of 4 GiB on two Dask workers of 1 GiB each, file in the page cache"
    reference = "Dask's recipe"
    rounds = 6
    skips: ClassVar[dict[str, str]] = {
        "in memory": "does not fit",
        "da.from_array(np.memmap)": "reads the whole file while the graph is built",
    }
    limit: ClassVar[str] = "1GiB"

    def takes(self, contestant: Contestant) -> bool:
        return contestant.chunked and contestant.flat_file

    def contestants(self) -> list[Contestant]:
        return [c for c in super().contestants() if c.name not in self.skips]

    def flat(self, work: Workload) -> Flat:
        return work.workers

    @contextmanager
    def bind(
        self, contestant: Contestant, work: Workload
    ) -> Generator[Callable[[int], Any], None, None]:
        distributed = _distributed()
        opened = contestant.open_chunked(work.workers)
        array = contestant.array(opened)
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, memory_limit=self.limit, processes=True,
                host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):  # fmt: skip
            self._warm_up(array, 2 * work.workers.rows, client)
            yield lambda i: self._run(array, client)
        contestant.close(opened)

    def _warm_up(self, array: Any, rows: int, client: Any) -> None:
        """Let every worker import what it needs; other rows for each, so that none waits."""
        for i, worker in enumerate(client.run(_pid)):
            _mean(array[i * rows : (i + 1) * rows], client, workers=[worker])

    def _run(self, array: Any, client: Any) -> _Outcome:
        pids = client.run(_pid)
        with _Watch(list(pids.values())) as watch:
            mean = _mean(array, client)
        lost = set(pids.values()) - set(client.run(_pid).values())
        lines = [line for log in client.get_worker_logs().values() for _, line in log]
        signs = [line for line in lines if any(s in line.lower() for s in _SIGNS)]
        return _Outcome(mean, watch.peak - watch.before, len(lost) + len(signs))

    def check(self, result: Any, i: int, work: Workload) -> None:
        expected = np.mean([np.mean(block, dtype="f8") for _, block in work.workers.blocks()])
        np.testing.assert_allclose(result.mean, expected, rtol=1e-5)

    def metrics(
        self, contestant: Contestant, result: Any, seconds: float, work: Workload
    ) -> dict[str, float]:
        return {
            "worker memory grown by, MiB": result.grown / 2**20,
            "pauses, spills, restarts": result.events,
        }


def _distributed() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import distributed
    return distributed


def _pid() -> int:
    import os

    return os.getpid()


def _mean(array: Any, client: Any, **words: Any) -> float:
    lazy = array.mean(skipna=False) if isinstance(array, xr.DataArray) else array.mean()
    data = lazy.data if isinstance(lazy, xr.DataArray) else lazy
    return float(client.compute(data, **words).result(timeout=_PATIENCE))
