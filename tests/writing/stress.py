"""Writers and readers of one dataset at once: ``python stress.py FOLDER ROUNDS`` says "fine".

Each round starts some writers, as threads and as processes, and kills some of the processes. Every
writer notes what it did when it has succeeded. The model: a file holds numbered generations. A
replacement puts ``g`` into every element; an append adds a row of its own number; a region or a
whole-array correction overwrites one column by its own number. All columns of one row come from
writers that the model knows, rows are never torn, and what succeeded last is seen.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr

import rawmmap
from rawmmap.xarray.writing.front import to_raw

WIDTH = 64
KINDS = (
    "replace",
    "append",
    "region",
    "add",
    "delayed replace",
    "delayed append",
    "delayed region",
    "delayed add",
)


def dataset(number: int, rows: int) -> xr.Dataset:
    """A dataset whose every value is `number`; how many columns it has tells its kind of number."""
    width = WIDTH + number % 3
    values = da.full((rows, width), number, chunks=(1, 32), dtype="f8")
    return xr.Dataset({"u": (("t", "x"), values)}, attrs={"number": number})


def write(path: Path, kind: str, number: int, records: bool) -> None:
    """Make one change of one kind, planned and executed at once or one after the other."""
    delayed = kind.startswith("delayed ")
    task = plan(path, kind.removeprefix("delayed "), number, records, not delayed)
    if task is not None:
        task.compute()


def plan(path: Path, kind: str, number: int, records: bool, compute: bool) -> Any:
    if kind == "replace":
        unlimited = "t" if records else None
        whole = dataset(number, number % 4 + 1)
        return to_raw(whole, path, unlimited_dims=unlimited, compute=compute)
    now = xr.open_dataset(path, engine="rawmmap")
    width = now.sizes["x"]
    if kind == "region":
        part = xr.Dataset({"u": (("t", "x"), np.full((1, width), number, "f8"))})
        where = {"t": slice(0, 1), "x": slice(0, width)}
        return to_raw(part, path, region=where, compute=compute)
    if kind == "add":
        new = xr.Dataset({"w": ("k", np.full(5, number))})
        return to_raw(new, path, mode="a", compute=compute)
    row = xr.Dataset({"u": (("t", "x"), da.full((1, width), number, chunks=(1, 16)))})
    return to_raw(row.astype("f8"), path, append_dim="t", compute=compute)


def check(path: Path) -> dict[str, Any]:
    """Return what lies at `path`, once it is known to be something that writers may leave."""
    try:
        ds = xr.open_dataset(path, engine="rawmmap")
        number = int(ds.attrs["number"])
        assert ds.sizes["x"] == WIDTH + number % 3, f"the sidecar of {number} has {dict(ds.sizes)}"
        values = ds["u"].values
    except OSError:
        return {}  # replaced while it was read, which says so
    base = number % 4 + 1
    assert len(values) >= base, f"{len(values)} rows of {base}"
    for i, row in enumerate(values):
        if i != 0:
            assert len(set(row.tolist())) == 1, f"row {i} is torn: {sorted(set(row.tolist()))}"
        if 0 < i < base:
            assert row[0] == number, f"row {i} of {number} is of {row[0]}"
    return {"number": number, "rows": values[:, 0].astype(int).tolist()}


def attempt(path: Path, kind: str, number: int, records: bool, done: list[Any]) -> None:
    try:
        write(path, kind, number, records)
    except (OSError, ValueError) as error:
        # A width that another replacement has changed since, or a write that came between.
        # Or, as one after the other too, a rewrite that would lose a variable replaced in place.
        known = ("is needed", "that the file has, but the data", "no variable covers")
        expected = isinstance(error, OSError) or any(text in str(error) for text in known)
        done.append((kind, number, type(error).__name__ if expected else f"WRONG {error!r}"))
    else:
        done.append((kind, number, None))


def in_process(path: Path, kind: str, number: int, records: bool, result: Path) -> None:
    dask.config.set(scheduler="threads", num_workers=2)
    done: list[Any] = []
    try:
        attempt(path, kind, number, records, done)
    except BaseException as error:  # noqa: BLE001
        done.append((kind, number, f"WRONG {error!r}"))
    result.write_text(json.dumps(done[0]))


def play_round(path: Path, number: int, rng: random.Random, seen: dict[str, int]) -> None:
    """Start from a known file, let writers meet, and compare with all that may come of it."""
    records = rng.random() < 0.5
    to_raw(dataset(number, number % 4 + 1), path, unlimited_dims="t" if records else None)
    hidden = [name for name in os.listdir(path.parent) if name.startswith(".")]
    assert not hidden, f"{hidden} of killed writers are left"
    # Not by fork from here, where threads may hold locks; not by a queue, whose lock may be killed.
    context = multiprocessing.get_context("forkserver")
    results = path.parent.with_name("results")
    done: list[Any] = []
    threads: list[Any] = []
    processes: list[Any] = []
    for i in range(1, rng.randint(2, 4) + 1):
        words = (path, rng.choice(KINDS), number + i, records)
        if rng.random() < 0.5:
            threads.append(threading.Thread(target=attempt, args=(*words, done)))
        else:
            result = results / f"{number + i}.json"
            processes.append(context.Process(target=in_process, args=(*words, result)))
    for worker in (*processes, *threads):
        worker.start()
    killed = [p for p in processes if rng.random() < 0.3]
    for process in killed:
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
    while any(worker.is_alive() for worker in (*threads, *processes)):
        check(path)
        seen["opens"] += 1
    for worker in (*threads, *processes):
        worker.join()
    for process in processes:
        assert process in killed or process.exitcode == 0, process.exitcode
    for result in results.iterdir():
        done.append(json.loads(result.read_text() or "null") or ("unknown", 0, "killed"))
        result.unlink()
    compare(number, check(path), done, len(killed), seen)


def compare(
    first: int, left: dict[str, Any], done: list[Any], killed: int, seen: dict[str, int]
) -> None:
    """Compare what is left with every order of the writes that succeeded."""
    wrong = [entry for entry in done if "WRONG" in str(entry[2])]
    assert not wrong, wrong
    succeeded = [(kind, number) for kind, number, error in done if error is None]
    seen["writes"] += len(succeeded)
    seen["refused"] += len(done) - len(succeeded)
    seen["killed"] += killed
    replaced = {number for kind, number in succeeded if "replace" in kind} | {first}
    appended = [number for kind, number in succeeded if "append" in kind]
    if killed:
        return  # whatever it had done by then; `check` has seen that nothing is torn
    assert left["number"] in replaced, (left, done)
    extra = left["rows"][left["number"] % 4 + 1 :]
    assert len(set(extra)) == len(extra), (left, done)
    assert set(extra) <= set(appended), (left, done)
    if replaced == {first}:
        assert sorted(extra) == sorted(appended), f"an append is lost: {left}, {done}"
        regions = {number for kind, number in succeeded if "region" in kind}
        assert left["rows"][0] in (regions or {first}), (left, done)


def main(base: Path, rounds: int, seed: int) -> None:
    dask.config.set(scheduler="threads", num_workers=2)
    multiprocessing.set_forkserver_preload(["dask.array", "rawmmap.xarray.writing.front"])
    folder, results = base / "data", base / "results"
    folder.mkdir()
    results.mkdir()
    rng = random.Random(seed)
    seen = dict.fromkeys(("opens", "writes", "refused", "killed"), 0)
    for n in range(rounds):
        play_round(folder / "a.bin", 10 * n, rng, seen)
    to_raw(dataset(7, 1), folder / "a.bin")
    assert sorted(os.listdir(folder)) == ["a.bin", "a.bin.json"], os.listdir(folder)
    print(f"fine: {rounds} rounds, {seen}")


if __name__ == "__main__":
    assert rawmmap
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
