"""A writer of a series that is killed: run as ``python killing_series.py FOLDER``.

It says "fine", or what went wrong. Each child writes a series and is killed before one of its
steps; the parent looks at what is left.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr

import rawmmap.xarray  # noqa: F401
from rawmmap.errors import DescriptionError

# The script's own folder comes first among those that are searched for modules.
from killing import forked, kill_at  # type: ignore[import-not-found,unused-ignore]  # isort: skip

COUNT = 4


def version(number: int) -> xr.Dataset:
    """Datasets that differ in every value, in lengths and in types."""
    dtype = ("f4", ">i2", "f8")[number % 3]
    values = np.full((COUNT, number + 1), number, dtype)
    return xr.Dataset(
        {"u": (("step", "x"), values)}, {"step": np.arange(COUNT)}, {"number": number}
    ).chunk(step=2)


def write(number: int, pattern: Path) -> None:
    version(number).rawmmap.to_raw(pattern)


def append(number: int, pattern: Path) -> None:
    more = version(number).assign_coords(step=np.arange(COUNT, 2 * COUNT))
    more.rawmmap.to_raw(pattern, append_dim="step")


def write_with_hook(step: int, write: Any, number: int, pattern: Path) -> None:
    sys.addaudithook(kill_at(step, str(pattern.parent)))
    write(number, pattern)


def files_of(number: int, folder: Path) -> list[bytes]:
    folder.mkdir()
    write(number, folder / "{step}.bin")
    return [(folder / f"{step}.bin").read_bytes() for step in range(COUNT)]


def each_step(folder: Path, old: list[bytes], new: list[bytes]) -> None:
    """Kill a writer before each of its steps, and write again over what is left."""
    pattern = folder / "{step}.bin"
    opened = []
    for step in range(1000):
        write(1, pattern)
        assert not list(folder.glob(".*")), "a draft or a lock is left over"
        _, status = os.waitpid(forked(write_with_hook, step, write, 2, pattern), 0)
        now = [(folder / f"{i}.bin").read_bytes() for i in range(COUNT)]
        count = sum(data == other for data, other in zip(now, new, strict=True))
        assert now == new[:count] + old[count:], f"step {step}: files that are neither"
        try:
            found = xr.open_dataset(pattern, engine="rawmmap").load()
            number = int(found.attrs["number"])
            assert count == {1: 0, 2: COUNT}[number], (count, number)
            xr.testing.assert_identical(found, version(number).load())
        except DescriptionError:
            number = 0
        opened.append(number)
        if not os.WIFSIGNALED(status):
            assert status == 0, "the writer failed by itself"
            break
    assert opened[0] == 1
    assert opened[-1] == 2
    assert len(opened) > 20, opened
    assert not list(folder.glob(".*.lock")), "a lock is left over"


def each_step_of_append(folder: Path) -> None:
    """Kill a writer that appends before each of its steps: the series is the old or the new one."""
    pattern = folder / "{step}.bin"
    lengths = []
    for step in range(1000):
        write(2, pattern)
        # Locks of the files that it does not write may be left.
        assert not list(folder.glob(".*.part")), "a draft is left over"
        _, status = os.waitpid(forked(write_with_hook, step, append, 2, pattern), 0)
        found = xr.open_dataset(pattern, engine="rawmmap").load()
        lengths.append(found.sizes["step"])
        assert (found["u"] == 2).all()
        if not os.WIFSIGNALED(status):
            assert status == 0, "the writer failed by itself"
            break
    assert lengths == sorted(lengths), lengths
    assert set(lengths) == {COUNT, 2 * COUNT}, lengths


if __name__ == "__main__":
    dask.config.set(scheduler="sync")
    place = Path(sys.argv[1])
    contents = [files_of(number, place / f"version {number}") for number in (1, 2)]
    (place / "run").mkdir()
    each_step(place / "run", *contents)
    (place / "longer").mkdir()
    each_step_of_append(place / "longer")
    print("fine")
