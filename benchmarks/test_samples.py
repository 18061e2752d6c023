"""Every kind of samples, once and untimed: what is read is what was stored, or NumPy unpacks."""

from __future__ import annotations

from pathlib import Path

from rawmmap.layout.bits import SIZES
from rawmmap.layout.samples import NAMES

from . import samples


def test_all_samples_are_measured(tmp_path: Path) -> None:
    rates = list(samples.measure_all(tmp_path, 840, rounds=1))
    assert len(rates) == 2 * (len(NAMES) + len(SIZES))
    assert all(rate is None or rate > 0 for row in rates for rate in row[1:])
