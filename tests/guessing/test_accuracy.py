"""How often guesses are right, on hundreds of files whose content only their maker knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guessing.measure import Result, make_all, read_totals, share

PAGE = Path(__file__).parents[2] / "docs" / "guess.md"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results() -> tuple[list[Result], list[Result]]:
    return make_all()


def test_raw_files(results: tuple[list[Result], list[Result]]) -> None:
    raw, _ = results
    assert len(raw) >= 200
    assert len({r.sample.dtype.str[1:] for r in raw if r.sample.dtype is not None}) >= 12
    missed = [r.sample.name for r in raw if r.rank != 0]
    assert share(raw, 1) >= 0.85, missed
    assert share(raw, 3) >= 0.95, [r.sample.name for r in raw if r.rank is None]


def test_decoys(results: tuple[list[Result], list[Result]]) -> None:
    _, decoys = results
    assert share(decoys, 1) >= 0.95, [r.sample.name for r in decoys if r.rank is None]


def test_the_table_of_the_docs_is_true(results: tuple[list[Result], list[Result]]) -> None:
    raw, decoys = results
    measured = [share(raw, 1), share(raw, 3), share(decoys, 1)]
    # Other versions of NumPy may make other files from a seed.
    assert read_totals(PAGE.read_text(encoding="utf-8")) == pytest.approx(
        [100 * value for value in measured], abs=2
    )
