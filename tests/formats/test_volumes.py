"""Reading NRRD and MetaImage, against pynrrd, SimpleITK, teem's unu, and NumPy."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rawmmap

TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
UNU = shutil.which("teem-unu") or shutil.which("unu")


def values_of(dtype: str, *shape: int) -> Any:
    return (np.arange(np.prod(shape)).reshape(shape) % 101).astype(dtype)


def open_data(path: Path) -> xr.Dataset:
    return xr.open_dataset(path, engine="rawmmap")


class TestNrrd:
    @pytest.mark.parametrize("detached", [False, True])
    @pytest.mark.parametrize("endian", ["little", "big"])
    @pytest.mark.parametrize("dtype", TYPES)
    def test_files_of_pynrrd(self, tmp_path: Path, dtype: str, endian: str, detached: bool) -> None:
        nrrd = pytest.importorskip("nrrd")
        values = values_of(dtype, 2, 3, 4)  # in the order x, y, z, as pynrrd has it
        path = tmp_path / ("a.nhdr" if detached else "a.nrrd")
        nrrd.write(str(path), values, {"encoding": "raw", "endian": endian})
        ds = open_data(path)
        assert ds.data.dims == ("z", "y", "x")
        assert ds.data.dtype == dtype
        np.testing.assert_array_equal(ds.data, nrrd.read(str(path))[0].transpose())
        np.testing.assert_array_equal(ds.data[1:, ::-1, 0], values.transpose()[1:, ::-1, 0])
        if detached:
            np.testing.assert_array_equal(open_data(tmp_path / "a.raw").data, ds.data)

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"spacings": [0.5, 2]}, {"x": [0, 0.5, 1], "y": [0, 2]}),
            ({"axis mins": [1, 10], "spacings": [0.5, 2]}, {"x": [1, 1.5, 2], "y": [10, 12]}),
            ({"axis mins": [1, 10], "axis maxs": [3, 12]}, {"x": [1, 2, 3], "y": [10, 12]}),
            (
                {"axis mins": [0, 10], "axis maxs": [3, 12], "centerings": ["cell", "cell"]},
                {"x": [0.5, 1.5, 2.5], "y": [10.5, 11.5]},
            ),
            (
                {"space": "2d", "space directions": [[0.5, 0], [0, -1]], "space origin": [1, 2]},
                {"x": [1, 1.5, 2], "y": [2, 1]},
            ),
            ({"space directions": [[0.5, 1], [0, -1]], "space origin": [1, 2]}, {}),
        ],
    )
    def test_axes(self, tmp_path: Path, fields: Any, expected: Any) -> None:
        nrrd = pytest.importorskip("nrrd")
        header: dict[str, Any] = {"encoding": "raw", "kinds": ["space", "space"], **fields}
        if "space" in header:
            del header["space"]
            header["space dimension"] = 2
        elif "space directions" in header:
            header["space dimension"] = 2
        path = str(tmp_path / "a.nrrd")
        nrrd.write(path, values_of("f4", 3, 2), header)
        ds = open_data(Path(path))
        assert {name: ds[name].values.tolist() for name in ds.coords} == expected

    def test_labels_units_and_keys(self, tmp_path: Path) -> None:
        values = values_of("u1", 2, 3, 3)
        text = (
            "NRRD0005\n# a comment\ntype: uint8\ndimension: 3\nsizes: 3 3 2\nencoding: raw\n"
            'kinds: RGB-color domain time\nlabels: "" "height \\"a\\"" "when"\n'
            'units: "" "mm" "s"\nspacings: nan 0.5 2\nsample units: K\ncontent: a picture\n'
            "operator:=somebody\nmin: 0\n\n"
        )
        (tmp_path / "a.nrrd").write_bytes(text.encode() + values.tobytes())
        ds = open_data(tmp_path / "a.nrrd")
        assert ds.data.dims == ("when", 'height "a"', "component")
        np.testing.assert_array_equal(ds.data, values)
        assert ds["when"].attrs == {"units": "s"}
        assert ds["when"].values.tolist() == [0, 2]
        assert "component" not in ds.coords
        assert ds.data.attrs == {"units": "K", "long_name": "a picture"}
        assert ds.attrs["operator"] == "somebody"
        assert ds.attrs["min"] == "0"

    @pytest.mark.parametrize(
        ("data_file", "names", "pieces"),
        [
            ("LIST", ["p.raw", "q.raw"], 2),
            ("LIST 2", ["p.raw", "q.raw"], 2),
            ("LIST 3", ["p.raw", "q.raw"], 2),
            ("s%02d.raw 1 2 1", ["s01.raw", "s02.raw"], 2),
            ("s%d.raw 7 3 -4", ["s7.raw", "s3.raw"], 2),
            ("s%d.raw 0 5 1 1", [f"s{i}.raw" for i in range(6)], 6),
        ],
    )
    def test_several_files(self, tmp_path: Path, data_file: str, names: Any, pieces: int) -> None:
        """Slices along the slowest axis, or lines of the two slowest, each in its own file."""
        values = values_of(">i2", 2, 3, 4)
        for name, piece in zip(names, values.reshape(pieces, -1), strict=True):
            (tmp_path / name).write_bytes(b"xx" + piece.tobytes())
        text = "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 3 2\nencoding: raw\nendian: big\n"
        text += f"byte skip: 2\ndata file: {data_file}\n"
        if "LIST" in data_file:
            text += "\n".join(names) + "\n"
        path = tmp_path / "a.nhdr"
        path.write_text(text)
        ds = open_data(path)
        np.testing.assert_array_equal(ds.data, values)
        np.testing.assert_array_equal(ds.data[:, 1:, ::-2], values[:, 1:, ::-2])
        if "LIST" not in data_file:
            # unu reads patterns too: an independent reader of the same header.
            np.testing.assert_array_equal(read_with_unu(path, "i2", values.shape), values)

    @pytest.mark.parametrize("skip", [0, 5, -1])
    @pytest.mark.parametrize("lines", [0, 2])
    def test_skips_as_unu(self, tmp_path: Path, lines: int, skip: int) -> None:
        values = values_of("<f4", 3, 4)
        head = b"one\ntwo\n"[: 4 * lines] + b"x" * (3 if skip == -1 else skip)
        (tmp_path / "a.raw").write_bytes(head + values.tobytes())
        text = "NRRD0001\ntype: float\ndimension: 2\nsizes: 4 3\nencoding: raw\nendian: little\n"
        text += f"line skip: {lines}\nbyte skip: {skip}\ndata file: a.raw\n"
        (tmp_path / "a.nhdr").write_text(text)
        np.testing.assert_array_equal(open_data(tmp_path / "a.nhdr").data, values)
        read = read_with_unu(tmp_path / "a.nhdr", "f4", values.shape)
        np.testing.assert_array_equal(read, values)

    def test_starts_that_differ_from_file_to_file(self, tmp_path: Path) -> None:
        values = values_of("u1", 3, 4)
        for i, head in enumerate((b"", b"abc", b"longer")):
            (tmp_path / f"s{i}").write_bytes(head + values[i].tobytes())
        text = "NRRD0001\ntype: uchar\ndimension: 2\nsizes: 4 3\nencoding: raw\nbyte skip: -1\n"
        (tmp_path / "a.nhdr").write_text(text + "datafile: s%d 0 2 1\n")
        np.testing.assert_array_equal(open_data(tmp_path / "a.nhdr").data, values)

    def test_remote(self) -> None:
        fs = fsspec.filesystem("memory")
        text = "NRRD0001\ntype: uchar\ndimension: 2\nsizes: 4 3\nencoding: raw\ndata file: LIST 2\n"
        values = values_of("u1", 3, 4)
        fs.pipe("/nrrds/a.nhdr", f"{text}a.raw\n".encode())
        fs.pipe("/nrrds/a.raw", values.tobytes())
        ds = xr.open_dataset("memory://nrrds/a.nhdr", engine="rawmmap")
        np.testing.assert_array_equal(ds.data, values)

    @pytest.mark.parametrize(
        ("old", "new", "match"),
        [
            ("type: short", "type: block", "block"),
            ("type: short\n", "", "type"),
            ("endian: big\n", "", "endian"),
            ("endian: big", "endian: middle", "middle"),
            ("encoding: raw", "encoding: gzip", "gzip.*pynrrd"),
            ("sizes: 4 3", "sizes: 4", "sizes"),
            ("sizes: 4 3", "sizes: 4 -3", "sizes"),
            ("sizes: 4 3", "sizes: 4 3000000000", "bytes"),
            ("sizes: 4 3", "sizes: 999999999999999999 999999999999999999", "bytes|2"),
            ("dimension: 2", "dimension: 2000", "dimension"),
            ("a.raw", "../a.raw", "own folder"),
            ("a.raw", "/etc/passwd", "own folder"),
            ("a.raw", "s%s 1 2 1", "pattern"),
            ("a.raw", "s%d 1 2 0", "pattern"),
            ("a.raw", "s%d 1 9999999999 1", "pattern"),
            ("a.raw", "LIST 1\na.raw", "1 files|fill"),
            ("a.raw", "LIST 7\na.raw", "dimensions"),
            ("data file", "line skip: 10\ndata file", "lines"),
            ("data file", "byte skip: -2\ndata file", "byte skip"),
            ("data file", "byte skip: 1\ndata file", "bytes"),
            ("data file", "spacings: 1\ndata file", "spacings"),
            ("data file", "spacings: a b\ndata file", "spacings"),
            ("data file", "unheard: 1\ndata file", "unheard"),
            ("data file", "no colon\ndata file", "no colon"),
            ("data file", "type: float\ndata file", "twice"),
        ],
    )
    def test_refusals(self, tmp_path: Path, old: str, new: str, match: str) -> None:
        (tmp_path / "a.raw").write_bytes(bytes(24))
        text = "NRRD0001\ntype: short\ndimension: 2\nsizes: 4 3\nencoding: raw\nendian: big\n"
        (tmp_path / "a.nhdr").write_text((text + "data file: a.raw\n").replace(old, new))
        with pytest.raises(ValueError, match=match):
            rawmmap.open(tmp_path / "a.nhdr")

    def test_missing_files_are_named(self, tmp_path: Path) -> None:
        text = "NRRD0001\ntype: uchar\ndimension: 2\nsizes: 4 3\nencoding: raw\ndata file: b.raw\n"
        (tmp_path / "a.nhdr").write_text(text)
        with pytest.raises(FileNotFoundError, match=r"b\.raw"):
            rawmmap.open(tmp_path / "a.nhdr")


def read_with_unu(header: Path, dtype: str, shape: tuple[int, ...]) -> Any:
    if UNU is None:
        pytest.skip("unu, of teem, is not installed")
    command = [UNU, "save", "-f", "nrrd", "-e", "raw", "-en", "little", "-i", header.name]
    saved = subprocess.run(command, cwd=header.parent, capture_output=True, check=True).stdout
    return np.frombuffer(saved[saved.index(b"\n\n") + 2 :], f"<{dtype}").reshape(shape)


class TestMetaImage:
    @pytest.mark.parametrize("suffix", [".mha", ".mhd"])
    @pytest.mark.parametrize("dtype", TYPES)
    def test_files_of_simpleitk(self, tmp_path: Path, dtype: str, suffix: str) -> None:
        sitk = pytest.importorskip("SimpleITK")
        values = values_of(dtype, 2, 3, 4)
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((0.5, 1, 2))
        image.SetOrigin((10, 20, 30))
        path = tmp_path / f"a{suffix}"
        sitk.WriteImage(image, str(path))
        ds = open_data(path)
        assert ds.data.dims == ("z", "y", "x")
        assert ds.data.dtype == dtype
        np.testing.assert_array_equal(ds.data, values)
        assert ds.x.values.tolist() == [10, 10.5, 11, 11.5]
        assert ds.z.values.tolist() == [30, 32]
        if suffix == ".mhd":
            np.testing.assert_array_equal(open_data(tmp_path / "a.raw").data, values)

    def test_several_components(self, tmp_path: Path) -> None:
        sitk = pytest.importorskip("SimpleITK")
        values = values_of("f4", 3, 4, 2)
        sitk.WriteImage(sitk.GetImageFromArray(values, isVector=True), str(tmp_path / "a.mha"))
        ds = open_data(tmp_path / "a.mha")
        assert ds.data.dims == ("y", "x", "component")
        np.testing.assert_array_equal(ds.data, values)

    @pytest.mark.parametrize("end", ["\n", "\r\n", ""])
    def test_the_last_line_may_end_with_the_file(self, tmp_path: Path, end: str) -> None:
        itk = pytest.importorskip("SimpleITK")
        values = np.arange(12, dtype="u1").reshape(3, 4)
        (tmp_path / "a.raw").write_bytes(values.tobytes())
        lines = ["ObjectType = Image", "NDims = 2", "DimSize = 4 3", "ElementType = MET_UCHAR"]
        text = (end or "\n").join([*lines, "ElementDataFile = a.raw"]) + end
        (tmp_path / "a.mhd").write_bytes(text.encode())
        expected = itk.GetArrayFromImage(itk.ReadImage(str(tmp_path / "a.mhd")))
        np.testing.assert_array_equal(expected, values)
        raw = rawmmap.open(tmp_path / "a.mhd")
        np.testing.assert_array_equal(np.asarray(raw["data"].data), expected)

    def test_turned_images_have_no_coordinates(self, tmp_path: Path) -> None:
        sitk = pytest.importorskip("SimpleITK")
        image = sitk.GetImageFromArray(values_of("f4", 3, 4))
        image.SetDirection((0, 1, -1, 0))
        sitk.WriteImage(image, str(tmp_path / "a.mha"))
        ds = open_data(tmp_path / "a.mha")
        assert not ds.coords
        assert ds.attrs["TransformMatrix"].split() == ["0", "-1", "1", "0"]

    @pytest.mark.parametrize("order", ["True", "False"])
    @pytest.mark.parametrize(
        ("data_file", "names"),
        [
            ("LIST\np.raw\nq.raw", ["p.raw", "q.raw"]),
            ("LIST 2\np.raw\nq.raw", ["p.raw", "q.raw"]),
            ("s%03d.raw 1 2 1", ["s001.raw", "s002.raw"]),
            ("a.raw", ["a.raw"]),
        ],
    )
    @pytest.mark.parametrize("skip", ["0", "5", "-1"])
    def test_files_as_simpleitk(
        self, tmp_path: Path, data_file: str, names: Any, order: str, skip: str
    ) -> None:
        sitk = pytest.importorskip("SimpleITK")
        values = values_of(">u2" if order == "True" else "<u2", 2, 3, 4)
        head = b"" if skip == "0" else b"12345"
        for name, piece in zip(names, values.reshape(len(names), -1), strict=True):
            (tmp_path / name).write_bytes(head + piece.tobytes())
        text = "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_USHORT\n"
        text += f"ElementByteOrderMSB = {order}\nHeaderSize = {skip}\nElementSpacing = 1 1 1\n"
        path = tmp_path / "a.mhd"
        path.write_text(text + f"ElementDataFile = {data_file}\n")
        np.testing.assert_array_equal(open_data(path).data, values)
        read = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        np.testing.assert_array_equal(read, values)

    def test_intensities(self, tmp_path: Path) -> None:
        text = "ObjectType = Image\nNDims = 1\nDimSize = 4\nElementType = MET_UCHAR\n"
        text += "ElementToIntensityFunctionSlope = 0.5\nElementToIntensityFunctionOffset = -1\n"
        text += "Modality = MET_MOD_CT\nElementDataFile = LOCAL\n"
        (tmp_path / "a.mha").write_bytes(text.encode() + bytes(range(4)))
        ds = open_data(tmp_path / "a.mha")
        assert ds.data.values.tolist() == [-1, -0.5, 0, 0.5]
        assert ds.attrs == {"Modality": "MET_MOD_CT"}

    @pytest.mark.parametrize(
        ("old", "new", "match"),
        [
            ("= Image", "= Mesh", "Mesh"),
            ("MET_SHORT", "MET_OTHER", "MET_OTHER"),
            ("NDims = 2", "NDims = 3", "DimSize"),
            ("NDims = 2", "NDims = x", "NDims"),
            ("4 3", "4 0", "DimSize"),
            ("4 3", "4 99999999999", "bytes"),
            ("a.raw", "../a.raw", "own folder"),
            ("a.raw", "/a.raw", "own folder"),
            ("a.raw", "", "empty"),
            ("a.raw", "s%s 1 2 1", "pattern"),
            ("ElementDataFile = a.raw", "", "missing"),
            ("ElementDataFile", "CompressedData = True\nElementDataFile", "SimpleITK"),
            ("ElementDataFile", "BinaryData = False\nElementDataFile", "text"),
            ("ElementDataFile", "HeaderSize = -3\nElementDataFile", "HeaderSize"),
            ("ElementDataFile", "ElementSpacing = 1\nElementDataFile", "ElementSpacing"),
            ("ElementDataFile", "ElementSpacing = 1 nan\nElementDataFile", "ElementSpacing"),
            ("ElementDataFile", "ElementNBits = 12\nElementDataFile", "ElementNBits"),
            ("ElementDataFile", "ElementByteOrderMSB = x\nElementDataFile", "ElementByteOrderMSB"),
            ("ElementDataFile", "a line\nElementDataFile", "a line"),
        ],
    )
    def test_refusals(self, tmp_path: Path, old: str, new: str, match: str) -> None:
        (tmp_path / "a.raw").write_bytes(bytes(24))
        text = "ObjectType = Image\nNDims = 2\nDimSize = 4 3\nElementType = MET_SHORT\n"
        (tmp_path / "a.mhd").write_text((text + "ElementDataFile = a.raw\n").replace(old, new))
        with pytest.raises(ValueError, match=match):
            rawmmap.open(tmp_path / "a.mhd", format="metaimage")


HEADERS = {
    "a.nhdr": b"NRRD0001\ntype: uchar\ndimension: 2\nsizes: 4 3\nencoding: raw\nspacings: 1 2\n"
    b'labels: "a" "b"\nline skip: 0\nbyte skip: 0\ndata file: a%d.raw 0 2 1\n',
    "a.mhd": b"ObjectType = Image\nNDims = 2\nDimSize = 4 3\nElementType = MET_UCHAR\n"
    b"ElementSpacing = 1 2\nOffset = 0 1\nHeaderSize = 0\nElementDataFile = a%d.raw 0 2 1\n",
}


@pytest.mark.parametrize("name", HEADERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_headers(tmp_path: Path, name: str, data: Any) -> None:
    header = HEADERS[name]
    start, n = data.draw(st.integers(0, len(header))), data.draw(st.integers(0, 20))
    new = data.draw(st.binary(max_size=9))
    for i in range(3):
        (tmp_path / f"a{i}.raw").write_bytes(bytes(12))
    (tmp_path / name).write_bytes(header[:start] + new + header[start + n :])
    with contextlib.suppress(ValueError, OSError):
        raw = rawmmap.open(tmp_path / name)
        assert raw["data"].data[...].nbytes <= 36
