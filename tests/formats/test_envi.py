"""GDAL and Spectral Python read the very bytes of a flat file through an ENVI header."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rawmmap.exports import to_envi

TYPES = ["u1", "i2", "i4", "f4", "f8", "c8", "c16", "u2", "u4", "i8", "u8"]
SHAPE = (2, 3, 5)
# Axes band, line, sample in the order of the file.
ORDERS = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}

Array = npt.NDArray[Any]
Store = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")


@pytest.fixture
def rasterio() -> Any:
    return pytest.importorskip("rasterio", reason="GDAL is the reader of these files")


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("dtype", TYPES)
def test_gdal_reads_all_types_and_interleaves(
    tmp_path: Path,
    rasterio: Any,
    store: Store,
    values: Callable[..., Array],
    dtype: str,
    byteorder: str,
) -> None:
    array = values(byteorder + dtype, SHAPE)
    for (name, order), offset in itertools.product(ORDERS.items(), (0, 1, 4096)):
        path = tmp_path / f"{name}{offset}.bin"
        words = store(path, array, order, offset)
        raw = path.read_bytes()
        target = to_envi(path, **words)
        assert target == tmp_path / f"{name}{offset}.bin.hdr"
        assert f"interleave = {name}" in target.read_text()
        with rasterio.open(path) as dataset:
            assert dataset.driver == "ENVI"
            found = dataset.read()
        assert found.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(found, array)
        assert path.read_bytes() == raw


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("dtype", TYPES)
def test_spectral_reads_all_types_and_interleaves(
    tmp_path: Path, store: Store, values: Callable[..., Array], dtype: str, byteorder: str
) -> None:
    envi = pytest.importorskip("spectral.io.envi", reason="Spectral Python is not installed")
    array = values(byteorder + dtype, SHAPE)
    for (name, order), offset in itertools.product(ORDERS.items(), (0, 4096)):
        path = tmp_path / f"{name}{offset}.bin"
        target = to_envi(path, **store(path, array, order, offset))
        with warnings.catch_warnings():
            # It keeps files open until they are collected.
            warnings.simplefilter("ignore")
            image = envi.open(str(target), str(path))
            found = np.array(image.open_memmap(interleave="bip"))
            del image
        np.testing.assert_array_equal(found.transpose(2, 0, 1), array)


def test_two_dimensions_and_booleans(
    tmp_path: Path, rasterio: Any, store: Store, values: Callable[..., Array]
) -> None:
    array = values("?", (3, 4))
    to_envi(tmp_path / "a", **store(tmp_path / "a", array, (0, 1), 5))
    with rasterio.open(tmp_path / "a") as dataset:
        np.testing.assert_array_equal(dataset.read(), array[None].astype("u1"))


def test_dims_in_the_order_of_the_file(tmp_path: Path, rasterio: Any) -> None:
    array = np.arange(30, dtype=">u2").reshape(3, 5, 2)
    (tmp_path / "a").write_bytes(array.tobytes())
    words: dict[str, Any] = {"dtype": ">u2", "shape": array.shape}
    target = to_envi(tmp_path / "a", dims=("line", "sample", "band"), **words)
    assert "interleave = bip" in target.read_text()
    with rasterio.open(tmp_path / "a") as dataset:
        np.testing.assert_array_equal(dataset.read(), array.transpose(2, 0, 1))


@pytest.mark.parametrize("shape", [(1, 3, 5), (2, 1, 5), (2, 3, 1), (1, 1, 1)])
def test_axes_of_length_one(
    tmp_path: Path, rasterio: Any, store: Store, shape: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(shape), dtype="<i4").reshape(shape)
    for order in ORDERS.values():
        to_envi(tmp_path / "a", **store(tmp_path / "a", array, order))
        with rasterio.open(tmp_path / "a") as dataset:
            np.testing.assert_array_equal(dataset.read(), array)


@pytest.mark.parametrize(
    ("strides", "offset"),
    [((32, 8, 2), 0), ((24, 8, 4), 0), ((24, -8, 2), 16), ((2, 4, 12), 0), ((0, 8, 2), 0)],
)
def test_other_layouts_are_refused(tmp_path: Path, strides: tuple[int, ...], offset: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(200))
    with pytest.raises(ValueError, match=r"'data': its bands.*strides.*'bip': \(2, 16, 4\)"):
        to_envi(path, dtype="<i2", shape=(2, 3, 4), strides=strides, offset=offset, overlap=True)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("dtype", ["i1", "f2", "S3", "<U2", "<M8[s]"])
def test_types_that_envi_lacks_are_refused_by_name(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(1000))
    with pytest.raises(ValueError, match="'data': ENVI has no type for"):
        to_envi(path, dtype=dtype, shape=(3, 4))
    assert list(tmp_path.iterdir()) == [path]


def test_an_offset_beyond_a_c_int_is_refused(tmp_path: Path, rasterio: Any) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.seek(2**31 - 1)
        file.write(bytes(range(13)))
    with pytest.raises(ValueError, match="starts at byte 2147483648"):
        to_envi(path, dtype="u1", shape=(3, 4), offset=2**31)
    to_envi(path, dtype="u1", shape=(3, 4), offset=2**31 - 1)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1).ravel(), range(12))


def test_attributes_and_coordinates_go_along(tmp_path: Path, rasterio: Any) -> None:
    crs = rasterio.crs.CRS.from_epsg(32633)
    path = tmp_path / "a"
    path.write_bytes(bytes(48))
    target = to_envi(
        path,
        dtype=">i2",
        shape=(2, 3, 4),
        dims=("wavelength", "y", "x"),
        attrs={
            "_FillValue": -9,
            "scale_factor": 0.5,
            "add_offset": 273.15,
            "grid_mapping": "crs",
        },
        coords={
            "x": 100 + 0.5 * np.arange(4),
            "y": 50 - 0.25 * np.arange(3),
            "wavelength": ("wavelength", [412.5, 530.0], {"units": "nm"}),
            "crs": ((), 0, {"crs_wkt": crs.to_wkt()}),
        },
    )
    with rasterio.open(path) as dataset:
        assert dataset.transform == rasterio.Affine(0.5, 0, 99.75, 0, -0.25, 50.125)
        assert dataset.crs == crs
        assert dataset.nodata == -9
        assert dataset.scales == (0.5, 0.5)
        assert dataset.offsets == (273.15, 273.15)
        assert dataset.tags(1)["wavelength"] == "412.5"
        assert dataset.tags(2)["wavelength_units"] == "Nanometers"
    text = target.read_text()
    assert "wavelength = {412.5, 530.0}" in text


def test_spectral_reads_wavelengths_and_names(tmp_path: Path) -> None:
    envi = pytest.importorskip("spectral.io.envi", reason="Spectral Python is not installed")
    path = tmp_path / "a"
    path.write_bytes(bytes(24))
    words: dict[str, Any] = {"dtype": "u1", "shape": (2, 3, 4), "dims": ("b", "y", "x")}
    target = to_envi(path, **words, coords={"b": ("b", [0.4, 0.5], {"units": "um"})})
    header = envi.read_envi_header(str(target))
    assert header["wavelength"] == ["0.4", "0.5"]
    assert header["wavelength units"] == "Micrometers"
    to_envi(path, **words, coords={"b": ["red edge", "nir"]})
    assert envi.read_envi_header(str(target))["band names"] == ["red edge", "nir"]


def test_band_names(tmp_path: Path, rasterio: Any) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(24))
    words: dict[str, Any] = {"dtype": "u1", "shape": (2, 3, 4), "dims": ("b", "y", "x")}
    for labels, expected in (
        (["red edge", "nir"], ("red edge", "nir")),
        ([1, 2], ("data b=1", "data b=2")),
        (["red, edge", "nir"], (None, None)),
    ):
        to_envi(path, **words, coords={"b": labels})
        with rasterio.open(path) as dataset:
            assert dataset.descriptions == expected


def test_what_is_not_exact_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(12))
    words: dict[str, Any] = {"dtype": "u1", "shape": (3, 4), "dims": ("y", "x")}
    for y in ([1, 2, 3], [1, 2, 4], [3, 2, 0]):
        coords: dict[str, Any] = {"x": [1, 2, 3, 4], "y": y}
        assert "map info" not in to_envi(path, **words, coords=coords).read_text()


def test_only_an_envi_header_is_replaced(tmp_path: Path) -> None:
    path, target = tmp_path / "a.bin", tmp_path / "a.bin.hdr"
    path.write_bytes(bytes(12))
    target.write_text("NROWS 3\nNCOLS 4\n")
    words: dict[str, Any] = {"dtype": "u1", "shape": (3, 4)}
    with pytest.raises(FileExistsError, match="not an ENVI header"):
        to_envi(path, **words)
    assert target.read_text().startswith("NROWS")
    target.unlink()
    to_envi(path, **words)
    to_envi(path, dtype="u1", shape=(4, 3))
    assert "lines = 4" in target.read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin", "a.bin.hdr"]


def test_the_header_has_one_of_two_names(tmp_path: Path, rasterio: Any) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(12))
    words: dict[str, Any] = {"dtype": "u1", "shape": (3, 4)}
    with pytest.raises(ValueError, match=r"named a\.bin\.hdr or a\.hdr"):
        to_envi(path, tmp_path / "b.hdr", **words)
    to_envi(path, tmp_path / "a.hdr", **words)
    with rasterio.open(path) as dataset:
        assert dataset.driver == "ENVI"


def test_the_sidecar_is_enough(tmp_path: Path, rasterio: Any) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(12)))
    (tmp_path / "a.bin.json").write_text(
        '{"rawmmap": 1, "variables": {"u": {"dtype": "|u1", "dims": ["y", "x"], "shape": [3, 4], '
        '"offset": 0}}}'
    )
    for given in (path, tmp_path / "a.bin.json"):
        to_envi(given)
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(dataset.read(1).ravel(), range(12))
