"""Writers that fail, are killed or meet each other.

The stress test counts rounds; RAWMMAP_STRESS_ROUNDS sets how many, some 2,000 for ten minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.xarray.writing.front import to_raw

SCRIPT = Path(__file__).with_name("stress.py")
ROOT = SCRIPT.parents[2]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a server forks the writers")
def test_writers_that_meet_come_one_after_the_other(tmp_path: Path) -> None:
    rounds = os.environ.get("RAWMMAP_STRESS_ROUNDS", "50")
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, rounds],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )
    assert done.stdout.startswith("fine: "), done.stderr


@pytest.mark.parametrize("compute", [True, False])
@pytest.mark.parametrize("kind", ["r+", "w", "a", "append"])
def test_a_failure_among_writers_leaves_the_file_as_it_was(
    tmp_path: Path, kind: str, compute: bool
) -> None:
    path = tmp_path / "a.bin"
    to_raw(xr.Dataset({"u": ("x", np.arange(3.0))}), path)

    def fail(block: Any, block_id: Any = None) -> Any:
        if block_id == (3,):
            raise RuntimeError("no data")
        time.sleep(0.002)
        return block

    lazy = da.map_blocks(fail, da.ones(20_000, chunks=1000), dtype="f8")
    target = path if kind in ("a", "append") else tmp_path / "b.bin"
    if target != path:
        target.write_bytes(b"old")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    sources: dict[str, tuple[Any, dict[str, Any]]] = {
        "r+": (lazy, {"mode": "r+", "offset": 3}),
        "w": (lazy, {}),
        "a": (xr.Dataset({"v": ("y", lazy)}), {"mode": "a"}),
        "append": (xr.Dataset({"u": ("x", lazy)}), {"append_dim": "x"}),
    }
    data, words = sources[kind]

    def write() -> None:
        task = rawmmap.to_raw(data, target, compute=compute, **words)
        if task is not None:
            task.compute()

    with (
        pytest.raises(RuntimeError, match="no data"),
        dask.config.set(scheduler="threads", num_workers=3),
    ):
        write()
    # Chunks that were at work are written to nowhere, now and later.
    for _ in range(3):
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
        time.sleep(0.02)


def test_of_two_appends_that_are_computed_together_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("t", np.zeros(2))})
    to_raw(ds, path, unlimited_dims="t")
    tasks = [to_raw(ds.chunk(t=1) + n, path, append_dim="t", compute=False) for n in (1, 2)]
    with pytest.raises(OSError, match="came between"):
        dask.compute(*tasks)
    values = xr.open_dataset(path, engine="rawmmap")["u"].values.tolist()
    assert values in ([0, 0, 1, 1], [0, 0, 2, 2], [0, 0])


def test_writes_into_one_file_that_are_planned_together(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    tasks = [
        rawmmap.to_raw(da.full(n, n, chunks=2, dtype="u1"), path, mode="r+", compute=False)
        for n in (4, 8)
    ]
    dask.compute(*tasks)
    assert path.read_bytes() in (bytes([4] * 4 + [8] * 4), bytes([8] * 8))


def test_a_leftover_of_a_killed_append_blocks_nobody(tmp_path: Path) -> None:
    path, ds = tmp_path / "a.bin", xr.Dataset({"u": ("t", np.arange(2.0))})
    to_raw(ds, path)
    with path.open("ab") as file:
        file.write(b"some of what was to be appended")
    to_raw(ds + 2, path, append_dim="t")
    assert xr.open_dataset(path, engine="rawmmap")["u"].values.tolist() == [0, 1, 2, 3]
