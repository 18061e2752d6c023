"""Reading recordings of signals, against the packages of each format and NumPy."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import struct
import wave
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rawmmap


def open_data(path: Path) -> xr.Dataset:
    return xr.open_dataset(path, engine="rawmmap")


class TestSigmf:
    def write(self, folder: Path, content: bytes, captures: Any = None, **header: Any) -> Path:
        (folder / "a.sigmf-data").write_bytes(content)
        meta = {
            "global": {f"core:{key}": value for key, value in header.items()},
            "captures": captures or [{"core:sample_start": 0}],
            "annotations": [],
        }
        path = folder / "a.sigmf-meta"
        path.write_text(json.dumps(meta))
        return path

    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize("order", ["_le", "_be"])
    @pytest.mark.parametrize("code", ["f32", "f64", "i32", "i16", "u32", "u16", "i8", "u8"])
    @pytest.mark.parametrize("kind", ["r", "c"])
    def test_types_as_sigmf(
        self, tmp_path: Path, kind: str, code: str, order: str, channels: int
    ) -> None:
        sigmf = pytest.importorskip("sigmf")
        letter = {"f": "f", "i": "i", "u": "u"}[code[0]]
        dtype = np.dtype(f"{'>' if order == '_be' else '<'}{letter}{int(code[1:]) // 8}")
        values = (np.arange(48) % 100).astype(dtype)
        name = kind + code + (order if dtype.itemsize > 1 else "")
        path = self.write(
            tmp_path, values.tobytes(), datatype=name, num_channels=channels, version="1.2.0"
        )
        expected = sigmf.sigmffile.fromfile(str(path), autoscale=False).read_samples()
        for opened in (path, tmp_path / "a.sigmf-data"):
            data = open_data(opened).data
            if "component" in data.dims:
                data = data[..., 0] + 1j * data[..., 1]
            np.testing.assert_array_equal(data.values.squeeze(), expected.squeeze())
            assert data.dims == (("sample", "channel") if channels > 1 else ("sample",))

    def test_captures_and_notes(self, tmp_path: Path) -> None:
        captures = [
            {"core:sample_start": 10, "core:frequency": 1e9, "core:datetime": "2024-01-02T03:04Z"},
            {"core:sample_start": 12, "core:frequency": 2e9, "core:global_index": 2**40},
        ]
        values = np.arange(5, dtype="<i2")
        path = self.write(
            tmp_path,
            values.tobytes() + b"tail",
            captures,
            datatype="ri16_le",
            sample_rate=1000.0,
            offset=10,
            trailing_bytes=4,
            author="somebody",
        )
        ds = open_data(path)
        np.testing.assert_array_equal(ds.data, values)
        assert ds.attrs == {"sample_rate": 1000.0, "offset": 10, "author": "somebody"}
        assert ds.capture_start.values.tolist() == [10, 12]
        assert ds.capture_global_index.values.tolist() == [0, 2**40]
        assert ds.capture_frequency.values.tolist() == [1e9, 2e9]
        assert ds.capture_datetime.values.tolist() == ["2024-01-02T03:04Z", ""]

    def test_bytes_before_captures_are_left_out(self, tmp_path: Path) -> None:
        captures = [
            {"core:sample_start": 0, "core:header_bytes": 3},
            {"core:sample_start": 4},
            {"core:sample_start": 6, "core:header_bytes": 5},
        ]
        values = np.arange(10, dtype="<u2")
        content = b"abc" + values[:6].tobytes() + b"inner" + values[6:].tobytes()
        (tmp_path / "other.bin").write_bytes(content)
        path = self.write(tmp_path, b"", captures, datatype="ru16_le", dataset="other.bin")
        ds = open_data(path)
        np.testing.assert_array_equal(ds.data, values)
        np.testing.assert_array_equal(ds.data[::-3], values[::-3])

    @pytest.mark.parametrize(
        ("header", "captures", "match"),
        [
            ({"datatype": "cf32"}, None, "byte order"),
            ({"datatype": "cf31_le"}, None, "cf31_le"),
            ({}, None, "datatype"),
            ({"datatype": "ru8", "num_channels": "2"}, None, "num_channels"),
            ({"datatype": "ru8", "num_channels": -2}, None, "num_channels"),
            ({"datatype": "ru8", "num_channels": 0}, None, "whole bytes"),
            ({"datatype": "ru8", "dataset": "../b"}, None, "own folder"),
            ({"datatype": "ru8", "metadata_only": True}, None, "metadata_only"),
            ({"datatype": "ru8"}, [1], "captures"),
            ({"datatype": "ru8"}, [{"core:sample_start": 5}, {"core:sample_start": 1}], "order"),
            ({"datatype": "ru8"}, [{"core:sample_start": 500, "core:header_bytes": 1}], "past"),
        ],
    )
    def test_refusals(self, tmp_path: Path, header: Any, captures: Any, match: str) -> None:
        path = self.write(tmp_path, bytes(16), captures, **header)
        with pytest.raises(ValueError, match=match):
            rawmmap.open(path, format="sigmf") if header else rawmmap.open(path)

    def test_metadata_without_data(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, b"", datatype="ru8")
        (tmp_path / "a.sigmf-data").unlink()
        with pytest.raises(FileNotFoundError, match=r"a\.sigmf-data"):
            rawmmap.open(path)
        path.write_text('{"global": {"core:datatype": ')
        with pytest.raises(ValueError, match="JSON"):
            rawmmap.open(path)


def sigproc_header(order: str = "<", **entries: Any) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack(f"{order}i", len(value)) + value.encode()

    parts = [text("HEADER_START")]
    for key, value in entries.items():
        parts.append(text(key))
        kinds = {int: "i", float: "d"}
        packed = text(value) if isinstance(value, str) else None
        parts.append(packed or struct.pack(order + kinds[type(value)], value))
    return b"".join([*parts, text("HEADER_END")])


class TestSigproc:
    # The package leaves its files open.
    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("bits", [8, 16, 32])
    def test_files_as_your(self, tmp_path: Path, bits: int) -> None:
        your = pytest.importorskip("your")
        dtype = {8: "u1", 16: "u2", 32: "f4"}[bits]
        values = (np.arange(4 * 6) % 97).astype(dtype).reshape(4, 1, 6)
        header = sigproc_header(
            telescope_id=1,
            machine_id=2,
            data_type=1,
            source_name="B0329",
            fch1=1500.0,
            foff=-1.5,
            nchans=6,
            nbits=bits,
            tstart=59000.5,
            tsamp=0.001,
            nifs=1,
            src_raj=1.0,
            src_dej=2.0,
        )
        path = tmp_path / "a.fil"
        path.write_bytes(header + values.tobytes())
        ds = open_data(path)
        assert ds.data.dims == ("time", "if", "channel")
        np.testing.assert_array_equal(ds.data, values)
        np.testing.assert_array_equal(ds.frequency, 1500 - 1.5 * np.arange(6))
        assert ds.attrs["tsamp"] == 0.001
        reader = your.Your(str(path))
        assert (reader.your_header.fch1, reader.your_header.foff) == (1500, -1.5)
        np.testing.assert_array_equal(reader.get_data(0, 4), values[:, 0])
        del reader
        gc.collect()  # here, where the warning is expected, and not in another test

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_samples_of_a_few_bits(self, tmp_path: Path, bits: int) -> None:
        """The first sample is in the lowest bits, as SIGPROC's own programs pack them."""
        content = np.random.default_rng(1).bytes(40)
        header = sigproc_header(nchans=16, nifs=2, nbits=bits, data_type=1)
        (tmp_path / "a.fil").write_bytes(header + content)
        flags = np.unpackbits(np.frombuffer(content, "u1"), bitorder="little").reshape(-1, bits)
        expected = (flags << np.arange(bits, dtype="u1")).sum(axis=1)
        expected = expected[: len(expected) // 32 * 32].reshape(-1, 2, 16)
        ds = open_data(tmp_path / "a.fil")
        np.testing.assert_array_equal(ds.data, expected)
        np.testing.assert_array_equal(ds.data[1, :, ::-2], expected[1, :, ::-2])

    def test_big_endian_and_listed_frequencies(self, tmp_path: Path) -> None:
        def text(value: str) -> bytes:
            return struct.pack(">i", len(value)) + value.encode()

        header = sigproc_header(">", nchans=3, nbits=32, nifs=1)
        end = header.index(text("HEADER_END"))
        table = text("FREQUENCY_START")
        for value in (1.0, 3.0, 2.5):
            table += text("fchannel") + struct.pack(">d", value)
        values = np.arange(6, dtype=">f4").reshape(2, 1, 3)
        path = tmp_path / "a.fil"
        table += text("FREQUENCY_END")
        path.write_bytes(header[:end] + table + header[end:] + values.tobytes() + b"part")
        ds = open_data(path)
        np.testing.assert_array_equal(ds.data, values)
        assert ds.frequency.values.tolist() == [1, 3, 2.5]

    @pytest.mark.parametrize(
        ("entries", "match"),
        [
            ({"nbits": 12}, "nbits is 12"),
            ({}, "nbits is None"),
            ({"nbits": 8, "nchans": 0}, "nchans"),
            ({"nbits": 8, "nchans": -1}, "nchans"),
            ({"nbits": 1, "nchans": 3}, "whole bytes"),
            ({"nbits": 8, "unheard": 3}, "unheard"),
            ({"nbits": 8, "data_type": 6}, "data_type"),
        ],
    )
    def test_refusals(self, tmp_path: Path, entries: Any, match: str) -> None:
        (tmp_path / "a.fil").write_bytes(sigproc_header(**entries) + bytes(8))
        with pytest.raises(ValueError, match=match):
            rawmmap.open(tmp_path / "a.fil")


def dada_header(size: int = 4096, **entries: Any) -> bytes:
    lines = {"HEADER": "DADA", "HDR_VERSION": "1.0", "HDR_SIZE": size, **entries}
    text = "".join(f"{key:<20}{value} # about it\n" for key, value in lines.items())
    return text.encode().ljust(size, b"\0")


class TestPsrdada:
    @pytest.mark.parametrize("ndim", [1, 2])
    @pytest.mark.parametrize(("polarizations", "channels"), [(1, 1), (2, 1), (1, 4), (2, 4)])
    def test_files_as_baseband(
        self, tmp_path: Path, ndim: int, polarizations: int, channels: int
    ) -> None:
        dada = pytest.importorskip("baseband.dada")
        count = 8 * polarizations * channels * ndim
        content = (np.arange(count) % 200).astype("u1").tobytes()
        header = dada_header(
            NBIT=8,
            NDIM=ndim,
            NPOL=polarizations,
            NCHAN=channels,
            TSAMP=1.0,
            UTC_START="2013-07-02-01:39:20",
            OBS_OFFSET=0,
            FILE_SIZE=len(content),
            BW=1.0,
            FREQ=1.0,
            TELESCOPE="x",
            INSTRUMENT="x",
            OBS_ID="x",
            SOURCE="x",
            RESOLUTION=1,
            DSB=1,
            MJD_START="56475.0",
            PICOSECONDS=0,
            BYTES_PER_SECOND=1,
            DADA_VERSION="1.0",
        )
        path = tmp_path / "a.dada"
        path.write_bytes(header + content)
        with dada.open(str(path), "rb") as file:
            expected = np.array(file.read_frame().data)
        ds = open_data(path)
        assert ds.data.dims == ("time", "polarization", "channel")
        np.testing.assert_array_equal(ds.data.values.reshape(expected.shape), expected)
        assert ds.attrs["FREQ"] == "1.0"

    def test_the_sample_of_baseband(self) -> None:
        pytest.importorskip("baseband")
        from baseband import dada
        from baseband.data import SAMPLE_DADA

        with dada.open(SAMPLE_DADA, "rb") as file:
            expected = np.array(file.read_frame().data)
        ds = open_data(Path(SAMPLE_DADA))
        np.testing.assert_array_equal(ds.data.values.reshape(expected.shape), expected)

    def test_orders_and_types(self, tmp_path: Path) -> None:
        values = np.arange(48, dtype="<i2").reshape(4, 3, 2, 2)
        header = dada_header(8192, NBIT=16, NDIM=2, NPOL=2, NCHAN=3, ORDER="TFP")
        (tmp_path / "a.dada").write_bytes(header + values.tobytes())
        ds = open_data(tmp_path / "a.dada")
        assert ds.data.dims == ("time", "channel", "polarization")
        np.testing.assert_array_equal(ds.data, values[..., 0] + 1j * values[..., 1])

    @pytest.mark.parametrize(
        ("entries", "match"),
        [
            ({"NBIT": 4}, "NBIT 4"),
            ({"NBIT": 8, "NDIM": 3}, "NDIM 3"),
            ({"NBIT": 8, "NDIM": 1, "NCHAN": 0}, "NCHAN"),
            ({"NBIT": 8, "NDIM": 1, "ORDER": "SFT"}, "SFT"),
            ({"NBIT": 8, "NDIM": 1, "NPOL": 2, "ORDER": "TF"}, "polarization"),
            ({"NBIT": 8, "NDIM": 1, "HDR_SIZE": 999999}, "HDR_SIZE"),
            ({"NBIT": 8, "NDIM": 1, "HDR_SIZE": "x"}, "HDR_SIZE"),
        ],
    )
    def test_refusals(self, tmp_path: Path, entries: Any, match: str) -> None:
        (tmp_path / "a.dada").write_bytes(dada_header(**entries) + bytes(8))
        with pytest.raises(ValueError, match=match):
            rawmmap.open(tmp_path / "a.dada")


class TestSpikeglx:
    META = "nSavedChans=5\nfileSizeBytes=40\nimSampRate=30000.5\ntypeThis=imec\n~imroTbl=(0,1)\n"
    META += "snsSaveChanSubset=0:2,7,384\n"

    def test_channels_and_rate(self, tmp_path: Path) -> None:
        values = np.arange(20, dtype="<i2").reshape(4, 5)
        (tmp_path / "a.ap.bin").write_bytes(values.tobytes() + b"xyz")
        (tmp_path / "a.ap.meta").write_text(self.META)
        for name in ("a.ap.bin", "a.ap.meta"):
            ds = open_data(tmp_path / name)
            np.testing.assert_array_equal(ds.data, values)
            assert ds.channel.values.tolist() == [0, 1, 2, 7, 384]
            assert ds.data.attrs == {"sampling_rate": 30000.5}
            assert "~imroTbl" not in ds.attrs

    def test_files_as_neo(self, tmp_path: Path) -> None:
        rawio = pytest.importorskip("neo.rawio")
        folder = tmp_path / "run_g0"
        folder.mkdir()
        values = np.arange(60, dtype="<i2").reshape(20, 3)
        values.tofile(folder / "run_g0_t0.nidq.bin")
        meta = {
            "firstSample": 0,
            "fileName": "run_g0_t0.nidq.bin",
            "nSavedChans": 3,
            "fileSizeBytes": values.nbytes,
            "niSampRate": 25000,
            "typeThis": "nidq",
            "snsSaveChanSubset": "all",
            "snsMnMaXaDw": "0,0,3,0",
            "niAiRangeMax": 5,
            "niAiRangeMin": -5,
            "niMNGain": 1,
            "niMAGain": 1,
            "fileCreateTime": "2024-01-02T03:04:05",
            "appVersion": "20230101",
            "niMaxInt": 32768,
            "niXAChans1": "0:2",
        }
        text = "".join(f"{key}={value}\n" for key, value in meta.items())
        text += "~snsChanMap=(0,0,1,3)(XA0;0:0)(XA1;1:1)(XA2;2:2)\n"
        (folder / "run_g0_t0.nidq.meta").write_text(text)
        reader = rawio.SpikeGLXRawIO(dirname=str(folder))
        reader.parse_header()
        expected = reader.get_analogsignal_chunk(stream_index=0)
        ds = open_data(folder / "run_g0_t0.nidq.bin")
        np.testing.assert_array_equal(ds.data[:, : expected.shape[1]], expected)
        assert ds.data.attrs["sampling_rate"] == reader.get_signal_sampling_rate(0)

    @pytest.mark.parametrize(
        ("old", "new", "match"),
        [
            ("nSavedChans=5", "nSavedChans=0", "nSavedChans"),
            ("nSavedChans=5", "nSavedChans=99999999999", "less than one"),
            ("0:2,7,384", "0:2", "3 channels"),
            ("0:2,7,384", "0:999999999999", "more than 5"),
            ("0:2,7,384", "a,b", "snsSaveChanSubset"),
            ("30000.5", "fast", "SampRate"),
        ],
    )
    def test_refusals(self, tmp_path: Path, old: str, new: str, match: str) -> None:
        (tmp_path / "a.bin").write_bytes(bytes(40))
        (tmp_path / "a.meta").write_text(self.META.replace(old, new))
        with pytest.raises(ValueError, match=match):
            rawmmap.open(tmp_path / "a.bin")


def make_wav(
    code: int, bits: int, channels: int, data: bytes, *, order: str = "<", extensible: bool = False
) -> bytes:
    width = -(-bits // 8)
    form = struct.pack(
        f"{order}HHIIHH",
        0xFFFE if extensible else code,
        channels,
        8000,
        8000 * width * channels,
        width * channels,
        bits,
    )
    if extensible:
        form += struct.pack(f"{order}HHIH", 22, bits, 0, code)
        form += bytes.fromhex("000000001000800000aa00389b71")
    extra = b"LIST" + struct.pack(f"{order}I", 3) + b"abc\0"
    chunks = b"fmt " + struct.pack(f"{order}I", len(form)) + form + extra
    chunks += b"data" + struct.pack(f"{order}I", len(data)) + data
    mark = b"RIFF" if order == "<" else b"RIFX"
    return mark + struct.pack(f"{order}I", len(chunks) + 4) + b"WAVE" + chunks


class TestWav:
    @pytest.mark.parametrize("extensible", [False, True])
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize(
        ("code", "dtype"), [(1, "u1"), (1, "i2"), (1, "i4"), (3, "f4"), (3, "f8")]
    )
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_files_as_scipy(
        self, tmp_path: Path, code: int, dtype: str, channels: int, extensible: bool, order: str
    ) -> None:
        wavfile = pytest.importorskip("scipy.io.wavfile")
        values = (np.arange(12) % 100).astype(order + dtype).reshape(-1, channels)
        bits = 8 * values.dtype.itemsize
        path = tmp_path / "a.wav"
        path.write_bytes(
            make_wav(code, bits, channels, values.tobytes(), order=order, extensible=extensible)
        )
        ds = open_data(path)
        assert ds.data.dims == ("sample", "channel")
        np.testing.assert_array_equal(ds.data, values)
        if order == "<" or not extensible:  # SciPy takes subformats for little-endian
            rate, expected = wavfile.read(path)
            assert ds.data.attrs["sampling_rate"] == rate
            np.testing.assert_array_equal(ds.data.values.squeeze(), expected.squeeze())

    @pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
    @pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64"])
    def test_files_of_soundfile(self, tmp_path: Path, kind: str, subtype: str) -> None:
        soundfile = pytest.importorskip("soundfile")
        path = tmp_path / "a.wav"
        values = np.linspace(-1, 0.99, 20).reshape(10, 2)
        soundfile.write(path, values, 8000, subtype, format=kind)
        ds = open_data(path)
        expected = soundfile.read(path, dtype="float64")[0]
        scale = {"PCM_U8": 2**7, "PCM_16": 2**15, "PCM_24": 2**23, "PCM_32": 2**31}.get(subtype, 1)
        shift = 128 if subtype == "PCM_U8" else 0
        np.testing.assert_array_equal((ds.data.astype(float) - shift) / scale, expected)

    def test_lengths_that_are_not_known_yet(self, tmp_path: Path) -> None:
        content = bytearray(make_wav(1, 16, 2, np.arange(8, dtype="<i2").tobytes()))
        start = content.index(b"data")
        for size in (0, 0xFFFFFFFF):
            content[start + 4 : start + 8] = struct.pack("<I", size)
            (tmp_path / "a.wav").write_bytes(content + b"xyz")
            np.testing.assert_array_equal(
                open_data(tmp_path / "a.wav").data, np.arange(8).reshape(4, 2)
            )

    def test_long_files(self, tmp_path: Path) -> None:
        """Of more than 4 GiB, as RF64; the file is sparse."""
        count = 2**31 + 5
        form = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
        head = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, 0, 2 * count, count, 0)
        head += b"fmt " + struct.pack("<I", len(form)) + form + b"data\xff\xff\xff\xff"
        path = tmp_path / "a.wav"
        with path.open("wb") as file:
            file.write(head)
            file.seek(2 * count - 2, io.SEEK_CUR)
            file.write(b"\x01\x02")
            file.write(b"not samples")
        ds = open_data(path)
        assert ds.sizes["sample"] == count
        assert int(ds.data[-1, 0]) == 0x0201

    def test_remote(self) -> None:
        stream = io.BytesIO()
        with wave.open(stream, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(np.arange(8, dtype="<i2").tobytes())
        fsspec.filesystem("memory").pipe("/sounds/a.wav", stream.getvalue())
        ds = xr.open_dataset("memory://sounds/a.wav", engine="rawmmap")
        np.testing.assert_array_equal(ds.data, np.arange(8).reshape(4, 2))

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            (make_wav(6, 8, 1, bytes(4)), "0x0006"),
            (make_wav(1, 16, 0, bytes(4)), "channels"),
            (make_wav(1, 40, 1, bytes(10)), "40 bits"),
            (make_wav(1, 16, 2, bytes(8))[:-1], "bytes"),
            (make_wav(1, 16, 2, bytes(8)).replace(b"data", b"dada"), "data"),
            (make_wav(1, 16, 2, bytes(8)).replace(b"fmt ", b"junk"), "fmt"),
            (make_wav(1, 16, 2, bytes(8))[:20], "data|unpack|requires"),
        ],
    )
    def test_refusals(self, tmp_path: Path, content: bytes, match: str) -> None:
        (tmp_path / "a.wav").write_bytes(content)
        with pytest.raises(ValueError, match=match):
            rawmmap.open(tmp_path / "a.wav")


RPL = "key\tvalue\nwidth\t4\nheight\t3\ndepth\t2\noffset\t5\ndata-length\t2\ndata-type\tunsigned\n"
RPL += "byte-order\tbig-endian\nrecord-by\tvector\n"


class TestRipple:
    @pytest.mark.parametrize(
        ("record_by", "dims"),
        [("vector", ("height", "width", "depth")), ("image", ("depth", "height", "width"))],
    )
    @pytest.mark.parametrize("order", ["big-endian", "little-endian"])
    @pytest.mark.parametrize(
        ("kind", "size"),
        [
            ("unsigned", 1),
            ("signed", 2),
            ("unsigned", 4),
            ("signed", 8),
            ("float", 4),
            ("float", 8),
        ],
    )
    def test_files_as_rosettasciio(
        self, tmp_path: Path, kind: str, size: int, order: str, record_by: str, dims: Any
    ) -> None:
        ripple = pytest.importorskip("rsciio.ripple")
        content = np.random.default_rng(2).integers(0, 100, 5 + 24 * size, "u1").tobytes()
        text = RPL.replace("unsigned", kind).replace("data-length\t2", f"data-length\t{size}")
        text = text.replace("big-endian", order if size > 1 else "dont-care")
        text = text.replace("vector", record_by)
        (tmp_path / "a.rpl").write_text(text + "depth-scale\t0.5\ndepth-origin\t-1\n")
        (tmp_path / "a.raw").write_bytes(content)
        expected = ripple.file_reader(str(tmp_path / "a.rpl"))[0]
        for name in ("a.rpl", "a.raw"):
            ds = open_data(tmp_path / name)
            assert ds.data.dims == dims
            np.testing.assert_array_equal(ds.data, expected["data"])
            np.testing.assert_array_equal(ds.depth, [-1, -0.5])

    @pytest.mark.parametrize(
        ("old", "new", "match"),
        [
            ("vector", "tile", "tile"),
            ("vector", "dont-care", "depth 2"),
            ("width\t4", "width\t-4", "width"),
            ("width\t4", "width\t9999999999", "bytes"),
            ("unsigned", "complex", "complex"),
            ("data-length\t2", "data-length\t3", "data-length"),
            ("big-endian", "dont-care", "byte-order"),
            ("offset\t5", "offset\t500", "bytes"),
            ("offset\t5", "offset\t5\ndepth-scale\tx", "depth-scale"),
        ],
    )
    def test_refusals(self, tmp_path: Path, old: str, new: str, match: str) -> None:
        (tmp_path / "a.raw").write_bytes(bytes(53))
        (tmp_path / "a.rpl").write_text(RPL.replace(old, new))
        with pytest.raises(ValueError, match=match):
            rawmmap.open(tmp_path / "a.rpl")


SAMPLES = {
    "a.fil": sigproc_header(nchans=2, nbits=8, nifs=1, fch1=1.0, foff=1.0) + bytes(8),
    "a.dada": dada_header(300, NBIT=8, NDIM=1, NPOL=2) + bytes(8),
    "a.wav": make_wav(1, 16, 2, bytes(8), extensible=True),
    "a.rpl": RPL.encode(),
    "a.meta": TestSpikeglx.META.encode(),
    "a.sigmf-meta": b'{"global": {"core:datatype": "ri8", "core:num_channels": 2}, "captures": '
    b'[{"core:sample_start": 0, "core:header_bytes": 1, "core:frequency": 5.0}]}',
}


@pytest.mark.parametrize("name", SAMPLES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_headers(tmp_path: Path, name: str, data: Any) -> None:
    content = SAMPLES[name]
    start, n = data.draw(st.integers(0, len(content))), data.draw(st.integers(0, 20))
    new = data.draw(st.binary(max_size=9))
    for beside in ("a.raw", "a.bin", "a.sigmf-data"):
        (tmp_path / beside).write_bytes(bytes(60))
    (tmp_path / name).write_bytes(content[:start] + new + content[start + n :])
    with contextlib.suppress(ValueError, OSError):
        raw = rawmmap.open(tmp_path / name)
        assert raw["data"].data[...].nbytes <= 8 * 400
