"""The readers of this package pass the tests that it offers to others."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import rawmmap
from rawmmap.cli import main
from rawmmap.formats.ehdr import EhdrReader
from rawmmap.formats.envi.reader import EnviReader
from rawmmap.formats.fits import FitsReader
from rawmmap.formats.fortran.reader import FortranReader
from rawmmap.formats.geotiff import GeotiffReader
from rawmmap.formats.grads.reader import GradsReader
from rawmmap.formats.hdf5.reader import Hdf5Reader
from rawmmap.formats.isce import IsceReader
from rawmmap.formats.mds.reader import MdsReader
from rawmmap.formats.metaimage import MetaImageReader
from rawmmap.formats.mrc import MrcReader
from rawmmap.formats.netcdf3 import Netcdf3Reader
from rawmmap.formats.nifti import NiftiReader
from rawmmap.formats.npy.npz import NpzReader
from rawmmap.formats.npy.reader import NpyReader
from rawmmap.formats.nrrd.reader import NrrdReader
from rawmmap.formats.pds.pds3 import Pds3Reader
from rawmmap.formats.pds.pds4 import Pds4Reader
from rawmmap.formats.psrdada import PsrdadaReader
from rawmmap.formats.registry import Reader
from rawmmap.formats.ripple import RippleReader
from rawmmap.formats.roi_pac import RoiPacReader
from rawmmap.formats.rraster import RrasterReader
from rawmmap.formats.safetensors import SafetensorsReader
from rawmmap.formats.segy import SegyReader
from rawmmap.formats.sidecar.reader import SidecarReader
from rawmmap.formats.sigmf import SigmfReader
from rawmmap.formats.sigproc import SigprocReader
from rawmmap.formats.spikeglx import SpikeglxReader
from rawmmap.formats.vrt.reader import VrtReader
from rawmmap.formats.wav import WavReader
from tests.formats.fortran_files import records
from tests.formats.remote_readers import ReaderTests
from tests.recording.plugin import count

VALUES = np.arange(12, dtype=">i2").reshape(3, 4)


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with one to three of the damages that headers suffer."""
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(0, len(content) + 1))
        stop = start + int(rng.integers(0, 20))
        kind = rng.integers(0, 6)
        if kind == 0:
            content = content[:start] + rng.bytes(stop - start) + content[stop:]
        elif kind == 1:
            content = content[:start] + content[stop:]
        elif kind == 2:
            content = content[:stop] + content[start:]
        elif kind == 3:
            content = content[:start]
        elif kind == 4:
            flipped = bytes(
                byte ^ (1 << int(rng.integers(8))) for byte in content[start : start + 1]
            )
            content = content[:start] + flipped + content[start + 1 :]
        else:
            numbers = list(re.finditer(rb"[0-9]+", content))
            if numbers:
                number = numbers[int(rng.integers(len(numbers)))]
                new = [b"0", b"-1", b"1", b"65536", b"4294967296", b"9" * 30, b"1e400", b"nan"]
                chosen = new[int(rng.integers(len(new)))]
                content = content[: number.start()] + chosen + content[number.end() :]
    return content


class FormatTests(ReaderTests):
    """What holds for a reader of this package besides: every way in takes the same files."""

    def test_every_way_in_gives_the_same(self, target: Path, reader: Reader) -> None:
        raw = rawmmap.open(target)
        ds = xr.open_dataset(target, engine="rawmmap", decode_cf=False)
        assert set(raw) == set(ds.variables)
        for name, variable in raw.items():
            values = np.asarray(variable.data[...])
            assert ds[name].dims == variable.dims
            np.testing.assert_array_equal(ds[name], values)
            if name in raw.arrays:
                lazy = rawmmap.from_raw(target, variable=name)
                np.testing.assert_array_equal(lazy.compute(), values)
        named = rawmmap.open(target, format=reader.name)
        assert {name: named[name].dims for name in named} == {name: raw[name].dims for name in raw}

    def test_the_command_knows_it(self, target: Path) -> None:
        result = CliRunner().invoke(main, ["info", str(target)])
        assert result.exit_code == 0, result.output
        assert all(name in result.output for name in rawmmap.open(target).arrays)

    def test_remote_files_are_the_same(self, target: Path) -> None:
        fs = fsspec.filesystem("memory")
        folder = f"/{type(self).__name__}"
        for file in target.parent.iterdir():
            fs.pipe(f"{folder}/{file.name}", file.read_bytes())
        with xr.open_dataset(f"memory:/{folder}/{target.name}", engine="rawmmap") as ds:
            expected = xr.open_dataset(target, engine="rawmmap")
            xr.testing.assert_identical(ds.load(), expected.load())

    def test_mutated_headers_are_refused_or_read(
        self, reader: Reader, target: Path, header: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Set RAWMMAP_FUZZ to the number of files for a longer run, which prints what it did."""
        content = header.read_bytes()
        rng = np.random.default_rng(5)
        n = int(os.environ.get("RAWMMAP_FUZZ", "50"))
        opened, slowest = 0, 0.0
        for _ in range(n):
            header.write_bytes(mutate(content, rng))
            start = time.process_time()
            with contextlib.suppress(ValueError, OSError):
                raw = rawmmap.open(target, format=reader.name)
                for name in raw.arrays:
                    if raw[name].data.nbytes <= 2**20:
                        np.asarray(raw[name].data)
                opened += 1
            slowest = max(slowest, time.process_time() - start)
        count("mutated", reader.name, n)
        if "RAWMMAP_FUZZ" in os.environ:
            with capsys.disabled():
                print(f"\n{reader.name}: {n} files, {opened} read, {slowest * 1e3:.0f} ms at most")

    def test_describe_makes_a_sidecar_of_it(self, target: Path) -> None:
        expected = xr.open_dataset(target, engine="rawmmap").load()
        sidecar = rawmmap.describe(target)
        ds = xr.open_dataset(sidecar, engine="rawmmap")
        xr.testing.assert_identical(ds.load(), expected)


class TestNpy(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return NpyReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            with path.open("wb") as file:
                np.save(file, VALUES)

        return make


class TestNpz(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return NpzReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, u=VALUES, v=VALUES[0])

        return make


class TestFortran(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return FortranReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(records([VALUES.tobytes(), b"a", b"", b"abc"], 4, "little", 10))

        return make


class TestMds(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return MdsReader()

    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        """Return the data file; the name of its header has another suffix in its place."""
        path = tmp_path / "T.0000000012.data"
        path.write_bytes(VALUES.astype(">f4").tobytes())
        text = "nDims = [ 2 ];\ndimList = [\n 4, 1, 4,\n 3, 1, 3\n ];\ndataprec = [ 'float32' ];\n"
        path.with_suffix(".meta").write_text(f"{text}nrecords = [ 1 ];\nmissingValue = [ -1. ];\n")
        return path

    @pytest.fixture
    def header(self, sample: Path) -> Path:
        return sample.with_suffix(".meta")


class TestSidecar(FormatTests):
    header_suffix = ".json"

    @pytest.fixture
    def reader(self) -> Reader:
        return SidecarReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(b"head" + VALUES.tobytes())
            rawmmap.describe(
                path, dtype=">i2", shape=(-1, 4), dims=("y", "x"), offset=4, coords={"x": [1.5] * 4}
            )

        return make


class TestEnvi(FormatTests):
    header_suffix = ".hdr"

    @pytest.fixture
    def reader(self) -> Reader:
        return EnviReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(b"head" + VALUES.tobytes())
            rawmmap.to_envi(path, dtype=">i2", shape=(3, 4), dims=("y", "x"), offset=4)

        return make


class TestEhdr(FormatTests):
    header_suffix = ".hdr"

    @pytest.fixture
    def reader(self) -> Reader:
        return EhdrReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(b"head" + VALUES.tobytes())
            text = "NROWS 3\nNCOLS 4\nNBITS 16\nPIXELTYPE SIGNEDINT\nBYTEORDER M\nSKIPBYTES 4\n"
            path.with_name(f"{path.name}.hdr").write_text(text + "NODATA -1\nCELLSIZE 2\n")

        return make


class TestVrt(FormatTests):
    header_suffix = ".vrt"
    opens_header = True

    @pytest.fixture
    def reader(self) -> Reader:
        return VrtReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(b"head" + VALUES.tobytes())
            keywords: dict[str, Any] = {
                "dtype": ">i2",
                "shape": (3, 4),
                "dims": ("y", "x"),
                "offset": 4,
            }
            rawmmap.to_vrt(path, path.with_name(f"{path.name}.vrt"), **keywords)

        return make


class TestIsce(FormatTests):
    header_suffix = ".xml"

    @pytest.fixture
    def reader(self) -> Reader:
        return IsceReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(VALUES.tobytes())
            values = {"WIDTH": 4, "LENGTH": 3, "DATA_TYPE": "SHORT", "BYTE_ORDER": "b"}
            properties = "".join(
                f'<property name="{key}"><value>{value}</value></property>'
                for key, value in values.items()
            )
            header = path.with_name(f"{path.name}.xml")
            header.write_text(f"<imageFile>{properties}</imageFile>")

        return make


class TestNrrd(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return NrrdReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        text = b"NRRD0005\ntype: short\ndimension: 2\nsizes: 4 3\nencoding: raw\nendian: big\n"
        text += b'labels: "x" "y"\nspacings: 1 2\naxis mins: 0 1\nkey:=value\n\n'
        return lambda path: path.write_bytes(text + VALUES.tobytes())


class TestMetaImage(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return MetaImageReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        text = b"ObjectType = Image\nNDims = 2\nDimSize = 4 3\nElementType = MET_SHORT\n"
        text += b"ElementByteOrderMSB = True\nElementSpacing = 1 2\nElementDataFile = LOCAL\n"
        return lambda path: path.write_bytes(text + VALUES.tobytes())


class TestSigproc(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return SigprocReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def text(value: str) -> bytes:
            return struct.pack("<i", len(value)) + value.encode()

        header = text("HEADER_START") + text("nchans") + struct.pack("<i", 4)
        header += text("nbits") + struct.pack("<i", 16) + text("HEADER_END")
        return lambda path: path.write_bytes(header + VALUES.tobytes())


class TestPsrdada(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return PsrdadaReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        header = b"HDR_VERSION 1.0\nHDR_SIZE 128\nNBIT 16\nNDIM 2\nNPOL 2\nORDER TP\n"
        return lambda path: path.write_bytes(header.ljust(128, b"\0") + VALUES.tobytes())


class TestWav(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return WavReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            with wave.open(str(path), "wb") as file:
                file.setnchannels(2)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(VALUES.tobytes())

        return make


class TestSigmf(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return SigmfReader()

    @pytest.fixture
    def header(self, sample: Path) -> Path:
        return sample.with_suffix(".sigmf-meta")

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(VALUES.tobytes())
            text = '{"global": {"core:datatype": "ri16_be", "core:num_channels": 4}}'
            path.with_suffix(".sigmf-meta").write_text(text)

        return make


class TestSpikeglx(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return SpikeglxReader()

    @pytest.fixture
    def header(self, sample: Path) -> Path:
        return sample.with_suffix(".meta")

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(VALUES.tobytes())
            text = "nSavedChans=4\nfileSizeBytes=24\nimSampRate=3\nsnsSaveChanSubset=0:3\n"
            path.with_suffix(".meta").write_text(text)

        return make


class TestRipple(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return RippleReader()

    @pytest.fixture
    def header(self, sample: Path) -> Path:
        return sample.with_suffix(".rpl")

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(VALUES.tobytes())
            entries = {"width": 4, "height": 3, "depth": 1, "data-type": "signed"}
            entries |= {"data-length": 2, "byte-order": "big-endian", "record-by": "image"}
            text = "".join(f"{key}\t{value}\n" for key, value in entries.items())
            path.with_suffix(".rpl").write_text(text)

        return make


class TestSegy(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return SegyReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        binary = bytearray(400)
        struct.pack_into(">HHHHH", binary, 16, 1000, 0, 4, 0, 3)
        traces = b"".join(bytes(240) + row.tobytes() for row in VALUES)
        content = b"C 1 a test".ljust(3200) + bytes(binary) + traces
        return lambda path: path.write_bytes(content)


class TestPds3(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return Pds3Reader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        text = b"PDS_VERSION_ID = PDS3\r\n^IMAGE = 401 <BYTES>\r\nOBJECT = IMAGE\r\nLINES = 3\r\n"
        text += b"LINE_SAMPLES = 4\r\nSAMPLE_TYPE = MSB_INTEGER\r\nSAMPLE_BITS = 16\r\n"
        text += b"MISSING_CONSTANT = 16#0003#\r\nEND_OBJECT = IMAGE\r\nEND\r\n"
        return lambda path: path.write_bytes(text.ljust(400) + VALUES.tobytes())


class TestRraster(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return RrasterReader()

    @pytest.fixture
    def header(self, sample: Path) -> Path:
        return sample.with_suffix(".grd")

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(VALUES.tobytes())
            text = "[georeference]\nnrows=3\nncols=4\nxmin=0\nymin=0\nxmax=1\nymax=1\n"
            text += "[data]\ndatatype=INT2S\nbyteorder=big\nnodatavalue=-1\n"
            path.with_suffix(".grd").write_text(text)

        return make


class TestPds4(FormatTests):
    header_suffix = ".xml"
    opens_header = True

    @pytest.fixture
    def reader(self) -> Reader:
        return Pds4Reader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(VALUES.tobytes())
            axes = "".join(
                f"<Axis_Array><axis_name>{name}</axis_name><elements>{n}</elements>"
                f"<sequence_number>{i}</sequence_number></Axis_Array>"
                for i, (name, n) in enumerate([("Line", 3), ("Sample", 4)], 1)
            )
            text = (
                '<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1">'
                f"<File_Area_Observational><File><file_name>{path.name}</file_name></File>"
                "<Array_2D_Image><offset>0</offset><Element_Array><data_type>SignedMSB2"
                f"</data_type></Element_Array>{axes}</Array_2D_Image></File_Area_Observational>"
                "</Product_Observational>"
            )
            path.with_name(f"{path.name}.xml").write_text(text)

        return make


class TestRoiPac(FormatTests):
    header_suffix = ".rsc"

    @pytest.fixture
    def reader(self) -> Reader:
        return RoiPacReader()

    @pytest.fixture
    def sample(self, make_sample: Callable[[Path], Any], tmp_path: Path) -> Path:
        path = tmp_path / "a.dem"
        make_sample(path)
        return path

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(VALUES.tobytes())
            text = "WIDTH 4\nFILE_LENGTH 3\nX_FIRST 1\nX_STEP 2\nY_FIRST 3\nY_STEP -4\n"
            path.with_name(f"{path.name}.rsc").write_text(text)

        return make


class TestGrads(FormatTests):
    header_suffix = ".ctl"

    @pytest.fixture
    def reader(self) -> Reader:
        return GradsReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        def make(path: Path) -> None:
            path.write_bytes(b"head" + VALUES.astype(">f4").tobytes())
            path.with_name(path.name + ".ctl").write_text(
                f"DSET ^{path.name}\nUNDEF -1\nFILEHEADER 4\nOPTIONS big_endian yrev\n"
                "XDEF 4 LINEAR 0 1\nYDEF 3 LEVELS -80 0 80\nZDEF 1 LINEAR 1 1\n"
                "TDEF 1 LINEAR 00z01jan2000 6hr\nVARS 1\nu 0 99 wind\nENDVARS\n"
            )

        return make


def make_netcdf3(path: Path) -> None:
    with pytest.importorskip("scipy.io").netcdf_file(path, "w") as file:
        file.createDimension("t", None)
        file.createDimension("x", 3)
        file.createVariable("u", "f4", ("t", "x"))[:] = np.ones((2, 3), "f4")
        file.createVariable("n", "i2", ("t",))[:] = np.array([1, 2], "i2")
        file.title = "a test"


def make_hdf5(path: Path) -> None:
    with pytest.importorskip("h5py").File(path, "w") as file:
        file["u"] = VALUES


def make_nifti(path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(VALUES.astype("i2").reshape(2, 3, 2), np.eye(4))
    path.write_bytes(image.to_bytes())


def make_mrc(path: Path) -> None:
    with pytest.importorskip("mrcfile").new(path) as file:
        file.set_data(VALUES.astype("i2").reshape(2, 3, 2))


def make_fits(path: Path) -> None:
    pytest.importorskip("astropy.io.fits").PrimaryHDU(VALUES).writeto(path)


def make_geotiff(path: Path) -> None:
    pytest.importorskip("tifffile").imwrite(path, VALUES.astype("i2"))


def make_safetensors(path: Path) -> None:
    text = b'{"a": {"dtype": "I16", "shape": [3, 4], "data_offsets": [0, 24]}}'
    path.write_bytes(len(text).to_bytes(8, "little") + text + VALUES.tobytes())


class TestNetcdf3(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return Netcdf3Reader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        return make_netcdf3


class TestSafetensors(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return SafetensorsReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        return make_safetensors


class TestMrc(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return MrcReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        return make_mrc


class TestNifti(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return NiftiReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        return make_nifti


@pytest.mark.slow
class TestHdf5(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return Hdf5Reader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        return make_hdf5


@pytest.mark.slow
class TestFits(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return FitsReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        return make_fits


@pytest.mark.slow
class TestGeotiff(FormatTests):
    @pytest.fixture
    def reader(self) -> Reader:
        return GeotiffReader()

    @pytest.fixture
    def make_sample(self) -> Callable[[Path], Any]:
        return make_geotiff
