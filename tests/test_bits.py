"""Samples of a few bits, against NumPy's `unpackbits` and integers of Python."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.errors import ShortFileError
from rawmmap.layout.bits import SIZES, BitLayout, Packing
from rawmmap.sources import open_source

ORDERS: list[Any] = ["msb", "lsb"]


def samples_of(raw: bytes, count: int, bits: int, bit_order: str) -> list[int]:
    """Return samples from the start of some bytes, by one large integer."""
    if bit_order == "lsb":
        whole = int.from_bytes(raw, "little")
        return [whole >> (i * bits) & (2**bits - 1) for i in range(count)]
    whole = int.from_bytes(raw, "big")
    return [whole >> (8 * len(raw) - (i + 1) * bits) & (2**bits - 1) for i in range(count)]


def write(path: Path, nbytes: int, seed: int = 1) -> bytes:
    raw = np.random.default_rng(seed).bytes(nbytes)
    path.write_bytes(raw)
    return raw


def dtype_of(bits: int) -> str:
    return "u1" if bits < 8 else "u2"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.bin"


@pytest.mark.parametrize("bit_order", ORDERS)
@pytest.mark.parametrize("bits", SIZES)
class TestReading:
    def test_one_axis(self, path: Path, bits: int, bit_order: Any) -> None:
        raw = write(path, 60)
        count = 57 * 8 // bits
        a = rawmmap.RawArray(path, dtype_of(bits), count, offset=3, bits=bits, bit_order=bit_order)
        expected = np.array(samples_of(raw[3:], count, bits, bit_order), dtype_of(bits))
        keys: list[Any] = [
            ..., 0, -1, slice(3, 20, 2), slice(None, None, -1), slice(20, 3, -3), slice(5, 5),
            slice(1, None, 8), [4, 1, -1, 4], expected > 0, None, slice(7, 8),
        ]  # fmt: skip
        for key in keys:
            found = a[key]
            assert type(found) is type(expected[key])
            assert found.dtype == expected.dtype
            assert np.array_equal(found, expected[key]), key
        assert pickle.loads(pickle.dumps(a))[5] == expected[5]

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("access", ["auto", "map", "read"])
    def test_rows_with_strides(
        self, path: Path, bits: int, bit_order: Any, order: Any, access: Any
    ) -> None:
        raw = write(path, 600)
        step = (11 * bits + 7) // 8 + 1
        rows = [samples_of(raw[5 + i * step :][:step], 11, bits, bit_order) for i in range(12)]
        expected = np.array(rows, dtype_of(bits)).reshape(3, 4, 11)
        shape, strides = (3, 4, 11), (4 * step, step)
        if order == "F":
            expected, shape, strides = expected.T, shape[::-1], strides[::-1]
        a = rawmmap.RawArray(
            path, dtype_of(bits), shape, offset=5, order=order, strides=strides, bits=bits,
            bit_order=bit_order, access=access,
        )  # fmt: skip
        keys: list[Any] = [
            ..., 1, (1, 2, 2), (slice(None, None, -1), slice(1, 3), slice(None, None, -2)),
            ([0, 2], slice(None), [1, 2]), (..., 1), (slice(None), 1, None), (slice(None), [1, 0]),
            np.ix_([0, 2], [1], [0, 1]),
        ]  # fmt: skip
        for key in keys:
            assert np.array_equal(a[key], expected[key]), key
        assert np.array_equal(a.transpose((2, 0, 1)).load(), expected.transpose(2, 0, 1))
        found = a[...]
        found[...] = 0
        assert path.read_bytes() == raw


@given(data=st.data())
def test_any_slices_of_packed_rows(tmp_path_factory: Any, data: Any) -> None:
    path = tmp_path_factory.mktemp("bits") / "a.bin"
    bits, bit_order = data.draw(st.sampled_from(SIZES)), data.draw(st.sampled_from(ORDERS))
    offset, step = data.draw(st.integers(0, 5)), data.draw(st.integers(20, 40))
    count = data.draw(st.integers(1, 8 * 20 // bits))
    raw = write(path, offset + 5 * step)
    rows = [samples_of(raw[offset + i * step :][:step], count, bits, bit_order) for i in range(5)]
    expected = np.array(rows, dtype_of(bits))
    a = rawmmap.RawArray(
        path, dtype_of(bits), (5, count), offset=offset, strides=(step,), bits=bits,
        bit_order=bit_order,
    )  # fmt: skip
    for _ in range(3):
        key = data.draw(st.tuples(st.slices(expected.shape[0]), st.slices(expected.shape[1])))
        a, expected = a.part(key), expected[key]
        assert np.array_equal(a.load(), expected)


@pytest.mark.parametrize("order", ORDERS)
def test_unpackbits_agrees(path: Path, order: Any) -> None:
    raw = np.frombuffer(write(path, 100_000), "u1")
    bits = np.unpackbits(raw, bitorder="big" if order == "msb" else "little")
    a = rawmmap.RawArray(path, "u1", -1, bits=1, bit_order=order)
    assert a.shape == (800_000,)
    assert np.array_equal(a[...], bits)
    assert np.array_equal(a[3:-5:7], bits[3:-5:7])
    assert np.array_equal(a[::-1], bits[::-1])
    assert np.array_equal(a[::1001], bits[::1001])
    assert np.array_equal(a[5::-999], bits[5::-999])


def test_blocks(path: Path) -> None:
    raw = write(path, 300_000)
    a = rawmmap.RawArray(path, "u2", -1, bits=12)
    assert a[...].tolist() == [
        int.from_bytes(raw[i : i + 2], "big") >> 4 if not half else
        int.from_bytes(raw[i + 1 : i + 3], "big") & 0xFFF
        for i in range(0, 300_000, 3) for half in (0, 1)
    ]  # fmt: skip
    rows = rawmmap.RawArray(path, "u2", (-1, 2), bits=12)
    assert np.array_equal(rows[...].ravel(), a[...])


@pytest.mark.parametrize(("key", "most"), [
    (slice(8, 16), 1), (slice(4, 12), 2), (slice(None, None, 80_000), 10), ([3, 500_000], 2),
    (799_999, 1),
])  # fmt: skip
def test_only_the_bytes_of_the_samples_are_read(path: Path, key: Any, most: int) -> None:
    write(path, 100_000)
    source: Any = open_source(path)
    data = BitLayout.of(Packing(1), 800_000, size=100_000)
    read = []

    class Counting:
        identity, url, gap, maps, prefers_reads = source.identity, source.url, 0, False, True

        def read(self, starts: Any, length: int) -> Any:
            read.append(len(starts) * length)
            return source.read(starts, length)

    from rawmmap.access import read_bits
    from rawmmap.layout.indexing import select

    selection: Any = select(data, key)  # type: ignore[arg-type]
    read_bits(Counting(), selection.layout, "read", selection.points)  # type: ignore[arg-type]
    # A sample of one bit may be read with the byte after it.
    assert sum(read) <= 2 * most


class TestErrors:
    def test_rows_must_fill_their_bytes(self, path: Path) -> None:
        write(path, 10)
        with pytest.raises(ValueError, match=r"strides=\(2,\)"):
            rawmmap.RawArray(path, "u1", (3, 11), bits=1)
        assert rawmmap.RawArray(path, "u1", (3, 11), bits=1, strides=(2,)).shape == (3, 11)
        assert rawmmap.RawArray(path, "u1", (1, 11), bits=1).shape == (1, 11)

    def test_lengths(self, path: Path) -> None:
        write(path, 10)
        assert rawmmap.RawArray(path, "u1", -1, bits=3).shape == (26,)
        assert rawmmap.RawArray(path, "u1", (-1, 8), bits=2).shape == (5, 8)
        assert rawmmap.RawArray(path, "u1", (8, -1), bits=2, order="F").shape == (8, 5)
        assert rawmmap.RawArray(path, "u1", (-1, 8), bits=1, strides=(3,)).shape == (4, 8)
        with pytest.raises(ValueError, match="1 bytes more"):
            rawmmap.RawArray(path, "u1", (-1, 8), bits=3)
        with pytest.raises(ShortFileError):
            rawmmap.RawArray(path, "u1", 81, bits=1)

    @pytest.mark.parametrize(("dtype", "bits", "error"), [
        ("u1", 8, ValueError), ("u1", 0, ValueError), ("u2", 1, TypeError), ("u1", 12, TypeError),
        ("i1", 1, TypeError), ("<i3", 1, TypeError), ("u1", 1.5, TypeError),
    ])  # fmt: skip
    def test_types(self, path: Path, dtype: str, bits: Any, error: Any) -> None:
        write(path, 10)
        with pytest.raises(error, match=r"a\.bin"):
            rawmmap.RawArray(path, dtype, 4, bits=bits)

    def test_other_words(self, path: Path) -> None:
        write(path, 10)
        with pytest.raises(ValueError, match="bit_order"):
            rawmmap.RawArray(path, "u1", 4, bits=1, bit_order="big")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="not written"):
            rawmmap.RawArray(path, "u1", 4, bits=1, mode="r+")
        with pytest.raises(ValueError, match="strides"):
            rawmmap.RawArray(path, "u1", 4, bits=1, strides=(1,))
        with pytest.raises(ValueError, match="layout"):
            rawmmap.RawArray(path, "u1", 4, bits=1).layout  # noqa: B018


class TestDask:
    @pytest.mark.parametrize("chunks", ["auto", (1, 3)])
    def test_from_raw(self, path: Path, chunks: Any) -> None:
        raw = write(path, 40)
        x = rawmmap.from_raw(path, "u1", (5, 16), bits=4, chunks=chunks)
        expected = np.array(samples_of(raw, 80, 4, "msb"), "u1").reshape(5, 16)
        assert np.array_equal(x.compute(), expected)
        assert np.array_equal(x[1:, 3::2].compute(), expected[1:, 3::2])

    def test_several_files(self, tmp_path: Path) -> None:
        paths = [tmp_path / "a", tmp_path / "b"]
        raws = [write(p, 10, seed) for seed, p in enumerate(paths)]
        x = rawmmap.from_raw(paths, "u1", 11, bits=7)
        expected = np.array([samples_of(raw, 11, 7, "msb") for raw in raws])
        assert np.array_equal(x.compute(), expected)
        assert np.array_equal(x[:, [3, 1]].compute(), expected[:, [3, 1]])


class TestDatasets:
    def test_keywords(self, path: Path) -> None:
        raw = write(path, 62)
        expected = np.array(samples_of(raw[2:], 80, 6, "lsb"), "u1").reshape(20, 4)
        keywords: Any = dict(
            dtype="u1", shape=(-1, 4), dims=("y", "x"), bits=6, bit_order="lsb", offset=2, name="u"
        )
        with xr.open_dataset(path, engine="rawmmap", **keywords) as ds:
            assert ds["u"].dtype == np.uint8
            assert np.array_equal(ds["u"], expected)
            assert np.array_equal(ds["u"].isel(x=[2, 0], y=slice(None, None, 3)),
                                  expected[::3, [2, 0]])  # fmt: skip
        with xr.open_dataset(path, engine="rawmmap", chunks={}, **keywords) as ds:
            assert np.array_equal(ds["u"], expected)
        raw_dataset = rawmmap.open(path, **keywords)
        assert np.array_equal(raw_dataset["u"].data[3:5], expected[3:5])
        assert raw_dataset.coverage == [(0, 2)]

    def test_several_variables(self, path: Path) -> None:
        raw = write(path, 12)
        variables = {
            "a": dict(dtype="u1", shape=(2, 3), dims=("y", "x"), bits=1, strides=(2,)),
            "b": dict(dtype="u1", shape=9, dims="z"),
        }
        found = rawmmap.open(path, variables=variables)
        rows = [samples_of(raw[i:], 3, 1, "msb") for i in (0, 2)]
        assert found["a"].data[...].tolist() == rows
        assert found["b"].data[...].tobytes() == raw[3:]  # after the last row

    @pytest.mark.parametrize("described", [False, True])
    def test_records(self, path: Path, described: bool) -> None:
        raw = np.frombuffer(b"header." + write(path, 67)[7:], "u1")
        path.write_bytes(raw.tobytes())
        rows = raw[7:].reshape(-1, 12)
        keywords: Any = dict(offset=7, record_dim="t", variables={
            "n": dict(dtype="u1"),
            "u": dict(dtype="u1", bits=4, shape=(2, 6), dims=("y", "x")),
            "flag": dict(dtype="u1", bits=2, bit_order="lsb"),
            "w": dict(dtype="u2", bits=12, shape=1, dims="k", strides=()),
            "v": dict(dtype="u1", bits=1, shape=(2, 3), dims=("y", "z"), strides=(1,), offset=10),
        })  # fmt: skip
        if described:
            rawmmap.describe(path, **keywords)
            keywords = {}
        with xr.open_dataset(path, engine="rawmmap", **keywords) as ds:
            expected = [samples_of(row[i : i + 3].tobytes(), 6, 4, "msb")
                        for row in rows for i in (1, 4)]  # fmt: skip
            assert ds["u"].dims == ("t", "y", "x")
            assert ds["u"].values.reshape(-1, 6).tolist() == expected
            assert ds["u"][3:, 1, ::-2].values.tolist() == [row[::-2] for row in expected[7::2]]
            assert ds["flag"].values.tolist() == (rows[:, 7] & 3).tolist()
            words = rows[:, 8:10].astype("u2")
            assert ds["w"].values[:, 0].tolist() == (words[:, 0] << 4 | words[:, 1] >> 4).tolist()
            bits = np.unpackbits(rows[:, 10:12, None], axis=-1)[..., :3]
            assert np.array_equal(ds["v"], bits)

    def test_joined_files(self, tmp_path: Path) -> None:
        expected = []
        for day, count in ((1, 2), (2, 0), (3, 3)):
            raw = write(tmp_path / f"{day}.bin", 3 * count)
            expected += samples_of(raw, 6 * count, 4, "msb")
        keywords: Any = dict(dtype="u1", bits=4, shape=6, dims="x", record_dim="day")
        with xr.open_dataset(tmp_path / "{day:d}.bin", engine="rawmmap", **keywords) as ds:
            assert ds["data"].values.ravel().tolist() == expected
            assert ds["data"][[4, 0], 1].values.tolist() == [expected[25], expected[1]]
            assert ds["file_day"].values.tolist() == [1, 1, 3, 3, 3]

    def test_blocks(self, path: Path) -> None:
        raw = write(path, 12)
        keywords: Any = dict(dtype="u1", bits=4, shape=(2, 3, 4), dims=("t", "c", "t"))
        with xr.open_dataset(path, engine="rawmmap", **keywords) as ds:
            blocks = np.reshape(samples_of(raw, 24, 4, "msb"), (2, 3, 4))
            assert np.array_equal(ds["data"], blocks.transpose(0, 2, 1).reshape(8, 3))

    def test_rows_with_gaps_in_a_sidecar(self, path: Path) -> None:
        raw = write(path, 9)
        keywords: Any = dict(dtype="u1", bits=3, shape=(3, 5), strides=(3,), dims=("y", "x"))
        found = rawmmap.describe(path, **keywords)
        with xr.open_dataset(path, engine="rawmmap") as ds:
            assert ds["data"].values.tolist() == [
                samples_of(raw[i : i + 3], 5, 3, "msb") for i in (0, 3, 6)
            ]
        found.write_text(found.read_text("utf-8").replace("[3]", "[1]"), "utf-8")
        with pytest.raises(ValueError, match="overlap"):
            rawmmap.open(path)

    @pytest.mark.parametrize(("keywords", "text"), [
        (dict(bit_order="lsb"), "needs bits="), (dict(bits=9), "bits=9"),
        (dict(bits=1, bit_order="big"), "bit_order"), (dict(bits=1, shape=(3, 3)), "fill"),
        (dict(bits=1, shape=81), "81|11"),
        (dict(bits=1, record_dim="t", order="F", shape=(2, 8), dims="yx"), "opposite order"),
        (dict(bits=1, record_dim="t", shape=(2, 7), dims="yx"), "fill"),
        (dict(bits=1, shape=(2, 8)), "dims"),
    ])  # fmt: skip
    def test_errors(self, path: Path, keywords: Any, text: str) -> None:
        write(path, 10)
        with pytest.raises((ValueError, OSError), match=text):
            rawmmap.open(path, **{"dtype": "u1", "shape": 8, "dims": "x", **keywords})

    def test_maps_and_exports_refuse_them(self, path: Path) -> None:
        write(path, 10)
        keywords: Any = dict(dtype="u1", shape=8, dims="x", bits=1)
        with pytest.raises(TypeError, match="RawArray"):
            rawmmap.map_dataset(path, **keywords)
        with pytest.raises(ValueError, match="decoded"):
            rawmmap.to_npy(path, **keywords)


@pytest.mark.parametrize("bits", SIZES)
def test_the_dtype_follows_from_the_bits(path: Path, bits: int) -> None:
    write(path, 60)
    count = 60 * 8 // bits
    expected = rawmmap.RawArray(path, dtype_of(bits), count, bits=bits)[:]
    np.testing.assert_array_equal(rawmmap.RawArray(path, None, count, bits=bits)[:], expected)
    lazy = rawmmap.from_raw(path, shape=count, bits=bits)
    assert lazy.dtype == dtype_of(bits)
    np.testing.assert_array_equal(lazy.compute(), expected)
    ds = xr.open_dataset(path, engine="rawmmap", bits=bits, shape=count, dims="x")
    np.testing.assert_array_equal(ds["data"].values, expected)
    variables = {"u": {"bits": bits, "shape": count, "dims": "x"}}
    rawmmap.describe(path, variables=variables)
    opened = rawmmap.open(path)["u"].data
    assert opened.dtype == dtype_of(bits)
    np.testing.assert_array_equal(np.asarray(opened), expected)


@pytest.mark.parametrize("bits", [0, 8, 9, 16, -1])
def test_sizes_that_samples_cannot_have(path: Path, bits: int) -> None:
    write(path, 60)
    for dtype in (None, "u1"):
        with pytest.raises(ValueError, match=rf"a\.bin: .*bits={bits}"):
            rawmmap.RawArray(path, dtype, 5, bits=bits)
        with pytest.raises(ValueError, match=rf"a\.bin: .*bits={bits}"):
            rawmmap.open(path, dtype=dtype, shape=5, bits=bits)
    for wrong in (4.0, "4"):
        with pytest.raises(TypeError, match=rf"a\.bin: .*bits={wrong!r} must be an integer"):
            rawmmap.RawArray(path, None, 5, bits=wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=rf"a\.bin: .*bits={wrong!r} must be an integer"):
            rawmmap.open(path, shape=5, bits=wrong)
