"""Files of this system: which state of a file is which."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest

from rawmmap import RawArray
from rawmmap.files.status import generation_of
from rawmmap.sources import Files, open_source
from rawmmap.sources.local import LocalFile
from rawmmap.writing import ChangedFileError, State


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(range(100)))
    return path


def test_a_file_that_uses_the_inode_again_is_refused(path: Path) -> None:
    for _ in range(20):
        source = open_source(path)
        inode = source.identity.inode
        path.unlink()
        path.write_bytes(bytes(100))
        again = open_source(path).identity
        if again.inode == inode and again.generation is not None:
            break
    else:
        pytest.skip("this file system does not use inodes again, or does not say so")
    os.utime(path, ns=(source.identity.modified, source.identity.modified))  # type: ignore[arg-type]
    with pytest.raises(OSError, match="another file"):
        source.read((0,), 10)
    assert open_source(path).identity != source.identity


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no /dev/shm")
def test_files_of_a_file_system_without_generations_are_told_apart() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "a.raw"
        path.write_bytes(bytes(range(100)))
        old = LocalFile.open(str(path))
        if old.identity.generation is None:
            pytest.skip("this system does not tell when a file was created")
        state = State.of(str(path))
        path.unlink()
        path.write_bytes(bytes(100))
        os.utime(path, ns=(path.stat().st_atime_ns, int(old.identity.modified or 0)))
        # The file system counts its inodes; one that uses their numbers again would give this one.
        inode = path.stat().st_ino
        reused = LocalFile(old.url, old.identity._replace(inode=inode))
        with pytest.raises(OSError, match="another file"):
            reused.read((0,), 10)
        assert state.data is not None
        reused_state = State(state.data._replace(inode=inode), None)
        with pytest.raises(ChangedFileError, match="another file"):
            reused_state.check(str(path))
        LocalFile.open(str(path)).read((0,), 10)
        State.of(str(path)).check(str(path), "exact")


def test_a_file_that_grew_or_was_touched_is_the_same(path: Path) -> None:
    raw = RawArray(path, "u1", 100, mode="r+")
    with path.open("ab") as file:
        file.write(b"more")
    os.utime(path, ns=(5, 5))
    path.chmod(0o600)
    assert raw[99] == 99
    raw[0] = 5
    raw[1] = 6
    assert raw[:3].tolist() == [5, 6, 2]


def test_old_files_are_compared_by_their_times(path: Path) -> None:
    new = LocalFile.open(str(path))
    assert new.changed is None
    status = path.stat()
    old = LocalFile(new.url, new.identity, changed=status.st_ctime_ns)
    assert bytes(old.read((1,), 2)) == b"\1\2"
    path.chmod(0o600)
    assert bytes(old.read((1,), 2)) == b"\1\2"


@pytest.mark.skipif(os.geteuid() == 0, reason="everything may be read by root")
def test_a_file_that_may_not_be_read_is_refused_when_it_is_opened(path: Path) -> None:
    path.chmod(0)
    with pytest.raises(PermissionError, match=r"may not be read.*a\.raw"):
        RawArray(path, "u1", 100)


def test_generations_are_numbers_or_unknown(path: Path) -> None:
    with path.open("rb") as file:
        generation = generation_of(file.fileno())
        assert generation is None or 0 <= generation < 2**63
        assert generation_of(file.fileno()) == generation


def test_many_files_remember_few_sources(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.raw" for i in range(200)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * 4)
    files = Files.of(paths)
    assert [files[i].read((0,), 1)[0] for i in range(200)] == list(range(200))
    assert len(files._sources) <= 64
    again = pickle.loads(pickle.dumps(files))
    assert again.identities == files.identities
    assert again[150].identity == files[150].identity
    assert len(pickle.dumps(files)) < 10 * len(paths)
    before = files.identities
    os.utime(paths[7], ns=(1, 1))
    assert Files.of(paths).identities != before


NESTED = np.dtype({"names": ["x"], "formats": ["<i2"], "offsets": [1], "itemsize": 5})
RECORD = np.dtype([("a", "u1"), ("n", NESTED, (2, 2)), ("b", ">f4")])


@pytest.mark.parametrize("dtype", [RECORD, np.dtype([("r", RECORD, (2,))])])
def test_padding_inside_subarrays_of_records_is_kept(tmp_path: Path, dtype: np.dtype) -> None:
    path = tmp_path / "a.raw"
    count = 4
    path.write_bytes(b"\xaa" * dtype.itemsize * count)
    mask = np.zeros(count, dtype)
    _mark(mask)
    RawArray(path, dtype, count, mode="r+")[1:3] = np.zeros(2, dtype)
    expected = np.full(dtype.itemsize * count, 0xAA, "u1")
    covered = mask.view("u1").astype(bool)
    covered[: dtype.itemsize] = covered[3 * dtype.itemsize :] = False
    expected[covered] = 0
    np.testing.assert_array_equal(np.fromfile(path, "u1"), expected)


def _mark(array: np.ndarray) -> None:
    """Set all bytes of all fields, and none between them."""
    if array.dtype.names is None:
        array[...] = np.frombuffer(b"\xff" * array.dtype.itemsize, array.dtype)[0]
        return
    for name in array.dtype.names:
        _mark(array[name])
