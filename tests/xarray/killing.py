"""A writer that is killed: run as ``python killing.py FOLDER``, it says "fine" or what went wrong.

It forks, which is why it has a process of its own: each child writes and is killed, and the parent
looks at what is left.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr

import rawmmap.xarray  # noqa: F401


def version(number: int) -> xr.Dataset:
    """Datasets that differ in every value, in lengths and in types."""
    shape = (number % 5 + 1, number % 3 + 2)
    dtype = ("f4", ">i2", "f8")[number % 3]
    return xr.Dataset(
        {"u": (("t", "x"), np.full(shape, number, dtype)), "v": ("x", np.full(shape[1], number))},
        attrs={"number": number},
    ).chunk(t=2)


def check(path: Path) -> int:
    """Return which version lies at `path`, once it is known to be whole."""
    found = xr.open_dataset(path, engine="rawmmap").drop_vars("w", errors="ignore").load()
    number = int(found.attrs["number"])
    xr.testing.assert_equal(found, version(number).load())
    return number


def kill_at(step: int, folder: str) -> Any:
    """Return an audit hook that kills this process before its n-th act on the folder."""
    count = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        if event.startswith(("open", "os.")) and any(folder in str(arg) for arg in args):
            count += 1
            if count > step:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def forked(function: Any, *args: Any) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return pid


def write_with_hook(step: int, path: Path, words: Any) -> None:
    sys.addaudithook(kill_at(step, str(path.parent)))
    version(2).rawmmap.to_raw(path, **words)


def each_step(folder: Path, words: Any) -> None:
    """Kill a writer before each of its steps, and write again over what is left."""
    path = folder / "a.bin"
    seen = []
    for step in range(100):
        version(1).rawmmap.to_raw(path, **words)
        assert not list(folder.glob(".*")), "a draft or a lock is left over"
        _, status = os.waitpid(forked(write_with_hook, step, path, words), 0)
        seen.append(check(path))
        if not os.WIFSIGNALED(status):
            assert status == 0, "the writer failed by itself"
            break
        assert [p.name for p in folder.glob("*.bin")] == ["a.bin"]
        assert [p.name for p in folder.glob("*.json")] == ["a.bin.json"]
        # Another kind of writer has to finish what the killed one left, too.
        xr.Dataset({"w": ("z", [step])}).rawmmap.to_raw(path, mode="a")
        assert check(path) == seen[-1]
    assert seen == sorted(seen), seen
    assert set(seen) == {1, 2}, seen
    assert len(seen) > 10, seen
    assert '"next"' not in Path(f"{path}.json").read_text(), "a replacement is left half done"
    assert not list(folder.glob(".*.lock")), "a lock is left over"


def random_moments(folder: Path, rounds: int) -> None:
    """Kill a writer that writes one version after the other, at any moment once it has begun."""
    path = folder / "b.bin"
    version(0).rawmmap.to_raw(path)
    last = 0
    for _ in range(rounds):
        reader, writer = os.pipe()
        pid = forked(write_for_ever, path, last, writer)
        os.close(writer)
        # So many versions are written, however slowly, and then it is killed at work on the next.
        done = last + sum(len(os.read(reader, 1)) for _ in range(random.randint(0, 2)))
        time.sleep(random.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with open(reader, "rb") as file:
            done += len(file.read())
        number = check(path)
        assert number >= done, (number, done)
        last = number


def write_for_ever(path: Path, first: int, done: int | None = None) -> None:
    """Write one version after the other; write a byte to `done` after each."""
    while True:
        first += 1
        version(first).rawmmap.to_raw(path, unlimited_dims="t" if first % 2 else None)
        if done is not None:
            os.write(done, b".")


if __name__ == "__main__":
    dask.config.set(scheduler="sync")
    if sys.argv[2] == "for ever":
        write_for_ever(Path(sys.argv[1]), 0)
    place = Path(sys.argv[1])
    for number, options in enumerate(({}, {"unlimited_dims": "t"})):
        (place / str(number)).mkdir()
        each_step(place / str(number), options)
    random_moments(place, int(sys.argv[2]))
    print("fine")
