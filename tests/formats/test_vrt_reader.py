"""Reading VRTs of raw bands, against rasterio, and what `to_vrt` writes."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import fsspec
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

TYPES = {"Byte": "u1", "UInt16": "u2", "Int16": "i2", "Int32": "i4", "Float32": "f4"}
TYPES |= {"Float64": "f8", "CFloat32": "c8"}


def band(number: int, dtype: str = "Int16", order: str = "LSB", **elements: Any) -> str:
    """Return one raw band of 5 lines of 4 pixels, with some elements changed or added."""
    values = {"ImageOffset": 0, "ByteOrder": order} | elements
    attributes = 'relativeToVRT="1"'
    name = values.pop("SourceFilename", "a.raw")
    inner = "".join(f"<{key}>{value}</{key}>" for key, value in values.items())
    return (
        f'<VRTRasterBand dataType="{dtype}" band="{number}" subClass="VRTRawRasterBand">'
        f"<SourceFilename {attributes}>{name}</SourceFilename>{inner}</VRTRasterBand>"
    )


def document(*bands: str, extra: str = "") -> str:
    return f'<VRTDataset rasterXSize="4" rasterYSize="5">{extra}{"".join(bands)}</VRTDataset>'


def read_with_rasterio(path: Path) -> Any:
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(path) as file:
        return file.read()


@pytest.mark.parametrize("dtype", ["Byte", "Int16", "Int32", "Float32", "Float64"])
def test_vax_order_as_rasterio(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(4)
    words = rng.integers(0, 2**16, (20, 4), "u2")
    words[:, 0] = words[:, 0] & 0x80FF | 0x4000  # exponents near 0
    nbytes = np.dtype(TYPES[dtype]).itemsize
    stored = words[:, : max(nbytes // 2, 1)].astype("<u2").tobytes()[: 20 * nbytes]
    (tmp_path / "a.raw").write_bytes(stored)
    path = tmp_path / "a.vrt"
    path.write_text(document(band(1, dtype, "VAX")))
    ds = xr.open_dataset(path, engine="rawmmap")
    assert ds.data.dtype == TYPES[dtype]
    # The three bits that a D float has more are rounded to nearest here, which GDAL does not do.
    np.testing.assert_allclose(ds.data, read_with_rasterio(path), rtol=3e-16)


@pytest.mark.parametrize("order", ["LSB", "MSB"])
@pytest.mark.parametrize("dtype", TYPES)
def test_types_and_orders_as_rasterio(tmp_path: Path, dtype: str, order: str) -> None:
    values = np.arange(1, 61).reshape(3, 5, 4)
    stored = values.astype(np.dtype(TYPES[dtype]).newbyteorder("<" if order == "LSB" else ">"))
    (tmp_path / "a.raw").write_bytes(b"xyz" + stored.tobytes())
    bands = [band(i + 1, dtype, order, ImageOffset=3 + i * stored[0].nbytes) for i in range(3)]
    path = tmp_path / "a.vrt"
    path.write_text(document(*bands))
    np.testing.assert_array_equal(read_with_rasterio(path), values)
    ds = xr.open_dataset(path, engine="rawmmap")
    assert ds.data.dims == ("band", "y", "x")
    np.testing.assert_array_equal(ds.data, values)
    np.testing.assert_array_equal(ds.data[1:, ::-1, 2], values[1:, ::-1, 2])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_offsets_as_rasterio(tmp_path: Path, data: Any) -> None:
    """Bands in two files, interleaved in any way, upside down or not."""
    content = np.random.default_rng(1).bytes(4000)
    for name in ("a.raw", "b.raw"):
        (tmp_path / name).write_bytes(content[: 3000 if name == "b.raw" else None])
    bands = []
    for number in range(data.draw(st.integers(1, 4))):
        pixel, line = data.draw(st.integers(2, 30)), data.draw(st.integers(-120, 300))
        first = data.draw(st.integers(0, 300)) + max(0, -line * 4)
        name = data.draw(st.sampled_from(["a.raw", "b.raw"]))
        keys = {"ImageOffset": first, "PixelOffset": pixel, "LineOffset": line}
        bands.append(band(number + 1, "UInt16", "MSB", SourceFilename=name, **keys))
    path = tmp_path / "a.vrt"
    path.write_text(document(*bands))
    expected = read_with_rasterio(path)
    np.testing.assert_array_equal(xr.open_dataset(path, engine="rawmmap").data, expected)


def test_labels_as_rasterio(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    pytest.importorskip("rioxarray")
    np.arange(40, dtype="<i2").tofile(tmp_path / "a.raw")
    wkt = rasterio.crs.CRS.from_epsg(32631).to_wkt()
    extra = f"<SRS>{wkt.replace('&', '&amp;')}</SRS>"
    extra += "<GeoTransform>500000, 30, 0, 4600000, 0, -20</GeoTransform>"
    extra += '<Metadata><MDI key="sensor">mine</MDI></Metadata>'
    more: dict[str, Any] = {"NoDataValue": 7, "Scale": 0.5, "Offset": -1, "UnitType": "K"}
    one = band(1, Description="red", **more)
    two = band(2, Description="green", ImageOffset=40, **more)
    path = tmp_path / "a.vrt"
    path.write_text(document(one, two.replace("<ImageOffset>0</ImageOffset>", ""), extra=extra))
    ds = xr.open_dataset(path, engine="rawmmap")
    with rasterio.open(path) as file:
        assert ds.rio.transform() == file.transform
        assert ds.rio.crs == file.crs
        np.testing.assert_array_equal(
            ds.data, np.where(file.read() == 7, np.nan, file.read() / 2 - 1)
        )
    assert ds.band_name.values.tolist() == ["red", "green"]
    assert ds.data.attrs["units"] == "K"
    assert ds.attrs == {"sensor": "mine"}


def test_bands_of_different_types_are_variables(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(range(160)))
    path = tmp_path / "a.vrt"
    path.write_text(document(band(1, "Byte"), band(2, "Float32", "MSB", SourceFilename="a.raw")))
    ds = xr.open_dataset(path, engine="rawmmap")
    content = np.arange(160, dtype="u1")
    np.testing.assert_array_equal(ds.band_1, content[:20].reshape(5, 4))
    np.testing.assert_array_equal(ds.band_2, content[:80].view(">f4").reshape(5, 4))


@pytest.mark.parametrize("dims", [("band", "y", "x"), ("y", "x", "band"), ("y", "band", "x")])
def test_what_to_vrt_writes_is_read_back(tmp_path: Path, dims: Any) -> None:
    ds = xr.Dataset(
        {"u": (dims, np.arange(60, dtype="f4").reshape(3, 4, 5), {"units": "K"})},
        coords={"x": np.arange(float(dict(zip(dims, (3, 4, 5), strict=True))["x"]))},
    )
    path = tmp_path / "u.raw"
    rawmmap.to_raw(ds, path)
    vrt = rawmmap.to_vrt(path)
    again = xr.open_dataset(vrt, engine="rawmmap")
    np.testing.assert_array_equal(again.data, ds.u.transpose("band", "y", "x"))
    assert again.data.attrs["units"] == "K"


def test_remote_vrts(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe("/vrts/a.raw", np.arange(20, dtype="<i2").tobytes())
    fs.pipe("/vrts/a.vrt", document(band(1)).encode())
    ds = xr.open_dataset("memory://vrts/a.vrt", engine="rawmmap")
    np.testing.assert_array_equal(ds.data[0], np.arange(20).reshape(5, 4))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (document(band(1, "Int17")), "Int17"),
        (document(band(1, "CFloat32", order="VAX")), "VAX"),
        (document(band(1, order="PDP")), "PDP"),
        (document(band(1, SourceFilename="../a.raw")), "own folder"),
        (document(band(1, SourceFilename="/etc/passwd")), "own folder"),
        (document(band(1, SourceFilename="http://a/b")), "own folder"),
        (document(band(1, SourceFilename="..\\\\a.raw")), "own folder"),
        (document(band(1).replace('="1">', '="0">')), "relativeToVRT|own folder|raw"),
        (document(band(1, PixelOffset=0)), "PixelOffset"),
        (document(band(1, ImageOffset=-1)), "ImageOffset"),
        (document(band(1, ImageOffset="9" * 30)), "ImageOffset"),
        (document(band(1, LineOffset=-8)), "LineOffset|negative|before"),
        (document(band(1, ImageOffset=99)), "bytes"),
        (document(band(1, MaskBand="x")), "MaskBand"),
        (document(band(1, NoDataValue="x")), "NoDataValue"),
        (document(band(1).replace("VRTRawRasterBand", "VRTSourcedRasterBand"), band(2)), "raw"),
        (document(band(1), extra="<GeoTransform>1,2</GeoTransform>"), "GeoTransform"),
        (document(band(1), extra="<PansharpeningOptions/>"), "Pansharpening"),
        (document(band(1)).replace('"4"', '"0"'), "rasterXSize"),
        (document(band(1)).replace('"4"', '"99999999999"'), "bytes"),
        (document(band(1)).replace("</VRT", "<"), "XML"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]>" + document(band(1)), "document type"),
    ],
)
def test_refusals(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(40))
    (tmp_path / "a.vrt").write_text(text)
    with pytest.raises(ValueError, match=match):
        rawmmap.open(tmp_path / "a.vrt", format="vrt")


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.vrt").write_text(document(band(1)))
    with pytest.raises(FileNotFoundError, match=r"a\.raw"):
        rawmmap.open(tmp_path / "a.vrt")


def test_nodata_of_nan_and_of_no_value_of_the_type(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(200))
    for dtype, value in [("Float32", "nan"), ("Byte", "-9999"), ("Int16", "nan")]:
        (tmp_path / "a.vrt").write_text(document(band(1, dtype, NoDataValue=value)))
        attrs = rawmmap.open(tmp_path / "a.vrt")["data"].attrs
        assert math.isnan(attrs["_FillValue"]) if dtype == "Float32" else not attrs


FULL = document(band(1, NoDataValue=1), band(2, ImageOffset=40), extra="<SRS>a</SRS>").encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(start=st.integers(0, len(FULL)), n=st.integers(0, 20), new=st.binary(max_size=9))
def test_damaged_documents(tmp_path: Path, start: Any, n: Any, new: Any) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(80))
    (tmp_path / "a.vrt").write_bytes(FULL[:start] + new + FULL[start + n :])
    with contextlib.suppress(ValueError, OSError):
        raw = rawmmap.open(tmp_path / "a.vrt", format="vrt")
        assert sum(raw[name].data[...].size for name in raw.arrays) <= 40
