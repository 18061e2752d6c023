"""Clusters: what travels, what workers hold, and what happens when one of them is gone."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
import psutil
import pytest
import xarray as xr

from rawmmap import from_raw
from tests.clusters import client

MIB = 2**20
GIB = 2**30
#: Seconds that anything here may take.
LIMIT = 120

pytestmark = pytest.mark.filterwarnings("ignore::Warning:distributed")


def sparse(path: Path, nbytes: int) -> Path:
    with path.open("wb") as file:
        file.truncate(nbytes)
    return path


def through_from_raw(path: Path, chunks: Any) -> Any:
    return from_raw(path, ">f4", (-1, 512, 512), chunks=chunks)


def through_engine(path: Path, chunks: Any) -> Any:
    chunks = {} if chunks == "auto" else dict(zip(("time", "y", "x"), chunks, strict=True))
    ds = xr.open_dataset(
        path,
        engine="rawmmap",
        chunks=chunks,
        dtype=">f4",
        shape=(-1, 512, 512),
        dims=("time", "y", "x"),
    )
    return ds["data"].data


both = pytest.mark.parametrize("open_array", [through_from_raw, through_engine])


@both
def test_what_travels_does_not_grow_with_the_data(tmp_path: Path, open_array: Any) -> None:
    sizes, specs = [], []
    for name, nbytes in (("gib", GIB), ("tib", 1024 * GIB)):
        path = sparse(tmp_path / name, nbytes)
        x = open_array(path, (nbytes // MIB // 64, -1, -1))
        assert x.npartitions == 64
        sizes.append(len(pickle.dumps(x.__dask_graph__())))
        (mean,) = dask.optimize(x.mean())
        specs.append(max(len(pickle.dumps(task)) for task in dict(mean.__dask_graph__()).values()))
    # Lengths of chunks and positions are larger numbers.
    assert abs(sizes[1] - sizes[0]) < 5 * 64
    assert sizes[1] < 5000
    assert max(specs) < 3000


@both
def test_chunks_travel_as_their_lengths(tmp_path: Path, open_array: Any) -> None:
    x = open_array(sparse(tmp_path / "a", 1024 * GIB), "auto")
    assert x.npartitions >= 8192
    assert len(pickle.dumps(x.__dask_graph__())) < 10_000 + 10 * x.npartitions


def peaks(connected: Any) -> dict[str, int]:
    """Return the largest resident memory of each worker since it was started, in bytes."""
    import resource

    found = connected.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return dict(found)


@pytest.mark.slow
@both
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="counts as Linux does")
def test_the_memory_of_workers_stays_flat(tmp_path: Path, open_array: Any) -> None:
    chunk, limit = 16 * MIB, 768 * MIB
    x = open_array(sparse(tmp_path / "a", 2 * GIB), (16, -1, -1))
    with client(n_workers=1, threads_per_worker=2, memory_limit=limit) as connected:
        # The first chunks bring the modules that workers need.
        assert connected.compute(x[:32].mean()).result(LIMIT) == 0
        before, pids = peaks(connected), connected.run(os.getpid)
        assert connected.compute(x.mean()).result(LIMIT) == 0
        after = peaks(connected)
        assert connected.run(os.getpid) == pids
    # Two threads, each with a chunk, its copy in this machine's byte order, and one to spare.
    assert max(after[worker] - before[worker] for worker in after) < 6 * chunk


@pytest.fixture(scope="module")
def array() -> npt.NDArray[Any]:
    return np.random.default_rng(3).normal(size=(32, 64, 64)).astype(">f4")


@pytest.fixture
def path(tmp_path: Path, array: npt.NDArray[Any]) -> Path:
    array.tofile(tmp_path / "a.raw")
    return tmp_path / "a.raw"


@pytest.fixture(scope="module")
def connected() -> Iterator[Any]:
    with client(n_workers=2, threads_per_worker=1) as connected:
        yield connected


def persist(connected: Any, path: Path, array: npt.NDArray[Any], **words: Any) -> Any:
    """Return an array whose chunks are in the memory of both workers."""
    from distributed import wait

    lazy = from_raw(path, ">f4", array.shape, chunks=(4, -1, -1), **words)
    held = connected.persist(lazy)
    wait(held, LIMIT)
    connected.rebalance(held)
    assert all(connected.has_what().values())
    return held


def kill_a_worker(connected: Any) -> None:
    """Kill one of two workers, and wait until another has taken its place."""
    address, pid = next(iter(connected.run(os.getpid).items()))
    process = psutil.Process(pid)
    process.send_signal(signal.SIGKILL)
    process.wait(LIMIT)
    connected.run_on_scheduler(_forget_worker, address)
    connected.wait_for_workers(2, timeout=LIMIT)


async def _forget_worker(address: str, dask_scheduler: Any) -> None:
    """Wait until the scheduler knows that a worker is gone."""
    import asyncio

    while address in dask_scheduler.workers:
        await asyncio.sleep(0.01)


@pytest.mark.slow
def test_persisted_chunks_are_computed_again_where_a_worker_is_lost(
    connected: Any, path: Path, array: npt.NDArray[Any]
) -> None:
    held = persist(connected, path, array)
    kill_a_worker(connected)
    found = connected.compute(held).result(LIMIT)
    np.testing.assert_array_equal(found, array)


@pytest.mark.slow
def test_a_worker_that_is_lost_at_work(
    connected: Any, path: Path, array: npt.NDArray[Any], tmp_path: Path
) -> None:
    mark = tmp_path / "killed"

    def die_once(block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if block.size and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    lazy: Any = from_raw(path, ">f4", array.shape, chunks=(4, -1, -1))
    x = lazy.map_blocks(die_once, dtype="f4")
    np.testing.assert_array_equal(connected.compute(x).result(LIMIT), array)
    assert mark.exists()
    connected.wait_for_workers(2, timeout=LIMIT)


@pytest.mark.slow
def test_lost_chunks_of_a_file_that_was_replaced_are_an_error(
    connected: Any, path: Path, array: npt.NDArray[Any]
) -> None:
    held = persist(connected, path, array)
    other = path.with_name("other")
    (array + 1).astype(">f4").tofile(other)
    other.replace(path)
    kill_a_worker(connected)
    with pytest.raises(OSError, match="another file has replaced"):
        connected.compute(held).result(LIMIT)


@pytest.mark.slow
def test_persisted_copies_do_not_follow_the_file(
    connected: Any, path: Path, array: npt.NDArray[Any]
) -> None:
    held = persist(connected, path, array, access="read")
    with path.open("r+b") as file:
        file.write(bytes(array.nbytes))
    np.testing.assert_array_equal(connected.compute(held).result(LIMIT), array)


@pytest.mark.slow
def test_persisting_a_dataset(connected: Any, path: Path, array: npt.NDArray[Any]) -> None:
    ds = xr.open_dataset(
        path, engine="rawmmap", chunks={"t": 8}, dtype=">f4", shape=(-1, 64, 64), dims=tuple("tyx")
    )
    with connected.as_current():
        held = ds.persist()
        np.testing.assert_array_equal(held["data"].values, array)
        np.testing.assert_allclose(
            held["data"].mean("t", skipna=False).values, array.mean(0, "f8"), atol=1e-6
        )
