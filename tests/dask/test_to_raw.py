"""Arrays into flat files, against NumPy on the bytes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from dask.delayed import Delayed
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rawmmap
from rawmmap import to_raw
from tests.clusters import client
from tests.strategies import filled, plain_dtypes, shapes


def numbers(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype="<f4").reshape(shape)


@given(st.data())
def test_any_dtype_order_and_offset(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    shape, dtype = data.draw(shapes), data.draw(plain_dtypes)
    order: Any = data.draw(st.sampled_from("CF"))
    offset = data.draw(st.integers(0, 50))
    values = filled(dtype, shape)
    x: Any = values
    if data.draw(st.booleans()):
        x = da.from_array(values, chunks=data.draw(chunks(shape)))
    path = tmp_path_factory.mktemp("any") / "a.bin"
    to_raw(x, path, offset=offset, order=order)
    assert path.read_bytes() == bytes(offset) + values.tobytes(order)


@st.composite
def chunks(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """Lengths of chunks along each axis."""
    return tuple(draw(st.integers(1, max(n, 1))) for n in shape)


@given(st.data())
def test_a_part_of_a_file_and_no_other_byte(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    values = data.draw(hnp.arrays(">i2", shapes))
    before = data.draw(st.binary(max_size=100))
    offset = data.draw(st.integers(0, 60))
    path = tmp_path_factory.mktemp("part") / "a.bin"
    path.write_bytes(before)
    x = da.from_array(values, chunks=data.draw(chunks(values.shape)))
    to_raw(x, path, dtype="<i4", offset=offset, order="F", mode="r+")
    new = values.astype("<i4").tobytes("F")
    size = max(len(before), offset + len(new))
    expected = bytearray(before.ljust(size, b"\0"))
    expected[offset : offset + len(new)] = new
    assert path.read_bytes() == bytes(expected)


def test_the_dtype_is_converted_chunk_by_chunk(tmp_path: Path) -> None:
    x = da.from_array(numbers(4, 6), chunks=(2, 3))
    to_raw(x, tmp_path / "a.bin", dtype=">i8")
    np.testing.assert_array_equal(np.fromfile(tmp_path / "a.bin", ">i8"), range(24))


@pytest.mark.parametrize("kind", ["list", "scalar", "RawArray", "transposed"])
def test_other_arrays(tmp_path: Path, kind: str) -> None:
    values = numbers(3, 4)
    to_raw(values, tmp_path / "b.bin")
    kinds: dict[str, Any] = {
        "list": values.tolist(),
        "scalar": np.float64(3),
        "RawArray": rawmmap.RawArray(tmp_path / "b.bin", "<f4", (3, 4)),
        "transposed": values.T[::-1],
    }
    to_raw(kinds[kind], tmp_path / "a.bin", dtype="<f4")
    expected = np.asarray(kinds[kind], "<f4")
    assert (tmp_path / "a.bin").read_bytes() == expected.tobytes()


@pytest.mark.parametrize("scheduler", ["threads", "processes", "sync"])
def test_schedulers_and_later_computation(tmp_path: Path, scheduler: str) -> None:
    path, values = tmp_path / "a.bin", numbers(8, 5)
    path.write_bytes(b"old")
    with dask.config.set(scheduler=scheduler, num_workers=2):
        task = to_raw(da.from_array(values, chunks=(2, 3)), path, compute=False)
        assert isinstance(task, Delayed)
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a.bin"]
        assert task.compute() is None
        assert path.read_bytes() == values.tobytes()
        to_raw(da.from_array(values, chunks=(3, 5)), path, mode="r+", offset=4)
    assert path.read_bytes() == values.tobytes()[:4] + values.tobytes()


def test_under_distributed(tmp_path: Path) -> None:
    path, values = tmp_path / "a.bin", numbers(8, 5)
    with client(n_workers=2, threads_per_worker=1):
        to_raw(da.from_array(values, chunks=(1, 5)), path)
        assert path.read_bytes() == values.tobytes()
        task = to_raw(da.from_array(values * 2, chunks=(3, 2)), path, compute=False)
        assert task is not None
        task.compute()
    assert path.read_bytes() == (values * 2).tobytes()


def test_unknown_chunks(tmp_path: Path) -> None:
    x = da.from_array(numbers(8), chunks=3)
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        to_raw(x[x > 2], tmp_path / "a.bin")
    to_raw(x[x > 2].compute_chunk_sizes(), tmp_path / "a.bin")
    assert np.fromfile(tmp_path / "a.bin", "<f4").tolist() == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("words", "error", "what"),
    [
        ({"mode": "a"}, ValueError, "'a'"),
        ({"order": "K"}, ValueError, "'K'"),
        ({"offset": -1}, ValueError, "-1"),
        ({"dtype": object}, TypeError, "pointers"),
        ({"mode": "r+"}, FileNotFoundError, "a.bin"),
        ({"append_dim": "x"}, TypeError, "append_dim"),
    ],
)
def test_words_are_checked_before_anything_is_written(
    tmp_path: Path, words: Any, error: Any, what: str
) -> None:
    with pytest.raises(error, match=what):
        to_raw(numbers(3), tmp_path / "a.bin", **words)
    assert os.listdir(tmp_path) == []


def test_targets_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        to_raw(numbers(3), tmp_path)
    with pytest.raises(FileNotFoundError):
        to_raw(numbers(3), tmp_path / "none" / "a.bin")
    os.mkfifo(tmp_path / "pipe")
    for mode in ("w", "r+"):
        with pytest.raises(OSError, match="regular file"):
            to_raw(numbers(3), tmp_path / "pipe", mode=mode)


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.bin", tmp_path / "link.bin"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    to_raw(numbers(3), link)
    assert link.is_symlink()
    assert real.read_bytes() == numbers(3).tobytes()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    mask = os.umask(0o027)
    try:
        to_raw(numbers(3), tmp_path / "new.bin")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new.bin").stat().st_mode) == 0o640


def failing(block: Any, block_id: Any = None) -> Any:
    if block_id == (2,):
        raise RuntimeError("no data")
    return block


@pytest.mark.parametrize("compute", [True, False])
@pytest.mark.parametrize("mode", ["w", "r+"])
def test_a_failing_chunk(tmp_path: Path, mode: Any, compute: bool) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    x = da.map_blocks(failing, da.from_array(numbers(12), chunks=3), dtype="<f4")

    def write() -> None:
        task = to_raw(x, path, mode=mode, offset=3, compute=compute)
        if task is not None:
            task.compute()

    with pytest.raises(RuntimeError, match="no data"), dask.config.set(scheduler="sync"):
        write()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_chunk_of_another_shape_or_longer_text(tmp_path: Path) -> None:
    x = da.from_array(np.array(["ab", "c", "d"]), chunks=2)
    longer = da.map_blocks(lambda b: np.char.add(b, "xyz"), x, dtype="<U2")
    with pytest.raises(ValueError, match="characters does not fit into <U2"):
        to_raw(longer, tmp_path / "a.bin")
    ragged = da.map_blocks(lambda b: b[:1], x, dtype="<U2", chunks=x.chunks)
    with pytest.raises(ValueError, match=r"shape \(2,\) came out as \(1,\)"):
        to_raw(ragged, tmp_path / "a.bin")
    assert os.listdir(tmp_path) == []


FULL = """
import resource, sys, numpy as np, dask.array as da, rawmmap
x = da.ones(200_000, chunks=50_000, dtype="u1")
kind, path = sys.argv[1:3]
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    rawmmap.to_raw(x, path, mode=kind)
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("mode", ["w", "r+"])
def test_a_limit_on_the_length_of_files(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", FULL, mode, str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "File too large" in shown.stdout
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_disk_that_is_full_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    x = da.zeros(10 * free, chunks=free, dtype="u1")
    for mode in ("w", "r+"):
        path = tmp_path / "a.bin"
        path.write_bytes(b"old")
        with pytest.raises(OSError, match=rf"{10 * free}|{10 * free - 3} bytes.*are free"):
            to_raw(x, path, mode=mode)
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to /dev/full")
def test_a_disk_that_becomes_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.open("/dev/full", os.O_RDWR)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, *rest: real(full, *rest))
    with pytest.raises(OSError, match=r"No space left.*bytes 0 to 12.*bytes are free"):
        to_raw(numbers(3), tmp_path / "a.bin")
    os.close(full)
    assert os.listdir(tmp_path) == []


SLOW = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may ignore it
import sys, time, numpy as np, dask.array as da, rawmmap
def slow(block, block_id=None):
    if block_id[0] == 2:
        print("ready", flush=True)
        time.sleep(60)
    return block
x = da.map_blocks(slow, da.ones(400, chunks=100, dtype="u1"), dtype="u1")
rawmmap.to_raw(x, sys.argv[1])
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_writer_leaves_the_old_file(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        writer.send_signal(number)
        if number == signal.SIGINT:
            for _ in range(1200):  # a generous limit; it ends when the draft is gone
                if len(os.listdir(tmp_path)) == 1:
                    break
                signal.sigtimedwait([], 0.05)
            writer.kill()
    assert path.read_bytes() == b"old"
    left = [name for name in os.listdir(tmp_path) if name != "a.bin"]
    assert list(tmp_path.glob("*.bin")) == [path]
    assert all(name.startswith(".") and name.endswith(".part") for name in left)
    assert number == signal.SIGKILL or not left


def test_memory_stays_that_of_a_few_chunks(tmp_path: Path) -> None:
    code = """
import resource, sys, dask, dask.array as da, rawmmap
dask.config.set(scheduler="threads", num_workers=2)
rawmmap.to_raw(da.ones(10, chunks=5), sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rawmmap.to_raw(da.ones(2**28, chunks=2**23, dtype="u1"), sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.bin")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(shown.stdout) < 2**16  # KiB: 64 of 256 MiB
    assert (tmp_path / "a.bin").stat().st_size == 2**28


@pytest.mark.parametrize("chunks", [None, 2])
def test_samples_that_numpy_lacks(tmp_path: Path, chunks: Any) -> None:
    values = np.array([[1.5, -2], [3, 100]])
    x: Any = values if chunks is None else da.from_array(values, chunks=chunks)
    path = tmp_path / "a.bin"
    rawmmap.to_raw(x, path, dtype=">ibm4", offset=3)
    # By the format: sign, excess-64 power of 16, fraction.
    expected = bytes(3) + bytes.fromhex("41180000 c1200000 41300000 42640000")
    assert path.read_bytes() == expected
    rawmmap.to_raw(x[:1], path, dtype=">ibm4", offset=11, mode="r+")
    assert path.read_bytes() == expected[:11] + expected[3:11]
    rawmmap.to_raw(x, tmp_path / "a-{i}.bin", dtype=">ibm4")
    assert (tmp_path / "a-1.bin").read_bytes() == expected[11:]
    with pytest.raises(ValueError, match=r"b\.bin.*cannot hold nan"):
        rawmmap.to_raw(x * np.nan, tmp_path / "b.bin", dtype=">ibm4")
    with pytest.raises(TypeError, match="masked"):
        rawmmap.to_raw(np.ma.masked_equal(values, 3), tmp_path / "b.bin", dtype=">ibm4")
    assert not (tmp_path / "b.bin").exists()


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("ofset", "unknown keyword 'ofset'; did you mean offset="),
        ("append_dim", "append_dim= is for datasets and data arrays"),
        ("encoding", "encoding= is for datasets and data arrays"),
    ],
)
def test_keywords_of_other_kinds(tmp_path: Path, keyword: str, text: str) -> None:
    path = tmp_path / "a.bin"
    with pytest.raises(TypeError, match=text) as caught:
        to_raw(numbers(3), path, **{keyword: 3})
    assert str(path) in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("offset", [1.0, "1", None])
def test_an_offset_that_is_not_an_integer(tmp_path: Path, offset: Any) -> None:
    path = tmp_path / "a.bin"
    with pytest.raises(TypeError, match=f"offset={offset!r} must be an integer") as caught:
        to_raw(numbers(3), path, offset=offset)
    assert str(path) in str(caught.value)
    assert not path.exists()
