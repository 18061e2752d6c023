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
        "NBITS 3",
        "NBITS 64",
        "NBITS 4\nPIXELTYPE SIGNEDINT",
        "NBITS 16",
        "LAYOUT tiled",
        "NBANDS 0",
        "NBANDS 99999999999999999",
        "SKIPBYTES -1",
        "TOTALROWBYTES 4",
        "BANDROWBYTES 4",
        "LAYOUT BIP\nBANDGAPBYTES 2",
        "CELLSIZE x\nXLLCORNER 1\nYLLCORNER 1",
        "CELLSIZE 0\nXLLCORNER 1\nYLLCORNER 1",
        "NBANDS 3\nCELLSIZE 1",
        "PIXELTYPE COMPLEX",
        "NODATA x",
        "NROWS 5",
    ],
)
def test_refusals_name_the_keyword(tmp_path: Path, line: Any) -> None:
    (tmp_path / "a.bil").write_bytes(bytes(20))
    (tmp_path / "a.hdr").write_text(f"NROWS 4\nNCOLS 5\n{line}\n")
    with pytest.raises(
        ValueError, match="NBITS|BYTEORDER|bytes|byte|float|sizes|" + line.split()[0]
    ):
        rawmmap.open(tmp_path / "a.bil")


GRID = "ncols 5\nnrows 4\nxll{0} 10\nyll{0} 20\ncellsize 2\nNODATA_value -9999\n"


@pytest.mark.parametrize("place", ["corner", "center"])
@pytest.mark.parametrize(
    ("suffix", "dtype", "extra"),
    [
        (".flt", "<f4", ""),
        (".flt", "<f4", "nbits 32\n"),
        (".bil", "<f4", "nbits 32\npixeltype float\n"),
        (".bil", "<i2", "nbits 16\n"),
        (".dem", "<i2", "nbits 16\npixeltype signedint\n"),
        (".bil", "<i2", ""),
    ],
)
def test_grids_as_rasterio(tmp_path: Path, place: str, suffix: str, dtype: str, extra: str) -> None:
    rasterio = pytest.importorskip("rasterio")
    path = (tmp_path / "g").with_suffix(suffix)
    np.arange(20, dtype=dtype).tofile(path)
    path.with_suffix(".hdr").write_text(GRID.format(place) + "byteorder LSBFIRST\n" + extra)
    with rasterio.open(path) as file:
        expected, bounds = file.read(), file.bounds
    ds = xr.open_dataset(path, engine="rawmmap", mask_and_scale=False)
    np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), expected)
    assert ds.data.dtype == expected.dtype
    assert ds.data.attrs["_FillValue"] == -9999
    assert (ds.x[0] - 1, ds.y[0] + 1) == (bounds.left, bounds.top)


@pytest.mark.parametrize("text", [True, False])
def test_projections(tmp_path: Path, text: bool) -> None:
    pytest.importorskip("rioxarray")
    path = tmp_path / "g.flt"
    np.arange(20, dtype="<f4").tofile(path)
    path.with_suffix(".hdr").write_text(GRID.format("corner") + "byteorder LSBFIRST\n")
    wkt = rasterio_wkt() if text else "Projection GEOGRAPHIC\nUnits DD\n"
    path.with_suffix(".prj").write_text(wkt)
    ds = xr.open_dataset(path, engine="rawmmap")
    if text:
        assert ds.rio.crs.to_epsg() == 4326
        assert ds.x.attrs["units"] == "degrees_east"
    else:
        assert "crs_wkt" not in ds.spatial_ref.attrs


def rasterio_wkt() -> str:
    from rasterio.crs import CRS

    wkt: str = CRS.from_epsg(4326).to_wkt()
    return wkt


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_gaps_and_bits(tmp_path: Path, data: Any) -> None:
    """ESRI's words for rows of some bits each, with gaps, against NumPy on bytes in memory."""
    layout = data.draw(st.sampled_from(["bil", "bip", "bsq"]))
    bits = data.draw(st.sampled_from([1, 2, 4, 8, 16, 32]))
    rows, columns, bands, skip = (data.draw(st.integers(1, 9)) for _ in range(4))
    gaps = [data.draw(st.integers(0, 5)) for _ in range(3)]
    content = np.random.default_rng(7).bytes(40_000)
    text = f"NROWS {rows}\nNCOLS {columns}\nNBANDS {bands}\nNBITS {bits}\nLAYOUT {layout}\n"
    text += f"SKIPBYTES {skip}\nBYTEORDER M\n"
    samples = {"bil": columns, "bip": columns * bands, "bsq": columns}[layout]
    row = -(-samples * bits // 8) + gaps[0]
    if layout == "bil":
        line = row * bands + gaps[1]
        starts = {(b, y): y * line + b * row for b in range(bands) for y in range(rows)}
        text += f"BANDROWBYTES {row}\nTOTALROWBYTES {line}\n"
    else:
        text += f"TOTALROWBYTES {row}\n"
        plane = rows * row + gaps[2] if layout == "bsq" else 0
        starts = {(b, y): b * plane + y * row for b in range(bands) for y in range(rows)}
        text += f"BANDGAPBYTES {gaps[2]}\n" if layout == "bsq" else ""
    (tmp_path / "a.bil").write_bytes(content)
    (tmp_path / "a.hdr").write_text(text)
    flags = np.unpackbits(np.frombuffer(content, "u1"))
    expected = np.empty((bands, rows, columns), np.int64)
    for (band, y), start in starts.items():
        for x in range(columns):
            index = x * bands + band if layout == "bip" else x
            first = 8 * (skip + start) + index * bits
            expected[band, y, x] = int("".join(map(str, flags[first : first + bits])), 2)
    ds = xr.open_dataset(tmp_path / "a.bil", engine="rawmmap")
    np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), expected)
    np.testing.assert_array_equal(ds.data.isel(x=-1).transpose("band", "y"), expected[..., -1])


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


@pytest.mark.parametrize("layout", ["bil", "bsq", "bip"])
def test_sidecars_of_a_few_bits(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "a.bil"
    path.write_bytes(np.random.default_rng(3).bytes(200))
    text = f"NROWS 4\nNCOLS 5\nNBANDS 3\nNBITS 4\nLAYOUT {layout}\nSKIPBYTES 2\n"
    path.with_suffix(".hdr").write_text(text)
    expected = rawmmap.open(path)["data"].data[...]
    if layout == "bip":
        with pytest.raises(ValueError, match="packed along the last axis"):
            rawmmap.describe(path)
        return
    sidecar = rawmmap.describe(path)
    np.testing.assert_array_equal(rawmmap.open(sidecar)["data"].data[...], expected)
