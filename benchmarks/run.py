"""Runs cases with their contestants interleaved, round by round."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import dask

from . import cache
from .cases import READING, Case, Workload
from .contestants import CONTESTANTS, Contestant
from .flat import Flat, Truth
from .workers import Workers
from .writing import Write

__all__ = [
    "CASES", "case_by_name", "full_workload", "machine", "prepare_files", "prepare_round",
    "quick_workload", "quiet", "run", "versions", "why_not",
]  # fmt: skip

CASES: tuple[Case, ...] = (*READING, Workers(), Write())
_PACKAGES = (
    "rawmmap", "numpy", "dask", "distributed", "xarray", "rosettasciio", "xarray-binfile", "scipy",
    "netCDF4", "rioxarray", "rasterio", "zarr",
)  # fmt: skip
_LONG_CALL = 20.0


def case_by_name(name: str) -> Case:
    """Return the case of that name."""
    for case in CASES:
        if case.name == name:
            return case
    raise KeyError(f"no case {name!r}; there are {[c.name for c in CASES]}")


def _workload(quick: bool, main: Flat, many: Flat, wide: Flat, workers: Flat) -> Workload:
    for flat in (main, many, wide):
        flat.make()
    return Workload(main, Truth(main), many, wide, workers, quick, cache.evictable(main.folder))


def quick_workload(folder: Path) -> Workload:
    """Write the small files with which the cases run as ordinary tests."""
    return _workload(
        True,
        Flat(folder / "main", (24, 256, 256), 4),
        Flat(folder / "many", (2000, 1024, 2684), 1, sparse=True),
        Flat(folder / "wide", (200, 4096, 4096), 1, sparse=True),
        Flat(folder / "workers", (24, 256, 256), 4),
    )


def full_workload(folder: Path) -> Workload:
    """Write the files of a full run: 2 GiB, and sparse ones of 1 TiB and 625 GiB."""
    return _workload(
        False,
        Flat(folder / "main", (512, 1024, 1024), 16),
        Flat(folder / "many", (100_000, 1024, 2684), 1, sparse=True),
        Flat(folder / "wide", (10_000, 4096, 4096), 1, sparse=True),
        Flat(folder / "workers", (1024, 1024, 1024), 16),
    )


def run(
    cases: Iterable[Case],
    work: Workload,
    *,
    only: Iterable[str] | None = None,
    rounds: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Run the cases one after the other, the contestants of each interleaved.

    Parameters
    ----------
    cases : iterable of Case
        What to run.
    work : Workload
        The files.
    only : iterable of str, optional
        Names of the contestants; all where absent.
    rounds : int, optional
        Rounds of every case, instead of each case's own number.
    say : callable
        Is told what is going on.

    Returns
    -------
    list of dict
        For each case its contestants' seconds and metrics by round, ready for JSON.
    """
    names = None if only is None else set(only)
    tiny = Flat(work.main.folder.with_name("tiny"), (4, 8, 8), 2)
    tiny.make()
    warm: set[str] = set()
    results = []
    for case in cases:
        say(f"== {case.name}: {case.title}")
        found: dict[str, dict[str, Any]] = {}
        ready: list[Contestant] = []
        for contestant in case.contestants():
            if names is not None and contestant.name not in names:
                continue
            reason = why_not(case, contestant, work)
            if reason:
                found[contestant.name] = {"skipped": reason}
                continue
            if contestant.name not in warm and contestant in CONTESTANTS:
                _first_steps(contestant, tiny)
                warm.add(contestant.name)
            found[contestant.name] = {"seconds": [], "metrics": {}}
            ready.append(contestant)
        _interleave(case, ready, work, case.rounds if rounds is None else rounds, found, say)
        results.append(
            {
                "name": case.name,
                "title": case.title,
                "state": case.state,
                "reference": case.reference,
                "subtract": case.subtract,
                "reads": case.reads,
                "contestants": found,
            }
        )
    return results


def why_not(case: Case, contestant: Contestant, work: Workload) -> str | None:
    """Return why the contestant sits this case out, or None."""
    if case.state == "cold" and not work.evictable:
        return "this file system does not let go of pages"
    return case.skips.get(contestant.name) or contestant.missing()


def _first_steps(contestant: Contestant, tiny: Flat) -> None:
    """Let a contestant import and set up what it needs once per process."""
    contestant.prepare(tiny)
    openers = [contestant.open] * contestant.lazy + [contestant.open_chunked] * contestant.chunked
    for opener in openers:
        opened = opener(tiny)
        contestant.array(opened)[:, 1].mean().compute()
        contestant.close(opened)


def _interleave(
    case: Case,
    contestants: list[Contestant],
    work: Workload,
    rounds: int,
    found: dict[str, dict[str, Any]],
    say: Callable[[str], None],
) -> None:
    for contestant in contestants:
        prepare_files(case, contestant, work)
    dropped: set[str] = set()
    for number in range(rounds):
        for contestant in contestants:
            if contestant.name in dropped:
                continue
            result = found[contestant.name]
            try:
                seconds, metrics = one_round(case, contestant, work, number)
            # One contestant's failure must not end the others' run.
            except Exception as error:  # noqa: BLE001
                result["skipped"] = f"{type(error).__name__}: {error}"
                dropped.add(contestant.name)
                say(f"  {contestant.name}: {result['skipped']}")
                continue
            result["seconds"].append(seconds / case.units(work))
            for key, value in metrics.items():
                result["metrics"].setdefault(key, []).append(value)
            extra = "".join(f", {k} {v:.4g}" for k, v in metrics.items())
            say(f"  {number} {contestant.name}: {result['seconds'][-1] * 1e3:.4f} ms{extra}")
            if seconds > _LONG_CALL:
                dropped.add(contestant.name)


def one_round(
    case: Case, contestant: Contestant, work: Workload, number: int
) -> tuple[float, dict[str, float]]:
    """Set the cache, open, time the calls, check what they return; the median and the metrics."""
    prepare_round(case, contestant, work)
    times = []
    with case.bind(contestant, work) as call:
        for i in range(number * case.repeat, (number + 1) * case.repeat):
            start = time.perf_counter()
            result = call(i)
            times.append(time.perf_counter() - start)
            if len(times) == 1:
                # Checks may touch the file, which the metrics must not see.
                metrics = case.metrics(contestant, result, times[0], work)
            case.check(result, i, work)
            del result
        del call
    return statistics.median(times), metrics


def prepare_files(case: Case, contestant: Contestant, work: Workload) -> None:
    """Write what the contestant reads, and fill the cache where that is done once."""
    flat = case.flat(work)
    flat.make()
    contestant.prepare(flat)
    contestant.prepare(work.main)
    if case.state == "warm" and not case.refill_each_round:
        _fill(contestant.files(flat), work)


def prepare_round(case: Case, contestant: Contestant, work: Workload) -> None:
    """Bring the cache into the state that the case names."""
    gc.collect()
    paths = contestant.files(case.flat(work))
    if case.state == "cold":
        cache.evict(paths)
    elif case.state == "warm" and case.refill_each_round:
        _fill(paths, work)


def _fill(paths: list[Path], work: Workload) -> None:
    if work.evictable:
        cache.evict(paths)
    cache.refill(paths)


def versions() -> dict[str, str]:
    """Return the versions of what takes part and is installed."""
    found = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine(folder: Path) -> dict[str, str]:
    """Return what of the machine decides the figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {_kernel()}, {platform.machine()}",
        "file system": _file_system(folder),
        "read-ahead": _read_ahead(folder),
    }


def _kernel() -> str:
    return ".".join(platform.release().split("-")[0].split(".")[:2])


def _file_system(folder: Path) -> str:
    best, kind = "", "unknown"
    mounts = Path("/proc/mounts")
    lines = mounts.read_text().splitlines() if mounts.exists() else []
    for line in lines:
        _, point, name = line.split()[:3]
        if folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, name
    return kind


def _read_ahead(folder: Path) -> str:
    number = os.stat(folder).st_dev
    path = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    for place in (path, path.resolve().parent):
        setting = place / "queue" / "read_ahead_kb"
        if setting.exists():
            return f"{setting.read_text().strip()} KiB"
    return "unknown"


def quiet() -> None:
    """Silence the peers' warnings, and set Dask up as the cases expect it."""
    warnings.simplefilter("ignore")
    dask.config.set({"array.chunk-size": "64MiB"})
