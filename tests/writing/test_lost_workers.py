"""Writes that lose a worker in the middle, under dask.distributed."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.xarray.writing.front import to_raw
from tests.clusters import client
from tests.waiting import wait_for

pytest.importorskip("distributed")

CHUNKS = 8


def chunk(block: Any, marks: str, block_id: Any = None) -> Any:
    """Return a chunk; the later ones wait until some workers are lost."""
    (n,) = block_id
    folder = Path(marks)
    (folder / f"{n}-{os.getpid()}").touch()
    if n >= CHUNKS // 2:
        wait_for((folder / "lost").exists)
    return block


def numbers(marks: Path) -> da.Array:
    x = da.arange(CHUNKS * 1000, chunks=1000, dtype="f8")
    lazy: da.Array = da.map_blocks(chunk, x, str(marks), dtype="f8", meta=np.empty(0))
    return lazy


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "compute", "lost"),
    [("w", True, "one"), ("w", False, "all"), ("r+", False, "one"), ("append", False, "all")],
)
def test_a_write_survives_the_loss_of_workers(
    tmp_path: Path, kind: str, compute: bool, lost: str
) -> None:
    marks, data = tmp_path / "marks", tmp_path / "data"
    marks.mkdir()
    data.mkdir()
    path = data / "a.bin"
    expected = np.arange(CHUNKS * 1000, dtype="f8")
    source: Any = numbers(marks)
    write: Any = rawmmap.to_raw
    words: dict[str, Any] = {"mode": kind}
    if kind == "append":
        to_raw(xr.Dataset({"u": ("t", expected[:5])}), path)
        source, words, write = xr.Dataset({"u": ("t", source)}), {"append_dim": "t"}, to_raw
    elif kind == "r+":
        path.write_bytes(bytes(8) + b"end")
        words |= {"offset": 8}
    failed: list[BaseException] = []

    def run() -> None:
        try:
            task = write(source, path, compute=compute, **words)
            if not compute:
                task.compute()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    with client(n_workers=2, threads_per_worker=1) as connected:
        pids = list(connected.run(os.getpid).values())
        writer = threading.Thread(target=run)
        writer.start()
        half = CHUNKS // 2
        wait_for(lambda: len([p for p in marks.iterdir() if int(p.name[0]) >= half]) >= 2)
        for pid in pids if lost == "all" else pids[:1]:
            os.kill(pid, signal.SIGKILL)
        (marks / "lost").touch()
        writer.join()
    assert not failed
    if kind == "append":
        found = xr.open_dataset(path, engine="rawmmap")["u"]
        np.testing.assert_array_equal(found, [*expected[:5], *expected])
    else:
        before = b"" if kind == "w" else bytes(8)
        assert path.read_bytes() == before + expected.tobytes()
    names = {"a.bin", "a.bin.json"} if kind == "append" else {"a.bin"}
    left = set(os.listdir(data)) - names
    assert all(name.startswith(".") and name.endswith(".part") for name in left)
    rawmmap.to_raw(np.zeros(3), data / "a.bin", mode="r+", offset=2**16)
    assert set(os.listdir(data)) == names
