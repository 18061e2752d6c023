"""Reading the headers of ISCE and ROI_PAC, against rasterio, which writes both."""

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

pytestmark = [
    pytest.mark.filterwarnings("ignore:Dataset has no geotransform"),
    # rioxarray multiplies transforms as the package affine no longer likes it.
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

ISCE_TYPES = ["uint8", "int16", "int32", "float32", "float64", "complex64", "complex128"]
ROI_PAC_KINDS = {
    ".slc": ("complex64", 1),
    ".int": ("complex64", 1),
    ".amp": ("float32", 2),
    ".unw": ("float32", 2),
    ".cor": ("float32", 2),
    ".hgt": ("float32", 2),
    ".msk": ("float32", 2),
    ".trans": ("float32", 2),
    ".dem": ("int16", 1),
    ".flg": ("uint8", 1),
}


def write(path: Path, driver: str, dtype: str, bands: int, **options: Any) -> Any:
    rasterio = pytest.importorskip("rasterio")
    values = np.arange(bands * 20).reshape(bands, 4, 5).astype(dtype)
    options |= {"count": bands, "height": 4, "width": 5, "dtype": dtype, "crs": "EPSG:4326"}
    options["transform"] = rasterio.Affine(0.5, 0, 10, 0, -0.25, 50)
    with rasterio.open(path, "w", driver=driver, **options) as file:
        file.write(values)
    return values


@pytest.mark.parametrize("scheme", ["BIL", "BIP", "BSQ"])
@pytest.mark.parametrize("dtype", ISCE_TYPES)
def test_files_of_isce(tmp_path: Path, dtype: str, scheme: str) -> None:
    path = tmp_path / "a.bin"
    values = write(path, "ISCE", dtype, 3, SCHEME=scheme)
    for name in (path, tmp_path / "a.bin.xml"):
        ds = xr.open_dataset(name, engine="rawmmap")
        assert ds.data.dtype == dtype
        np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), values)
        np.testing.assert_array_equal(ds.x, 10.25 + 0.5 * np.arange(5))
        np.testing.assert_array_equal(ds.y, 49.875 - 0.25 * np.arange(4))


def test_headers_of_isce_in_other_words(tmp_path: Path) -> None:
    """Names in lower case, big-endian pairs of integers, a file that was written elsewhere."""
    values = np.arange(40, dtype=">i2").reshape(4, 5, 2)
    values.tofile(tmp_path / "a.slc")
    properties = {
        "width": 5,
        "length": 4,
        "data_type": "cshort",
        "byte_order": "b",
        "file_name": "/elsewhere/run/a.slc",
        "image_type": "slc",
    }
    text = "".join(
        f'<property name="{key}"><value>{value}</value><doc>none</doc></property>'
        for key, value in properties.items()
    )
    for name in ("a.slc.xml", "other.xml"):
        (tmp_path / name).write_text(f"<imageFile>{text}</imageFile>")
        ds = xr.open_dataset(tmp_path / name, engine="rawmmap")
        np.testing.assert_array_equal(ds.data[..., 0], values[..., 0] + 1j * values[..., 1])
    assert "x" not in ds.variables


@pytest.mark.parametrize("suffix", ROI_PAC_KINDS)
def test_files_of_roi_pac(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("rioxarray")
    path = tmp_path / f"a{suffix}"
    dtype, bands = ROI_PAC_KINDS[suffix]
    values = write(path, "ROI_PAC", dtype, bands)
    for name in (path, tmp_path / f"a{suffix}.rsc"):
        ds = xr.open_dataset(name, engine="rawmmap")
        assert ds.data.dtype == dtype
        np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), values)
        np.testing.assert_array_equal(ds.x, 10.25 + 0.5 * np.arange(5))
        np.testing.assert_array_equal(ds.y, 49.875 - 0.25 * np.arange(4))
        assert ds.rio.crs.to_epsg() == 4326
        assert ds.attrs["DATUM"] == "WGS84"


def test_scaled_heights_and_zones(tmp_path: Path) -> None:
    pytest.importorskip("rioxarray")
    np.arange(6, dtype="<i2").tofile(tmp_path / "a.dem")
    text = "WIDTH 3\nFILE_LENGTH 2\nZ_SCALE 0.5\nZ_OFFSET 2\nPROJECTION UTM31\nDATUM WGS84\n"
    grid = "X_FIRST 500000\nX_STEP 30\nY_FIRST 4000000\nY_STEP -30\n"
    (tmp_path / "a.dem.rsc").write_text(text + grid)
    ds = xr.open_dataset(tmp_path / "a.dem", engine="rawmmap")
    np.testing.assert_array_equal(ds.data[..., 0], np.arange(6).reshape(2, 3) / 2 + 2)
    assert ds.rio.crs.to_epsg() == 32631


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("<value>5<", "<value>x<", "width"),
        ("<value>5<", "<value>500<", "bytes"),
        ("INT", "QUAD", "QUAD"),
        ("<value>l<", "<value>q<", "byte_order"),
        ("BIL", "TILE", "TILE"),
        ("0.5", "inf", "delta"),
        ('name="WIDTH"', 'name="W"', "width is missing"),
        ("imageFile", "imageFiles", "not an imageFile"),
        ("</imageFile>", "", "XML"),
    ],
)
def test_refusals_of_isce(tmp_path: Path, old: str, new: str, match: str) -> None:
    path = tmp_path / "a.bin"
    write(path, "ISCE", "int32", 2, SCHEME="BIL")
    header = tmp_path / "a.bin.xml"
    header.write_text(header.read_text().replace(old, new))
    with pytest.raises(ValueError, match=match):
        rawmmap.open(path, format="isce")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("WIDTH 5", "WIDTH 0", "WIDTH"),
        ("WIDTH 5", "WIDTH 999999999999", "bytes"),
        ("FILE_LENGTH 4", "FILE_LENGTH 5", "bytes"),
        ("X_STEP 1", "X_STEP 0", "sizes"),
        ("X_STEP 1", "X_STEP nan", "X_STEP"),
        ("Z_SCALE 1", "Z_SCALE x", "Z_SCALE"),
    ],
)
def test_refusals_of_roi_pac(tmp_path: Path, old: str, new: str, match: str) -> None:
    text = "WIDTH 5\nFILE_LENGTH 4\nX_FIRST 0\nX_STEP 1\nY_FIRST 0\nY_STEP 1\nZ_SCALE 1\n"
    (tmp_path / "a.dem").write_bytes(bytes(40))
    (tmp_path / "a.dem.rsc").write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=match):
        rawmmap.open(tmp_path / "a.dem")


def test_unknown_suffixes_and_missing_files(tmp_path: Path) -> None:
    header = "WIDTH 5\nFILE_LENGTH 4\n"
    (tmp_path / "a.xyz").write_bytes(bytes(40))
    (tmp_path / "a.xyz.rsc").write_text(header)
    with pytest.raises(ValueError, match=r"'\.xyz'.*\.slc"):
        rawmmap.open(tmp_path / "a.xyz")
    (tmp_path / "b.dem.rsc").write_text(header)
    with pytest.raises(FileNotFoundError, match=r"b\.dem"):
        rawmmap.open(tmp_path / "b.dem.rsc")
    (tmp_path / "c.bin.xml").write_text("<imageFile/>")
    with pytest.raises(FileNotFoundError, match=r"c\.bin"):
        rawmmap.open(tmp_path / "c.bin.xml")


HEADERS = {
    "a.dem.rsc": b"WIDTH 5\nFILE_LENGTH 4\nX_FIRST 1\nX_STEP 1\nY_FIRST 0\nY_STEP 1\nZ_SCALE 2\n",
    "a.dem.xml": b'<imageFile><property name="WIDTH"><value>5</value></property><property '
    b'name="LENGTH"><value>4</value></property><property name="DATA_TYPE"><value>SHORT</value>'
    b'</property><property name="BYTE_ORDER"><value>l</value></property></imageFile>',
}


@pytest.mark.parametrize("name", HEADERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_headers(tmp_path: Path, name: str, data: Any) -> None:
    header = HEADERS[name]
    start, n = data.draw(st.integers(0, len(header))), data.draw(st.integers(0, 20))
    new = data.draw(st.binary(max_size=9))
    (tmp_path / "a.dem").write_bytes(bytes(40))
    (tmp_path / name).write_bytes(header[:start] + new + header[start + n :])
    with contextlib.suppress(ValueError, OSError):
        raw = rawmmap.open(tmp_path / name)
        assert raw["data"].data[...].size <= 40
