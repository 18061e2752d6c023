"""The same numbers through Cubed, which xarray can use in Dask's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

cubed = pytest.importorskip("cubed", reason="it is what computes here")
pytest.importorskip("cubed_xarray", reason="it makes Cubed known to xarray")

SHAPE = (12, 30, 40)
WORDS: dict[str, Any] = {
    "dtype": ">f4",
    "shape": (-1, *SHAPE[1:]),
    "dims": ("time", "y", "x"),
    "name": "u",
    "attrs": {"_FillValue": -1.0, "scale_factor": 0.5, "units": "m"},
}


@pytest.fixture
def stored(tmp_path: Path) -> npt.NDArray[Any]:
    """Write a file of a header and `SHAPE` numbers, some of them missing, and return them."""
    array = (np.arange(np.prod(SHAPE)) % 1000).astype(">f4").reshape(SHAPE)
    array[3, 4:9] = -1
    (tmp_path / "a.bin").write_bytes(b"head" + array.tobytes())
    return array


@pytest.fixture
def values(stored: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """What the numbers mean."""
    return np.where(stored == -1, np.nan, stored.astype(float) * 0.5)


def open_with_cubed(path: Path, chunks: Any, **words: Any) -> xr.Dataset:
    spec = cubed.Spec(work_dir=str(path.parent), allowed_mem="200MB")
    return xr.open_dataset(
        str(path),
        engine="rawmmap",
        chunks=chunks,
        chunked_array_type="cubed",
        from_array_kwargs={"spec": spec},
        **{**WORDS, "offset": 4, **words},
    )


@pytest.mark.parametrize("chunks", [{}, {"time": 5, "x": 13}])
def test_means(tmp_path: Path, values: npt.NDArray[np.float64], chunks: dict[str, int]) -> None:
    ds = open_with_cubed(tmp_path / "a.bin", chunks)
    assert isinstance(ds.u.data, cubed.Array)
    assert ds.u.attrs["units"] == "m"
    np.testing.assert_allclose(ds.u.mean().compute(), np.nanmean(values), rtol=1e-5)
    found = ds.u.mean("time").compute().transpose("y", "x")
    np.testing.assert_allclose(found, np.nanmean(values, axis=0), rtol=1e-5)


def test_selections(tmp_path: Path, values: npt.NDArray[np.float64]) -> None:
    ds = open_with_cubed(tmp_path / "a.bin", {"time": 5})
    np.testing.assert_array_equal(ds.u[2:8, 5, ::2].compute(), values[2:8, 5, ::2])
    np.testing.assert_array_equal(ds.u.isel(x=[3, 1, 7]).compute(), values[..., [3, 1, 7]])


def test_a_series_of_files(
    tmp_path: Path, stored: npt.NDArray[Any], values: npt.NDArray[np.float64]
) -> None:
    for step, plane in enumerate(stored):
        (tmp_path / f"{step:02d}.raw").write_bytes(b"head" + plane.tobytes())
    path = tmp_path / "{step:02d}.raw"
    ds = open_with_cubed(path, {}, shape=SHAPE[1:], dims=("y", "x"))
    assert ds.u.sizes == {"step": 12, "y": 30, "x": 40}
    np.testing.assert_allclose(ds.u.sum().compute(), np.nansum(values), rtol=1e-5)


def test_a_file_larger_than_memory_is_read_in_chunks(tmp_path: Path) -> None:
    with (tmp_path / "a.bin").open("wb") as file:
        file.truncate(2**40)
    words = {"shape": (-1, 2048, 2048), "offset": 0, "attrs": {}}
    ds = open_with_cubed(tmp_path / "a.bin", {"time": 1}, **words)
    assert ds.u.nbytes == 2**40
    assert float(ds.u[7, :100].sum().compute()) == 0
