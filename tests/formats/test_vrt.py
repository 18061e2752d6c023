"""GDAL reads the very bytes of a flat file through a VRT."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawmmap.exports import to_vrt

rasterio = pytest.importorskip("rasterio", reason="GDAL is the reader of these files")

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

GDAL = tuple(int(part) for part in rasterio.__gdal_version__.split(".")[:2])
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8", "c16"]
SHAPE = (2, 3, 5)

Array = npt.NDArray[Any]
Store = Callable[..., dict[str, Any]]


def bands(path: Path) -> Array:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read())


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("dtype", TYPES)
def test_all_types_in_all_orders_of_axes(
    tmp_path: Path, store: Store, values: Callable[..., Array], dtype: str, byteorder: str
) -> None:
    array = values(byteorder + dtype, SHAPE)
    for i, (order, offset) in enumerate(
        itertools.product(itertools.permutations(range(3)), (0, 1, 4096))
    ):
        path = tmp_path / f"{i}.bin"
        before = store(path, array, order, offset)
        raw = path.read_bytes()
        target = to_vrt(path, **before)
        assert target == tmp_path / f"{i}.bin.vrt"
        found = bands(target)
        assert found.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(found, array)
        assert path.read_bytes() == raw


def test_two_dimensions_are_one_band(tmp_path: Path, store: Store) -> None:
    array = np.arange(12, dtype=">i2").reshape(3, 4)
    target = to_vrt(tmp_path / "a", **store(tmp_path / "a", array, None, 6))
    np.testing.assert_array_equal(bands(target), array[None])


def test_booleans_are_bytes(tmp_path: Path, values: Callable[..., Array], store: Store) -> None:
    array = values("?", (3, 4))
    target = to_vrt(tmp_path / "a", **store(tmp_path / "a", array))
    np.testing.assert_array_equal(bands(target)[0], array.astype("u1"))


@pytest.mark.skipif(GDAL < (3, 11), reason="GDAL has half floats from 3.11 on")
def test_half_floats(tmp_path: Path, values: Callable[..., Array], store: Store) -> None:
    array = values("<f2", (3, 4))
    target = to_vrt(tmp_path / "a", **store(tmp_path / "a", array))
    np.testing.assert_array_equal(bands(target)[0], array)


def picks(n: int, part: slice) -> bool:
    return len(range(n)[part]) > 0


# Slices that GDAL can follow: any lines, pixels forwards.
LINES = st.slices(7).filter(lambda s: picks(7, s))
PIXELS = st.slices(9).filter(lambda s: picks(9, s) and (s.step is None or s.step > 0))


@given(band=LINES, line=LINES, pixel=PIXELS, offset=st.integers(0, 9))
def test_parts_with_gaps_and_lines_backwards(
    tmp_path_factory: pytest.TempPathFactory, band: slice, line: slice, pixel: slice, offset: int
) -> None:
    path = tmp_path_factory.mktemp("part") / "a.bin"
    whole = np.arange(7 * 7 * 9, dtype=">u2").reshape(7, 7, 9)
    path.write_bytes(bytes(offset) + whole.tobytes())
    part = whole[band, line, pixel]
    start = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    target = to_vrt(
        path, dtype=">u2", shape=part.shape, strides=part.strides, offset=offset + start
    )
    np.testing.assert_array_equal(bands(target), part)


def test_pixels_backwards_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(24))
    with pytest.raises(ValueError, match=r"'data': pixels follow each other at -2 bytes"):
        to_vrt(path, dtype="<i2", shape=(3, 4), strides=(8, -2), offset=6)
    with pytest.raises(ValueError, match=r"at 0 bytes"):
        to_vrt(path, dtype="<i2", shape=(3, 4), strides=(8, 0), overlap=True)
    assert list(tmp_path.iterdir()) == [path]


def test_distances_beyond_a_c_int_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(2**32 + 100)
    with pytest.raises(ValueError, match=r"4294967296 bytes apart; GDAL takes at most 2147483647"):
        to_vrt(path, dtype="u1", shape=(2, 50), strides=(2**32, 1))
    with pytest.raises(ValueError, match=r"a line spans 2147483648 bytes"):
        to_vrt(path, dtype="u1", shape=(1, 2), strides=(1, 2**30))
    np.testing.assert_array_equal(
        bands(to_vrt(path, dtype="u1", shape=(2, 50), strides=(2**31 - 1, 1))), 0
    )


def test_an_offset_beyond_four_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.seek(2**32 + 3)
        file.write(np.arange(12, dtype=">f4").tobytes())
    target = to_vrt(path, dtype=">f4", shape=(3, 4), offset=2**32 + 3)
    np.testing.assert_array_equal(bands(target)[0].ravel(), np.arange(12))


@pytest.mark.parametrize("dtype", ["S3", "<U2", "<M8[s]", "V5"])
def test_types_that_gdal_lacks_are_refused_by_name(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(1000))
    with pytest.raises(ValueError, match="'data': GDAL has no type for"):
        to_vrt(path, dtype=dtype, shape=(3, 4))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("shape", [(), (4,), (2, 2, 2, 2), (0, 4)])
def test_other_shapes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(16))
    with pytest.raises(ValueError, match="2 or 3 dimensions"):
        to_vrt(path, dtype="u1", shape=shape, variable="data")


def test_x_and_y_are_known_by_name_in_any_order(tmp_path: Path, store: Store) -> None:
    array = np.arange(30, dtype="u1").reshape(SHAPE)
    words = store(tmp_path / "a", array)
    found = bands(to_vrt(tmp_path / "a", **words, dims=("lon", "time", "lat")))
    np.testing.assert_array_equal(found, array.transpose(1, 2, 0))
    found = bands(
        to_vrt(
            tmp_path / "a",
            **words,
            dims=("i", "j", "k"),
            coords={"i": ("i", [1, 2], {"axis": "Y"}), "j": ("j", [1, 2, 4], {"axis": "X"})},
        )
    )
    np.testing.assert_array_equal(found, array.transpose(2, 0, 1))


def test_attributes_and_coordinates_go_along(tmp_path: Path) -> None:
    crs = rasterio.crs.CRS.from_epsg(32633)
    (tmp_path / "a").write_bytes(bytes(24))
    target = to_vrt(
        tmp_path / "a",
        dtype=">i2",
        shape=(1, 3, 4),
        dims=("time", "y", "x"),
        name="t",
        attrs={
            "_FillValue": -9,
            "scale_factor": 0.5,
            "add_offset": 273.15,
            "units": "K",
            "long_name": "a < b & c",
            "grid_mapping": "crs",
        },
        coords={
            "x": 100 + 0.5 * np.arange(4),
            "y": ("y", 50 - 0.25 * np.arange(3)),
            "time": ["noon"],
            "crs": ((), 0, {"crs_wkt": crs.to_wkt()}),
        },
    )
    with rasterio.open(target) as dataset:
        assert dataset.transform == rasterio.Affine(0.5, 0, 99.75, 0, -0.25, 50.125)
        assert dataset.crs == crs
        assert dataset.nodata == -9
        assert dataset.scales == (0.5,)
        assert dataset.offsets == (273.15,)
        assert dataset.units == ("K",)
        assert dataset.descriptions == ("noon",)
        assert dataset.tags()["long_name"] == "a < b & c"


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [("<f4", np.nan), (">f4", 1e20), ("<f8", -np.inf), ("<i8", -(2**63)), (">u8", 2**63)],
)
def test_fill_values_are_exact(tmp_path: Path, dtype: str, fill: float) -> None:
    (tmp_path / "a").write_bytes(bytes(96))
    words: dict[str, Any] = {"dtype": dtype, "shape": (3, 4), "attrs": {"_FillValue": fill}}
    with rasterio.open(to_vrt(tmp_path / "a", **words)) as dataset:
        expected = np.array(fill).astype(dtype)
        np.testing.assert_array_equal(np.array(dataset.nodata).astype(dtype), expected)
        assert dataset.read_masks(1).all()


def test_unsigned_integers_of_netcdf(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00\x01")
    attrs = {"_Unsigned": "true", "_FillValue": -1}
    target = to_vrt(tmp_path / "a", dtype="i1", shape=(2, 2), attrs=attrs)
    with rasterio.open(target) as dataset:
        assert dataset.read(1).tolist() == [[255, 254], [0, 1]]
        assert dataset.nodata == 255


@pytest.mark.parametrize("fill", [300, 0.5, [1, 2], "x"])
def test_fill_values_of_another_type_are_refused(tmp_path: Path, fill: Any) -> None:
    (tmp_path / "a").write_bytes(bytes(12))
    with pytest.raises(ValueError, match="_FillValue"):
        to_vrt(tmp_path / "a", dtype="u1", shape=(3, 4), attrs={"_FillValue": fill})


def test_coordinates_that_are_not_even_give_no_transform(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(12))
    words: dict[str, Any] = {"dtype": "u1", "shape": (3, 4), "dims": ("y", "x")}
    x, y = np.arange(4), np.arange(3.0)
    for coords in (
        {"x": x},
        {"x": x**2, "y": y},
        {"x": x, "y": [0, np.nan, 2]},
        {"x": x * 0, "y": y},
        {"x": list("abcd"), "y": y},
    ):
        text = to_vrt(tmp_path / "a", **words, coords=coords).read_text()
        assert "GeoTransform" not in text
    rounded = {"x": (x * 0.1 + 7).astype("f4"), "y": y}
    assert "GeoTransform" in to_vrt(tmp_path / "a", **words, coords=rounded).read_text()


def test_coordinates_in_the_file(tmp_path: Path) -> None:
    x = np.array([10, 12, 14, 16], ">i2")
    (tmp_path / "a").write_bytes(bytes(12) + x.tobytes())
    target = to_vrt(
        tmp_path / "a",
        variables={
            "u": {"dtype": "u1", "shape": (3, 4), "dims": ("y", "x")},
            "x": {"dtype": ">i2", "shape": 4, "dims": "x", "offset": 12},
        },
        coords={"y": [3, 2, 1]},
    )
    with rasterio.open(target) as dataset:
        assert dataset.transform == rasterio.Affine(2, 0, 9, 0, -1, 3.5)


def test_the_variable_is_named_where_there_are_several(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(12) + bytes(range(12)))
    words: dict[str, Any] = {
        "variables": {
            "u": {"dtype": "u1", "shape": (3, 4)},
            "v": {"dtype": "u1", "shape": (3, 4), "offset": 12},
        }
    }
    with pytest.raises(ValueError, match=r"2 variables, \['u', 'v'\].*variable="):
        to_vrt(tmp_path / "a", **words)
    with pytest.raises(ValueError, match="'w' is not in the file"):
        to_vrt(tmp_path / "a", variable="w", **words)
    target = to_vrt(tmp_path / "a", tmp_path / "v.vrt", variable="v", **words)
    np.testing.assert_array_equal(bands(target).ravel(), range(12))


def test_coordinates_are_not_taken_for_the_variable(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(48))
    plane = {"dtype": "u1", "shape": (3, 4), "dims": ("y", "x")}
    target = to_vrt(
        tmp_path / "a",
        variables={
            "u": {**plane, "attrs": {"coordinates": "lat lon"}},
            "lat": {**plane, "offset": 12},
            "lon": {**plane, "offset": 24},
        },
    )
    with rasterio.open(target) as dataset:
        assert dataset.descriptions == ("u",)


def test_the_folder_can_be_moved(tmp_path: Path, store: Store) -> None:
    array = np.arange(12, dtype="u1").reshape(3, 4)
    folder = tmp_path / "old"
    (folder / "data").mkdir(parents=True)
    words = store(folder / "data" / "a & b.bin", array)
    to_vrt(folder / "data" / "a & b.bin", **words)
    to_vrt(folder / "data" / "a & b.bin", folder / "above.vrt", **words)
    shutil.move(folder, tmp_path / "new")
    for name in ("above.vrt", "data/a & b.bin.vrt"):
        np.testing.assert_array_equal(bands(tmp_path / "new" / name)[0], array)


def test_a_vrt_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "data" / "a").write_bytes(bytes(12))
    with pytest.raises(ValueError, match="GDAL would refuse"):
        to_vrt(tmp_path / "data" / "a", tmp_path / "other" / "a.vrt", dtype="u1", shape=(3, 4))


def test_only_a_vrt_is_replaced(tmp_path: Path) -> None:
    path, target = tmp_path / "a", tmp_path / "a.vrt"
    path.write_bytes(bytes(12))
    words: dict[str, Any] = {"dtype": "u1", "shape": (3, 4)}
    target.write_text("mine")
    with pytest.raises(FileExistsError, match="not a VRT"):
        to_vrt(path, **words)
    with pytest.raises(FileExistsError, match="the data file itself"):
        to_vrt(path, path, **words)
    assert target.read_text() == "mine"
    target.unlink()
    to_vrt(path, **words)
    to_vrt(path, dtype="u1", shape=(4, 3))
    assert ET.parse(target).getroot().attrib == {"rasterXSize": "3", "rasterYSize": "4"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.vrt"]


def test_text_that_xml_cannot_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(12))
    with pytest.raises(ValueError, match="XML cannot hold"):
        to_vrt(tmp_path / "a", dtype="u1", shape=(3, 4), attrs={"note": "a\0b"})


def test_a_file_far_away_is_refused() -> None:
    with pytest.raises(ValueError, match="not on this system"):
        to_vrt("s3://bucket/a.bin", dtype="u1", shape=(3, 4))
