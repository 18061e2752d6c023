"""Rasters of formats without a reader here, as GDAL writes them: keywords say where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import rawmmap

pytestmark = [
    pytest.mark.filterwarnings("ignore:Dataset has no geotransform"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

ROWS, COLUMNS = 5, 7
# The data file, its order of axes, and how GDAL is told to write it.
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "PAux": ("a.raw", "bsq", {"count": 3}),
    "ERS": ("a", "bil", {"count": 3}),
    "RST": ("a.rst", "bsq", {"count": 1}),
    "SAGA": ("a.sdat", "flipped", {"count": 1}),
    "PCIDSK": ("a.pix", "bsq", {"count": 3, "INTERLEAVING": "BAND"}),
}
SUFFIXES = {"PAux": "raw", "ERS": "ers", "RST": "rst", "SAGA": "sdat", "PCIDSK": "pix"}
DIMS = {"bsq": ("band", "y", "x"), "flipped": ("band", "y", "x"), "bil": ("y", "band", "x")}


def write(driver: str, folder: Path, dtype: str) -> tuple[Path, Any]:
    """Return the data file, and the raster as band, row and column."""
    rasterio = pytest.importorskip("rasterio")
    name, _, options = CASES[driver]
    values = (np.arange(options["count"] * ROWS * COLUMNS) % 120).astype(dtype)
    values = values.reshape(options["count"], ROWS, COLUMNS)
    shape = {"height": ROWS, "width": COLUMNS, "dtype": dtype}
    path = folder / f"a.{SUFFIXES[driver]}"
    with rasterio.open(path, "w", driver=driver, **shape, **options) as file:
        file.write(values)
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), values)
    return folder / name, values


def layout_of(driver: str, path: Path, dtype: str, bands: int) -> dict[str, Any]:
    """Return the keywords of the file, by what the format says."""
    order = CASES[driver][1]
    sizes = {"band": bands, "y": ROWS, "x": COLUMNS}
    keywords: dict[str, Any] = {
        "dtype": "<" + np.dtype(dtype).str[1:],
        "dims": DIMS[order],
        "shape": tuple(sizes[dim] for dim in DIMS[order]),
    }
    if order == "flipped":  # the last row comes first
        nbytes = np.dtype(dtype).itemsize
        row = COLUMNS * nbytes
        keywords |= {"strides": (ROWS * row, -row, nbytes), "offset": (ROWS - 1) * row}
    if driver == "PCIDSK":
        # The file header counts blocks of 512 bytes from 1, and samples are big-endian.
        block = int(path.read_bytes()[304:320])
        keywords |= {"offset": 512 * (block - 1), "dtype": ">" + np.dtype(dtype).str[1:]}
    return keywords


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("driver", CASES)
def test_rasters_of_gdal(tmp_path: Path, driver: str, dtype: str) -> None:
    path, values = write(driver, tmp_path, dtype)
    keywords = layout_of(driver, path, dtype, len(values))
    with xr.open_dataset(path, engine="rawmmap", **keywords) as ds:
        data = ds.data.transpose("band", "y", "x")
        np.testing.assert_array_equal(data, values)
        np.testing.assert_array_equal(data[0, 1:4, ::-2], values[0, 1:4, ::-2])
    rawmmap.describe(path, **keywords)
    with xr.open_dataset(path, engine="rawmmap") as ds:
        np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), values)
