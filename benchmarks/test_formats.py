"""Every format with every contestant, once and untimed: what is read equals the cube."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import cache, formats

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", formats.FORMATS)
def test_contestants_read_the_cube(name: str, tmp_path: Path) -> None:
    if not cache.supported or not cache.evictable(tmp_path):
        pytest.skip("the page cache of this file system cannot be emptied")
    outcomes = list(formats.iterate_rounds(name, tmp_path, formats.make_cube(6, 32), 2, rounds=0))
    assert {case for case, _, _ in outcomes} == {case.name for case in formats.CASES}
    assert all(isinstance(outcome, str) or outcome for _, _, outcome in outcomes)
    ours = [outcome for _, contestant, outcome in outcomes if contestant == "rawmmap"]
    assert not [outcome for outcome in ours if isinstance(outcome, str)]
