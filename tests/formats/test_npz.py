"""Reading NumPy's archives, against numpy.load and the zipfile module."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given
from hypothesis import strategies as st

import rawmmap

ARRAYS: dict[str, Any] = {
    "u": np.arange(60, dtype=">f4").reshape(3, 4, 5),
    "v": np.asfortranarray(np.arange(12, dtype="<i2").reshape(3, 4)),
    "w": np.array(7.5),
    "empty": np.zeros((0, 3), "u1"),
    "point": np.array([(1, 2.5), (3, 4.5)], [("id", "<u2"), ("x", "<f8")]),
    "mask": np.array([True, False, True]),
}


def npy_bytes(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def store(path: Path, arrays: dict[str, Any], **more: Any) -> Path:
    with zipfile.ZipFile(path, "w", **more) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", npy_bytes(array))
    return path


def test_every_array_of_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **ARRAYS)
    ds = xr.open_dataset(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as archive:
        loaded = dict(archive)
    for name, array in loaded.items():
        fields = array.dtype.names
        for part in fields or [name]:
            expected = array[part] if fields else array
            np.testing.assert_array_equal(ds[part], expected)
            assert ds[part].dtype == expected.dtype.newbyteorder("=")
    assert ds["u"].dims == ("u_0", "u_1", "u_2")
    raw: Any = rawmmap.open(tmp_path / "a.npz")
    assert raw["v"].data.layout.strides == (2, 6)
    np.testing.assert_array_equal(raw["u"].data[1, ::-2, 3], ARRAYS["u"][1, ::-2, 3])
    with rawmmap.map_dataset(tmp_path / "a.npz") as live:
        np.testing.assert_array_equal(live["u"], ARRAYS["u"])


def test_archives_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "a.any"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/ü.npy", npy_bytes(ARRAYS["u"]))
        archive.writestr("notes.txt", "of no interest")
        info = zipfile.ZipInfo("v.npy")
        info.extra = b"\xfe\xca\x04\x00abcd"
        info.comment = b"a comment"
        archive.writestr(info, npy_bytes(ARRAYS["v"]))
        archive.comment = b"of the whole"
    raw = rawmmap.open(path)
    assert list(raw) == ["folder/ü", "v"]
    np.testing.assert_array_equal(raw["folder/ü"].data[...], ARRAYS["u"])
    np.testing.assert_array_equal(raw["v"].data[...], ARRAYS["v"])


def test_archives_behind_other_bytes(tmp_path: Path) -> None:
    path = store(tmp_path / "a.npz", ARRAYS)
    (tmp_path / "b").write_bytes(b"a program that unpacks itself" + path.read_bytes())
    raw = rawmmap.open(tmp_path / "b", format="npz")
    np.testing.assert_array_equal(raw["u"].data[...], ARRAYS["u"])


def test_streams_that_say_the_size_afterwards(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.content = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.content += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive, archive.open("u.npy", "w") as member:
        member.write(npy_bytes(ARRAYS["u"]))
    (tmp_path / "a.npz").write_bytes(pipe.content)
    np.testing.assert_array_equal(rawmmap.open(tmp_path / "a.npz")["u"].data[...], ARRAYS["u"])


def test_members_beyond_four_gigabytes(tmp_path: Path) -> None:
    """The directory has such offsets in the fields of ZIP64."""
    path = tmp_path / "huge.npz"
    with path.open("wb") as file:
        file.truncate(2**32 + 7)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("u.npy", npy_bytes(ARRAYS["u"]))
            with archive.open("v.npy", "w", force_zip64=True) as member:
                member.write(npy_bytes(ARRAYS["v"]))
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("v.npy").header_offset > 2**32
    raw: Any = rawmmap.open(path, format="npz")
    assert raw["v"].data.layout.offset > 2**32
    for name in "uv":
        np.testing.assert_array_equal(raw[name].data[...], ARRAYS[name])


def test_names_beyond_latin_letters(tmp_path: Path) -> None:
    array = np.array([(1, 2.5)], [("温度", "<u2"), ("x", "<f8")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of version 3 of the format
        np.save(tmp_path / "a.npy", array)
        np.savez(tmp_path / "a.npz", a=array)
    for name in ("a.npy", "a.npz"):
        raw = rawmmap.open(tmp_path / name)
        np.testing.assert_array_equal(raw["温度"].data[...], [1])


@pytest.mark.parametrize(
    "kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=str
)
def test_compressed_members_are_named(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("u.npy", npy_bytes(ARRAYS["u"]))
        archive.writestr("v.npy", npy_bytes(ARRAYS["v"]), kind)
    with pytest.raises(ValueError, match=r"'v\.npy' is compressed.*numpy\.savez") as caught:
        rawmmap.open(path)
    assert "u.npy" not in str(caught.value)
    np.savez_compressed(path, **ARRAYS)
    with pytest.raises(ValueError, match=r"'u\.npy', .* and 1 more are compressed"):
        rawmmap.open(path)


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    content = bytearray(store(path, {"u": ARRAYS["u"]}).read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    encrypted = content.copy()
    encrypted[directory + 8] |= 1
    moved = content.copy()
    moved[directory + 42] = 1
    short = content.replace(b"(3, 4, 5)", b"(3, 4, 6)")
    for damaged, text in [
        (encrypted, "encrypted"),
        (moved, "no local header at byte 1"),
        (short, "has 368 bytes, but its array ends at byte 416"),
        (content[:-30], "malformed archive"),
    ]:
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=text) as caught:
            rawmmap.open(path)
        assert str(path) in str(caught.value)
    np.savez(path, a=np.array([{}], object))
    with pytest.raises(ValueError, match=r"'a\.npy'.*object"):
        rawmmap.open(path)
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(2):
            archive.writestr("u.npy", npy_bytes(ARRAYS["u"]))
    with pytest.raises(ValueError, match="twice"):
        rawmmap.open(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("u.txt", "")
    with pytest.raises(ValueError, match="holds no array"):
        rawmmap.open(path, format="npz")


def test_remote_files() -> None:
    fsspec = pytest.importorskip("fsspec")
    file = io.BytesIO()
    np.savez(file, **ARRAYS)
    fsspec.filesystem("memory").pipe("/a.npz", file.getvalue())
    raw = rawmmap.open("memory://a.npz")
    np.testing.assert_array_equal(raw["u"].data[...], ARRAYS["u"])


def _whole() -> bytes:
    file = io.BytesIO()
    np.savez(file, u=ARRAYS["u"], w=ARRAYS["w"])
    return file.getvalue()


WHOLE = _whole()


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)), st.binary(max_size=12))
@example(0, 0, b"")
def test_damaged_archives(tmp_path: Path, start: int, stop: int, new: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(WHOLE[:start] + new + WHOLE[max(start, stop) :])
    try:
        raw = rawmmap.open(path, format="npz")
        for variable in raw.values():
            assert variable.data[...].nbytes <= path.stat().st_size
    except (ValueError, OSError):
        pass


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_damaged_bytes(tmp_path: Path, position: int, mask: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[position] ^= mask
    (tmp_path / "a.npz").write_bytes(damaged)
    try:
        raw = rawmmap.open(tmp_path / "a.npz", format="npz")
        for variable in raw.values():
            assert variable.data[...].nbytes <= len(WHOLE)
    except (ValueError, OSError):
        pass
