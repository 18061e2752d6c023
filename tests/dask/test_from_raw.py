"""`from_raw`: lazy, small, exact Dask arrays."""

from __future__ import annotations

import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap import RawArray, from_raw
from rawmmap.sources.local import LocalFile
from tests.clusters import client
from tests.strategies import basic_keys

SHAPE = (6, 50, 40)


@pytest.fixture(scope="module")
def array() -> np.ndarray:
    return np.random.default_rng(1).random(SHAPE).astype(">f4")


@pytest.fixture(scope="module")
def path(array: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("from_raw") / "a.raw"
    path.write_bytes(b"h" * 20 + array.tobytes())
    return path


@pytest.fixture
def opened(path: Path) -> da.Array:
    return from_raw(path, ">f4", (-1, *SHAPE[1:]), offset=20, chunks=(2, 20, -1))


@pytest.mark.parametrize("way", ["auto", "map", "read"])
@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_schedulers(path: Path, array: np.ndarray, way: Any, scheduler: str) -> None:
    x = from_raw(path, ">f4", SHAPE, offset=20, chunks=(2, 20, -1), access=way)
    assert x.dtype == "=f4"
    assert x.dtype.isnative
    found = x.compute(scheduler=scheduler)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(x[::2, 3, ::-1].compute(scheduler=scheduler), array[::2, 3, ::-1])


@pytest.mark.slow
# Distributed warns of whatever it cannot measure on a small machine; none of it is ours.
@pytest.mark.filterwarnings("ignore::Warning:distributed")
def test_distributed(path: Path, array: np.ndarray) -> None:
    with client(n_workers=2, threads_per_worker=1):
        x = from_raw(path, ">f4", SHAPE, offset=20, chunks=(2, 20, -1))
        np.testing.assert_array_equal(x.compute(), array)
        np.testing.assert_allclose(x.mean().compute(), array.astype("f8").mean(), rtol=1e-5)


def test_byte_order_of_the_file(path: Path, array: np.ndarray) -> None:
    x = from_raw(path, ">f4", SHAPE, offset=20, byteorder="file")
    assert x.dtype == ">f4"
    found = x.compute()
    assert found.dtype.str == ">f4"
    np.testing.assert_array_equal(found, array)
    with pytest.raises(ValueError, match="'big'"):
        from_raw(path, ">f4", SHAPE, byteorder="big")  # type: ignore[arg-type]


@given(st.data())
def test_slices_of_dask_arrays(path: Path, array: np.ndarray, data: st.DataObject) -> None:
    x = from_raw(path, ">f4", SHAPE, offset=20, chunks=(4, 30, 17))
    key = data.draw(basic_keys(SHAPE))
    np.testing.assert_array_equal(x[key].compute(scheduler="sync"), array[key])


def test_fortran_order_and_strides(tmp_path: Path, array: np.ndarray) -> None:
    path = tmp_path / "f.raw"
    path.write_bytes(array.tobytes("F"))
    x = from_raw(path, ">f4", SHAPE, order="F", chunks="16 KiB")
    assert x.chunks[:2] == ((6,), (50,))
    assert len(x.chunks[2]) > 1
    np.testing.assert_array_equal(x.compute(), array)
    y = from_raw(path, ">f4", (40, 50), strides=(6 * 50 * 4, 6 * 4), offset=4)
    np.testing.assert_array_equal(y.compute(), array[1].T)


def test_it_is_one_blockwise_layer_and_reads_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("read while the graph was built")

    for name in ("read", "map"):
        monkeypatch.setattr(LocalFile, name, never)
    x = from_raw(path, ">f4", SHAPE, offset=20, chunks=(1, -1, -1))
    graph: Any = x.__dask_graph__()
    layers = graph.layers
    assert [type(layer).__name__ for layer in layers.values()] == ["Blockwise"]
    dask.optimize(x[:, 3] + 1)
    with pytest.raises(AssertionError, match="read while"):
        x.compute(scheduler="sync")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (np.s_[:, 7, 9], (slice(None), 7, 9)),
        (np.s_[1:5, 10:45, ::2], (slice(1, 5), slice(10, 45), slice(None, None, 2))),
    ],
)
def test_selections_reach_the_file(
    opened: da.Array, asked: list[int], key: Any, expected: Any
) -> None:
    found = opened[key].compute(scheduler="sync")
    assert sum(asked) == found.nbytes


def test_pickles_are_small(path: Path, array: np.ndarray, tmp_path: Path) -> None:
    x = from_raw(path, ">f4", SHAPE, offset=20, chunks=(2, 20, -1))
    assert len(pickle.dumps(x)) < 10_000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)).compute(), array)
    big = tmp_path / "sparse.raw"
    with big.open("wb") as file:
        file.truncate(2**40)
    # Boundaries beyond 2**31 take more bytes each than lengths do.
    many = from_raw(big, "<f4", -1, chunks=2**38 // 100_000)
    assert many.npartitions == 100_001
    assert len(pickle.dumps(many)) < 10_000 + 10 * many.npartitions


def test_a_hundred_thousand_chunks_take_little_memory(tmp_path: Path) -> None:
    big = tmp_path / "sparse.raw"
    with big.open("wb") as file:
        file.truncate(2**40)
    tracemalloc.start()
    x = from_raw(big, "<f4", (100_000, 2621, 1000), chunks=(1, -1, -1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert x.npartitions == 100_000
    assert peak < 50e6
    assert big.stat().st_blocks == 0
    assert x[99_999, 5, 5].compute(scheduler="sync") == 0


def test_names_follow_the_file_and_the_layout(path: Path, tmp_path: Path) -> None:
    def name(**words: Any) -> str:
        return str(from_raw(path, ">f4", (2, 40), **words).name)

    assert name() == name()
    others = {name(), name(offset=4), name(chunks=(1, 40)), name(byteorder="file"), name(order="F")}
    assert len(others) == 5
    assert name(name="mine") == "mine"
    assert name(name=False) != name(name=False)
    copy = tmp_path / "copy.raw"
    copy.write_bytes(path.read_bytes())
    assert from_raw(copy, ">f4", (2, 40)).name != name()
    os.utime(copy, ns=(1, 1))
    before = from_raw(copy, ">f4", (2, 40)).name
    os.utime(copy, ns=(2, 2))
    assert from_raw(copy, ">f4", (2, 40)).name != before


def test_two_offsets_of_one_file_do_not_replace_each_other(path: Path, array: np.ndarray) -> None:
    flat = array.reshape(-1)
    parts = [from_raw(path, ">f4", 100, offset=20 + 400 * i) for i in range(4)]
    np.testing.assert_array_equal(da.concatenate(parts).compute(), flat[:400])


def test_auto_chunks_follow_dasks_setting(path: Path) -> None:
    with dask.config.set({"array.chunk-size": "16 KiB"}):
        x = from_raw(path, ">f4", SHAPE, offset=20)
    assert x.chunks == ((2, 2, 2), (50,), (40,))
    assert from_raw(path, ">f4", SHAPE, offset=20, chunks={0: 3}).chunks[0] == (3, 3)
    with pytest.raises(ValueError, match=r"[Cc]hunks"):
        from_raw(path, ">f4", SHAPE, chunks=(1, 2))


def test_chunks_can_be_written_to(opened: da.Array, array: np.ndarray, path: Path) -> None:
    before = path.read_bytes()

    def negate(block: np.ndarray) -> np.ndarray:
        block *= -1
        return block

    blocks: Any = opened
    np.testing.assert_array_equal(blocks.map_blocks(negate, dtype="f4").compute(), -array)
    assert path.read_bytes() == before


def test_records(tmp_path: Path) -> None:
    dtype = np.dtype([("a", ">i4"), ("b", "u1")])
    records = np.frombuffer(bytes(range(100)), dtype)
    path = tmp_path / "r.raw"
    path.write_bytes(records.tobytes())
    x = from_raw(path, dtype, -1, chunks=7)
    np.testing.assert_array_equal(x["a"].compute(), records["a"])
    assert x.compute().dtype.fields["a"][0].isnative


def test_empty_and_scalar_arrays(tmp_path: Path) -> None:
    path = tmp_path / "s.raw"
    path.write_bytes(np.array(7.5).tobytes())
    assert from_raw(path, "f8", ()).compute() == 7.5
    assert from_raw(path, "f8", (0, 3)).compute().shape == (0, 3)


@pytest.fixture
def truncated(path: Path, tmp_path: Path) -> tuple[Path, da.Array]:
    copy = tmp_path / "short.raw"
    copy.write_bytes(path.read_bytes())
    return copy, from_raw(copy, ">f4", SHAPE, offset=20, chunks=(1, -1, -1))


def test_a_file_that_shrank_is_an_os_error(truncated: tuple[Path, da.Array]) -> None:
    path, x = truncated
    os.truncate(path, 20 + 8000)
    assert x[0].compute().shape == SHAPE[1:]
    with pytest.raises(OSError, match=r"short\.raw"):
        x.compute()
    with pytest.raises(ValueError, match="8020"):
        from_raw(path, ">f4", SHAPE, offset=20)


def test_raw_arrays_stay_lazy_in_dask_itself(path: Path, array: np.ndarray) -> None:
    x = da.from_array(RawArray(path, ">f4", SHAPE, offset=20), chunks=(2, -1, -1))
    np.testing.assert_array_equal((x + 1).compute(), array + 1)


def test_a_list_of_files_is_a_leading_axis(tmp_path: Path) -> None:
    array = np.arange(60, dtype=">i4").reshape(3, 4, 5)
    paths = [tmp_path / f"{i}.raw" for i in range(3)]
    for path, member in zip(paths, array, strict=True):
        path.write_bytes(b"head" + member.tobytes())
    x = from_raw(paths, ">i4", (-1, 5), offset=4)
    assert x.chunks == ((1, 1, 1), (4,), (5,))
    np.testing.assert_array_equal(x.compute(), array)
    np.testing.assert_array_equal(x[::-1, 1:, ::2].compute(), array[::-1, 1:, ::2])
    assert from_raw(paths, ">i4", (-1, 5), offset=4).name == x.name
    assert from_raw(paths[::-1], ">i4", (-1, 5), offset=4).name != x.name
    with pytest.raises(ValueError, match="empty list"):
        from_raw([], ">i4", 3)
    os.truncate(paths[1], 80)
    with pytest.raises(ValueError, match=r"1\.raw: 84 bytes are needed"):
        from_raw(paths, ">i4", (-1, 5), offset=4)


def test_any_name_suits_strict_tokens(path: Path) -> None:
    with dask.config.set({"tokenize.ensure-deterministic": True}):
        x = from_raw(path, ">f4", SHAPE, offset=20, name=False)
        assert x.name != from_raw(path, ">f4", SHAPE, offset=20, name=False).name
        assert from_raw(path, ">f4", SHAPE, offset=20).name


class TestDescribedFiles:
    """Without a dtype the file's own description says what it holds."""

    def test_the_only_variable(self, tmp_path: Path) -> None:
        array = np.arange(12, dtype=">i2").reshape(3, 4)
        np.save(tmp_path / "a.npy", array)
        x = from_raw(tmp_path / "a.npy", chunks=(1, 4))
        assert x.dtype == np.dtype("i2")
        assert x.dtype.isnative
        np.testing.assert_array_equal(x.compute(), array)
        assert from_raw(tmp_path / "a.npy", byteorder="file").dtype == ">i2"

    def test_one_of_several(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        path.write_bytes(np.arange(10, dtype="<f4").tobytes())
        rawmmap.describe(
            path,
            variables={
                "x": {"dtype": "<f4", "shape": 5, "dims": "x"},
                "u": {"dtype": "<f4", "shape": 5, "dims": "x"},
            },
        )
        np.testing.assert_array_equal(from_raw(path).compute(), np.arange(5, 10))
        np.testing.assert_array_equal(from_raw(path, variable="x").compute(), np.arange(5))
        with pytest.raises(ValueError, match=r"variable='v' is not .* \['x', 'u'\]"):
            from_raw(path, variable="v")
        rawmmap.describe(
            path,
            variables={
                "v": {"dtype": "<f4", "shape": 5, "dims": "x"},
                "u": {"dtype": "<f4", "shape": 5, "dims": "x"},
            },
        )
        with pytest.raises(ValueError, match=r"2 variables .*\['v', 'u'\].*variable="):
            from_raw(path)

    def test_keywords_that_do_not_go_together(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        path.write_bytes(bytes(8))
        with pytest.raises(TypeError, match=r"shape=8 came without dtype="):
            from_raw(path, shape=8)
        with pytest.raises(TypeError, match="shape= is missing"):
            from_raw(path, "u1")
        with pytest.raises(TypeError, match="variable="):
            from_raw(path, "u1", 8, variable="u")


@pytest.mark.parametrize("inner", [(">f4", (2,)), (">f4", (2, 3)), ([("z", ">i4")], (2,)), ">u2"])
def test_fields_of_several_elements_are_native_too(tmp_path: Path, inner: Any) -> None:
    inner = inner if isinstance(inner, tuple) else (inner,)
    dtype = np.dtype([("p", "<i2"), ("q", *inner)])
    records = np.frombuffer(bytes(range(dtype.itemsize * 3)), dtype)
    records.tofile(tmp_path / "a.bin")
    x = from_raw(tmp_path / "a.bin", dtype, 3)
    assert x.dtype == x.compute().dtype == dtype.newbyteorder("=")
    np.testing.assert_array_equal(x.compute(), records.astype(dtype.newbyteorder("=")))
    assert from_raw(tmp_path / "a.bin", dtype, 3, byteorder="file").compute().dtype == dtype


@pytest.mark.parametrize(
    "chunks", [0, (1, 2), ((1, 2), (40,), (50,)), "foo", (1.5, 2, 3), {"x": 3}, {3: 1}, {-1: 1}]
)
def test_chunks_that_do_not_fit_name_file_and_keyword(tmp_path: Path, chunks: Any) -> None:
    np.zeros((6, 40, 50)).tofile(tmp_path / "a.bin")
    with pytest.raises(ValueError, match=r"a\.bin: chunks=") as caught:
        from_raw(tmp_path / "a.bin", "f8", (6, 40, 50), chunks=chunks)
    assert repr(chunks) in str(caught.value)


def test_files_of_a_list_whose_lengths_follow_from_their_sizes(tmp_path: Path) -> None:
    for name, count in (("a", 6), ("b", 6), ("c", 9), ("d", 3)):
        np.arange(count, dtype="<i4").tofile(tmp_path / name)
    a, b, c, d = (tmp_path / name for name in "abcd")
    assert from_raw([a, b], "<i4", -1).shape == (2, 6)
    assert from_raw([a, c], "<i4", 6).shape == (2, 6)
    shapes: tuple[Any, ...] = -1, (-1, 3), [np.int64(-1), 1]
    for shape in shapes:
        with pytest.raises(ValueError, match=f"{c} has 36 bytes, and {a}.*has 24"):
            from_raw([a, b, c], "<i4", shape)
        with pytest.raises(rawmmap.ShortFileError, match=f"{d}: 24 bytes are needed.*has 12"):
            from_raw([a, b, d], "<i4", shape)


def test_a_list_of_described_files(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.npy" for i in range(3)]
    for i, path in enumerate(paths):
        np.save(path, np.arange(6.0).reshape(2, 3) + i)
    x = from_raw(paths, chunks=(1, 1, 3))
    np.testing.assert_array_equal(x.compute(), [np.load(path) for path in paths])
    rawmmap.describe(tmp_path / "0.npy", format="npy")
    with pytest.raises(ValueError, match=r"0\.npy: what describes it is true of this one alone"):
        from_raw([tmp_path / "0.npy.json", paths[1]])
    np.save(paths[2], np.arange(7.0))
    with pytest.raises(ValueError, match=r"2\.npy has 184 bytes, and .*0\.npy"):
        from_raw(paths)


def test_keywords_without_a_dtype(path: Path) -> None:
    for keyword, value in (("shape", 3), ("order", "F"), ("offset", 8), ("strides", (4,))):
        with pytest.raises(TypeError, match=f"{path}: {keyword}=.* came without dtype="):
            from_raw(path, **{keyword: value})  # type: ignore[arg-type]
    for arguments in (("<f4",), ("<f4", 3, "u")):
        with pytest.raises(TypeError, match=f"{path}: "):
            from_raw(path, *arguments[:2], variable=(*arguments, None, None)[2])
    assert from_raw(path, "<f4", 3, name=True).name == from_raw(path, "<f4", 3).name


@pytest.mark.parametrize("way", ["auto", "map", "read"])
@pytest.mark.parametrize(
    "keys",
    [
        (np.s_[1:5], np.s_[2:4], np.s_[:, 3:9]),
        (np.s_[:, 10:40], np.s_[3], np.s_[5:7, ::2]),
        (np.s_[::-1], np.s_[1:3, ::-3]),
        (np.s_[..., None], np.s_[2, 4:6]),
        (np.s_[::2, 1:], np.s_[np.int64(1)], np.s_[-3:]),
        (np.s_[1:], np.s_[-1], np.s_[3], np.s_[4]),
    ],
)
def test_chains_of_slices_reach_the_file(
    path: Path, array: np.ndarray, asked: list[int], keys: Any, way: Any
) -> None:
    x = from_raw(path, ">f4", SHAPE, offset=20, chunks=(2, 20, -1), access=way)
    expected = array
    for key in keys:
        x, expected = x[key], expected[key]
    assert isinstance(x, da.Array)
    assert x.dtype.isnative
    assert len(x.dask.layers) == 1
    result = x.compute(scheduler="sync")
    np.testing.assert_array_equal(result, expected)
    assert sum(asked) == result.nbytes
    again = from_raw(path, ">f4", SHAPE, offset=20, chunks=(2, 20, -1), access=way)
    for key in keys:
        again = again[key]
    assert again.name == x.name


def test_slices_of_an_array_that_was_assigned_to(path: Path, array: np.ndarray) -> None:
    x = from_raw(path, ">f4", SHAPE, offset=20, chunks=(2, 20, -1))
    x[0] = 7
    x[:, 1] += 1
    expected = array.copy()
    expected[0] = 7
    expected[:, 1] += 1
    np.testing.assert_array_equal(x[0:3, :5].compute(), expected[0:3, :5])
    np.testing.assert_array_equal(x[:4][1:, 1].compute(), expected[:4][1:, 1])


def test_other_selections_are_those_of_dask(path: Path, array: np.ndarray) -> None:
    x = from_raw(path, ">f4", SHAPE, offset=20, chunks=(2, 20, -1), name="mine")
    assert x[:].name == x[...].name == "mine"
    assert x[3, 4, 5].compute() == array[3, 4, 5]
    for key in ([0, 2], np.s_[1:, [3, 1]], x[:, 0, 0].compute() > 0.5, (x > 0.5)):
        plain = np.asarray(key.compute()) if isinstance(key, da.Array) else key
        np.testing.assert_array_equal(x[key].compute(), array[plain])
    with pytest.raises(IndexError):
        x[99]
    copy = pickle.loads(pickle.dumps(x))
    np.testing.assert_array_equal(copy[1:3][:, 2].compute(), array[1:3][:, 2])
    np.testing.assert_array_equal(x.copy()[1:3].compute(), array[1:3])
    np.testing.assert_array_equal(x.persist()[1:3].compute(), array[1:3])
