"""The demonstration: a file as an instrument or a model writes it, averaged out of core.

The file has a header of 20 bytes and then big-endian ``float32`` values ``(time, y, x)``: waves
that travel over a landscape that does not move, in the noise of the instrument. The mean over
time brings the landscape out.
"""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.errors import RawmmapError

__all__ = [
    "CODE",
    "PLOT_CODE",
    "DemoError",
    "WrongResultError",
    "compare",
    "mean_by_numpy",
    "run",
    "write_file",
]

NY, NX = 256, 512
_STEP = 4 * NY * NX
_HEADER = struct.Struct(">4s4i")
_MAGIC = b"WAVE"
_PIECE = 2**23

#: What the demonstration runs, and prints.
CODE = """\
import xarray as xr
from dask.diagnostics import ProgressBar

ds = xr.open_dataset(
    {path!r},
    engine="rawmmap",
    dtype=">f4",
    shape=(-1, {ny}, {nx}),
    dims=("time", "y", "x"),
    offset=20,
    name="height",
    chunks={{}},
)
with ProgressBar():
    mean = ds["height"].mean("time", skipna=False).compute()
"""

#: What it runs and prints besides, if a plot is wanted.
PLOT_CODE = """\
import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
ds["height"].isel(time=0).plot(ax=axes[0], vmin=-3, vmax=3, cmap="RdBu_r")
axes[0].set_title("one time step")
mean.plot(ax=axes[1], vmin=-1.2, vmax=1.2, cmap="RdBu_r")
axes[1].set_title("mean over time")
fig.savefig({plot!r}, dpi=120)
"""


class DemoError(RawmmapError):
    """The demonstration cannot run as it was asked to, or its result is wrong."""


class WrongResultError(DemoError):
    """The result is wrong."""


def run(path: Path, size: int, plot: Path | None, say: Callable[[str], Any]) -> None:
    """Write the file, average it with xarray and Dask, compare with NumPy, and show the code.

    Both ways of averaging are timed alike: on the file that was just written, and therefore is in
    the page cache if memory allows, with all libraries loaded and without the progress bar.

    Parameters
    ----------
    path : Path
        Where to write the file. An existing file is replaced only if a demonstration wrote it.
    size : int
        Bytes of data, rounded down to whole time steps; the header comes on top.
    plot : Path or None
        Where to draw one time step and the mean, as an image.
    say : callable
        Takes each line of text.

    Raises
    ------
    DemoError
        If `size` is too small or too large, another file is in the way, or the results differ.
    """
    steps = size // _STEP
    if steps < 2:
        raise DemoError(
            f"a size of {size} bytes holds {max(steps, 0)} time steps of {_STEP} bytes; at least 2 "
            f"are needed: ask for {2 * _STEP} bytes or more"
        )
    _check_target(path, _HEADER.size + steps * _STEP)
    seconds = _time(lambda: write_file(path, steps))
    say(
        f"wrote {path}: {path.stat().st_size} bytes, a header of {_HEADER.size} and then "
        f"big-endian float32 (time: {steps}, y: {NY}, x: {NX}), in {seconds:.1f} s\n"
    )
    say("averaging it over time with xarray and Dask:")
    names: dict[str, Any] = {}
    code = CODE.format(path=os.fspath(path), ny=NY, nx=NX)
    exec(compile(code, "<demo>", "exec"), names)
    say("\n" + compare(names["mean"].to_numpy(), mean_by_numpy(path)))
    say(_compare_times(path, names["ds"]["height"]))
    if plot is not None:
        more = PLOT_CODE.format(plot=os.fspath(plot))
        os.environ.setdefault("MPLBACKEND", "Agg")
        exec(compile(more, "<demo>", "exec"), names)
        say(f"drew {plot}")
        code = f"{code}\n{more}"
    say(f"\nThe code that ran; paste it into a notebook started in this folder:\n\n{code}")
    say(f"Delete {path} when you have seen enough.")


def write_file(path: Path, steps: int) -> None:
    """Write the file of `steps` time steps, a few of them at a time.

    If anything fails, what was written of it is removed.
    """
    still = _landscape()
    noise = np.random.default_rng(20).standard_normal
    try:
        with path.open("wb") as file:
            file.write(_HEADER.pack(_MAGIC, 4, steps, NY, NX))
            for moving in _waves(steps):
                frame = still + moving + 0.5 * noise(still.shape, np.float32)
                file.write(frame.astype(">f4").tobytes())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def mean_by_numpy(path: Path) -> npt.NDArray[np.float64]:
    """Return the mean over time as plain NumPy reads the file: piece by piece, no map."""
    total = np.zeros(NY * NX)
    steps = 0
    with path.open("rb") as file:
        file.seek(_HEADER.size)
        while (piece := np.fromfile(file, ">f4", _PIECE // _STEP * NY * NX)).size:
            frames = piece.reshape(-1, NY * NX)
            total += frames.sum(axis=0, dtype="f8")
            steps += len(frames)
    return (total / steps).reshape(NY, NX)


def compare(result: npt.NDArray[Any], expected: npt.NDArray[Any]) -> str:
    """Return a line that says how well two results agree.

    Raises
    ------
    WrongResultError
        If they differ by more than single precision explains.
    """
    if result.shape != expected.shape:
        raise WrongResultError(
            f"FAIL: the shapes differ: {result.shape}, and {expected.shape} by NumPy"
        )
    difference = float(np.abs(result - expected).max())
    line = (
        f"the means differ by at most {difference:.1e}; "
        f"they go from {expected.min():.2f} to {expected.max():.2f}"
    )
    if not difference < 1e-4:
        raise WrongResultError(f"FAIL: {line}")
    return f"PASS: {line}"


def _compare_times(path: Path, height: Any) -> str:
    """Return a line on how long each way of averaging takes, the best of several runs in turn."""
    from dask.system import CPU_COUNT

    rounds = 3 if path.stat().st_size <= 2**30 else 1
    by_dask, by_numpy = [], []
    for _ in range(rounds):
        by_dask.append(_time(lambda: height.mean("time", skipna=False).compute()))
        by_numpy.append(_time(lambda: mean_by_numpy(path)))
    runs = f"best of {rounds} runs" if rounds > 1 else "one run"
    return (
        f"averaging alone, after warming up, without the progress bar, {runs}:\n"
        f"  xarray and Dask, in {CPU_COUNT} threads: {min(by_dask):.3f} s\n"
        f"  a loop of numpy.fromfile and sum, in one thread: {min(by_numpy):.3f} s"
    )


def _time(work: Callable[[], Any]) -> float:
    """Return how many seconds a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _check_target(path: Path, size: int) -> None:
    if path.is_dir():
        raise DemoError(f"{path} is a directory; name a file in it")
    if not path.parent.is_dir():
        raise DemoError(f"there is no folder {path.parent} to write {path.name} into")
    free = shutil.disk_usage(path.parent).free
    if path.exists():
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise DemoError(
                    f"{path} already exists and no demonstration wrote it; name another file"
                )
        free += path.stat().st_size
    if size > free:
        raise DemoError(
            f"{path} would take {size} bytes, but {free} are free; choose a smaller size"
        )


def _landscape() -> npt.NDArray[np.float32]:
    """Return what stays: three hills and a basin."""
    y, x = np.mgrid[0:NY, 0:NX].astype(np.float32) / NY
    result = np.zeros((NY, NX))
    for y0, x0, width, height in ((0.3, 0.4, 0.12, 1), (0.6, 0.9, 0.2, -1), (0.4, 1.5, 0.15, 0.8)):
        result += height * np.exp(-((y - y0) ** 2 + (x - x0) ** 2) / (2 * width**2))
    ridge = 0.5 * np.exp(-(((y - 0.85) / 0.04) ** 2)) * np.sin(6 * x)
    result += ridge
    return result.astype(np.float32)


def _waves(steps: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield what moves, one time step after the other: two trains of waves that cross."""
    y, x = np.mgrid[0:NY, 0:NX].astype(np.float32) / NY
    phases = [2 * np.pi * (5 * x + 2 * y), 2 * np.pi * (3 * x - 6 * y)]
    # cos(a - t) = cos(a) cos(t) + sin(a) sin(t): the cosines of the field are needed only once.
    parts = [(np.cos(a).astype(np.float32), np.sin(a).astype(np.float32)) for a in phases]
    for step in range(steps):
        angles = 2 * np.pi * step / 16, 2 * np.pi * step / 23
        field = np.zeros((NY, NX), np.float32)
        for (cosine, sine), angle in zip(parts, angles, strict=True):
            field += np.float32(np.cos(angle)) * cosine + np.float32(np.sin(angle)) * sine
        yield field
