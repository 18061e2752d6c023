"""Files that are too short: who may lengthen them, how, and what is left after a failure."""

from __future__ import annotations

import errno
import os
import pickle
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap
from rawmmap.files import grow, libc

MEBI = 1 << 20


def test_a_larger_file_keeps_its_end(counted: Path) -> None:
    a = rawmmap.mmap(counted, "u1", 10, mode="r+")
    a[:] = 0
    assert counted.read_bytes() == bytes(10) + bytes(range(10, 240))


@pytest.mark.parametrize("grow", [True, "sparse"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("offset", [0, 240, 1000])
def test_it_grows_to_exactly_what_is_needed(
    counted: Path, grow: Any, shared: bool, offset: int
) -> None:
    a = rawmmap.mmap(counted, "<f8", 500, offset, mode="r+", grow=grow, shared=shared)
    expected = bytes(range(240)) + bytes(offset + 4000 - 240)
    assert counted.read_bytes() == expected
    assert a.tobytes() == expected[offset:]


def test_blocks_are_reserved_or_not(tmp_path: Path) -> None:
    rawmmap.mmap(tmp_path / "dense", "u1", MEBI, mode="w+")
    rawmmap.mmap(tmp_path / "sparse", "u1", MEBI, mode="w+", grow="sparse")
    assert (tmp_path / "dense").stat().st_blocks * 512 >= MEBI
    assert (tmp_path / "sparse").stat().st_blocks * 512 < MEBI // 2
    assert (tmp_path / "sparse").stat().st_size == MEBI


def test_files_open_for_appending_grow_too(counted: Path) -> None:
    with counted.open("a+b") as file:
        a = rawmmap.mmap(file, "u1", 300, 0)
        a[299] = 7
    assert counted.read_bytes() == bytes(range(240)) + bytes(59) + b"\7"


@pytest.mark.parametrize("mode", ["r", "c", None])
def test_growing_without_write_access(counted: Path, mode: Any) -> None:
    with pytest.raises(
        PermissionError, match="300 bytes are needed and the file has 240"
    ) as caught:
        rawmmap.mmap(counted, "u1", 300, mode=mode)
    assert caught.value.filename == str(counted)
    assert counted.stat().st_size == 240


def test_growing_a_file_that_is_open_for_reading(counted: Path) -> None:
    with counted.open("rb") as file, pytest.raises(PermissionError, match="300 bytes"):
        rawmmap.mmap(file, "u1", 300)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("shared", [True, False])
def test_growing_can_be_forbidden(counted: Path, mode: Any, shared: bool) -> None:
    with pytest.raises(ValueError, match="300 bytes are needed, but the file has 240"):
        rawmmap.mmap(counted, "u1", 300, mode=mode, grow=False, shared=shared)
    assert counted.stat().st_size == 240


class TestFullDisk:
    """A full disk is an error at once, and the file has its old length."""

    @pytest.mark.parametrize("start", [0, 5000])
    def test_reserved(self, small_disk: Path, start: int) -> None:
        path = small_disk / "file"
        path.write_bytes(b"x" * start)
        before = os.statvfs(small_disk).f_bavail
        with pytest.raises(OSError, match=f"from {start} to {4 * MEBI} bytes.*free") as caught:
            rawmmap.mmap(path, "u1", 4 * MEBI, mode="r+")
        assert caught.value.errno == errno.ENOSPC
        assert path.read_bytes() == b"x" * start
        assert os.statvfs(small_disk).f_bavail == before

    def test_appending(self, small_disk: Path) -> None:
        with (small_disk / "file").open("a+b") as file:
            file.write(b"old")
            with pytest.raises(OSError, match="No space left"):
                rawmmap.mmap(file, "u1", 4 * MEBI, 0)
        assert (small_disk / "file").read_bytes() == b"old"

    def test_resize_leaves_file_and_mapping(self, small_disk: Path) -> None:
        path = small_disk / "file"
        with rawmmap.Mapping(path, "u1", 5000, mode="w+") as m:
            m.array[:] = 3
            with pytest.raises(OSError, match="No space left"):
                m.resize(4 * MEBI)
            assert m.array.tobytes() == b"\3" * 5000
            m.array[:] = 4
        assert path.read_bytes() == b"\4" * 5000

    def test_holes_need_no_room(self, small_disk: Path) -> None:
        path = small_disk / "file"
        path.write_bytes(b"old")
        with pytest.raises(OSError, match="No space left"):
            (small_disk / "rest").write_bytes(bytes(2 * MEBI))
        assert os.statvfs(small_disk).f_bavail == 0
        a = rawmmap.mmap(path, "u1", 4 * MEBI, mode="r+", grow="sparse")
        assert path.stat().st_size == 4 * MEBI
        assert path.stat().st_blocks <= 8
        assert a[:4].tobytes() == b"old\0"
        with rawmmap.Mapping(path, "u1", 4 * MEBI, mode="r+", grow="sparse") as m:
            del a
            m.resize(8 * MEBI)
            assert m.array[:4].tobytes() == b"old\0"
        assert path.read_bytes() == b"old" + bytes(8 * MEBI - 3)

    @pytest.mark.parametrize("how", ["path", "object"])
    def test_writing_anew_keeps_what_is_there(self, small_disk: Path, how: str) -> None:
        path = small_disk / "file"
        path.write_bytes(b"x" * 5000)
        before = os.statvfs(small_disk).f_bavail
        with path.open("r+b") as file, pytest.raises(OSError, match=f"from 5000 to {4 * MEBI}"):
            rawmmap.mmap(path if how == "path" else file, "u1", 4 * MEBI, mode="w+")
        assert path.read_bytes() == b"x" * 5000
        assert os.statvfs(small_disk).f_bavail == before

    def test_writing_anew_creates_nothing(self, small_disk: Path) -> None:
        before = os.statvfs(small_disk)
        with pytest.raises(OSError, match="No space left"):
            rawmmap.mmap(small_disk / "file", "u1", 4 * MEBI, mode="w+")
        assert not list(small_disk.iterdir())
        assert os.statvfs(small_disk) == before

    def test_writing_anew_takes_the_room_of_what_was_there(self, small_disk: Path) -> None:
        path = small_disk / "file"
        path.write_bytes(b"x" * (MEBI - 100_000))
        a = rawmmap.mmap(path, "u1", MEBI - 5000, mode="w+")
        assert not a.any()
        assert path.stat().st_size == a.size == MEBI - 5000

    def test_holes_can_be_tried_out(self, small_disk: Path, python: Any) -> None:
        """Storing into a hole of a full disk kills; asking for its pages first does not."""
        code = """
import sys, rawmmap
a = rawmmap.mmap(sys.argv[1], "u1", 4 << 20, mode="w+", grow="sparse")
try:
    rawmmap.advise(a, "populate_write")
except OSError as error:
    print(type(error).__name__)
"""
        assert python(code, small_disk / "file") == "OSError"


def test_the_limit_on_file_sizes(counted: Path, python: Any) -> None:
    code = f"""
import resource, sys, os, rawmmap
resource.setrlimit(resource.RLIMIT_FSIZE, ({MEBI}, {MEBI}))
for grow in True, "sparse":
    try:
        rawmmap.mmap(sys.argv[1], "u1", {2 * MEBI}, mode="r+", grow=grow)
    except OSError as error:
        print(error.errno, "RLIMIT_FSIZE" in str(error), os.stat(sys.argv[1]).st_size)
"""
    assert python(code, counted).split("\n") == [f"{errno.EFBIG} True 240"] * 2
    assert counted.read_bytes() == bytes(range(240))
    assert counted.stat().st_blocks <= 8


@pytest.mark.parametrize("grow", [True, "sparse"])
def test_writing_anew_within_the_limit(counted: Path, python: Any, grow: Any) -> None:
    code = f"""
import resource, sys, os, rawmmap
resource.setrlimit(resource.RLIMIT_FSIZE, ({MEBI}, {MEBI}))
for path in sys.argv[1:]:
    try:
        rawmmap.mmap(path, "u1", {2 * MEBI}, mode="w+", grow={grow!r})
    except OSError as error:
        print(error.errno, os.path.exists(path))
"""
    said = python(code, counted, counted.with_name("new"))
    assert said.split("\n") == [f"{errno.EFBIG} True", f"{errno.EFBIG} False"]
    assert counted.read_bytes() == bytes(range(240))


def test_a_link_to_nowhere_gets_its_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    rawmmap.mmap(tmp_path / "link", "u1", 3, mode="w+")[:] = 1
    assert (tmp_path / "target").read_bytes() == b"\1" * 3


@pytest.fixture
def sparse(small_disk: Path) -> Path:
    """A file with some data and more holes than the disk has room for."""
    path = small_disk / "sparse"
    path.write_bytes(b"old")
    os.truncate(path, 4 * MEBI)
    return path


class TestEmptyingOnAFullDisk:
    """What ``mode="w+"`` cannot do leaves the old contents."""

    @pytest.mark.parametrize("mebis", [2, 4, 5])
    def test_a_sparse_file_stays(self, sparse: Path, mebis: int) -> None:
        with pytest.raises(OSError, match="No space left"):
            rawmmap.mmap(sparse, "u1", mebis * MEBI, mode="w+")
        assert sparse.read_bytes() == b"old" + bytes(4 * MEBI - 3)

    def test_a_hole_is_enough_if_asked_for(self, sparse: Path) -> None:
        rawmmap.mmap(sparse, "u1", 2 * MEBI, mode="w+", grow="sparse")
        assert sparse.read_bytes() == bytes(2 * MEBI)

    def test_a_file_that_cannot_be_mapped_stays(
        self, counted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")

        monkeypatch.setattr("rawmmap.mapping._mmap.map_file", fail)
        for size in (10, 1000):
            with pytest.raises(OSError, match="Cannot allocate"):
                rawmmap.mmap(counted, "u1", size, mode="w+")
            assert counted.read_bytes() == bytes(range(240))


@pytest.mark.parametrize("grow", [True, "sparse"])
@pytest.mark.parametrize("size", [1, 100, 240, 5000])
def test_emptied_files_are_zeros(counted: Path, size: int, grow: Any) -> None:
    other = rawmmap.mmap(counted)
    a = rawmmap.mmap(counted, "u1", size, mode="w+", grow=grow)
    assert not a.any()
    assert counted.read_bytes() == bytes(size)
    a[0] = 3
    assert other[0] == 3
    assert grow == "sparse" or counted.stat().st_blocks * 512 >= size


@pytest.mark.parametrize("lacking", ["zero", "keep"])
def test_emptying_where_a_call_is_missing(
    counted: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    allocate = libc.fallocate

    def refuse(fd: int, mode: int, *arguments: int) -> None:
        if mode & libc.ZERO_RANGE or lacking == "keep":
            raise OSError(errno.EOPNOTSUPP, "not supported")
        allocate(fd, mode, *arguments)

    monkeypatch.setattr(libc, "fallocate", refuse)
    assert not rawmmap.mmap(counted, "u1", 100, mode="w+").any()
    assert counted.read_bytes() == bytes(100)


class TestLackingSupport:
    """File systems without `fallocate`; a missing system call stands for them."""

    @pytest.fixture(autouse=True)
    def _without(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def lacking(*_: object) -> None:
            raise OSError(errno.EOPNOTSUPP, "not supported")

        monkeypatch.setattr(libc, "fallocate", lacking)

    @pytest.mark.parametrize("how", ["r+b", "a+b"])
    def test_zeros_are_written(self, counted: Path, how: str) -> None:
        with counted.open(how) as file:
            rawmmap.mmap(file, "u1", 3 * MEBI, 0)
        assert counted.read_bytes() == bytes(range(240)) + bytes(3 * MEBI - 240)
        assert counted.stat().st_blocks * 512 >= 3 * MEBI

    @pytest.mark.parametrize("how", ["r+b", "a+b"])
    def test_holes_are_left(self, counted: Path, how: str) -> None:
        with counted.open(how) as file:
            rawmmap.mmap(file, "u1", 3 * MEBI, 0, grow="sparse")
        assert counted.stat().st_size == 3 * MEBI
        assert counted.stat().st_blocks <= 16

    def test_a_full_disk_is_an_error_and_undone(self, small_disk: Path) -> None:
        path = small_disk / "file"
        path.write_bytes(b"old")
        with pytest.raises(OSError, match="No space left"):
            rawmmap.mmap(path, "u1", 4 * MEBI, mode="r+")
        assert path.read_bytes() == b"old"


class TestOthersWriteToo:
    """Somebody else lengthens the file between two steps of ours."""

    @pytest.mark.parametrize("sparse", [True, False])
    @pytest.mark.parametrize("supported", [True, False])
    def test_it_is_never_shortened(
        self, counted: Path, monkeypatch: pytest.MonkeyPatch, sparse: bool, supported: bool
    ) -> None:
        allocate = libc.fallocate

        def late(fd: int, *arguments: int) -> None:
            with counted.open("ab") as other:
                other.write(b"y" * 1000)
            if not supported:
                raise OSError(errno.EOPNOTSUPP, "not supported")
            allocate(fd, *arguments)

        monkeypatch.setattr(libc, "fallocate", late)
        grow: Any = "sparse" if sparse else True
        a = rawmmap.mmap(counted, "u1", 300, mode="r+", grow=grow)
        found = counted.read_bytes()
        assert found[:1240] == bytes(range(240)) + b"y" * 1000
        assert a.tobytes() == found[:300]

    def test_their_bytes_survive_our_failure(
        self, counted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: int) -> None:
            with counted.open("ab") as other:
                other.write(b"y" * 10)
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(libc, "fallocate", full)
        with pytest.raises(OSError, match="No space left"):
            rawmmap.mmap(counted, "u1", 300, mode="r+")
        assert counted.read_bytes() == bytes(range(240)) + b"y" * 10

    @pytest.mark.parametrize("behind", ["zeros", "end"])
    def test_their_bytes_survive_when_zeros_cannot_be_written(
        self, counted: Path, monkeypatch: pytest.MonkeyPatch, behind: str
    ) -> None:
        def lacking(*_: int) -> None:
            raise OSError(errno.EOPNOTSUPP, "not supported")

        def full(fd: int, data: bytes, at: int) -> int:
            if behind == "zeros" and at == 240:
                return write(fd, data[:60], at)
            with counted.open("ab") as other:
                other.write(b"y" * 10)
            raise OSError(errno.ENOSPC, "No space left on device")

        write = os.pwrite
        monkeypatch.setattr(libc, "fallocate", lacking)
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space left"):
            rawmmap.mmap(counted, "u1", 500, mode="r+")
        zeros = bytes(60 if behind == "zeros" else 0)
        assert counted.read_bytes() == bytes(range(240)) + zeros + b"y" * 10

    def test_two_processes_grow_the_same_file(self, tmp_path: Path, python: Any) -> None:
        path = tmp_path / "file"
        path.touch()
        code = """
import os, sys, rawmmap
path = sys.argv[1]
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        for i in range(200):
            n = 1 + 4 * i + child
            rawmmap.mmap(path, "u1", n * 50, mode="r+")[n * 50 - 1] = 1
        os._exit(0)
    children.append(pid)
print([os.waitpid(pid, 0)[1] for pid in children])
"""
        assert python(code, path) == "[0, 0, 0, 0]"
        found = np.frombuffer(path.read_bytes(), "u1")
        assert found.size == 800 * 50
        assert (np.flatnonzero(found) == np.arange(1, 801) * 50 - 1).all()


def test_a_map_that_fails_gives_the_length_back(counted: Path, python: Any) -> None:
    code = f"""
import resource, sys, os, rawmmap
rawmmap.mmap(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, ({1 << 33}, {1 << 33}))
try:
    rawmmap.mmap(sys.argv[1], "u1", {1 << 34}, mode="r+", grow="sparse")
except OSError as error:
    print(error.errno, "vm.max_map_count" in str(error), "ulimit" in str(error))
print(os.stat(sys.argv[1]).st_size)
"""
    assert python(code, counted).split("\n") == [f"{errno.ENOMEM} True True", "240"]


def test_interrupts_do_not_leave_half_a_file(
    counted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(fd: int, *_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(libc, "fallocate", interrupted)
    fd = os.open(counted, os.O_RDWR)
    with pytest.raises(KeyboardInterrupt):
        grow.lengthen(fd, str(counted), 240, 5000)
    os.close(fd)
    assert counted.stat().st_size == 240


def test_the_limits_of_this_process_are_untouched() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("opened", [False, True])
def test_a_short_file_without_write_access_is_both_errors(counted: Path, opened: bool) -> None:
    with counted.open("rb") as file, pytest.raises(PermissionError) as caught:
        rawmmap.mmap(file if opened else counted, "u1", 300, 5)
    error = pickle.loads(pickle.dumps(caught.value))
    for each in (caught.value, error):
        assert isinstance(each, PermissionError)
        assert isinstance(each, rawmmap.ShortFileError)
        assert isinstance(each, ValueError)
        assert (each.needed, each.size, each.errno) == (305, 240, errno.EACCES)
        assert each.filename == each.path == str(counted)
        for word in ("305 bytes", "240", "mode='r+'", repr(str(counted))):
            assert word in str(each)
    assert counted.stat().st_size == 240


@pytest.mark.parametrize(("mode", "way"), [("r", "mode='r\\+' and"), ("r+", "pass")])
def test_a_hint_leads_to_a_longer_file(counted: Path, mode: Any, way: str) -> None:
    with pytest.raises(rawmmap.ShortFileError, match=f"{way} grow=True") as caught:
        rawmmap.mmap(counted, "u1", 300, mode=mode, grow=False)
    assert not isinstance(caught.value, PermissionError)
