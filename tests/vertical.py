"""One path through the whole library, for interpreters that lack something of the system.

The current folder is empty. Whatever is read is compared with NumPy on bytes in memory.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

import rawmmap

N, NY, NX = 40, 30, 25
#: What lies in front of the values, so that windows begin within pages.
OFFSET = 70_001


def values_of() -> npt.NDArray[Any]:
    return np.arange(N * NY * NX, dtype=">f4").reshape(N, NY, NX)


def check_maps() -> None:
    """Maps of every mode, of a file that begins anywhere."""
    values = values_of()
    Path("a.bin").write_bytes(b"\xa5" * OFFSET + values.tobytes())
    read = rawmmap.mmap("a.bin", ">f4", values.shape, OFFSET)
    np.testing.assert_array_equal(read, values)
    changed = rawmmap.mmap("a.bin", ">f4", values.shape, OFFSET, mode="r+")
    changed[3] = -1
    values[3] = -1
    rawmmap.flush(changed[3])
    np.testing.assert_array_equal(np.fromfile("a.bin", ">f4", offset=OFFSET), values.ravel())
    private = rawmmap.mmap("a.bin", ">f4", values.shape, OFFSET, mode="c")
    private[:] = 0
    np.testing.assert_array_equal(read, values)
    with rawmmap.Mapping("grown.bin", "i4", (5, 7), 12, mode="w+") as handle:
        handle.array[:] = 2
        handle.resize((9, 7))
        handle.array[5:] = 3
        handle.flush()
    assert os.path.getsize("grown.bin") == 12 + 4 * 63
    written = np.fromfile("grown.bin", "i4", offset=12)
    np.testing.assert_array_equal(written, [2] * 35 + [3] * 28)
    memory = rawmmap.anonymous("u1", 100_000)
    memory[:] = 1
    assert int(memory.sum()) == 100_000


def check_arrays() -> None:
    """Lazy arrays and Dask arrays, by each way of access."""
    values = values_of()
    values[3] = -1
    for access in ("map", "read", "auto"):
        lazy = rawmmap.RawArray("a.bin", ">f4", values.shape, offset=OFFSET, access=access)
        for key in (
            np.s_[:],
            np.s_[::-3, 2, 4:9],
            np.s_[7],
            np.s_[..., 0],
            np.s_[[5, 1], :, [2, 3]],
        ):
            np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy))[key], values[key])
        x = rawmmap.from_raw("a.bin", ">f4", values.shape, offset=OFFSET, access=access, chunks=7)
        np.testing.assert_array_equal(x[1:, ::2].compute(), values[1:, ::2])
    lazy = rawmmap.RawArray("a.bin", ">f4", values.shape, offset=OFFSET, mode="r+")
    lazy[:, 4] = 9
    values[:, 4] = 9
    np.testing.assert_array_equal(np.fromfile("a.bin", ">f4", offset=OFFSET), values.ravel())


def check_writing() -> None:
    """Arrays and datasets, written anew, in place, and at the end."""
    values = values_of()
    x = da.from_array(values, chunks=(9, NY, NX))
    for _ in range(2):  # a new file, then in the place of the old one
        rawmmap.to_raw(x, "b.bin", dtype="<f8")
        np.testing.assert_array_equal(np.fromfile("b.bin", "<f8"), values.ravel())
    rawmmap.to_raw(x[:2] + 1, "b.bin", dtype="<f8", mode="r+", offset=8 * NY * NX)
    changed = values.astype("<f8")
    changed[1:3] = values[:2] + 1
    np.testing.assert_array_equal(np.fromfile("b.bin", "<f8"), changed.ravel())

    times = np.datetime64("2020-01-01", "ns") + np.arange(N).astype("m8[D]")
    dims = ("time", "y", "x")
    ds = xr.Dataset(
        {"u": (dims, values), "v": (dims, -values)}, {"time": times, "y": np.arange(NY)}
    )
    ds.isel(time=slice(0, 30)).rawmmap.to_raw("c.bin", unlimited_dims=["time"])
    ds.isel(time=slice(30, None)).rawmmap.to_raw("c.bin", append_dim="time")
    again = xr.open_dataset("c.bin", engine="rawmmap", chunks={})
    xr.testing.assert_equal(again.load(), ds)
    (ds[["u"]].isel(time=slice(4, 6)) * 2).drop_vars(["time", "y"]).rawmmap.to_raw(
        "c.bin", region={"time": slice(4, 6)}
    )
    ds["u"][4:6] *= 2
    ds[["v"]].rename(v="w").rawmmap.to_raw("c.bin", mode="a")
    again = xr.open_dataset("c.bin", engine="rawmmap")
    xr.testing.assert_equal(again.load(), ds.assign(w=ds["v"]))


def check_descriptions() -> None:
    """A file that is described once, opened, and changed through a live dataset."""
    values = values_of()
    Path("d.bin").write_bytes(b"\xa5" * OFFSET + values.tobytes())
    rawmmap.describe(
        "d.bin", dtype=">f4", shape=(-1, NY, NX), dims=("t", "y", "x"), offset=OFFSET, name="h"
    )
    live = rawmmap.map_dataset("d.bin", mode="r+")
    live["h"][2] = 5
    rawmmap.flush(live)
    values[2] = 5
    np.testing.assert_array_equal(xr.open_dataset("d.bin", engine="rawmmap")["h"].values, values)
    assert "h" in str(rawmmap.show("d.bin"))


def main() -> None:
    with dask.config.set(scheduler="threads", num_workers=2):
        check_maps()
        check_arrays()
        check_writing()
        check_descriptions()
    left = {name for name in os.listdir() if name.startswith(".") or name.endswith(("~", ".tmp"))}
    assert not left, left
