"""Kinds of files: what headers, Fortran's markers, and files that are not raw come to."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sqlite3
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import rawmmap
from tests.guessing.test_guess import execute, make_field


def write_records(path: Path, marker: str, records: list[np.ndarray]) -> None:
    """Write records between markers of their lengths."""
    data = b""
    for record in records:
        mark = np.array(record.nbytes, marker).tobytes()
        data += mark + record.tobytes() + mark
    path.write_bytes(data)


class TestFortran:
    @pytest.mark.parametrize("marker", ["<i4", ">i4", "<i8", ">i8"])
    @pytest.mark.parametrize("kind", ["f4", "f8"])
    def test_rows(self, tmp_path: Path, marker: str, kind: str) -> None:
        values = make_field().astype(marker[0] + kind)
        path = tmp_path / "a.dat"
        write_records(path, marker, list(values))
        best = rawmmap.guess(path)[0]
        assert best.keywords == {
            "format": "fortran",
            "dtype": marker[0] + kind,
            "shape": (96,),
            "dims": ("x",),
        }
        assert f"markers of {marker[-1]} bytes" in best.evidence[0]
        assert best.score > 0.5
        with execute(best) as ds:
            np.testing.assert_array_equal(ds["data"], values)

    def test_fields_in_one_record_each(self, tmp_path: Path) -> None:
        values = np.stack([make_field() + t for t in range(5)]).astype(">f4")
        path = tmp_path / "a.dat"
        write_records(path, ">i4", list(values))
        best = rawmmap.guess(path)[0]
        assert best.keywords["shape"] == (80, 96)
        assert best.keywords["dims"] == ("y", "x")
        with execute(best) as ds:
            np.testing.assert_array_equal(ds["data"], values)

    def test_times_and_fields_in_turn_after_a_header(self, tmp_path: Path) -> None:
        fields = np.stack([make_field() + t for t in range(6)]).astype("<f4")
        records = [np.array([96, 80, 1], "<i4")]
        for t, field in enumerate(fields):
            records += [np.array([0.5 * t], "<f8"), field]
        path = tmp_path / "a.dat"
        write_records(path, "<i4", records)
        best = rawmmap.guess(path)[0]
        names = list(best.keywords["variables"])
        assert [best.keywords["variables"][name].get("record") for name in names] == [
            False,
            None,
            None,
        ]
        assert best.keywords["variables"][names[2]]["dtype"] == "<f4"
        with execute(best) as ds:
            np.testing.assert_array_equal(ds[names[2]], fields)
            assert ds[names[0]].dtype == "i4"

    def test_records_of_unequal_length(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(6)
        records = [rng.normal(0, 1, n).astype("<f8") for n in rng.integers(1, 90, 60)]
        path = tmp_path / "a.dat"
        write_records(path, "<i4", records)
        best = rawmmap.guess(path)[0]
        assert best.keywords == {"format": "fortran", "dtype": "<f8", "shape": (-1,)}
        with execute(best) as ds:
            np.testing.assert_array_equal(ds["data"], np.concatenate(records))

    def test_structures(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(7)
        records = np.zeros(900, [("n", ">i4"), ("t", ">f8"), ("p", ">f4")])
        records["n"] = 1 + np.arange(900)
        records["t"] = 2.4e6 + np.arange(900) / 24
        records["p"] = rng.normal(1000, 9, 900)
        path = tmp_path / "a.dat"
        write_records(path, ">i4", list(records))
        best = rawmmap.guess(path)[0]
        assert best.keywords["dtype"] == ">i4,>f8,>f4"
        with execute(best) as ds:
            np.testing.assert_array_equal(ds["f1"], records["t"])


class TestHeaders:
    @pytest.mark.parametrize("shape", [(), (0,), (3,), (5000,), (2, 3, 1, 70), (4, 2**21)])
    def test_pictures_of_any_shape(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        path = tmp_path / "a.npy"
        np.save(path, np.zeros(shape) + np.arange(shape[-1] if shape else 1))
        best = rawmmap.guess(path)[0]
        assert best.keywords == {"format": "npy"}
        assert (best.thumbnail is None) == (0 in shape)
        assert best.thumbnail is None or best.thumbnail.size <= 32 * 64

    def test_a_header_in_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npy"
        np.save(path, make_field())
        best, *others = rawmmap.guess(path)
        assert best.keywords == {"format": "npy"}
        assert best.score >= 0.95
        assert "the format 'npy'" in best.evidence[0]
        assert "(80, 96)" in best.evidence[1]
        assert all(other.score < 0.05 for other in others)
        assert best.thumbnail is not None
        sampled = make_field()[::3, ::2].ravel()
        shades = best.thumbnail.astype(float).ravel()
        assert np.corrcoef(sampled, shades)[0, 1] > 0.95
        assert others[0].keywords["dtype"] == "<f8"
        with execute(best) as ds:
            np.testing.assert_array_equal(ds["data"], make_field())

    def test_a_header_beside_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        make_field().astype(">f4").tofile(path)
        header = tmp_path / "a.bin.hdr"
        header.write_text(
            "ENVI\nsamples = 96\nlines = 80\nbands = 1\nheader offset = 0\n"
            "data type = 4\ninterleave = bsq\nbyte order = 1\n"
        )
        best = rawmmap.guess(path)[0]
        assert best.keywords == {"format": "envi"}
        assert str(header) in best.evidence[0]
        with execute(best) as ds:
            assert ds["data"].shape[-2:] == (80, 96)

    def test_a_sidecar(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        make_field().astype(">f4").tofile(path)
        sidecar = rawmmap.describe(path, dtype=">f4", shape=(80, 96), name="t2m")
        best = rawmmap.guess(path)[0]
        assert best.keywords == {"format": "sidecar"}
        assert str(sidecar) in best.evidence[0]
        assert "t2m" in best.evidence[1]
        with execute(best) as ds:
            assert ds["t2m"].shape == (80, 96)

    def test_a_header_that_does_not_fit_is_a_remark(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        make_field().astype(">f4").tofile(path)
        (tmp_path / "a.bin.hdr").write_text("ENVI\nsamples = 96\nlines = 80\nbands = 7\n")
        best = rawmmap.guess(path)[0]
        assert best.keywords["dtype"] == ">f4"
        assert "does not open" in best.evidence[0]

    def test_a_format_of_another_program_that_opens_here(self, tmp_path: Path) -> None:
        pytest.importorskip("netCDF4")
        path = tmp_path / "a.nc"
        xr.Dataset({"t": (("y", "x"), make_field())}).to_netcdf(path, format="NETCDF3_CLASSIC")
        (best,) = rawmmap.guess(path)
        assert best.keywords == {"format": "netcdf3"}


def _zip(data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.bin", data)
    return archive.getvalue()


DATA = make_field().astype("f4").tobytes()
NOISE = np.random.default_rng(8).bytes(20_000)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(DATA), "gzip"),
        (zlib.compress(DATA), "zlib"),
        (bz2.compress(DATA), "bzip2"),
        (lzma.compress(DATA), "xz"),
        (lzma.compress(DATA, lzma.FORMAT_ALONE), "LZMA"),
        (_zip(DATA), "ZIP"),
        (b"\x28\xb5\x2f\xfd" + NOISE, "Zstandard"),
        (b"\x04\x22\x4d\x18" + NOISE, "LZ4"),
        (b"\x89PNG\r\n\x1a\n" + NOISE, "PNG"),
        (b"\xff\xd8\xff\xe0" + NOISE, "JPEG"),
        (b"%PDF-1.7\n" + NOISE, "PDF"),
        (b"GRIB" + NOISE, "GRIB"),
        (bytes(4) + b"ftypisom" + NOISE, "MP4"),
        (bytes(257) + b"ustar" + DATA, "tar archive"),
        (b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + DATA, "Windows"),
        (b"BM" + (9000).to_bytes(4, "little") + bytes(4) + b"\x36\0\0\0\x28\0\0\0" + DATA, "BMP"),
        (NOISE, "compressed or encrypted"),
        (b"one two three\n" * 50, "text"),
        ("ein schöner Tag\n".encode() * 50, "UTF-8"),
        (("zwei schöne Tage\n" * 50).encode("utf-16"), "UTF-16"),
        (("drei schöne Tage\n" * 50).encode("latin-1"), "text"),
        (b"[1, 2, 3]", "text"),
    ],
)
def test_what_is_not_raw(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    (guess,) = rawmmap.guess(path)
    assert (guess.keywords, guess.score, guess.code) == ({}, 0.0, "")
    assert reason in guess.evidence[-1]
    assert guess.thumbnail is None
    assert "not raw" in repr(guess)


def test_programs_and_databases(tmp_path: Path) -> None:
    if sys.platform == "linux":
        (guess,) = rawmmap.guess(Path(sys.executable).resolve())
        assert "ELF" in guess.evidence[0]
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("create table t (x)")
    connection.commit()
    connection.close()
    (guess,) = rawmmap.guess(path)
    assert "SQLite" in guess.evidence[0]


@pytest.mark.parametrize("mark", [b"\x1f\x8b", b"\x78\x9c", b"MZ", b"BM"])
def test_two_bytes_alone_do_not_make_a_file_compressed(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "a.bin"
    values = make_field().astype(">f4").tobytes()
    path.write_bytes(mark.ljust(16, b"\0") + values)
    best = rawmmap.guess(path)[0]
    assert best.keywords["dtype"] == ">f4"
