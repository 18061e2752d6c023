"""Drafts that are left over, lost, or looked for in vain."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from dask.delayed import delayed

import rawmmap
from rawmmap.layout import Layout
from rawmmap.writing import (
    Append,
    ChangedFileError,
    Draft,
    InPlace,
    Replace,
    SharedTransaction,
    State,
)
from rawmmap.xarray.writing.front import to_raw


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_later(path: Path, kind: str) -> Any:
    """Plan one kind of write into a file that has a sidecar, or none for "r+"."""
    x = da.arange(4, chunks=2, dtype="f8")
    if kind == "r+":
        path.write_bytes(b"old")
        return rawmmap.to_raw(x, path, mode="r+", offset=3, compute=False)
    records = "t" if kind == "append" else None
    ds = xr.Dataset({"u": ("t", np.zeros(4))})
    to_raw(ds, path, unlimited_dims=records)
    lazy = xr.Dataset({"u": ("t", x)})
    words: dict[str, dict[str, Any]] = {
        "w": {},
        "append": {"append_dim": "t"},
        "region": {"region": {"t": slice(0, 4)}},
        "a": {"mode": "a"},
    }
    lazy = lazy.rename(u="v", t="k") if kind == "a" else lazy
    return to_raw(lazy, path, compute=False, **words[kind])


@pytest.mark.parametrize("chunks", [1, 4])
@pytest.mark.parametrize("number", [1, 3])
def test_a_delayed_write_begins_once(tmp_path: Path, number: int, chunks: int) -> None:
    path = tmp_path / "a.bin"
    lazy = xr.Dataset(
        {str(n): ("t", da.arange(4, chunks=4 // chunks, dtype="f8")) for n in range(number)}
    )
    task = to_raw(lazy, path, compute=False)
    other = da.ones(4, chunks=4)
    dask.compute(task, other, other + 1)
    xr.testing.assert_equal(xr.open_dataset(path, engine="rawmmap").load(), lazy.load())
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.bin.json"]


def fail(begun: Any, folder: str) -> None:
    assert [name for name in os.listdir(folder) if name.endswith(".part")], "it has not begun"
    raise RuntimeError("no data")


def and_a_failure(task: Any, folder: Path) -> Any:
    """Return what fails once the write has begun, in the same graph and not in it."""
    begun = next(key for key in task.dask if str(key).startswith("_begin"))
    return delayed(fail)(type(task).__mro__[1](begun, task.dask), str(folder))


@pytest.mark.parametrize(
    "scheduler", ["threads", "sync", pytest.param("processes", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", ["w", "r+", "append", "region", "a"])
def test_a_failure_elsewhere_in_the_graph_leaves_nothing(
    tmp_path: Path, kind: str, scheduler: str
) -> None:
    path = tmp_path / "a.bin"
    task = write_later(path, kind)
    before = contents(tmp_path)
    with dask.config.set(scheduler=scheduler, num_workers=1):
        with pytest.raises(RuntimeError, match="no data") as failure:
            dask.compute(task, and_a_failure(task, tmp_path))
        assert before == {
            name: text for name, text in contents(tmp_path).items() if not name.startswith(".")
        }
        del failure
        gc.collect()  # tracebacks refer to what the scheduler had
        if scheduler != "processes":
            assert contents(tmp_path) == before
        task.compute()
    assert set(os.listdir(tmp_path)) == set(before)
    assert contents(tmp_path) != before


def test_a_failure_while_another_thread_begins_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins, ends = threading.Event(), threading.Event()
    begin, rollback = Replace.begin, SharedTransaction.rollback

    def slow_begin(self: Replace) -> Any:
        begins.set()
        assert ends.wait(100)
        return begin(self)

    def noted_rollback(self: SharedTransaction) -> None:
        ends.set()
        rollback(self)

    def fail(block: Any) -> Any:
        assert begins.wait(100)
        raise RuntimeError("no data")

    monkeypatch.setattr(Replace, "begin", slow_begin)
    monkeypatch.setattr(SharedTransaction, "rollback", noted_rollback)
    lazy = da.map_blocks(fail, da.ones(2, chunks=1), dtype="f8", meta=np.empty(0))
    task: Any = rawmmap.to_raw(lazy, tmp_path / "a.bin", compute=False)
    with dask.config.set(scheduler="threads", num_workers=2):
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no data") as failure:
                task.compute()
            assert os.listdir(tmp_path) == []
            del failure


def test_what_was_rolled_back_begins_only_when_it_is_computed_again(tmp_path: Path) -> None:
    shared = SharedTransaction(Replace(Draft.plan_beside(str(tmp_path / "a.bin"), 4)))
    shared.rollback()
    with pytest.raises(FileNotFoundError, match="has failed already"):
        shared.begin()
    assert os.listdir(tmp_path) == []
    shared.reset()
    begun = shared.begin()
    begun.commit([begun.write(Layout.dense("u1", 4), np.arange(4, dtype="u1"))])
    assert os.listdir(tmp_path) == ["a.bin"]


KILLED = """
import os, signal, sys
from pathlib import Path
import dask
from tests.writing.test_drafts import write_later
task = write_later(Path(sys.argv[1]), sys.argv[2])
import rawmmap.writing.draft
write = rawmmap.writing.draft.scatter
def scatter(*args):
    write(*args)
    os.kill(os.getpid(), signal.SIGKILL)
rawmmap.writing.draft.scatter = scatter
task.compute(scheduler="sync")
"""


@pytest.mark.parametrize("kind", ["w", "r+", "append", "region", "a"])
def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.bin"
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, path, kind], check=False, env=environment
        )
        assert done.returncode == -signal.SIGKILL
        hidden = [name for name in os.listdir(tmp_path) if name.startswith(".")]
        assert len(hidden) == 2
        assert all(name.endswith(".part") for name in hidden)
    rawmmap.to_raw(np.zeros(1), path, mode="r+", offset=0 if kind == "r+" else 2**15)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def transactions(path: Path) -> list[Any]:
    state = State.of(str(path))
    layout = Layout.dense("u1", 4)
    return [
        Replace(Draft.plan_beside(str(path), 4)),
        Append(Draft.plan_copy(str(path), 4), 3, state),
        InPlace.of(str(path), [layout], state, may_grow=True),
    ]


@pytest.mark.parametrize("number", range(3))
def test_a_draft_that_was_lost_in_between_is_never_committed(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    transaction = transactions(path)[number]
    halves = Layout.dense("u1", 2), Layout.dense("u1", 2, offset=2)
    begun = SharedTransaction(transaction).begin()
    written = [begun.write(halves[0], np.full(2, 1, "u1"))]
    os.unlink(transaction.draft.path)
    with pytest.raises(FileNotFoundError, match="has failed already"):
        begun.write(halves[1], np.full(2, 2, "u1"))
    again = SharedTransaction(transaction).begin()  # by a scheduler that has lost the first one
    written.append(again.write(halves[1], np.full(2, 2, "u1")))
    with pytest.raises(ChangedFileError, match="was removed"):
        again.commit(written)
    assert path.read_bytes() == b"old"
    written[0] = again.write(halves[0], np.full(2, 1, "u1"))
    again.commit(written)
    assert path.read_bytes().endswith(b"\1\1\2\2")


@pytest.mark.parametrize("number", range(3))
def test_begin_and_commit_may_be_repeated_elsewhere(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    transaction = transactions(path)[number]
    here = SharedTransaction(transaction).begin()
    there = pickle.loads(pickle.dumps(here))
    written = [there.write(Layout.dense("u1", 4), np.arange(1, 5, dtype="u1"))]
    del here
    again = SharedTransaction(transaction).begin()
    there.commit(written)
    expected = path.read_bytes()
    assert expected.endswith(bytes([1, 2, 3, 4]))
    pickle.loads(pickle.dumps(there)).commit(written)
    there.commit(written)
    assert path.read_bytes() == expected
    del there, again
    gc.collect()
    assert contents(tmp_path) == {"a.bin": expected}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_kill_within_a_commit_leaves_each_element_old_or_new(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killing.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.stdout == "fine\n", done.stderr
