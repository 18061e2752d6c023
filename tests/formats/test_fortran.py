"""Reading Fortran's unformatted sequential files, against gfortran, scipy and NumPy."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import recognise
from rawmmap.layout.ranges import find_ranges
from tests.formats.fortran_files import (
    COUNTS,
    FIELDS,
    PARTICLES,
    TIMES,
    record,
    records,
    run_gfortran,
)

FLAGS = [
    (),
    ("-frecord-marker=8",),
    ("-fconvert=big-endian",),
    ("-fconvert=big-endian", "-frecord-marker=8"),
    ("-fmax-subrecord-length=40",),
    ("-fmax-subrecord-length=37", "-fconvert=big-endian"),
    ("-fmax-subrecord-length=6", "-frecord-marker=8"),
]
EQUAL: dict[str, Any] = {
    "title": {"dtype": "S8", "record": False},
    "t": {"dtype": "f8"},
    "u": {"dtype": "f4", "shape": (3, 7), "dims": ("y", "x")},
}
RAGGED: dict[str, Any] = {
    "n": {"dtype": "i4"},
    "x": {"dtype": "f8", "shape": -1, "dims": "particle"},
}


def store(path: Path, payloads: Any, *how: Any, tail: bytes = b"") -> Path:
    path.write_bytes(records(payloads, *how) + tail)
    return path


def open_records(path: Any, **keywords: Any) -> Any:
    return rawmmap.open(path, format="fortran", **keywords)


class TestGfortran:
    @pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
    def test_records_that_take_turns(self, flags: Any) -> None:
        path = run_gfortran(*flags) / "equal.dat"
        ds = xr.open_dataset(
            path, engine="rawmmap", format="fortran", variables=EQUAL, record_dim="time"
        )
        assert ds.title == b"a title "
        np.testing.assert_array_equal(ds.t, TIMES)
        assert ds.u.dims == ("time", "y", "x")
        assert ds.u.dtype == "f4"
        np.testing.assert_array_equal(ds.u, FIELDS)
        np.testing.assert_array_equal(ds.u[::-2, 1:, 5], FIELDS[::-2, 1:, 5])

    @pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
    def test_records_of_unequal_length(self, flags: Any) -> None:
        path = run_gfortran(*flags) / "ragged.dat"
        ds = xr.open_dataset(path, engine="rawmmap", format="fortran", variables=RAGGED)
        np.testing.assert_array_equal(ds.n, COUNTS)
        np.testing.assert_array_equal(ds.x, np.concatenate(PARTICLES))
        np.testing.assert_array_equal(ds.particle_count, COUNTS)
        assert ds.particle_count.attrs["sample_dimension"] == "particle"
        np.testing.assert_array_equal(ds.x[35::-3], np.concatenate(PARTICLES)[35::-3])

    @pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
    def test_files_are_recognised(self, flags: Any) -> None:
        for name in ("equal.dat", "ragged.dat"):
            reader = recognise(Probe(str(run_gfortran(*flags) / name)))
            assert reader is not None
            assert reader.name == "fortran"

    def test_equal_records_are_one_layout(self) -> None:
        raw = open_records(run_gfortran() / "equal.dat", variables=EQUAL, record_dim="time")
        layout = raw["u"].data.layout
        assert layout == rawmmap.Layout("<f4", (5, 3, 7), (8 + 8 + 84 + 8, 28, 4), 36)


class TestScipy:
    def test_its_samples(self) -> None:
        io = pytest.importorskip("scipy.io")
        folder = Path(io.__file__).parent / "tests" / "data"
        samples = sorted(folder.glob("fortran-s*.dat"))
        if not samples:
            pytest.skip("this scipy comes without its test data")
        for path in samples:
            kind, *sizes = re.split("[-x]", path.stem.removeprefix("fortran-s"))
            shape = [int(n) for n in sizes]
            raw = open_records(path, dtype=kind, shape=shape, order="F", dims=("x", "y", "z"))
            with io.FortranFile(path) as file:
                expected = file.read_record(f"<{kind}").reshape(shape, order="F")
            np.testing.assert_array_equal(raw["data"].data[0], expected)

    def test_records_of_several_types(self) -> None:
        io = pytest.importorskip("scipy.io")
        path = Path(io.__file__).parent / "tests" / "data" / "fortran-mixed.dat"
        if not path.exists():
            pytest.skip("this scipy comes without its test data")
        raw = open_records(path, dtype="i4,f4,i8,2f8")
        with io.FortranFile(path) as file:
            expected = file.read_record("<i4,<f4,<i8,2<f8")
        for name in expected.dtype.names:
            np.testing.assert_array_equal(raw[name].data[...], expected[name])

    def test_what_it_writes(self, tmp_path: Path) -> None:
        io = pytest.importorskip("scipy.io")
        with io.FortranFile(tmp_path / "a", "w") as file:
            for field in FIELDS:
                file.write_record(field)
        raw = open_records(tmp_path / "a", dtype="f4", shape=(3, 7))
        np.testing.assert_array_equal(raw["data"].data[...], FIELDS)


class TestKeywords:
    def test_several_variables_in_one_record(self, tmp_path: Path) -> None:
        payloads = [t.tobytes() + u.tobytes() for t, u in zip(TIMES[:, None], FIELDS, strict=True)]
        path = store(tmp_path / "a", payloads)
        raw = open_records(path, variables={name: EQUAL[name] for name in "tu"})
        np.testing.assert_array_equal(raw["t"].data[...], TIMES)
        np.testing.assert_array_equal(raw["u"].data[...], FIELDS)
        same = {"u": {**EQUAL["u"], "offset": 8}, "t": {"dtype": "f8", "offset": 0}}
        with pytest.raises(ValueError, match=r"record 1, .*1 whole records"):
            open_records(store(tmp_path / "b", payloads[:1]), variables=same)
        only = {"u": {**EQUAL["u"], "offset": 8}}
        np.testing.assert_array_equal(open_records(path, variables=only)["u"].data[...], FIELDS)

    def test_a_rest_that_is_not_wanted(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a", [u.tobytes() + b"rest" for u in FIELDS])
        with pytest.raises(ValueError, match=r"84 of the 88 bytes of record 0.*record_nbytes=88"):
            open_records(path, dtype="f4", shape=(3, 7))
        with pytest.raises(ValueError, match="record_nbytes=89, but record 0 has 88"):
            open_records(path, dtype="f4", shape=(3, 7), record_nbytes=89)
        raw = open_records(path, dtype="f4", shape=(3, 7), record_nbytes=88)
        np.testing.assert_array_equal(raw["data"].data[...], FIELDS)

    def test_byte_order(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a", [u.astype(">f4").tobytes() for u in FIELDS], 4, "big")
        for dtype in ("f4", ">f4", np.float32, np.dtype("f4"), "float32"):
            raw = open_records(path, dtype=dtype, shape=(3, 7))
            assert raw["data"].dtype == ">f4"
            np.testing.assert_array_equal(raw["data"].data[...], FIELDS)
        assert open_records(path, dtype="<f4", shape=(3, 7))["data"].dtype == "<f4"
        raw = open_records(path, dtype=[("a", "f4"), ("b", "f4", 20)], fields={"b": {"dims": "k"}})
        assert raw["b"].dims == ("record", "k")
        np.testing.assert_array_equal(raw["b"].data[...], FIELDS.reshape(5, 21)[:, 1:])

    def test_samples_that_numpy_lacks(self, tmp_path: Path) -> None:
        values = np.arange(-20, 20, dtype=">i4")
        packed = values.view("u1").reshape(-1, 4)[:, 1:].tobytes()
        for limit in (2**31, 40):
            path = store(tmp_path / "a", [packed, packed], 4, "big", limit)
            raw = open_records(path, dtype="i3", shape=40)
            np.testing.assert_array_equal(raw["data"].data[...], [values, values])

    def test_a_header_before_the_records(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"no marker" + records([u.tobytes() for u in FIELDS]))
        raw = open_records(path, dtype="f4", shape=(3, 7), offset=9)
        np.testing.assert_array_equal(raw["data"].data[...], FIELDS)

    def test_order(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a", [u.tobytes() for u in FIELDS])
        raw = open_records(path, dtype="f4", shape=(7, 3), order="F", dims=("x", "y"))
        np.testing.assert_array_equal(raw["data"].data[...], FIELDS.transpose(0, 2, 1))

    @pytest.mark.parametrize(
        ("keywords", "text"),
        [
            ({"dtype": "f4", "shape": (3, 8)}, r"takes 96 bytes, but record 0 has 84.*21 elements"),
            ({"dtype": "f4", "shape": (3, -1)}, "slowest axis, the first"),
            ({"dtype": "f4", "shape": (-1, 3), "order": "F"}, "slowest axis, the last"),
            ({"dtype": "f4", "shape": (-1, 2)}, "84 bytes, not 0 and a multiple of 8"),
            ({"shape": (3, 7)}, "5 records of 84 bytes, markers of 4 bytes, .*give dtype="),
            ({"dtype": "f4", "strides": 8}, "strides="),
            ({"variables": {"u": {"dtype": "f4", "shape": 21, "strides": 4}}}, "strides="),
            ({"variables": {"u": {"dtype": "f4", "record": False}}}, "record=False"),
            ({"variables": {"a": {"dtype": "f4", "shape": 20}}}, "80 of the 84 bytes of record 0"),
            (
                {"variables": {k: {"dtype": "f4", "shape": 21} for k in "abcdef"}},
                "record 5, .*5 whole records",
            ),
            ({"dtype": "f4", "shape": 21, "group": "a"}, "group="),
        ],
    )
    def test_what_does_not_fit(self, tmp_path: Path, keywords: Any, text: str) -> None:
        path = store(tmp_path / "a", [u.tobytes() for u in FIELDS])
        with pytest.raises(ValueError, match=text) as caught:
            open_records(path, **keywords)
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("keywords", [{"index": 3}, {"record_dim": 5}, {"offset": "a"}])
    def test_wrong_types(self, tmp_path: Path, keywords: Any) -> None:
        path = store(tmp_path / "a", [u.tobytes() for u in FIELDS])
        with pytest.raises(TypeError, match=next(iter(keywords))):
            open_records(path, dtype="f4", shape=(3, 7), **keywords)

    def test_records_without_keywords_are_bytes(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a", [u.tobytes() for u in FIELDS], 8, "big")
        ds = xr.open_dataset(path)
        assert ds.data.dims == ("record", "byte")
        assert ds.data.values.tobytes() == FIELDS.tobytes()
        assert "5 records of 84 bytes, markers of 8 bytes, big-endian" in ds.attrs["records"]
        path = store(tmp_path / "b", [b"abc", b"d", b"efgh"])
        ds = xr.open_dataset(path)
        assert ds.data.values.tobytes() == b"abcdefgh"
        assert ds.byte_count.values.tolist() == [3, 1, 4]
        assert "3 records of 1 to 4 bytes" in ds.attrs["records"]

    def test_records_of_equal_length_described_in_a_sidecar(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a", [u.tobytes() for u in FIELDS])
        rawmmap.describe(path, format="fortran", dtype="f4", shape=(3, 7), record_dim="time")
        raw = rawmmap.open(path)
        np.testing.assert_array_equal(raw["data"].data[...], FIELDS)
        with path.open("ab") as file:
            file.write(record(FIELDS[0].tobytes()))
        assert rawmmap.open(path)["data"].shape == (6, 3, 7)


class TestGrowing:
    def test_an_unfinished_record_is_left_out(self, tmp_path: Path) -> None:
        payloads = [
            part.tobytes() for pair in zip(TIMES[:, None], FIELDS, strict=True) for part in pair
        ]
        whole = records(payloads)
        cycle = len(whole) // 5
        variables = {name: EQUAL[name] for name in "tu"}
        for size in range(2 * cycle, 4 * cycle):
            (tmp_path / "a").write_bytes(whole[:size])
            raw = open_records(tmp_path / "a", variables=variables)
            np.testing.assert_array_equal(raw["u"].data[...], FIELDS[: size // cycle])

    def test_a_marker_that_is_not_filled_in_yet(self, tmp_path: Path) -> None:
        payloads = [u.tobytes() for u in FIELDS]
        path = store(tmp_path / "a", payloads, tail=bytes(4) + payloads[0][:50])
        raw = open_records(path, dtype="f4", shape=(3, 7))
        np.testing.assert_array_equal(raw["data"].data[...], FIELDS)
        path = store(tmp_path / "b", [b"abc", b"d", b"efgh"], tail=bytes(4) + b"ijkl")
        assert bytes(open_records(path, dtype="S1", shape=-1)["data"].data[...]) == b"abcdefgh"

    def test_unequal_records_and_part_of_one(self, tmp_path: Path) -> None:
        payloads, limit = [b"abc", b"d" * 30, b"", b"efgh" * 10], 16
        whole = records(payloads, 4, "little", limit)
        ends = np.cumsum([len(record(p, 4, "little", limit)) for p in payloads])
        for size in range(int(ends[1]), len(whole) + 1):
            (tmp_path / "a").write_bytes(whole[:size])
            raw = open_records(tmp_path / "a", dtype="S1", shape=-1)
            expected = b"".join(payloads[: np.searchsorted(ends, size, "right")])
            assert raw["data"].data[...].tobytes() == expected

    def test_refreshing(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a", [b"abc", b"defg"])
        ds = xr.open_dataset(path, engine="rawmmap", format="fortran", dtype="u1", shape=-1)
        with path.open("ab") as file:
            file.write(record(b"hi"))
        assert rawmmap.refresh(ds).data.values.tobytes() == b"abcdefghi"


class TestDamage:
    def test_a_wrong_marker_is_named(self, tmp_path: Path) -> None:
        whole = records([b"abc", b"defgh", b"ij", b"klm"])
        for position, place in [(11, 11), (20, 11), (24, 24), (30, 24)]:
            damaged = bytearray(whole)
            damaged[position] ^= 0x10
            (tmp_path / "a").write_bytes(damaged)
            with pytest.raises(ValueError, match=rf"{tmp_path}.*byte {place}\b"):
                open_records(tmp_path / "a", dtype="u1", shape=-1)

    def test_a_record_of_another_length_is_named(self, tmp_path: Path) -> None:
        payloads = [u.tobytes() for u in FIELDS]
        path = store(tmp_path / "a", [*payloads[:3], b"abcd", *payloads[3:]])
        with pytest.raises(ValueError, match=r"record 3, at byte 276, has 4 bytes, but 84"):
            open_records(path, dtype="f4", shape=(3, 7))

    @pytest.mark.parametrize("content", [b"", b"\0", b"abc", bytes(4), b"\1\0\0\0a", b"x" * 999])
    def test_no_records_at_all(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(ValueError, match="no whole record"):
            open_records(tmp_path / "a", dtype="u1", shape=-1)


class TestIndex:
    def test_it_is_kept_and_used(self, tmp_path: Path, monkeypatch: Any) -> None:
        path = store(tmp_path / "a", [b"abc", b"d", b"efgh"], 8)
        kept = tmp_path / "a.index"
        open_records(path, dtype="u1", shape=-1)
        assert not kept.exists()
        open_records(path, dtype="u1", shape=-1, index=True)
        assert kept.exists()
        first = kept.read_bytes()
        kept.write_bytes(first.replace((3).to_bytes(8, "little"), (2).to_bytes(8, "little")))
        assert open_records(path, dtype="u1", shape=-1)["data"].shape == (7,)  # it was used
        assert open_records(path, dtype="u1", shape=-1, index=False)["data"].shape == (8,)

    def test_that_of_another_state_is_not_used(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a", [b"abc", b"d", b"efgh"])
        open_records(path, dtype="u1", shape=-1, index=True)
        old = (tmp_path / "a.index").read_bytes()
        store(path, [b"ab", b"cd", b"efgh"])
        os.utime(path, ns=(1, 1))
        raw = open_records(path, dtype="u1", shape=-1, index=True)
        np.testing.assert_array_equal(raw["dim_0_count"].data, [2, 2, 4])
        assert (tmp_path / "a.index").read_bytes() != old

    def test_another_file_is_not_replaced(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a", [b"abc", b"d", b"efgh"])
        (tmp_path / "a.index").write_text("mine")
        with pytest.raises(FileExistsError, match="not an index of records"):
            open_records(path, dtype="u1", shape=-1, index=True)
        assert (tmp_path / "a.index").read_text() == "mine"
        assert open_records(path, dtype="u1", shape=-1)["data"].shape == (8,)

    def test_keywords_without_a_format_take_none(self, tmp_path: Path) -> None:
        path = store(tmp_path / "a", [b"abc"])
        with pytest.raises(ValueError, match="index="):
            rawmmap.open(path, dtype="u1", index=True)

    @given(st.binary(max_size=60), st.integers(0, 200))
    def test_a_damaged_one(self, tmp_path: Path, new: bytes, at: int) -> None:
        path = store(tmp_path / "a", [b"abc", b"d", b"efgh"])
        (tmp_path / "a.index").unlink(missing_ok=True)
        open_records(path, dtype="u1", shape=-1, index=True)
        content = (tmp_path / "a.index").read_bytes()
        (tmp_path / "a.index").write_bytes(content[:at] + new + content[at + len(new) :])
        raw = open_records(path, dtype="u1", shape=-1)
        assert raw["data"].data[...].size <= 8


def test_remote_files() -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/fortran.dat", records([u.tobytes() for u in FIELDS], 4, "little", 41))
    raw = open_records("memory://fortran.dat", dtype="f4", shape=(3, 7))
    np.testing.assert_array_equal(raw["data"].data[...], FIELDS)
    raw = open_records("memory://fortran.dat", dtype="f4", shape=(-1, 7))
    np.testing.assert_array_equal(raw["data"].data[...], FIELDS.reshape(15, 7))
    with pytest.raises(ValueError, match="local files only"):
        open_records("memory://fortran.dat", dtype="f4", shape=(-1, 7), index=True)


def test_dask(tmp_path: Path) -> None:
    path = store(tmp_path / "a", [u.tobytes() for u in FIELDS], 4, "little", 41)
    ds = xr.open_dataset(
        path, engine="rawmmap", format="fortran", dtype="f4", shape=(-1, 7), chunks={"dim_0": 4}
    )
    assert ds.data.sum().compute() == FIELDS.sum()
    ds = xr.open_dataset(
        path, engine="rawmmap", format="fortran", dtype="f4", shape=(3, 7), chunks={"record": 2}
    )
    np.testing.assert_array_equal(ds.data.mean("record"), FIELDS.mean(0))


def test_records_of_more_than_two_gigabytes(tmp_path: Path) -> None:
    """As gfortran cuts them: the first part has 2**31 - 9 bytes, so that a float is divided."""
    limit, count, path = 2**31 - 9, 2**29 + 10, tmp_path / "huge"
    rest = 4 * count - limit
    values = {n: np.float32(n % 1000 + 0.5) for n in (0, limit // 4 - 1, limit // 4, count - 1)}
    with path.open("wb") as file:
        for start in (0, 4 * count + 16):
            for position, marker in [
                (0, -limit),
                (4 + limit, limit),
                (8 + limit, rest),
                (12 + limit + rest, -rest),
            ]:
                file.seek(start + position)
                file.write(marker.to_bytes(4, "little", signed=True))
            for n, value in values.items():
                for i, byte in enumerate(value.tobytes()):
                    at = 4 * n + i
                    file.seek(start + at + (4 if at < limit else 12))
                    file.write(bytes([byte]))
    raw = open_records(path, dtype="f4", shape=(2, count // 2), dims=("y", "x"))["data"]
    assert raw.shape == (2, 2, count // 2)
    for n, value in values.items():
        np.testing.assert_array_equal(raw.data[:, n // (count // 2), n % (count // 2)], value)
    around = raw.data[1, 1, limit // 4 - count // 2 - 2 :][:4]
    np.testing.assert_array_equal(around, [0, values[limit // 4 - 1], values[limit // 4], 0])


HOW = st.tuples(st.sampled_from([4, 8]), st.sampled_from(["little", "big"]), st.integers(1, 50))


@given(HOW, st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_equal_records_of_any_kind(
    tmp_path: Path, how: Any, count: int, shape: list[int], data: Any
) -> None:
    item = data.draw(st.sampled_from(["u1", "i2", "f4", "f8", "c16", "S3"]))
    order = data.draw(st.sampled_from("CF"))
    dtype = np.dtype(item).newbyteorder("<" if how[1] == "little" else ">")
    nbytes = int(np.prod(shape)) * dtype.itemsize
    payload = np.random.default_rng(count).integers(1, 250, (count, nbytes), "u1")
    path = store(tmp_path / "a", [b"\7", *(row.tobytes() for row in payload)], *how)
    variables = {
        "first": {"dtype": "u1", "record": False},
        "data": {"dtype": item, "shape": shape, "order": order},
    }
    raw = open_records(path, variables=variables)["data"]
    rows = [row.view(dtype).reshape(shape, order=order) for row in payload]
    expected = np.stack(rows).astype(dtype)  # NumPy stacks in native order
    assert raw.dtype == dtype
    assert raw.data[...].tobytes() == expected.tobytes()
    key = tuple(data.draw(st.slices(n)) for n in expected.shape)
    assert raw.data[key].tobytes() == expected[key].tobytes()


@given(HOW, st.lists(st.integers(0, 9), min_size=1, max_size=9), st.sampled_from("CF"), st.data())
def test_unequal_records_of_any_kind(
    tmp_path: Path, how: Any, counts: list[int], order: Any, data: Any
) -> None:
    rng = np.random.default_rng(sum(counts))
    byteorder = "<" if how[1] == "little" else ">"
    rows = [rng.integers(0, 999, (n, 3)).astype(f"{byteorder}f8") for n in counts]
    payloads = [
        part
        for n, row in zip(counts, rows, strict=True)
        for part in (np.array([n], f"{byteorder}i4").tobytes(), row.tobytes())
    ]
    path = store(tmp_path / "a", payloads, *how)
    shape, dims = ((-1, 3), ("p", "c")) if order == "C" else ((3, -1), ("c", "p"))
    x = {"dtype": "f8", "shape": shape, "dims": dims, "order": order}
    raw = open_records(path, variables={"n": {"dtype": "i4"}, "x": x})
    expected = np.concatenate(rows) if order == "C" else np.concatenate(rows).T
    np.testing.assert_array_equal(raw["x"].data[...], expected)
    np.testing.assert_array_equal(raw["n"].data[...], counts)
    np.testing.assert_array_equal(raw["p_count"].data, counts)
    key = tuple(data.draw(st.slices(n)) for n in expected.shape)
    np.testing.assert_array_equal(raw["x"].data[key], expected[key])


WHOLE = records([b"abc", bytes(30), b"d" * 17, b"", b"efgh" * 4], 4, "little", 16)


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)), st.binary(max_size=12))
def test_damaged_files(tmp_path: Path, start: int, stop: int, new: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(WHOLE[:start] + new + WHOLE[max(start, stop) :])
    for shape in (-1, 3):
        try:
            raw = open_records(path, dtype="u1", shape=shape)
            assert raw["data"].data[...].size <= path.stat().st_size
        except (ValueError, OSError):
            pass


@pytest.mark.parametrize("how", [(4, "little"), (8, "big", 37), (4, "big", 6)], ids=str)
@pytest.mark.parametrize("order", "CF")
def test_many_short_records(tmp_path: Path, how: Any, order: Any) -> None:
    """Which are not looked at one by one."""
    rng = np.random.default_rng(7)
    byteorder = "<" if how[1] == "little" else ">"
    counts = rng.integers(0, 9, 500)
    rows = [rng.integers(0, 999, (n, 3)).astype(f"{byteorder}f8") for n in counts]
    numbers = counts.astype(f"{byteorder}i2")
    payloads = [
        part
        for i, row in enumerate(rows)
        for part in (b"x" * (i % 5) + numbers[i : i + 1].tobytes(), row.tobytes())
    ]
    path = store(tmp_path / "a", payloads, *how)
    shape, dims = ((-1, 3), ("p", "c")) if order == "C" else ((3, -1), ("c", "p"))
    variables = {
        "n": {"dtype": "u1", "shape": -1, "dims": "byte"},
        "x": {"dtype": "f8", "shape": shape, "dims": dims, "order": order, "offset": 0},
    }
    raw = open_records(path, variables=variables)
    expected = np.concatenate(rows)
    assert find_ranges(raw.arrangement("x")) is not None
    x: Any = raw["x"].data
    x = x if order == "C" else x.transpose((1, 0))
    for part in (slice(None), slice(17, 1900), slice(1, 1500, 3), slice(1000, 1001)):
        np.testing.assert_array_equal(x[part], expected[part])
        np.testing.assert_array_equal(x[part, 1:], expected[part, 1:])
        np.testing.assert_array_equal(x[part][::-1], expected[part][::-1])
    assert x[...].flags.writeable
    assert raw["n"].data[...].tobytes() == b"".join(payloads[::2])
    # All that they do not cover are the markers.
    assert raw.coverage.nbytes == path.stat().st_size - sum(map(len, payloads))
    kept = np.ones(path.stat().st_size, bool)
    for start, stop in raw.coverage:
        kept[start:stop] = False
    assert np.fromfile(path, "u1")[kept].tobytes() == b"".join(payloads)


def test_short_records_far_apart(tmp_path: Path) -> None:
    counts = np.random.default_rng(3).integers(0, 20_000, 200).astype("<i4")
    payloads = [part for n in counts for part in (n.tobytes(), bytes(int(n)))]
    path = store(tmp_path / "a", payloads)
    variables = {"n": {"dtype": "i4"}, "x": {"dtype": "u1", "shape": -1, "dims": "p"}}
    raw = open_records(path, variables=variables)
    np.testing.assert_array_equal(raw["n"].data[...], counts)
    np.testing.assert_array_equal(raw["n"].data[30:170], counts[30:170])
