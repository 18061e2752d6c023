"""Opening, and reads and writes at positions, also where the system lacks the calls for them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rawmmap.files import io, libc

DATA = bytes(range(256)) * 40

CALLS = ("pread", "preadv", "pwrite", "posix_fadvise", "RWF_NOWAIT")


@pytest.fixture(params=["all calls", "none"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "none":
        for name in CALLS:
            monkeypatch.delattr(os, name, raising=False)


@pytest.fixture
def fd(tmp_path: Path, system: None) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    fd = io.open_for_writing(path)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("position", [0, 1, 5000, len(DATA) - 10, len(DATA), len(DATA) + 7])
def test_reads_up_to_the_end_of_the_file(fd: int, position: int) -> None:
    memory = bytearray(100)
    count = io.read_up_to(fd, memoryview(memory), position)
    assert memory[:count] == DATA[position : position + 100]
    assert memory[count:] == bytes(100 - count)


def test_reads_go_on_after_a_short_one(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    read = io.read_at
    monkeypatch.setattr(io, "read_at", lambda fd, view, position: read(fd, view[:7], position))
    memory = bytearray(100)
    assert io.read_up_to(fd, memoryview(memory), 50) == 100
    assert memory == DATA[50:150]


def test_reads_pieces_end_to_end(fd: int) -> None:
    starts = [7, 1000, 0, 7]
    assert io.read_pieces(fd, starts, 20) == b"".join(DATA[i : i + 20] for i in starts)
    assert len(io.read_pieces(fd, [0, len(DATA) - 5], 20)) == 25


def test_writes_go_on_after_a_short_one(
    fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = io.write_at
    monkeypatch.setattr(io, "write_at", lambda fd, view, position: write(fd, view[:7], position))
    io.write_all(fd, memoryview(b"x" * 50), 100)
    expected = bytearray(DATA)
    expected[100:150] = b"x" * 50
    assert (tmp_path / "file").read_bytes() == expected


def test_hints_change_nothing(fd: int) -> None:
    io.disable_readahead(fd)
    io.prefetch(fd, [0, 5000], 300_000)
    assert io.is_cached(fd, [0, 5000]) in (True, False)
    memory = bytearray(len(DATA))
    assert io.read_up_to(fd, memoryview(memory), 0) == len(DATA)
    assert memory == DATA


def test_creates_a_file_once(tmp_path: Path) -> None:
    path = tmp_path / "new"
    fd = io.create_file(path, 0o600)
    os.close(fd)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        io.create_file(path)


def test_opens_are_not_inherited_and_do_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    fd = io.open_for_reading(path)
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_reserves_holes(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 1 << 20)
    fd = io.open_for_writing(path)
    io.reserve(fd, 0, 1 << 20)
    os.close(fd)
    assert path.stat().st_size == 1 << 20
    assert path.stat().st_blocks * 512 >= 1 << 20


@pytest.mark.parametrize(
    ("number", "raises"), [(errno.EOPNOTSUPP, False), (errno.ENOSYS, False), (errno.ENOSPC, True)]
)
def test_reserves_only_where_the_file_system_can(
    number: int, raises: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(libc, "fallocate", fail)
    if raises:
        with pytest.raises(OSError, match="No space"):
            io.reserve(-1, 0, 10)
    else:
        io.reserve(-1, 0, 10)
