"""Formats with headers: rawmmap beside each format's own reader, on the same files."""

from __future__ import annotations

import argparse
import gc
import json
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
import numpy as np
import xarray as xr

if __name__ == "__main__":
    # A script's folder is on the path, not the one above it, which holds the package.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import cache
from benchmarks.format_readers import FORMATS, READERS_OF_ARRAYS, Cube, Opener, Whole

THREADS = 2
OURS = ("rawmmap", "rawmmap.open")
# Columns of the table, and the cases in each.
COLUMNS = {
    "open": ("open", "open in chunks"),
    "mean, cached": ("mean, warm",),
    "series, cold": ("series, cold", "series through Dask, cold"),
    "plane, cold": ("plane, cold", "plane through Dask, cold"),
}


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


def _copy(selection: Any) -> Any:
    """Return values in memory: a view of a map would have read nothing yet."""
    return np.array(selection)


def _series(array: Any) -> Any:
    _, row, column = _middle(array)
    return _copy(array[:, row, column])


def _plane(array: Any) -> Any:
    return _copy(array[_middle(array)[0]])


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
    if opens and isinstance(opener, Whole):
        raise NotImplementedError("does not open a file before it reads it as a whole")
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


def measure_format(
    name: str, folder: Path, cube: Cube, chunks: int, rounds: int
) -> dict[str, dict[str, float]]:
    """Return the median seconds of each contestant that takes part, for each case."""
    medians: dict[str, dict[str, float]] = {}
    for case, contestant, outcome in iterate_rounds(name, folder, cube, chunks, rounds):
        row = medians.setdefault(case, {})
        if isinstance(outcome, list) and outcome:
            row[contestant] = statistics.median(outcome)
    return medians


def format_table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return one table of all formats: our times, and for others what part of theirs that is.

    A cell has one figure without Dask, and one through Dask; a dash stands for what a reader cannot
    do.
    """
    lines = ["| format | reader | " + " | ".join(COLUMNS) + " |"]
    lines.append("| --- " * (len(COLUMNS) + 2) + "|")
    for name, medians in results.items():
        first = name
        for reader in dict.fromkeys(reader for row in medians.values() for reader in row):
            label = f"**{reader}**" if reader in OURS else reader
            cells = [
                " / ".join(_format_figure(medians[case], reader) for case in cases)
                for cases in COLUMNS.values()
            ]
            lines.append(f"| {first} | {label} | " + " | ".join(cells) + " |")
            first = ""
    return "\n".join(lines)


def _format_figure(medians: dict[str, float], reader: str) -> str:
    if reader not in medians:
        return "-"
    if reader in OURS:
        return f"{medians[reader] * 1e3:.3g} ms"
    arrays = reader in READERS_OF_ARRAYS and "rawmmap.open" in medians
    ours = medians["rawmmap.open" if arrays else "rawmmap"]
    return f"{ours / medians[reader]:.2g}"


def main(argv: list[str] | None = None) -> int:
    """Measure the formats that are named, or all, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {list(FORMATS)}; default all")
    parser.add_argument("--frames", type=int, default=256, help="each is --side squared")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--chunks", type=int, default=64, help="frames of a chunk")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the files go; not on tmpfs")
    parser.add_argument("--input", type=Path, help="print the table of medians that were kept")
    parser.add_argument("--json", type=Path, help="keep the medians, in seconds, in this file")
    args = parser.parse_args(argv)
    if args.input:
        print(format_table(json.loads(args.input.read_text())))
        return 0
    cube = make_cube(args.frames, args.side)
    # rioxarray warns that the files say nothing of their place on earth.
    warnings.simplefilter("ignore")
    results = {}
    for name in args.names or FORMATS:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            results[name] = measure_format(name, Path(folder), cube, args.chunks, args.rounds)
        print(name, "measured", file=sys.stderr, flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    print(format_table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
