"""Ctrl-C and SIGTERM: what they leave is what a failure leaves, or all of the write."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.xarray.writing.front import to_raw
from tests.waiting import wait_for

# All that a write does to files goes through one of these.
CALLS = ("open", "ftruncate", "pwrite", "write", "fsync", "replace", "unlink", "close", "chmod")


def contents(folder: Path) -> dict[str, bytes]:
    result = {}
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # removed by another process meanwhile
            result[path.name] = path.read_bytes()
    return result


def numbers() -> da.Array:
    lazy: da.Array = da.from_array(np.arange(6.0, 10), chunks=2)
    return lazy


def records(lazy: Any) -> xr.Dataset:
    return xr.Dataset({"u": ("t", lazy)})


# What is there, and how it is changed.
WRITES: dict[str, tuple[Callable[[Path], Any], Callable[[Any, Path, bool], Any]]] = {
    "w": (
        lambda path: path.write_bytes(b"old"),
        lambda x, path, compute: rawmmap.to_raw(x, path, compute=compute),
    ),
    "r+": (
        lambda path: path.write_bytes(b"old and some more"),
        lambda x, path, compute: rawmmap.to_raw(x, path, mode="r+", offset=3, compute=compute),
    ),
    "dataset": (
        lambda path: to_raw(records([1.0, 2.0]), path),
        lambda x, path, compute: to_raw(records(x), path, compute=compute),
    ),
    "a": (
        lambda path: to_raw(records([1.0, 2.0]), path),
        lambda x, path, compute: to_raw(
            xr.Dataset({"v": ("k", x)}), path, mode="a", compute=compute
        ),
    ),
    "append": (
        lambda path: to_raw(records([1.0, 2.0]), path),
        lambda x, path, compute: to_raw(records(x), path, append_dim="t", compute=compute),
    ),
    "append records": (
        lambda path: to_raw(records([1.0, 2.0]), path, unlimited_dims="t"),
        lambda x, path, compute: to_raw(records(x), path, append_dim="t", compute=compute),
    ),
    "add values": (
        lambda path: (
            path.write_bytes(bytes(16)),
            rawmmap.describe(path, dtype="f8", shape=-1, dims="t"),
        ),
        lambda x, path, compute: to_raw(
            xr.Dataset({"v": ("k", x)}), path, mode="a", compute=compute
        ),
    ),
    "region": (
        lambda path: to_raw(records(np.arange(9.0)), path),
        lambda x, path, compute: to_raw(
            records(x), path, region={"t": slice(2, 6)}, compute=compute
        ),
    ),
}


class Interrupter:
    """Raises a signal before the n-th call of the system, or an error in its place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls: tuple[str, ...] = CALLS) -> None:
        self.number: signal.Signals | None = signal.SIGINT
        self.left: int | None = None
        for name in calls:
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, function: Any) -> Any:
        def call(*args: Any, **words: Any) -> Any:
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    self.left = None
                    if self.number is None:
                        raise OSError(errno.EIO, "the disk fails")
                    signal.raise_signal(self.number)
            return function(*args, **words)

        return call


def leave(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


@pytest.fixture
def interrupter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupter]:
    # Whatever handles them in the process that runs the tests.
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, leave)  # without, SIGTERM before the write would end the tests
    yield Interrupter(monkeypatch)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "compute"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, True)],
)
@pytest.mark.parametrize("kind", WRITES)
def test_an_interrupt_at_any_call_leaves_the_old_or_the_new_file(
    tmp_path: Path, interrupter: Interrupter, kind: str, compute: bool, number: signal.Signals
) -> None:
    start, write = WRITES[kind]
    interrupter.number = number
    with dask.config.set(scheduler="sync"):
        folder = tmp_path / "new"
        folder.mkdir()
        start(folder / "a.bin")
        old = contents(folder)
        write(numbers(), folder / "a.bin", True)
        new = contents(folder)
        assert old != new
        outcomes = set()
        for step in range(1000):
            folder = tmp_path / str(step)
            folder.mkdir()
            start(folder / "a.bin")
            task = None if compute else write(numbers(), folder / "a.bin", False)
            interrupter.left = step
            try:
                if task is None:
                    write(numbers(), folder / "a.bin", True)
                else:
                    task.compute()
            except (KeyboardInterrupt, SystemExit):
                left = contents(folder)
                assert left in (old, new), step
                outcomes.add(left == new)
            else:
                break
        assert interrupter.left is not None, "every call was interrupted"
    assert outcomes == {False, True}


def what_is_read(path: Path) -> Any:
    if not Path(f"{path}.json").exists():
        return path.read_bytes()
    return xr.open_dataset(path, engine="rawmmap").load().to_dict()


@pytest.mark.parametrize("compute", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in WRITES if kind not in ("r+", "region")])
def test_a_call_that_fails_leaves_the_old_or_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, compute: bool
) -> None:
    start, write = WRITES[kind]
    # Not those by which a failure is undone.
    calls = tuple(name for name in CALLS if name not in ("unlink", "close", "ftruncate"))
    injector = Interrupter(monkeypatch, calls)
    injector.number = None
    path = tmp_path / "a.bin"
    with dask.config.set(scheduler="sync"):
        start(path)
        old = what_is_read(path)
        write(numbers(), path, True)
        new = what_is_read(path)
        for step in range(1000):
            path = tmp_path / str(step) / "a.bin"
            path.parent.mkdir()
            start(path)
            task = None if compute else write(numbers(), path, False)
            injector.left = step
            try:
                if task is None:
                    write(numbers(), path, True)
                else:
                    task.compute()
                possible = [new]
            except OSError:
                possible = [old, new]
            has_failed, injector.left = injector.left is None, None
            assert what_is_read(path) in possible, step
            assert not [name for name in os.listdir(path.parent) if name.startswith(".")]
            if not has_failed:
                break
        assert step > 10


SCRIPT = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may ignore it
signal.signal(signal.SIGTERM, signal.SIG_DFL)
import dask
from tests.writing.test_interrupts import WRITES, numbers
path, kind, go, compute = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4] == "True"
def slow(block, block_id=None):
    if block_id == (1,):
        print("ready", flush=True)
        while not go.exists():
            time.sleep(0.01)
    return block
x = numbers().map_blocks(slow, dtype="f8", meta=numbers()._meta)
with dask.config.set(scheduler="threads", num_workers=2):
    # Start the threads: CPython does not join one that was interrupted while it was started.
    dask.compute(*[dask.delayed(time.sleep)(0.01) for _ in range(8)])
    task = WRITES[kind][1](x, path, compute)
    if not compute:
        task.compute()
"""


@pytest.mark.parametrize(
    ("kind", "compute", "number"),
    [
        ("w", True, signal.SIGTERM),
        ("r+", False, signal.SIGTERM),
        ("r+", True, signal.SIGINT),
        ("dataset", False, signal.SIGINT),
        ("append records", True, signal.SIGINT),
        ("append", False, signal.SIGTERM),
        ("a", True, signal.SIGINT),
    ],
)
def test_an_interrupt_while_threads_write_leaves_the_old_file(
    tmp_path: Path, kind: str, compute: bool, number: int
) -> None:
    folder, go = tmp_path / "data", tmp_path / "go"
    folder.mkdir()
    path = folder / "a.bin"
    WRITES[kind][0](path)
    before = contents(folder)
    command = [sys.executable, "-c", SCRIPT, str(path), kind, str(go), str(compute)]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        try:
            assert writer.stdout.readline() == b"ready\n", writer.stderr.read()
            wait_for(lambda: contents(folder) != before)  # a chunk may come before the draft
            writer.send_signal(number)
            wait_for(lambda: contents(folder) == before)  # while that chunk is still at work
            go.touch()
            errors = writer.stderr.read()
        finally:
            writer.kill()
    assert contents(folder) == before
    if number == signal.SIGTERM:
        assert writer.returncode == 128 + number, errors
    else:
        assert b"KeyboardInterrupt" in errors
        assert writer.returncode
