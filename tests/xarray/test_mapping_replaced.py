"""Live datasets of files that are replaced all the time: never the bytes of one by another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import rawmmap
import rawmmap.xarray

WRITER = """
import sys, numpy as np, xarray as xr, rawmmap.xarray
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    n = number % 4 + 1
    ds = xr.Dataset({"u": (("t", "x"), np.full((n, 3), number))}, attrs={"number": number})
    ds.rawmmap.to_raw(sys.argv[1])
"""


@pytest.mark.slow
def test_a_live_dataset_is_never_a_mixture(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    xr.Dataset({"u": (("t", "x"), np.full((1, 3), 0))}, attrs={"number": 0}).rawmmap.to_raw(path)
    command = [sys.executable, "-c", WRITER, str(path), "400"]
    seen = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while writer.poll() is None:
            ds = rawmmap.map_dataset(path)
            number = ds.attrs["number"]
            assert ds.sizes["t"] == number % 4 + 1
            assert (ds["u"].values == number).all()
            seen += 1
    assert writer.returncode == 0
    assert seen
