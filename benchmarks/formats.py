"""Formats with headers: rawmmap beside each format's own reader, on the same files."""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
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
from benchmarks.format_readers import FORMATS, Cube, Opener

THREADS = 2


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
