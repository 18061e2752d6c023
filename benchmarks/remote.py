"""A far-away array: rawmmap beside Zarr and kerchunk's references, over the same HTTP server.

The server runs in a process of its own and waits 20 ms before each answer. All contestants read the
same bytes: a flat file, the same as an uncompressed Zarr array, and the flat file by references of
kerchunk in the same chunks. ``python benchmarks/remote.py`` prints a table of each case.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dask
import numpy as np
import xarray as xr

if __name__ == "__main__":
    # A script's folder is on the path, not the one above it, which holds the package.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.flat import DIMS, Flat
from benchmarks.server import Served, serve

THREADS = 2
LATENCY = 20.0
REFERENCE = "Zarr, uncompressed"

#: None without Dask; "same" for the chunks of the Zarr array; "own" for what ``chunks={}`` gives.
Chunks = Literal["same", "own"] | None
Opener = Callable[[Chunks], Any]


def engine(flat: Flat, url: str) -> Opener:
    """Return how our engine opens the flat file."""

    def open_array(chunks: Chunks) -> Any:
        lengths = {"same": {"time": flat.rows}, "own": {}}
        ds = xr.open_dataset(
            f"{url}/u.raw", engine="rawmmap", dtype=flat.dtype, shape=flat.shape, dims=DIMS,
            offset=flat.offset, name="u", chunks=lengths[chunks] if chunks else None,
        )  # fmt: skip
        return ds["u"]

    return open_array


def from_raw(flat: Flat, url: str) -> Opener:
    """Return how `rawmmap.from_raw` and `rawmmap.RawArray` open the flat file."""
    import rawmmap

    def open_array(chunks: Chunks) -> Any:
        args = f"{url}/u.raw", flat.dtype, flat.shape
        if chunks:
            lengths = {"same": (flat.rows, -1, -1), "own": "auto"}
            return rawmmap.from_raw(*args, offset=flat.offset, chunks=lengths[chunks])
        return rawmmap.RawArray(*args, offset=flat.offset)

    return open_array


def zarr(flat: Flat, url: str) -> Opener:
    """Write the array as Zarr, and return how it is opened."""
    import zarr

    path = flat.folder / "u.zarr"
    if not path.exists():
        group = zarr.open_group(path, mode="w", zarr_format=3)
        array = group.create_array(
            "u", shape=flat.shape, dtype=flat.dtype, chunks=(flat.rows, *flat.shape[1:]),
            compressors=None, dimension_names=DIMS,
        )  # fmt: skip
        for start, block in flat.blocks():
            array[start : start + len(block)] = block
        zarr.consolidate_metadata(path)

    def open_array(chunks: Chunks) -> Any:
        return xr.open_zarr(f"{url}/u.zarr", chunks={} if chunks else None)["u"]

    return open_array


def kerchunk(flat: Flat, url: str) -> Opener:
    """Return how references to the chunks of the flat file are opened."""
    import fsspec

    meta = {
        "zarr_format": 2, "shape": flat.shape, "chunks": (flat.rows, *flat.shape[1:]),
        "dtype": flat.dtype.str, "compressor": None, "filters": None, "fill_value": None,
        "order": "C",
    }  # fmt: skip
    refs: dict[str, Any] = {
        ".zgroup": {"zarr_format": 2}, "u/.zarray": meta, "u/.zattrs": {"_ARRAY_DIMENSIONS": DIMS},
    }  # fmt: skip
    for number, start in enumerate(flat.starts):
        position = flat.offset + start * flat.frame_bytes
        refs[f"u/{number}.0.0"] = [f"{url}/u.raw", position, flat.chunk_bytes]

    def open_array(chunks: Chunks) -> Any:
        from zarr.storage import FsspecStore

        fs = fsspec.filesystem(
            "reference", fo={"version": 1, "refs": refs}, remote_protocol="http",
            remote_options={"asynchronous": True}, asynchronous=True, skip_instance_cache=True,
        )  # fmt: skip
        store = FsspecStore(fs, read_only=True)
        return xr.open_zarr(store, chunks={} if chunks else None, consolidated=False)["u"]

    return open_array


CONTESTANTS: dict[str, Callable[[Flat, str], Opener]] = {
    "rawmmap engine": engine,
    "rawmmap.from_raw": from_raw,
    "Zarr, uncompressed": zarr,
    "kerchunk references": kerchunk,
}


@dataclass(frozen=True)
class Case:
    """One selection, and the chunks through which it goes."""

    name: str
    chunks: Chunks
    select: Callable[[Any], Any]


def _mean(array: Any) -> Any:
    lazy = array.mean(skipna=False) if isinstance(array, xr.DataArray) else array.mean()
    return lazy.compute() if hasattr(lazy, "compute") else lazy


# What NumPy and all contestants do.


def _load(selected: Any) -> Any:
    return np.asarray(selected.compute() if hasattr(selected, "compute") else selected)


def _series(array: Any) -> Any:
    _, ny, nx = array.shape
    return _load(array[:, ny // 2 - 12, nx // 2 - 12])


def _crop(array: Any) -> Any:
    _, ny, nx = array.shape
    side = min(100, ny // 2)
    return _load(array[:, ny // 10 : ny // 10 + side, nx // 10 : nx // 10 + side])


def _frame(array: Any) -> Any:
    return _load(array[array.shape[0] // 2])


CASES = (
    Case("mean of all, equal chunks", "same", _mean),
    Case("mean of all, chunks={}", "own", _mean),
    Case("time series of a pixel", None, _series),
    Case("time series of a pixel, equal chunks", "same", _series),
    Case("time series of a pixel, chunks={}", "own", _series),
    Case("100 x 100 window of every frame", None, _crop),
    Case("100 x 100 window of every frame, equal chunks", "same", _crop),
    Case("100 x 100 window of every frame, chunks={}", "own", _crop),
    Case("one frame", None, _frame),
)


@dataclass
class Outcome:
    """What a contestant took in the rounds of a case."""

    seconds: list[float]
    requests: int = 0
    nbytes: int = 0


def measure(
    case: Case, opener: Opener, flat: Flat, server: Served, outcome: Outcome, values: Any
) -> None:
    """Open, select and check once; opening is part of the time."""
    gc.collect()
    server.count()
    start = time.perf_counter()
    result = case.select(opener(case.chunks))
    outcome.seconds.append(time.perf_counter() - start)
    outcome.requests, outcome.nbytes = server.count()
    np.testing.assert_allclose(result, case.select(values), rtol=1e-4)


def iterate_rounds(
    flat: Flat, rounds: int, latency: float = LATENCY
) -> Iterator[tuple[str, dict[str, Outcome]]]:
    """Yield each case with its contestants' outcomes, whose rounds are interleaved."""
    flat.make()
    values = flat.read()
    with (
        serve(flat.folder, latency) as server,
        dask.config.set(scheduler="threads", num_workers=THREADS),
    ):
        openers = {name: make(flat, server.url) for name, make in CONTESTANTS.items()}
        for case in CASES:
            outcomes = {name: Outcome([]) for name in openers}
            for number in range(rounds + 1):
                for name, opener in openers.items():
                    measure(case, opener, flat, server, outcomes[name], values)
                    # What is imported and set up once is not part of any case.
                    if not number and rounds:
                        outcomes[name].seconds.clear()
            yield case.name, outcomes


def format_case(name: str, outcomes: dict[str, Outcome]) -> str:
    """Return a table of a case: ratios over the rounds, medians, requests and bytes."""
    base = outcomes[REFERENCE].seconds
    lines = [
        f"| {name} | times {REFERENCE} | median | requests | MB fetched |",
        "| --- | --- | --- | --- | --- |",
    ]
    for contestant, outcome in outcomes.items():
        ratio = statistics.median(a / b for a, b in zip(outcome.seconds, base, strict=True))
        lines.append(
            f"| {contestant} | {ratio:.3g} | {statistics.median(outcome.seconds) * 1e3:.3g} ms "
            f"| {outcome.requests} | {outcome.nbytes / 1e6:.3g} |"
        )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measure all cases, and print a table of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--frames", type=int, default=128, help="each is --side squared")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--chunks", type=int, default=4, help="frames of a chunk")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency", type=float, default=LATENCY, help="milliseconds")
    parser.add_argument("--folder", type=Path, help="where the files go")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        flat = Flat(Path(folder), (args.frames, args.side, args.side), args.chunks)
        for name, outcomes in iterate_rounds(flat, args.rounds, args.latency):
            print(format_case(name, outcomes), end="\n\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
