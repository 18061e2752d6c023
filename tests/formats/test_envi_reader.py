"""Reading ENVI headers, against rasterio and NumPy."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import rawmmap

TYPES = ["u1", "i2", "i4", "f4", "f8", "c8", "c16", "u2", "u4", "i8", "u8"]
CODES = dict(zip(TYPES, [1, 2, 3, 4, 5, 6, 9, 12, 13, 14, 15], strict=True))
AXES = {"bsq": ("band", "y", "x"), "bil": ("y", "band", "x"), "bip": ("y", "x", "band")}


def values(dtype: Any, shape: Any = (3, 4, 5)) -> Any:
    return (np.arange(np.prod(shape)).reshape(shape) * 3 % 251).astype(dtype)


def header_text(
    dtype: Any = "<i2", shape: Any = (3, 4, 5), interleave: Any = "bsq", **more: Any
) -> Any:
    dtype = np.dtype(dtype)
    entries = {
        "samples": shape[2],
        "lines": shape[1],
        "bands": shape[0],
        "data type": CODES[f"{dtype.kind}{dtype.itemsize}"],
        "interleave": interleave,
        "byte order": int(dtype.str[0] == ">"),
    } | {key.replace("_", " "): value for key, value in more.items()}
    lines = [f"{key} = {value}" for key, value in entries.items() if value is not None]
    return "\n".join(["ENVI", *lines, ""])


def store(tmp_path: Path, data: Any, *, extra: Any = "", **more: Any) -> Any:
    """Write an array of band, y, x with its header; return the data file."""
    path = tmp_path / "a.dat"
    order = [AXES["bsq"].index(dim) for dim in AXES.get(str(more.get("interleave")), AXES["bsq"])]
    path.write_bytes(data.transpose(order).tobytes())
    text = header_text(data.dtype, data.shape, **more)
    (tmp_path / "a.hdr").write_text(text + extra, encoding="utf-8")
    return path


@pytest.fixture(params=AXES)
def interleave(request: Any) -> Any:
    return request.param


# rioxarray multiplies transforms in the manner that affine is about to give up.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("dtype", TYPES)
def test_files_of_rasterio(tmp_path: Path, dtype: Any, interleave: Any) -> None:
    rasterio = pytest.importorskip("rasterio")
    data, path = values(dtype), tmp_path / "r.dat"
    profile = {
        "driver": "ENVI",
        "count": 3,
        "height": 4,
        "width": 5,
        "dtype": np.dtype(dtype).name,
        "crs": "EPSG:32633",
        "transform": rasterio.Affine(30, 0, 5e5, 0, -20, 4e6),
        "interleave": interleave,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(data)
        file.descriptions = ("red", "green", "blue")
    ds = xr.open_dataset(path, engine="rawmmap")
    assert ds.data.dims == AXES[interleave]
    np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), data)
    assert ds.data.dtype == dtype
    assert ds.x.values.tolist() == [500015, 500045, 500075, 500105, 500135]
    assert ds.y.values.tolist() == [3999990, 3999970, 3999950, 3999930]
    assert ds.band_name.values.tolist() == ["red", "green", "blue"]
    pytest.importorskip("rioxarray")
    with rasterio.open(path) as file:
        assert ds.data.rio.crs == file.crs
    assert ds.data.rio.crs.to_dict()["zone"] == 33
    assert tuple(ds.data.rio.transform())[:6] == (30, 0, 5e5, 0, -20, 4e6)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", "<>")
def test_types_and_byte_orders(tmp_path: Path, dtype: Any, order: Any, interleave: Any) -> None:
    data = values(np.dtype(dtype).newbyteorder(order))
    path = store(tmp_path, data, interleave=interleave)
    stored = rawmmap.open(path)["data"]
    assert stored.data.dtype == data.dtype
    for name in (path, tmp_path / "a.hdr"):
        ds = xr.open_dataset(name, engine="rawmmap")
        np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), data)


def test_our_own_headers(tmp_path: Path, interleave: Any) -> None:
    data, path = values(">f4"), tmp_path / "own.raw"
    dims = AXES[interleave]
    arranged = data.transpose([AXES["bsq"].index(dim) for dim in dims])
    path.write_bytes(b"12345" + arranged.tobytes())
    attrs = {"_FillValue": 7.0, "scale_factor": 0.5, "add_offset": 1.0}
    rawmmap.to_envi(path, dtype=">f4", shape=arranged.shape, dims=dims, offset=5, attrs=attrs)
    raw = rawmmap.open(path)["data"]
    assert raw.dims == dims
    np.testing.assert_array_equal(raw.data[...], arranged)
    assert {key: raw.attrs[key] for key in attrs} == attrs


def test_header_and_frame_offsets(tmp_path: Path) -> None:
    row = np.dtype([("c", "V2"), ("v", "<i2", 5), ("d", "V4")])
    frame = np.dtype([("a", "V3"), ("rows", row, 3), ("b", "V1")])
    frames = np.zeros(4, frame)
    frames["rows"]["v"] = values("<i2").transpose(1, 0, 2)
    (tmp_path / "f").write_bytes(b"x" * 11 + frames.tobytes())
    text = header_text(
        interleave="bil",
        header_offset=11,
        major_frame_offsets="{3, 1}",
        minor_frame_offsets="{2, 4}",
    )
    (tmp_path / "f.hdr").write_text(text)
    np.testing.assert_array_equal(
        rawmmap.open(tmp_path / "f.hdr")["data"].data[...], frames["rows"]["v"]
    )


@pytest.mark.parametrize("name", ["bil", "bip"])
def test_major_frames_as_rasterio(tmp_path: Path, name: Any) -> None:
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / "a.img"
    path.write_bytes(bytes(range(4 * (3 * 5 + 5) + 8)))
    text = header_text("u1", interleave=name, header_offset=6, major_frame_offsets="{2, 3}")
    (tmp_path / "a.hdr").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as file:
            expected = file.read()
    ds = xr.open_dataset(path, engine="rawmmap")
    np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), expected)


def test_labels_and_attributes(tmp_path: Path) -> None:
    extra = (
        "Wavelength_Units = Nanometers\n; wavelength = {1}\nWAVELENGTH = {\n 400,\n; no\n 500.5,"
        "\n 600 }\nfwhm = {1,2,3}\nbbl = {1,0,1}\ndata ignore value = -1\nsensor type = HySpex\n"
        "data gain values = {2, 2, 2}\ndefault bands = {3, 2, 1}\ndescription = {a, b}\n"
    )
    path = store(tmp_path, values("<i2") - 1, extra=extra)
    ds = xr.open_dataset(path, engine="rawmmap")
    assert ds.wavelength.values.tolist() == [400, 500.5, 600]
    assert ds.wavelength.attrs == {"units": "nm"}
    assert {"wavelength", "fwhm", "bbl"} <= set(ds.coords)
    assert ds.attrs["sensor_type"] == "HySpex"
    assert ds.attrs["default_bands"] == ["3", "2", "1"]
    assert ds.attrs["description"] == "a, b"
    stored = values("f8") - 1
    np.testing.assert_array_equal(ds.data, np.where(stored == -1, np.nan, stored * 2))
    raw = rawmmap.open(path)["data"].attrs
    assert raw["_FillValue"].dtype == "i2"


def test_gains_that_differ_by_band_stay_attributes(tmp_path: Path) -> None:
    path = store(tmp_path, values("<i2"), extra="data gain values = {1, 2, 3}\n")
    raw = rawmmap.open(path)
    assert "scale_factor" not in raw["data"].attrs
    assert raw.attrs["data_gain_values"] == ["1", "2", "3"]


@pytest.mark.parametrize("name", ["a.dat.hdr", "a.dat.HDR", "a.hdr", "a.HDR"])
def test_names_of_headers(tmp_path: Path, name: Any) -> None:
    path = store(tmp_path, values("<i2"))
    (tmp_path / "a.hdr").rename(tmp_path / name)
    for opened in (path, tmp_path / name):
        np.testing.assert_array_equal(rawmmap.open(opened)["data"].data[...], values("<i2"))
    assert xr.open_dataset(path).data.shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"file_compression": 1}, "file compression"),
        ({"file_type": "ENVI Spectral Library"}, "spectral library"),
        ({"data_type": 7}, "data type = 7"),
        ({"interleave": "tiled"}, "interleave"),
        ({"byte_order": None}, "byte order"),
        ({"byte_order": 2}, "byte order"),
        ({"samples": None}, "'samples'"),
        ({"lines": -4}, "lines"),
        ({"lines": 0}, "lines"),
        ({"lines": 10**17}, "bytes"),
        ({"lines": 10**18 - 1, "samples": 10**18 - 1}, "bytes|end"),
        ({"major_frame_offsets": "{1, 2}"}, "major frame offsets"),
        ({"minor_frame_offsets": "{1, 2}"}, "minor frame offsets"),
        ({"wavelength": "{1, 2}"}, "wavelength has 2"),
        ({"wavelength": "{1, 2, x}"}, "wavelength"),
        ({"band_names": "{1, 2"}, "closing brace"),
        ({"map_info": "{UTM, 1, 1}"}, "map info"),
        ({"data_ignore_value": "none"}, "data ignore value"),
        ({"header_offset": 1}, "bytes"),
    ],
)
def test_refusals_name_the_keyword(tmp_path: Path, more: Any, message: Any) -> None:
    path = store(tmp_path, values("<i2"), **more)
    with pytest.raises(ValueError, match=message):
        rawmmap.open(path)


def test_a_header_without_data_or_with_two_files(tmp_path: Path) -> None:
    path = store(tmp_path, values("<i2"))
    (tmp_path / "a.img").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="open the data file itself"):
        rawmmap.open(tmp_path / "a.hdr")
    path.unlink()
    (tmp_path / "a.img").unlink()
    with pytest.raises(ValueError, match="no data file"):
        rawmmap.open(tmp_path / "a.hdr")


def test_a_sidecar_says_the_same(tmp_path: Path) -> None:
    extra = "wavelength = {1, 2, 3}\nband names = {a, b, c}\ndata ignore value = 3\n"
    extra += "map info = {UTM, 1, 1, 5e5, 4e6, 30, 30, 33, North, WGS-84}\n"
    path = store(tmp_path, values(">i2"), extra=extra)
    expected = xr.open_dataset(path, engine="rawmmap").load()
    rawmmap.describe(path)
    (tmp_path / "a.hdr").unlink()
    xr.testing.assert_identical(xr.open_dataset(path, engine="rawmmap"), expected)


def test_a_remote_raster(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/envi/a.img", values("<i2").tobytes())
    memory.pipe("/envi/a.hdr", header_text().encode())
    for name in ("a.img", "a.hdr"):
        raw = rawmmap.open(f"memory://envi/{name}")
        np.testing.assert_array_equal(raw["data"].data[...], values("<i2"))


def test_a_rotated_map_stays_an_attribute(tmp_path: Path) -> None:
    extra = "map info = {UTM, 1, 1, 5e5, 4e6, 30, 30, 33, North, WGS-84, rotation=10}\n"
    raw = rawmmap.open(store(tmp_path, values("<i2"), extra=extra))
    assert "x" not in raw
    assert "rotation=10" in raw.attrs["map_info"]


@pytest.mark.parametrize(
    "words",
    [
        "UTM, 1, 1, 5e5, 4e6, 30, 30, 33, North, WGS-84, units=Meters",
        "UTM, 3, 2, 5e5, 4e6, 20, 40, 33, South, WGS-84, units=Meters, rotation=30",
        "UTM, 1, 1, 5e5, 4e6, 30, 30, 13, North, North America 1983",
        "UTM, 1, 1, 5e5, 4e6, 30, 30, 13, North, North America 1927",
        "UTM, 1, 1, 5e5, 4e6, 30, 30, 33, North, European 1950",
        "Geographic Lat/Lon, 1, 1, 5, 40, .1, .1, WGS-84, units=Degrees",
        "Geographic Lat/Lon, 1.5, 1.5, 5, 40, .1, .2, North America 1983, units=Degrees",
        "Arbitrary, 1, 1, 5, 40, .1, .1, 0, units=Meters",
    ],
)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_maps_without_a_coordinate_system_string_as_rasterio(tmp_path: Path, words: str) -> None:
    rasterio = pytest.importorskip("rasterio")
    pytest.importorskip("rioxarray")
    path = store(tmp_path, values("<i2"), extra=f"map info = {{{words}}}\n")
    with rasterio.open(path) as file:
        crs, transform = file.crs, file.transform
    ds = xr.open_dataset(path, engine="rawmmap", decode_coords="all")
    expected = None if words.startswith("Arbitrary") else crs.to_epsg()
    assert (ds.rio.crs and ds.rio.crs.to_epsg()) == expected
    np.testing.assert_allclose(ds.rio.transform(), transform, rtol=1e-12)


def test_map_words_that_name_no_reference_system(tmp_path: Path) -> None:
    for words in ("UTM, 1, 1, 0, 0, 1, 1, 61, North, WGS-84", "Mercator, 1, 1, 0, 0, 1, 1, WGS-84"):
        raw = rawmmap.open(store(tmp_path, values("<i2"), extra=f"map info = {{{words}}}\n"))
        assert "spatial_ref" not in raw["spatial_ref"].attrs


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("suffix", ["img", "bsq", "bil", "bip", "BIP"])
def test_without_interleave_the_suffix_says_it_as_in_rasterio(tmp_path: Path, suffix: str) -> None:
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(values("<i2").tobytes())
    (tmp_path / "a.hdr").write_text(header_text(interleave=None))
    with rasterio.open(path) as file:
        expected = file.read()
    for name in (path.name, "a.hdr"):
        ds = xr.open_dataset(tmp_path / name, engine="rawmmap")
        np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), expected)


def test_a_comma_after_the_last_item(tmp_path: Path) -> None:
    extra = "wavelength = {1, 2, 3,}\nband names = {\n a,\n b,\n c,\n}\n"
    raw = rawmmap.open(store(tmp_path, values("<i2"), extra=extra))
    assert np.asarray(raw["wavelength"].data).tolist() == [1, 2, 3]
    assert np.asarray(raw["band_name"].data).tolist() == ["a", "b", "c"]
    raw = rawmmap.open(store(tmp_path, values("<i2"), extra="band names = {a, b, }\n"))
    assert np.asarray(raw["band_name"].data).tolist() == ["a", "b", ""]


def test_other_headers_and_files_are_left_alone(tmp_path: Path) -> None:
    engine = xr.backends.list_engines()["rawmmap"]
    path = store(tmp_path, values("<i2"))
    assert engine.guess_can_open(path)
    path.write_bytes(b"CDF\x01" + bytes(200))
    assert not engine.guess_can_open(path)
    (tmp_path / "b.bil").write_bytes(bytes(20))
    (tmp_path / "b.hdr").write_text("NROWS 4\nNCOLS 5\n")
    with pytest.raises(ValueError, match="an ENVI header"):
        rawmmap.open(tmp_path / "b.bil", format="envi")


FULL = header_text(
    interleave="bil",
    wavelength="{1, 2, 3}",
    band_names="{a, b,\n c}",
    map_info="{UTM, 1, 1, 5e5, 4e6, 30, 30, 33, North, WGS-84, units=Meters}",
    data_gain_values="{1, 1, 1}",
    data_ignore_value="-1",
    major_frame_offsets="{0, 0}",
).encode()
cuts = st.integers(0, len(FULL))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(start=cuts, stop=cuts, new=st.binary(max_size=12))
@example(start=0, stop=0, new=b"")
def test_damaged_headers(tmp_path: Path, start: Any, stop: Any, new: Any) -> None:
    (tmp_path / "a.img").write_bytes(bytes(120))
    (tmp_path / "a.hdr").write_bytes(FULL[:start] + new + FULL[max(start, stop) :])
    try:
        raw = rawmmap.open(tmp_path / "a.img", format="envi")
        assert raw["data"].data[...].size <= 120
    except (ValueError, OSError):
        pass
