"""Every remote case with every contestant, once and untimed: what is fetched equals the array."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import remote
from .flat import Flat

pytestmark = pytest.mark.filterwarnings("ignore")


def test_contestants_fetch_the_array(tmp_path: Path) -> None:
    for module in ("aiohttp", "zarr"):
        pytest.importorskip(module)
    flat = Flat(tmp_path, (8, 128, 128), 2)
    cases = dict(remote.iterate_rounds(flat, rounds=0, latency=0))
    assert list(cases) == [case.name for case in remote.CASES]
    for name, outcomes in cases.items():
        assert list(outcomes) == list(remote.CONTESTANTS)
        assert "| times Zarr, uncompressed |" in remote.format_case(name, outcomes)
    series = cases["time series of a pixel"]["rawmmap engine"]
    assert series.requests == 2
    assert series.nbytes <= flat.nbytes
