"""Reading ESRI headers, against rasterio and NumPy."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rawmmap

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f4"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_files_of_rasterio(tmp_path: Path, dtype: Any) -> None:
    rasterio = pytest.importorskip("rasterio")
    data = (np.arange(60).reshape(3, 4, 5) % 101).astype(dtype)
    path = tmp_path / "r.bil"
    profile = {
        "driver": "EHdr",
        "count": 3,
        "height": 4,
        "width": 5,
        "dtype": np.dtype(dtype).name,
        "transform": rasterio.Affine(30, 0, 5e5, 0, -20, 4e6),
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(data)
    for name in (path, path.with_suffix(".hdr")):
        ds = xr.open_dataset(name, engine="rawmmap")
        np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), data)
        assert ds.data.dtype == dtype
        assert ds.x.values.tolist() == [500015, 500045, 500075, 500105, 500135]
        assert ds.y.values.tolist() == [3999990, 3999970, 3999950, 3999930]


@pytest.mark.parametrize("order", "IM")
@pytest.mark.parametrize("layout", ["bil", "bip", "bsq"])
def test_layouts_and_offsets_as_rasterio(tmp_path: Path, layout: Any, order: Any) -> None:
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / "a.bil"
    path.write_bytes(np.random.default_rng(1).bytes(400))
    text = f"nrows 4\nncols 5\nnbands 3\nnbits 16\nbyteorder {order}\nlayout {layout}\n"
    text += "skipbytes 7\nnodata 9\nulxmap 1\nulymap 9\nxdim 2\nydim 1\n"
    path.with_suffix(".hdr").write_text(text)
    with rasterio.open(path) as file:
        expected = file.read()
    raw = rawmmap.open(path)["data"]
    axes = [raw.dims.index(dim) for dim in ("band", "y", "x")]
    np.testing.assert_array_equal(raw.data[...].transpose(axes), expected)
    assert raw.attrs["_FillValue"] == 9


@pytest.mark.parametrize(
    "line",
    [
        "NBITS 4",
        "NBITS 16",
        "LAYOUT tiled",
        "NBANDS 0",
        "NBANDS 99999999999999999",
        "SKIPBYTES -1",
        "TOTALROWBYTES 6",
        "BANDGAPBYTES 2",
        "CELLSIZE 3",
        "PIXELTYPE COMPLEX",
        "NODATA x",
        "NROWS 5",
    ],
)
def test_refusals_name_the_keyword(tmp_path: Path, line: Any) -> None:
    (tmp_path / "a.bil").write_bytes(bytes(20))
    (tmp_path / "a.hdr").write_text(f"NROWS 4\nNCOLS 5\n{line}\n")
    with pytest.raises(ValueError, match="NBITS|BYTEORDER|bytes|byte|" + line.split()[0]):
        rawmmap.open(tmp_path / "a.bil")


def test_grids_in_text_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.asc"
    path.write_text("ncols 2\nnrows 1\nxllcorner 0\n1 2\n")
    with pytest.raises(ValueError, match="nothing says"):
        rawmmap.open(path)


FULL = b"NROWS 4\nNCOLS 5\nNBANDS 3\nNBITS 8\nULXMAP 1\nULYMAP 1\nXDIM 1\nYDIM 1\nNODATA 3\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(start=st.integers(0, len(FULL)), n=st.integers(0, 20), new=st.binary(max_size=9))
def test_damaged_headers(tmp_path: Path, start: Any, n: Any, new: Any) -> None:
    (tmp_path / "a.bil").write_bytes(bytes(60))
    (tmp_path / "a.hdr").write_bytes(FULL[:start] + new + FULL[start + n :])
    with contextlib.suppress(ValueError, OSError):
        assert rawmmap.open(tmp_path / "a.bil", format="ehdr")["data"].data[...].size <= 60
