"""Run the comparisons, interleaved, and turn a run into Markdown tables of ratios.

``python benchmarks/report.py --full --output docs/benchmark-tables.md`` does both; ``--json``
keeps the run, and ``--input`` reads kept runs (of this script, or of pytest-benchmark) instead.
``python benchmarks/charts.py`` then draws the tables.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["AIMS", "Aim", "load", "main", "markdown"]

OURS = ("rawmmap engine", "rawmmap.from_raw", "rawmmap.to_raw")
TIE = 1.2


@dataclass(frozen=True)
class Aim:
    """What the project wants to hold: a ratio to another contestant, a metric, or a time.

    Parameters
    ----------
    case, subject : str
        Which case, and whose figure.
    most : float
        The largest figure that is good enough.
    against : str, optional
        The contestant to divide by.
    metric : str, optional
        The metric to look at instead of the time.
    """

    case: str
    subject: str
    most: float
    against: str | None = None
    metric: str | None = None

    def figure(self, cases: dict[str, dict[str, Any]]) -> float | None:
        """Return the measured figure, or None where it was not measured."""
        case = cases.get(self.case)
        own = case and case["contestants"].get(self.subject)
        if not case or not own or not own.get("seconds"):
            return None
        if self.metric is not None:
            values = own["metrics"].get(self.metric)
            return max(values) if values else None
        if self.against is None:
            return median(case, self.subject)
        return ratio(case, self.subject, self.against)


def _both(case: str, most: float) -> list[Aim]:
    names = (f"{case}-first", case)
    return [Aim(name, "rawmmap engine", most, "np.memmap") for name in names]


def _aims() -> tuple[Aim, ...]:
    aims = []
    flat_peers = ("Dask's recipe", "rosettasciio", "xarray-binfile")
    for ours in ("rawmmap engine", "rawmmap.from_raw"):
        aims.append(Aim("mean-warm", ours, 1.2, "in memory"))
        aims += [Aim("mean-warm", ours, TIE, peer) for peer in flat_peers]
        aims.append(Aim("mean-warm", ours, 1 / 3, "netCDF4"))
        aims.append(Aim("mean-warm", ours, 1 / 6, "Zarr, uncompressed"))
        aims += [Aim("mean-cold", ours, TIE, peer) for peer in flat_peers]
        aims += [
            Aim("open-chunked", ours, 1.6e-3),
            Aim("many-chunks", ours, 0.3),
            Aim("many-chunks", ours, 50, metric="peak memory, MB"),
            Aim("many-chunks", ours, 0, metric="chunks read"),
            Aim("workers", ours, 0, metric="pauses, spills, restarts"),
            Aim("series-cold", ours, 1 / 20, "Dask's recipe"),
            Aim("series-cold", ours, 1.5, metric="pages read / pages needed"),
            Aim("window-cold", ours, 1 / 4, "Dask's recipe"),
            Aim("window-cold", ours, 1.5, metric="pages read / pages needed"),
        ]
    aims += [
        # What the engine adds to this is xarray's own.
        Aim("per-chunk", "rawmmap.from_raw", 12e-6),
        Aim("open", "rawmmap engine", 0.6e-3),
        *_both("pixel", 2),
        *_both("series", 1),
        *_both("points-200", 2),
        *_both("crop", 1.2),
        Aim("points-2000-first", "rawmmap engine", 20e-3),
        Aim("points-2000", "rawmmap engine", 20e-3),
        Aim("write", "rawmmap.to_raw", TIE, "pwrite, two threads"),
    ]
    return tuple(aims)


AIMS = _aims()


def _seconds(case: dict[str, Any], name: str) -> list[float]:
    seconds: list[float] = case["contestants"][name].get("seconds", [])
    base = case.get("subtract")
    if base is None or name == base or not seconds:
        return seconds
    taken = statistics.median(case["contestants"][base]["seconds"])
    return [max(s - taken, 0.0) for s in seconds]


def median(case: dict[str, Any], name: str) -> float:
    """Return a contestant's median time in seconds."""
    return statistics.median(_seconds(case, name))


def ratio(case: dict[str, Any], name: str, against: str) -> float | None:
    """Return the median over the rounds of one contestant's time through another's."""
    other = case["contestants"].get(against)
    if other is None or not other.get("seconds"):
        return None
    own, base = _seconds(case, name), _seconds(case, against)
    if len(own) != len(base):
        return statistics.median(own) / statistics.median(base)
    return statistics.median(a / b for a, b in zip(own, base, strict=True))


def load(paths: list[Path]) -> dict[str, Any]:
    """Return one run from the files of several; a later file's case replaces an earlier one's."""
    whole: dict[str, Any] = {"cases": {}}
    for path in paths:
        found = json.loads(path.read_text())
        if "benchmarks" in found:
            found = _from_pytest(found)
        cases = {case["name"]: case for case in found.pop("cases")}
        whole.update(found)
        whole["cases"].update(cases)
    whole["cases"] = list(whole["cases"].values())
    return whole


def _from_pytest(found: dict[str, Any]) -> dict[str, Any]:
    """Translate a file of ``pytest --benchmark-json``, whose rounds are not interleaved."""
    cases: dict[str, dict[str, Any]] = {}
    info: dict[str, Any] = {}
    for one in found["benchmarks"]:
        info = one["extra_info"]
        case = cases.setdefault(info["case"]["name"], {**info["case"], "contestants": {}})
        units = info["units"]
        data = one["stats"].get("data") or [one["stats"]["median"]]
        case["contestants"][info["contestant"]] = {
            "seconds": [seconds / units for seconds in data],
            "metrics": {key: [value] for key, value in info["metrics"].items()},
        }
    return {"cases": list(cases.values()), **{k: info.get(k, {}) for k in ("machine", "versions")}}


def _scaled(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.2g} µs"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _bold(text: str, name: str) -> str:
    return f"**{text}**" if name in OURS and text else text


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


_INTRODUCTION = (
    "Each figure is a ratio to a reference that ran in the same run on the same bytes. Rounds of "
    "the contestants are interleaved, and a figure is the median over the rounds. Differences "
    "under 20 % are ties. Times are there for scale only: they hold for one machine. Every "
    "result is compared with NumPy's reading of the same bytes."
)
_STATES = {
    "warm": "file in the page cache, evicted and refilled alike for each contestant",
    "cold": "file evicted before each round, checked with mincore",
    "any": "page cache of no account",
}


def _case_lines(case: dict[str, Any]) -> list[str]:
    there = {n: r for n, r in case["contestants"].items() if r.get("seconds")}
    if not there:
        return []
    reference = case["reference"] if case["reference"] in there else next(iter(there))
    metrics = list(dict.fromkeys(k for r in there.values() for k in r["metrics"]))
    header = ["contestant", f"times {reference}", "median", "least to most", *metrics]
    rows = []
    for name in sorted(there, key=lambda n: median(case, n)):
        seconds = _seconds(case, name)
        cells = [
            name,
            _number(ratio(case, name, reference)),
            _scaled(median(case, name)),
            f"{_scaled(min(seconds))} to {_scaled(max(seconds))}",
        ]
        for key in metrics:
            values = there[name]["metrics"].get(key)
            cells.append(_number(statistics.median(values) if values else None))
        rows.append([_bold(cell, name) for cell in cells])
    rounds = max(len(r["seconds"]) for r in there.values())
    text = f"{_STATES[case['state']].capitalize()}; {rounds} rounds."
    if case.get("reads"):
        text = f"{text[:-1]}; {case['reads']}."
    if case.get("subtract"):
        text += f" The time of “{case['subtract']}” is taken off the others."
    lines = [f"## {case['title']}", "", text, "", *_table(header, rows), ""]
    absent = [f"{n} ({r['skipped']})" for n, r in case["contestants"].items() if "skipped" in r]
    if absent:
        lines += ["Not taking part: " + "; ".join(absent) + ".", ""]
    return lines


def _aim_lines(cases: dict[str, dict[str, Any]]) -> list[str]:
    rows = []
    for aim in AIMS:
        figure = aim.figure(cases)
        if figure is None:
            continue
        timed = aim.metric is None and aim.against is None
        show = _scaled if timed else _number
        what = aim.metric or (f"times {aim.against}" if aim.against else "time")
        held = "yes" if figure <= aim.most else "within 20 %" if figure <= aim.most * TIE else "no"
        rows.append([aim.case, aim.subject, what, show(aim.most), show(figure), held])
    return _table(["case", "contestant", "figure", "at most", "measured", "held"], rows)


def markdown(result: dict[str, Any]) -> str:
    """Return the page for a run."""
    cases = result["cases"]
    lines = [
        "# Benchmarks in figures",
        "",
        _INTRODUCTION,
        "",
    ]
    for case in cases:
        lines += _case_lines(case)
    lines += ["## What the project aims at", "", *_aim_lines({c["name"]: c for c in cases}), ""]
    lines += ["## Machine and versions", ""]
    for part in ("data", "machine", "versions"):
        lines += [f"- {key}: {value}" for key, value in result.get(part, {}).items()]
    lines += [
        "",
        "`python benchmarks/report.py --full --output docs/benchmark-tables.md` makes this page.",
        "",
    ]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="2 GiB instead of a few MiB")
    parser.add_argument("--folder", type=Path, help="where the files go and stay; else temporary")
    parser.add_argument("--case", action="append", metavar="NAME", help="run this case; repeatable")
    parser.add_argument("--contestant", action="append", metavar="NAME", help="with these only")
    parser.add_argument("--rounds", type=int, help="rounds of every case")
    parser.add_argument("--json", type=Path, help="keep the run in this file")
    parser.add_argument("--input", type=Path, nargs="+", help="read kept runs instead of running")
    parser.add_argument("--output", type=Path, help="write the page here; else print it")
    return parser


def _measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from benchmarks import run

    run.quiet()
    work = (run.full_workload if args.full else run.quick_workload)(folder)
    cases = run.CASES if not args.case else [run.case_by_name(name) for name in args.case]
    results = run.run(
        cases,
        work,
        only=args.contestant,
        rounds=args.rounds,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    flat = work.main
    data = {
        "array": f"float32 {flat.shape}, {flat.nbytes / 2**20:.0f} MiB at byte {flat.offset}, "
        f"chunks of {flat.chunk_bytes / 2**20:.3g} MiB"
    }
    return {
        "data": data, "machine": run.machine(folder), "versions": run.versions(), "cases": results,
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run, keep and report as the arguments say."""
    args = _parser().parse_args(argv)
    if args.input:
        result = load(args.input)
    else:
        with tempfile.TemporaryDirectory() as folder:
            result = _measure(args, args.folder or Path(folder))
        if args.json:
            args.json.write_text(json.dumps(result, indent=1))
    page = markdown(result)
    if args.output:
        args.output.write_text(page)
    else:
        print(page)
    return 0


if __name__ == "__main__":
    # A script's folder is on the path, not the one above it, which holds the package.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    sys.exit(main())
