"""Reading images of the Planetary Data System, and R's rasters, against rasterio and pds4_tools."""

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


def label(pointer: str = "3", *, records: int = 512, extra: str = "", **image: Any) -> bytes:
    """Return the label of two bands of 3 lines of 4 samples, which begin at byte 1024."""
    entries: dict[str, Any] = {
        "LINES": 3,
        "LINE_SAMPLES": 4,
        "SAMPLE_TYPE": "MSB_INTEGER",
        "SAMPLE_BITS": 16,
        "BANDS": 2,
        "BAND_STORAGE_TYPE": "BAND_SEQUENTIAL",
    }
    inner = "".join(f"  {key} = {value}\r\n" for key, value in (entries | image).items())
    text = (
        "PDS_VERSION_ID = PDS3\r\nRECORD_TYPE = FIXED_LENGTH\r\n"
        f"RECORD_BYTES = {records}\r\nFILE_RECORDS = 3\r\nLABEL_RECORDS = 2\r\n"
        f'^IMAGE = {pointer}\r\nTARGET_NAME = "MARS"\r\n{extra}'
        f"OBJECT = IMAGE\r\n{inner}END_OBJECT = IMAGE\r\nEND\r\n"
    )
    return text.encode().ljust(1024)


class TestPds3:
    @pytest.mark.parametrize("storage", ["BAND_SEQUENTIAL", "LINE_INTERLEAVED"])
    @pytest.mark.parametrize(
        ("kind", "bits"),
        [
            ("UNSIGNED_INTEGER", 8),
            ("MSB_INTEGER", 16),
            ("LSB_INTEGER", 16),
            ("MSB_UNSIGNED_INTEGER", 16),
            ("LSB_UNSIGNED_INTEGER", 16),
            ("IEEE_REAL", 32),
            ("PC_REAL", 32),
            ("IEEE_REAL", 64),
        ],
    )
    def test_types_as_rasterio(self, tmp_path: Path, kind: str, bits: int, storage: str) -> None:
        rasterio = pytest.importorskip("rasterio")
        content = np.random.default_rng(3).integers(0, 100, 24 * bits // 8, "u1").tobytes()
        header = label(SAMPLE_TYPE=kind, SAMPLE_BITS=bits, BAND_STORAGE_TYPE=storage)
        path = tmp_path / "a.img"
        path.write_bytes(header + content)
        with rasterio.open(path) as file:
            expected = file.read()
        ds = xr.open_dataset(path, engine="rawmmap")
        assert ds.data.dtype == expected.dtype
        np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), expected)
        assert ds.attrs["target_name"] == "MARS"

    def test_integers_of_32_bits(self, tmp_path: Path) -> None:
        """GDAL takes these for floats."""
        values = np.arange(24, dtype=">i4").reshape(2, 3, 4)
        (tmp_path / "a.img").write_bytes(label(SAMPLE_BITS=32) + values.tobytes())
        ds = xr.open_dataset(tmp_path / "a.img", engine="rawmmap")
        np.testing.assert_array_equal(ds.data, values)

    @pytest.mark.parametrize(("before", "after"), [(0, 0), (4, 0), (3, 5)])
    @pytest.mark.parametrize(
        "storage", ["BAND_SEQUENTIAL", "LINE_INTERLEAVED", "SAMPLE_INTERLEAVED"]
    )
    def test_bytes_around_lines(
        self, tmp_path: Path, storage: str, before: int, after: int
    ) -> None:
        values = np.arange(24, dtype=">i2")
        shapes = {"BAND_SEQUENTIAL": (2, 3, 4), "LINE_INTERLEAVED": (3, 2, 4)}
        shape = shapes.get(storage, (3, 4, 2))
        lines = values.reshape(-1, 4 if storage in shapes else 8)
        content = b"".join(b"<" * before + line.tobytes() + b">" * after for line in lines)
        keys: dict[str, Any] = {"LINE_PREFIX_BYTES": before, "LINE_SUFFIX_BYTES": after}
        (tmp_path / "a.img").write_bytes(label(BAND_STORAGE_TYPE=storage, **keys) + content)
        ds = xr.open_dataset(tmp_path / "a.img", engine="rawmmap")
        np.testing.assert_array_equal(ds.data, values.reshape(shape))

    @pytest.mark.parametrize(
        ("pointer", "skip"),
        [('"A.IMG"', 0), ('("A.IMG", 2)', 512), ('("a.img", 101 <BYTES>)', 100)],
    )
    def test_detached_labels(self, tmp_path: Path, pointer: str, skip: int) -> None:
        values = np.arange(24, dtype=">i2").reshape(2, 3, 4)
        (tmp_path / "a.img").write_bytes(bytes(skip) + values.tobytes())
        (tmp_path / "a.lbl").write_bytes(label(pointer).rstrip())
        ds = xr.open_dataset(tmp_path / "a.lbl", engine="rawmmap")
        np.testing.assert_array_equal(ds.data, values)

    def test_meaning_of_values(self, tmp_path: Path) -> None:
        values = np.arange(24, dtype=">i2").reshape(2, 3, 4)
        keys: dict[str, Any] = {
            "SCALING_FACTOR": "0.5 <K>",
            "OFFSET": 10,
            "MISSING_CONSTANT": "16#0003#",
        }
        note = 'NOTE = "several\r\nlines (of text"\r\nLIST = (1,\r\n 2)\r\n'
        (tmp_path / "a.img").write_bytes(label(extra=note, UNIT='"K"', **keys) + values.tobytes())
        ds = xr.open_dataset(tmp_path / "a.img", engine="rawmmap")
        np.testing.assert_array_equal(ds.data, np.where(values == 3, np.nan, values * 0.5 + 10))
        assert ds.data.attrs["units"] == "K"
        assert ds.attrs["note"] == "several lines (of text"

    def test_vax_floats(self, tmp_path: Path) -> None:
        # 1.0 and -2.5 as VAX F floats, by the VAX Architecture Reference Manual.
        content = bytes.fromhex("80400000") + bytes.fromhex("20c10000")
        keys: dict[str, Any] = {
            "SAMPLE_TYPE": "VAX_REAL",
            "SAMPLE_BITS": 32,
            "BANDS": 1,
            "LINES": 1,
        }
        (tmp_path / "a.img").write_bytes(label(LINE_SAMPLES=2, **keys) + content)
        ds = xr.open_dataset(tmp_path / "a.img", engine="rawmmap")
        assert ds.data.values.ravel().tolist() == [1.0, -2.5]

    @pytest.mark.parametrize(
        ("pointer", "image", "match"),
        [
            ("3", {"SAMPLE_TYPE": "COMPLEX"}, "COMPLEX"),
            ("3", {"SAMPLE_BITS": 12}, "SAMPLE_BITS = 12"),
            ("3", {"LINES": 0}, "LINES"),
            ("3", {"LINES": 99}, "bytes"),
            ("3", {"BAND_STORAGE_TYPE": "TILED"}, "TILED"),
            ("3", {"ENCODING_TYPE": "HUFFMAN"}, "HUFFMAN"),
            ("3", {"SCALING_FACTOR": "x"}, "SCALING_FACTOR"),
            ("3", {"LINE_PREFIX_BYTES": 2, "BAND_STORAGE_TYPE": "LINE_INTERLEAVED"}, "PREFIX"),
            ("0", {}, "counts from 1"),
            ("here", {}, "here"),
            ('"../A.IMG"', {}, "own folder"),
            ("99999999999999999", {}, "bytes|2"),
        ],
    )
    def test_refusals(self, tmp_path: Path, pointer: str, image: Any, match: str) -> None:
        (tmp_path / "a.img").write_bytes(label(pointer, **image) + bytes(48))
        with pytest.raises(ValueError, match=match):
            rawmmap.open(tmp_path / "a.img")


PDS4 = """<?xml version="1.0"?>
<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1">
<Identification_Area><title>a test</title>
<logical_identifier>urn:nasa:pds:a:b:c</logical_identifier><version_id>1.0</version_id>
</Identification_Area>
<File_Area_Observational><File><file_name>a.img</file_name></File>{arrays}
</File_Area_Observational></Product_Observational>"""
ARRAY = """<Array_{n}D_Image><local_identifier>{name}</local_identifier>
<offset unit="byte">{offset}</offset><axes>{n}</axes>
<axis_index_order>Last Index Fastest</axis_index_order>
<Element_Array><data_type>{dtype}</data_type>{extra}</Element_Array>{axes}{constants}
</Array_{n}D_Image>"""
AXIS = """<Axis_Array><axis_name>{0}</axis_name><elements>{1}</elements>
<sequence_number>{2}</sequence_number></Axis_Array>"""


def pds4(
    dtype: str = "SignedMSB2",
    lengths: tuple[int, ...] = (3, 4),
    names: tuple[str, ...] = ("Line", "Sample"),
    offset: Any = 0,
    **more: str,
) -> str:
    axes = "".join(AXIS.format(names[i], n, i + 1) for i, n in enumerate(lengths))
    keys = {"extra": "", "constants": "", "name": "one"} | more
    return ARRAY.format(n=len(lengths), dtype=dtype, offset=offset, axes=axes, **keys)


class TestPds4:
    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("SignedByte", "i1"),
            ("UnsignedByte", "u1"),
            ("SignedLSB2", "<i2"),
            ("SignedMSB4", ">i4"),
            ("UnsignedMSB2", ">u2"),
            ("UnsignedLSB4", "<u4"),
            ("SignedMSB8", ">i8"),
            ("IEEE754MSBSingle", ">f4"),
            ("IEEE754LSBDouble", "<f8"),
            ("ComplexLSB8", "<c8"),
        ],
    )
    def test_types_as_pds4_tools(self, tmp_path: Path, name: str, code: str) -> None:
        tools = pytest.importorskip("pds4_tools")
        values = np.arange(24).reshape(2, 3, 4).astype(code)
        (tmp_path / "a.img").write_bytes(b"head" + values.tobytes())
        names = ("Band", "Line", "Sample")
        text = PDS4.format(arrays=pds4(name, (2, 3, 4), names, 4))
        path = tmp_path / "a.xml"
        path.write_text(text)
        ds = xr.open_dataset(path, engine="rawmmap")
        assert ds.data.dims == ("band", "y", "x")
        np.testing.assert_array_equal(ds.data, values)
        expected = tools.read(str(path), quiet=True, no_scale=True)[0].data
        np.testing.assert_array_equal(ds.data, np.asarray(expected))
        assert ds.attrs["title"] == "a test"

    def test_files_of_rasterio(self, tmp_path: Path) -> None:
        rasterio = pytest.importorskip("rasterio")
        path = tmp_path / "a.xml"
        values = np.arange(24, dtype="u2").reshape(2, 3, 4)
        profile = {"driver": "PDS4", "count": 2, "height": 3, "width": 4, "dtype": "uint16"}
        with rasterio.open(path, "w", VAR_TARGET="Mars", **profile) as file:
            file.write(values)
        ds = xr.open_dataset(path, engine="rawmmap")
        np.testing.assert_array_equal(ds.data, values)

    def test_several_arrays_and_values(self, tmp_path: Path) -> None:
        values = np.arange(12, dtype=">i2").reshape(3, 4)
        (tmp_path / "a.img").write_bytes(values.tobytes() * 2)
        extra = "<scaling_factor>0.5</scaling_factor><value_offset>1</value_offset><unit>K</unit>"
        constants = "<Special_Constants><missing_constant>3</missing_constant></Special_Constants>"
        arrays = pds4(extra=extra, constants=constants) + pds4(name="two", offset=24)
        (tmp_path / "a.xml").write_text(PDS4.format(arrays=arrays))
        ds = xr.open_dataset(tmp_path / "a.xml", engine="rawmmap")
        np.testing.assert_array_equal(ds.one, np.where(values == 3, np.nan, values * 0.5 + 1))
        np.testing.assert_array_equal(ds.two, values)
        assert ds.one.attrs["units"] == "K"

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            (PDS4.format(arrays=""), "no array"),
            (PDS4.format(arrays=pds4("SignedBit")), "SignedBit"),
            (PDS4.format(arrays=pds4(offset="-1")), "offset"),
            (PDS4.format(arrays=pds4(offset=10)), "bytes"),
            (PDS4.format(arrays=pds4(lengths=(3, 0))), "elements"),
            (PDS4.format(arrays=pds4()).replace("Last Index", "First Index"), "axis_index_order"),
            (
                PDS4.format(arrays=pds4()).replace("<sequence_number>1", "<sequence_number>2"),
                "count",
            ),
            (PDS4.format(arrays=pds4()).replace("a.img", "../a.img"), "own folder"),
            (PDS4.format(arrays=pds4()).replace("a.img", ""), "own folder"),
            (PDS4.format(arrays=pds4(extra="<scaling_factor>x</scaling_factor>")), "scaling"),
        ],
    )
    def test_refusals(self, tmp_path: Path, text: str, match: str) -> None:
        (tmp_path / "a.img").write_bytes(bytes(24))
        (tmp_path / "a.xml").write_text(text)
        with pytest.raises(ValueError, match=match):
            rawmmap.open(tmp_path / "a.xml")

    def test_missing_files_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.xml").write_text(PDS4.format(arrays=pds4()))
        with pytest.raises(FileNotFoundError, match=r"a\.img"):
            rawmmap.open(tmp_path / "a.xml")


GRD = """[general]
creator=somebody
[georeference]
nrows=3
ncols=4
xmin=10
ymin=40
xmax=12
ymax=43
projection=+proj=longlat +datum=WGS84
[data]
datatype=INT2S
byteorder=big
nbands=2
bandorder=BIL
nodatavalue=-7
[description]
layername=red:green
"""


class TestRraster:
    @pytest.mark.parametrize("interleave", ["BIL", "BIP", "BSQ"])
    @pytest.mark.parametrize(
        "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
    )
    def test_files_of_rasterio(self, tmp_path: Path, dtype: str, interleave: str) -> None:
        rasterio = pytest.importorskip("rasterio")
        pytest.importorskip("rioxarray")
        path = tmp_path / "a.grd"
        values = np.arange(24).reshape(2, 3, 4).astype(dtype)
        profile = {"driver": "RRASTER", "count": 2, "height": 3, "width": 4, "dtype": dtype}
        transform = rasterio.Affine(0.5, 0, 10, 0, -1, 43)
        profile |= {"transform": transform, "crs": "EPSG:4326", "nodata": 5}
        with rasterio.open(path, "w", INTERLEAVE=interleave, **profile) as file:
            file.write(values)
        for name in (path, path.with_suffix(".gri")):
            ds = xr.open_dataset(name, engine="rawmmap", mask_and_scale=False)
            assert ds.data.dtype == dtype
            np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), values)
            assert ds.rio.transform() == transform
            assert ds.data.attrs["_FillValue"] == 5

    def test_a_big_endian_file(self, tmp_path: Path) -> None:
        values = np.arange(24, dtype=">i2").reshape(3, 2, 4)
        values[0, 0, 0] = -7
        (tmp_path / "a.grd").write_text(GRD)
        values.tofile(tmp_path / "a.gri")
        ds = xr.open_dataset(tmp_path / "a.gri", engine="rawmmap")
        np.testing.assert_array_equal(ds.data, np.where(values == -7, np.nan, values))
        assert ds.band_name.values.tolist() == ["red", "green"]
        assert ds.x.values.tolist() == [10.25, 10.75, 11.25, 11.75]
        assert ds.x.attrs["units"] == "degrees_east"
        assert ds.attrs == {"creator": "somebody"}

    @pytest.mark.parametrize(
        ("old", "new", "match"),
        [
            ("INT2S", "INT3S", "INT3S"),
            ("byteorder=big", "byteorder=middle", "middle"),
            ("BIL", "TILE", "TILE"),
            ("nrows=3", "nrows=0", "nrows"),
            ("nrows=3", "nrows=4", "bytes"),
            ("xmax=12", "xmax=10", "sizes"),
            ("xmax=12", "xmax=inf", "xmax"),
            ("nodatavalue=-7", "nodatavalue=x", "nodatavalue"),
            ("[general]", "general]", "malformed"),
        ],
    )
    def test_refusals(self, tmp_path: Path, old: str, new: str, match: str) -> None:
        (tmp_path / "a.grd").write_text(GRD.replace(old, new))
        (tmp_path / "a.gri").write_bytes(bytes(48))
        with pytest.raises(ValueError, match=match):
            rawmmap.open(tmp_path / "a.grd")


SAMPLES = {
    "a.lbl": label('"a.img"', SCALING_FACTOR=2, MISSING_CONSTANT=3).rstrip(),
    "a.xml": PDS4.format(arrays=pds4()).encode(),
    "a.grd": GRD.encode(),
}


@pytest.mark.parametrize("name", SAMPLES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_headers(tmp_path: Path, name: str, data: Any) -> None:
    content = SAMPLES[name]
    start, n = data.draw(st.integers(0, len(content))), data.draw(st.integers(0, 20))
    new = data.draw(st.binary(max_size=9))
    for beside in ("a.img", "a.gri"):
        (tmp_path / beside).write_bytes(bytes(48))
    (tmp_path / name).write_bytes(content[:start] + new + content[start + n :])
    with contextlib.suppress(ValueError, OSError):
        raw = rawmmap.open(tmp_path / name)
        assert all(raw[key].data[...].nbytes <= 8 * 48 for key in raw.arrays)
