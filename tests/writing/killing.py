"""Writers into existing files that are killed: ``python killing.py FOLDER`` says "fine".

Each child is killed before one of the calls that it makes of the system, or within a call that
writes, at the edge of a page; the parent looks at what is left. The model: every element is the old
or the new one, all others are the old ones, and a sidecar is true of the file.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr

import rawmmap
from rawmmap.files import libc
from rawmmap.xarray.writing.front import to_raw

PAGE = 4096
# All that a write does to files goes through one of these.
CALLS = (
    *((os, name) for name in ("open", "close", "ftruncate", "write", "fsync", "replace")),
    *((os, name) for name in ("unlink", "chmod", "utime")),
    (fcntl, "flock"),
    (libc, "fallocate"),
)


def columns(first: float, rows: int, width: int = 600) -> xr.Dataset:
    values = np.arange(first, first + rows * width, dtype="f8").reshape(rows, width)
    return xr.Dataset({"u": (("t", "x"), values), "v": ("x", np.arange(5.0, 5 + width))})


def part(rows: int, width: int) -> xr.Dataset:
    return columns(-9000, rows, width).drop_vars("v")


def create(path: Path, unlimited: str | None) -> None:
    to_raw(columns(1, 3), path, unlimited_dims=unlimited)


def write_region(path: Path) -> None:
    to_raw(part(2, 590), path, region={"t": slice(1, 3), "x": slice(5, 595)})


def append(path: Path) -> None:
    to_raw(part(2, 600), path, append_dim="t")


def create_series(path: Path) -> None:
    steps = columns(1, 3).rename(t="step").assign_coords(step=[10, 20, 30])
    to_raw(steps.drop_vars("v"), path.with_name("{step}.bin"))


def write_into_series(path: Path) -> None:
    region = {"step": slice(0, 2), "x": slice(5, 595)}
    to_raw(part(2, 590).rename(t="step"), path.with_name("{step}.bin"), region=region)


# How a folder comes into being, and what is written into its files then.
KINDS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "r+": (
        lambda path: np.arange(1.0, 2001).tofile(path),
        lambda path: rawmmap.to_raw(-np.arange(1.0, 1501), path, mode="r+", offset=800),
    ),
    "r+ that lengthens": (
        lambda path: np.arange(1.0, 2001).tofile(path),
        lambda path: rawmmap.to_raw(-np.arange(1.0, 1501), path, mode="r+", offset=8000),
    ),
    "region": (lambda path: create(path, None), write_region),
    "region of records": (lambda path: create(path, "t"), write_region),
    "region of a series": (create_series, write_into_series),
    "append": (lambda path: to_raw(part(3, 600), path), append),
    "append of records": (lambda path: create(path, "t"), append),
    "a": (
        lambda path: create(path, None),
        lambda path: to_raw(columns(7, 3).rename(u="w").drop_vars("v"), path, mode="a"),
    ),
}


class Killer:
    """Kills this process before its n-th call, or at the n-th edge of a page that is written."""

    def __init__(self, left: int) -> None:
        self.left = left
        for module, name in CALLS:
            setattr(module, name, self._counted(getattr(module, name)))
        self._pwrite = os.pwrite
        os.pwrite = self._write_by_page

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, function: Any) -> Any:
        def call(*args: Any, **words: Any) -> Any:
            self.count()
            return function(*args, **words)

        return call

    def _write_by_page(self, fd: int, data: Any, position: int) -> int:
        done = 0
        while done < len(data):
            self.count()
            edge = PAGE - (position + done) % PAGE
            done += self._pwrite(fd, data[done : done + edge], position + done)
        return done


def is_killed(step: int, write: Callable[[Path], Any], path: Path) -> bool:
    """Return whether a child that writes is killed at this step, rather than done before."""
    pid = os.fork()
    if pid == 0:
        try:
            Killer(step)
            write(path)
        except BaseException as error:  # noqa: BLE001
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or status == 0, "the writer failed by itself"
    return os.WIFSIGNALED(status)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith(".")}


def check_bytes(now: dict[str, bytes], old: dict[str, bytes], new: dict[str, bytes]) -> None:
    """Check that each element of each file is the old or the new one."""
    assert set(now) == set(old) == set(new)
    for name, data in now.items():
        if name.endswith(".json"):
            assert data in (old[name], new[name])
            continue
        assert len(old[name]) <= len(data) <= len(new[name])
        before, after = (np.frombuffer(x[name][: len(data) // 8 * 8], "i8") for x in (old, new))
        values = np.frombuffer(data[: len(data) // 8 * 8], "i8")
        same = values == after[: len(values)]
        same[: len(before)] |= values[: len(before)] == before
        assert same.all()


def check_dataset(path: Path, kind: str, old: xr.Dataset, new: xr.Dataset) -> None:
    """Check that a dataset opens, and is the old one, the new one or one that lies between."""
    now = dataset_at(path)
    assert now is not None
    if kind == "append of records":
        assert old.sizes["t"] <= now.sizes["t"] <= new.sizes["t"]
        xr.testing.assert_identical(now, new.isel(t=slice(0, now.sizes["t"])))
    elif kind.startswith("region"):
        xr.testing.assert_identical(now.where((now != old) & (now != new), 0), xr.zeros_like(old))
    else:
        assert now.identical(old) or now.identical(new)


def dataset_at(path: Path) -> xr.Dataset | None:
    if not list(path.parent.glob("*.json")):
        return None
    name = path if path.exists() else path.with_name("{step}.bin")
    return xr.open_dataset(name, engine="rawmmap").load()


def check_repeated(
    now: dict[str, bytes], new: dict[str, bytes], ds: xr.Dataset | None, new_ds: xr.Dataset | None
) -> None:
    """Check what is there once the write was repeated: an append may have been made twice."""
    if ds is None or new_ds is None:
        assert now == new
        return
    if ds.sizes == new_ds.sizes:
        xr.testing.assert_identical(ds, new_ds)
        return
    rows = new_ds.sizes["t"]
    xr.testing.assert_identical(ds.isel(t=slice(0, 3)), new_ds.isel(t=slice(0, 3)))
    xr.testing.assert_identical(ds.isel(t=slice(-2, None)), new_ds.isel(t=slice(-2, None)))
    assert rows < ds.sizes["t"] <= rows + 2


def play(base: Path, kind: str) -> tuple[int, int]:
    """Kill at each step; return how many there were, and at how many a part was written."""
    start, write = KINDS[kind]
    states = []
    for name, actions in {"old": (start,), "new": (start, write)}.items():
        path = base / name / "a.bin"
        path.parent.mkdir(parents=True)
        for act in actions:
            act(path)
        states.append((contents(path.parent), dataset_at(path)))
    (old, old_ds), (new, new_ds) = states
    partial = 0
    for step in range(1000):
        path = base / str(step) / "a.bin"
        shutil.copytree(base / "old", path.parent)
        killed = is_killed(step, write, path)
        now = contents(path.parent)
        check_bytes(now, old, new)
        partial += now not in (old, new)
        if old_ds is not None and new_ds is not None:
            check_dataset(path, kind, old_ds, new_ds)
        if not killed:
            assert now == new
            return step, partial
        write(path)  # whatever the killed one has done, it blocks nobody
        assert not [p for p in path.parent.iterdir() if p.name.startswith(".")], "leftovers"
        check_repeated(contents(path.parent), new, dataset_at(path), new_ds)
        shutil.rmtree(path.parent)
    raise AssertionError("it never ended")


if __name__ == "__main__":
    dask.config.set(scheduler="sync")
    for kind in KINDS:
        print(kind, *play(Path(sys.argv[1]) / kind, kind), file=sys.stderr)
    print("fine")
