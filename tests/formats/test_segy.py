"""Reading SEG-Y, against segyio."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rawmmap

FORMATS = {1: "f4", 2: "i4", 3: "i2", 5: "f4", 8: "i1"}


def write(path: Path, code: int, *, endian: str = "big", traces: int = 6, samples: int = 5) -> Any:
    segyio = pytest.importorskip("segyio")
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount = code, range(samples), traces
    spec.endian = endian
    values = (np.arange(traces * samples).reshape(traces, samples) % 50 - 10).astype(FORMATS[code])
    with segyio.create(str(path), spec) as file:
        file.bin.update(hdt=2000, hns=samples)
        file.text[0] = segyio.tools.create_text_header({1: "A TEST", 2: "OF HEADERS"})
        for i in range(traces):
            file.trace[i] = values[i]
            file.header[i] = {189: 100 + i, 193: 200 - i, 115: samples, 73: -i, 71: -100, 109: 7}
    return values


@pytest.mark.parametrize("code", FORMATS)
def test_files_of_segyio(tmp_path: Path, code: int) -> None:
    path = tmp_path / "a.sgy"
    values = write(path, code)
    ds = xr.open_dataset(path, engine="rawmmap")
    assert ds.data.dims == ("trace", "sample")
    np.testing.assert_array_equal(ds.data, values)
    np.testing.assert_array_equal(ds.data[::-2, 1:4], values[::-2, 1:4])
    np.testing.assert_array_equal(ds.sample, 2.0 * np.arange(5))
    np.testing.assert_array_equal(ds.inline, 100 + np.arange(6))
    np.testing.assert_array_equal(ds.crossline, 200 - np.arange(6))
    np.testing.assert_array_equal(ds.source_x, -np.arange(6))
    np.testing.assert_array_equal(ds.coordinate_scalar, [-100] * 6)
    np.testing.assert_array_equal(ds.delay, [7] * 6)
    assert "trace" not in ds.coords
    assert ds.attrs["text"].splitlines()[0] == "C 1 A TEST"


def test_every_field_as_segyio(tmp_path: Path) -> None:
    """All bytes of the headers are different, so that no field can be taken for another."""
    segyio = pytest.importorskip("segyio")
    path = tmp_path / "a.sgy"
    write(path, 5)
    content = bytearray(path.read_bytes())
    for trace in range(6):
        start = 3600 + trace * 260
        header = bytes((trace * 7 + 3 * i) % 251 for i in range(240))
        content[start : start + 240] = header[:114] + struct.pack(">H", 5) + header[116:]
    path.write_bytes(content)
    names = {
        "trace_sequence": segyio.TraceField.TRACE_SEQUENCE_FILE,
        "field_record": segyio.TraceField.FieldRecord,
        "trace_number": segyio.TraceField.TraceNumber,
        "source_point": segyio.TraceField.EnergySourcePoint,
        "cdp": segyio.TraceField.CDP,
        "offset": segyio.TraceField.offset,
        "elevation_scalar": segyio.TraceField.ElevationScalar,
        "coordinate_scalar": segyio.TraceField.SourceGroupScalar,
        "source_x": segyio.TraceField.SourceX,
        "source_y": segyio.TraceField.SourceY,
        "group_x": segyio.TraceField.GroupX,
        "group_y": segyio.TraceField.GroupY,
        "delay": segyio.TraceField.DelayRecordingTime,
        "cdp_x": segyio.TraceField.CDP_X,
        "cdp_y": segyio.TraceField.CDP_Y,
        "inline": segyio.TraceField.INLINE_3D,
        "crossline": segyio.TraceField.CROSSLINE_3D,
    }
    ds = xr.open_dataset(path, engine="rawmmap")
    assert set(ds.coords) == {"sample", *names}
    with segyio.open(path, ignore_geometry=True) as file:
        for name, field in names.items():
            np.testing.assert_array_equal(ds[name], file.attributes(field)[:])


def test_extended_text_and_little_endian(tmp_path: Path) -> None:
    values = np.arange(12, dtype="<f4").reshape(3, 4)
    binary = bytearray(400)
    struct.pack_into("<HH", binary, 16, 1000, 0)
    struct.pack_into("<HH", binary, 20, 4, 0)
    struct.pack_into("<h", binary, 24, 5)
    binary[96:100] = b"\x04\x03\x02\x01"
    binary[300] = 2
    struct.pack_into("<h", binary, 304, 1)
    text = b"C 1 in ASCII".ljust(80) * 40
    traces = b"".join(bytes(240) + row.tobytes() for row in values)
    path = tmp_path / "a.sgy"
    path.write_bytes(text + bytes(binary) + bytes(3200) + traces)
    ds = xr.open_dataset(path, engine="rawmmap")
    np.testing.assert_array_equal(ds.data, values)
    assert ds.attrs["text"].startswith("C 1 in ASCII\n")


def patched(content: bytes, position: int, packed: bytes) -> bytes:
    return content[:position] + packed + content[position + len(packed) :]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: patched(c, 3224, struct.pack(">h", 4)), "format code 4"),
        (lambda c: patched(c, 3220, b"\0\0"), "0 samples"),
        (lambda c: patched(c, 3504, struct.pack(">h", -1)), "extended"),
        (lambda c: patched(c, 3220, struct.pack(">H", 6)), "unequal|whole traces"),
        (lambda c: c[:-1], "whole traces"),
        (lambda c: patched(c, len(c) - 260 + 114, struct.pack(">H", 3)), "trace 5 has 3"),
        (lambda c: c[:3000], "less than the headers"),
    ],
)
def test_refusals(tmp_path: Path, change: Any, match: str) -> None:
    path = tmp_path / "a.sgy"
    write(path, 5)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=match):
        rawmmap.open(path, format="segy")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_headers(tmp_path: Path, data: Any) -> None:
    text = b"C 1".ljust(3200)
    binary = patched(bytes(400), 20, struct.pack(">HHh", 4, 0, 5))
    content = text + binary + bytes(3 * 256)
    start, n = data.draw(st.integers(3190, 3620)), data.draw(st.integers(0, 20))
    new = data.draw(st.binary(max_size=9))
    path = tmp_path / "a.sgy"
    path.write_bytes(content[:start] + new + content[start + n :])
    with contextlib.suppress(ValueError, OSError):
        raw = rawmmap.open(path, format="segy")
        assert raw["data"].data[...].nbytes < 8 * len(content)
