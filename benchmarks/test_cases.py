"""Every case with every contestant: results are compared with NumPy's, times with nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from . import cache, report, run
from .cases import Case, Workload
from .contestants import CONTESTANTS, Contestant, slug

PAIRS = [
    pytest.param(case, contestant, id=f"{case.name}-{slug(contestant.name)}")
    for case in run.CASES
    for contestant in case.contestants()
    if contestant.name not in case.skips
]
WAYS = [
    pytest.param(contestant, kind, id=f"{slug(contestant.name)}-{kind}")
    for contestant in CONTESTANTS
    for kind in ("lazy", "chunked")
    if getattr(contestant, kind)
]
# Each contestant needs a new cluster; two ways of ours and one other tell whether the case works.
WITH_WORKERS = ("rawmmap engine", "rawmmap.from_raw", "Dask's recipe")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(("case", "contestant"), PAIRS)
def test_result_equals_numpys(
    case: Case, contestant: Contestant, work: Workload, benchmark: Any
) -> None:
    if reason := run.why_not(case, contestant, work):
        pytest.skip(reason)
    if case.name == "workers" and work.quick and contestant.name not in WITH_WORKERS:
        pytest.skip("a cluster for each contestant takes long; report.py runs them all")
    run.prepare_files(case, contestant, work)
    run.prepare_round(case, contestant, work)
    benchmark.group = case.name
    once = case.state == "cold" or case.name in ("workers", "write")
    with case.bind(contestant, work) as call:
        result = benchmark.pedantic(call, args=(0,), rounds=1 if once else 3)
        metrics = case.metrics(contestant, result, 1.0, work)
        case.check(result, 0, work)
        del call, result
    benchmark.extra_info.update(
        case={
            k: getattr(case, k)
            for k in ("name", "title", "state", "reference", "subtract", "reads")
        },
        contestant=contestant.name,
        units=case.units(work),
        metrics=metrics,
        machine=run.machine(work.main.folder),
        versions=run.versions(),
    )


@pytest.mark.parametrize(("contestant", "kind"), WAYS)
def test_whole_array_equals_numpys(contestant: Contestant, kind: str, work: Workload) -> None:
    if reason := contestant.missing():
        pytest.skip(reason)
    small = replace(work.main, folder=work.main.folder.with_name("small"), shape=(7, 24, 40))
    small.make()
    contestant.prepare(small)
    opened = contestant.open(small) if kind == "lazy" else contestant.open_chunked(small)
    np.testing.assert_array_equal(np.asarray(contestant.array(opened)), small.read())
    contestant.close(opened)


def test_an_evicted_file_has_no_pages_and_a_refilled_one_all(work: Workload) -> None:
    if not work.evictable:
        pytest.skip("this file system does not let go of pages")
    path = work.main.folder / "probe"
    path.write_bytes(bytes(10 * cache.PAGE + 1))
    cache.evict([path])
    assert cache.pages_in_cache(path) == 0
    cache.refill([path])
    assert cache.pages_in_cache(path) == 11
    assert cache.pages_in_cache(path, [(1, 2), (cache.PAGE - 1, cache.PAGE + 1)]) == 3
    path.unlink()


def test_report_runs_and_prints_a_table(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    kept = tmp_path / "run.json"
    names = [f"--contestant={name}" for name in ("in memory", "np.memmap", "Dask's recipe")]
    common = ["--case", "mean-warm", "--case", "pixel", "--rounds", "2"]
    assert report.main([*common, *names, "--json", str(kept), "--folder", str(tmp_path / "f")]) == 0
    page = tmp_path / "page.md"
    assert report.main(["--input", str(kept), "--output", str(page)]) == 0
    text = page.read_text()
    assert "| in memory | 1 |" in text
    assert "Dask's recipe" in text
    assert text in capsys.readouterr().out
