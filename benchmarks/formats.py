"""Formats with headers: rawmmap beside each format's own reader, on the same files.

Each format is a function that writes a cube of floats into a folder and returns how each contestant
opens it. Register it by `@format_named`; nothing else is needed::

    @format_named("NumPy .npy")
    def npy(folder, cube):
        np.save(folder / "u.npy", cube)
        return {"rawmmap": lambda chunks: engine(folder / "u.npy", "data", chunks), "np.load": ...}

An opener takes the length of the chunks along the first axis, or None for an array without Dask,
and returns something with a shape that can be indexed, its axes in the order of the cube. It raises
`NotImplementedError` where its reader has no such way.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

if __name__ == "__main__":
    # A script's folder is on the path, not the one above it, which holds the package.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import cache

Cube = npt.NDArray[np.float32]
Opener = Callable[[int | None], Any]

THREADS = 2
FORMATS: dict[str, Callable[[Path, Cube], dict[str, Opener]]] = {}


def format_named(name: str) -> Callable[[Any], Any]:
    """Return a decorator that adds a format to the table."""

    def add(function: Callable[[Path, Cube], dict[str, Opener]]) -> Any:
        FORMATS[name] = function
        return function

    return add


def engine(path: Path, variable: str, chunks: int | None, **keywords: Any) -> xr.DataArray:
    """Open a variable by our engine, in chunks along its first axis or without Dask."""
    ds = xr.open_dataset(path, engine="rawmmap", **keywords)
    array = ds[variable]
    return array if chunks is None else ds.chunk({array.dims[0]: chunks})[variable]


def through_dask(array: Any, chunks: int) -> da.Array:
    """Return what Dask makes of an array-like without any support of its own."""
    return da.from_array(array, chunks=(chunks, *array.shape[1:]))


@dataclass(frozen=True)
class Whole:
    """An array of which a reader can read all or nothing; each selection reads it again."""

    read: Callable[[], npt.NDArray[Any]]
    shape: tuple[int, ...]

    def __getitem__(self, key: Any) -> Any:
        return self.read()[key]

    def open(self, chunks: int | None) -> Any:
        """Return the array, or what Dask makes of it: one task reads it, and others cut it."""
        if chunks is None:
            return self
        lazy = da.from_delayed(dask.delayed(self.read, pure=False)(), self.shape, np.float32)
        return lazy.rechunk({0: chunks})


@format_named("NumPy .npy")
def npy(folder: Path, cube: Cube) -> dict[str, Opener]:
    """NumPy maps the file, and Dask takes the map."""
    path = folder / "u.npy"
    np.save(path, cube)

    def numpy(chunks: int | None) -> Any:
        mapped = np.load(path, mmap_mode="r")
        return mapped if chunks is None else through_dask(mapped, chunks)

    return {"rawmmap": lambda chunks: engine(path, "data", chunks), "np.load": numpy}


@format_named("GrADS")
def grads(folder: Path, cube: Cube) -> dict[str, Opener]:
    """A descriptor beside a file of one variable; xgrads reads it through Dask only."""
    cube.tofile(folder / "u.dat")
    frames, rows, columns = cube.shape
    ctl = folder / "u.ctl"
    ctl.write_text(
        "DSET ^u.dat\nTITLE cube\nUNDEF -9.99e33\nOPTIONS little_endian\n"
        f"XDEF {columns} LINEAR 0 0.1\nYDEF {rows} LINEAR -50 0.1\nZDEF 1 LINEAR 1 1\n"
        f"TDEF {frames} LINEAR 00z01jan2000 1hr\nVARS 1\nu 0 99 cube\nENDVARS\n"
    )

    def xgrads(chunks: int | None) -> Any:
        if chunks is None:
            raise NotImplementedError("opens Dask arrays only")
        opened = importlib.import_module("xgrads").open_CtlDataset(str(ctl))
        return opened["u"].squeeze()

    def ours(chunks: int | None) -> Any:
        return engine(ctl, "u", chunks, mask_and_scale=False)

    return {"rawmmap": ours, "xgrads": xgrads}


@format_named("NumPy .npz")
def npz(folder: Path, cube: Cube) -> dict[str, Opener]:
    """NumPy reads a member as a whole."""
    path = folder / "u.npz"
    np.savez(path, u=cube)

    def numpy() -> Any:
        with np.load(path) as archive:
            return archive["u"]

    whole = Whole(numpy, cube.shape)
    return {"rawmmap": lambda chunks: engine(path, "u", chunks), "np.load": whole.open}


@format_named("Fortran sequential")
def fortran(folder: Path, cube: Cube) -> dict[str, Opener]:
    """One record for each frame; SciPy reads them one after another."""
    path = folder / "u.dat"
    scipy_file = importlib.import_module("scipy.io").FortranFile
    with scipy_file(path, "w") as file:
        for frame in cube:
            file.write_record(frame)
    shape = cube.shape[1:]

    def scipy() -> Any:
        with scipy_file(path) as file:
            return np.stack([file.read_reals("f4").reshape(shape) for _ in range(len(cube))])

    def ours(chunks: int | None) -> Any:
        return engine(path, "data", chunks, format="fortran", dtype="f4", shape=shape)

    return {"rawmmap": ours, "FortranFile": Whole(scipy, cube.shape).open}


@format_named("MITgcm, one file of levels")
def mitgcm_levels(folder: Path, cube: Cube) -> dict[str, Opener]:
    """A variable of three dimensions at one iteration."""
    mds = importlib.import_module("MITgcmutils")
    _write_grid(mds, folder, cube.shape)
    mds.wrmds(str(folder / "T"), cube, 0)
    return {
        "rawmmap": lambda chunks: engine(folder / "T.0000000000.data", "T", chunks),
        "xmitgcm": lambda chunks: _open_xmitgcm(folder, "T", [0], "k", chunks),
        "rdmds": Whole(lambda: _read_by_mitgcmutils(mds, folder / "T", 0), cube.shape).open,
    }


@format_named("MITgcm, many iterations")
def mitgcm_iterations(folder: Path, cube: Cube) -> dict[str, Opener]:
    """A variable of two dimensions, one file for each frame."""
    mds = importlib.import_module("MITgcmutils")
    _write_grid(mds, folder, (1, *cube.shape[1:]))
    for number, frame in enumerate(cube):
        mds.wrmds(str(folder / "Eta"), frame, number, ndims=2)
    numbers = list(range(len(cube)))
    return {
        "rawmmap": lambda chunks: engine(folder / "Eta", "Eta", chunks),
        "xmitgcm": lambda chunks: _open_xmitgcm(folder, "Eta", numbers, "time", chunks),
        "rdmds": Whole(lambda: _read_by_mitgcmutils(mds, folder / "Eta", np.nan), cube.shape).open,
    }


def _write_grid(mds: Any, folder: Path, shape: tuple[int, ...]) -> None:
    """Write the arrays by which xmitgcm knows the size of the model."""
    mds.wrmds(str(folder / "RC"), np.zeros((shape[0], 1, 1)))
    mds.wrmds(str(folder / "XC"), np.zeros(shape[1:]))


def _open_xmitgcm(folder: Path, name: str, numbers: Any, dim: str, chunks: int | None) -> Any:
    if chunks is None:
        raise NotImplementedError("opens Dask arrays only")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = importlib.import_module("xmitgcm").open_mdsdataset(
            str(folder), iters=numbers, prefix=[name], read_grid=False, ignore_unknown_vars=True
        )
    return ds[name].squeeze().chunk({dim: chunks})


def _read_by_mitgcmutils(mds: Any, prefix: Path, step: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return mds.rdmds(str(prefix), step, astype=None)


@dataclass(frozen=True)
class Case:
    """One thing that is measured, in the page cache or out of it."""

    name: str
    chunked: bool
    cold: bool
    run: Callable[[Any], Any]
    expected: Callable[[Cube], Any]


def _mean(array: Any) -> float:
    lazy = array.mean(skipna=False) if isinstance(array, xr.DataArray) else array.mean()
    return float(lazy.compute())


def _middle(array: Any) -> tuple[int, int, int]:
    frames, rows, columns = array.shape
    return frames // 2, rows // 2, columns // 3


def _series(array: Any) -> Any:
    _, row, column = _middle(array)
    return np.asarray(array[:, row, column])


def _plane(array: Any) -> Any:
    return np.asarray(array[_middle(array)[0]])


CASES = (
    Case("open", False, False, lambda array: array.shape, lambda cube: cube.shape),
    Case("open in chunks", True, False, lambda array: array.shape, lambda cube: cube.shape),
    Case("mean, warm", True, False, _mean, lambda cube: cube.mean(dtype="f8")),
    Case("series, cold", False, True, _series, _series),
    Case("series through Dask, cold", True, True, _series, _series),
    Case("plane, cold", False, True, _plane, _plane),
    Case("plane through Dask, cold", True, True, _plane, _plane),
)


def make_cube(frames: int, side: int) -> Cube:
    """Return the cube that all formats hold."""
    return np.random.default_rng(3).random((frames, side, side), dtype=np.float32)


def measure(case: Case, opener: Opener, folder: Path, cube: Cube, chunks: int) -> float:
    """Return the seconds of one round, after checking what it returns."""
    gc.collect()
    files = list(cache.files_below([folder]))
    if case.cold:
        cache.evict(files)
    else:
        cache.refill(files)
    argument = chunks if case.chunked else None
    opens = case.name.startswith("open")
    array = None if opens else opener(argument)
    start = time.perf_counter()
    if opens:
        array = opener(argument)
    result = case.run(array)
    seconds = time.perf_counter() - start
    np.testing.assert_allclose(result, case.expected(cube), rtol=1e-5)
    return seconds


def iterate_rounds(
    name: str, folder: Path, cube: Cube, chunks: int, rounds: int
) -> Iterator[tuple[str, str, list[float] | str]]:
    """Yield case, contestant, and its seconds or why it has none; the contestants interleaved."""
    openers = FORMATS[name](folder, cube)
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        for case in CASES:
            results: dict[str, list[float] | str] = {contestant: [] for contestant in openers}
            for number in range(rounds + 1):
                for contestant, opener in openers.items():
                    seconds = results[contestant]
                    if isinstance(seconds, str):
                        continue
                    try:
                        elapsed = measure(case, opener, folder, cube, chunks)
                    except (ImportError, NotImplementedError) as error:
                        results[contestant] = str(error)
                        continue
                    # What is imported and set up once is not part of any case.
                    if number or not rounds:
                        seconds.append(elapsed)
            for contestant, outcome in results.items():
                yield case.name, contestant, outcome


def format_table(name: str, outcomes: list[tuple[str, str, list[float] | str]]) -> str:
    """Return the medians of one format, in milliseconds, as a table."""
    contestants = list(dict.fromkeys(contestant for _, contestant, _ in outcomes))
    lines = [f"| {name} | " + " | ".join(contestants) + " |", "|---" * (len(contestants) + 1) + "|"]
    for case in dict.fromkeys(case for case, _, _ in outcomes):
        row = {c: o for k, c, o in outcomes if k == case}
        cells = [
            f"{statistics.median(o) * 1e3:.3g} ms" if isinstance(o, list) and o else "-"
            for o in (row[contestant] for contestant in contestants)
        ]
        lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measure the formats that are named, or all, and print a table of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {list(FORMATS)}; default all")
    parser.add_argument("--frames", type=int, default=256, help="each is --side squared")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--chunks", type=int, default=64, help="frames of a chunk")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the files go; not on tmpfs")
    args = parser.parse_args(argv)
    cube = make_cube(args.frames, args.side)
    for name in args.names or FORMATS:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            outcomes = list(iterate_rounds(name, Path(folder), cube, args.chunks, args.rounds))
        print(format_table(name, outcomes), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
