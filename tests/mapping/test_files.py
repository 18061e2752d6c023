"""What a file is: paths, file objects, descriptors; modes and permissions; what is no file."""

from __future__ import annotations

import bz2
import gzip
import inspect
import io
import lzma
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap

BYTES = bytes(range(240))
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="files of Linux")


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_paths_of_every_kind(counted: Path, kind: Any) -> None:
    a = rawmmap.mmap(kind(counted))
    assert a.tobytes() == BYTES
    assert not a.flags.writeable
    assert rawmmap.mapping_of(a).path == str(counted)


def test_a_descriptor_starts_at_the_beginning(counted: Path) -> None:
    fd = os.open(counted, os.O_RDWR)
    os.lseek(fd, 100, os.SEEK_SET)
    a = rawmmap.mmap(fd, "u1", 8)
    assert os.lseek(fd, 0, os.SEEK_CUR) == 100
    os.close(fd)
    a[:] = 255
    assert counted.read_bytes() == b"\xff" * 8 + BYTES[8:]
    assert rawmmap.mapping_of(a).path == str(counted)


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize(("open_as", "mode"), [("rb", "r"), ("r+b", "r+"), ("a+b", "r+")])
def test_an_open_file_gives_its_mode_and_position(
    counted: Path, open_as: str, mode: str, buffering: int
) -> None:
    with open(counted, open_as, buffering) as file:
        file.seek(40)
        a = rawmmap.mmap(file, "u1", 10)
        assert file.tell() == 40
        assert rawmmap.mmap(file, "u1", 3, 0).tobytes() == BYTES[:3]
    assert a.tobytes() == BYTES[40:50]
    assert a.flags.writeable == (mode == "r+")
    assert rawmmap.mapping_of(a).mode == mode


def test_the_array_outlives_the_file_object_and_the_name(counted: Path) -> None:
    file = counted.open("r+b")
    a = rawmmap.mmap(file)
    file.close()
    counted.unlink()
    counted.write_bytes(b"another")
    assert a.tobytes() == BYTES
    a[0] = 9
    assert a[0] == 9
    assert counted.read_bytes() == b"another"


def test_pending_writes_are_seen(tmp_path: Path) -> None:
    with (tmp_path / "new").open("w+b") as file:
        file.write(b"pending")
        a = rawmmap.mmap(file, "u1", None, 0)
        assert a.tobytes() == b"pending"
        assert file.tell() == 7


def test_bad_arguments_do_not_flush(tmp_path: Path) -> None:
    with (tmp_path / "new").open("w+b") as file:
        file.write(b"pending")
        with pytest.raises(ValueError, match="negative"):
            rawmmap.mmap(file, "u1", -5)
        assert (tmp_path / "new").read_bytes() == b""


def test_files_without_a_name() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"nameless")
        a = rawmmap.mmap(file, offset=0)
        assert a.tobytes() == b"nameless"
    with tempfile.NamedTemporaryFile() as wrapped:
        wrapped.write(b"wrapped")
        assert rawmmap.mmap(wrapped, offset=0).tobytes() == b"wrapped"


def test_links_are_followed(counted: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(counted)
    a = rawmmap.mmap(tmp_path / "link", mode="r+")
    a[0] = 77
    assert counted.read_bytes()[0] == 77
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    with pytest.raises(FileNotFoundError):
        rawmmap.mmap(tmp_path / "nowhere")


@pytest.mark.parametrize("mode", [None, "r", "r+", "c"])
@pytest.mark.parametrize("shape", [None, 0, 5])
def test_a_missing_file_is_not_created(tmp_path: Path, mode: Any, shape: Any) -> None:
    with pytest.raises(FileNotFoundError, match="mode='w\\+' creates") as caught:
        rawmmap.mmap(tmp_path / "absent", "u1", shape, mode=mode)
    assert caught.value.filename == str(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_writing_anew_empties_first(counted: Path) -> None:
    a = rawmmap.mmap(counted, "<u2", 5, 2, mode="w+")
    assert a.tobytes() == bytes(10)
    a[:] = 0x0102
    assert counted.read_bytes() == b"\0\0" + b"\2\1" * 5


def test_writing_anew_through_an_open_file(counted: Path) -> None:
    with counted.open("r+b") as file:
        a = rawmmap.mmap(file, "u1", 4, mode="w+")
        a[:] = 1
    assert counted.read_bytes() == b"\1" * 4


@pytest.mark.parametrize("mode", ["r+", "w+"])
@pytest.mark.parametrize("how", ["object", "unbuffered", "descriptor"])
def test_asking_for_more_than_the_file_allows(counted: Path, mode: Any, how: str) -> None:
    with counted.open("rb", 0 if how == "unbuffered" else -1) as file:
        given: Any = file.fileno() if how == "descriptor" else file
        with pytest.raises(PermissionError, match=f"mode='{mode[0]}.*reading only"):
            rawmmap.mmap(given, "u1", 3, mode=mode)
    assert counted.read_bytes() == BYTES


def test_a_reader_of_a_writable_descriptor_only_reads(counted: Path) -> None:
    fd = os.open(counted, os.O_RDWR)
    with os.fdopen(fd, "rb") as file:
        assert not rawmmap.mmap(file).flags.writeable
        with pytest.raises(PermissionError):
            rawmmap.mmap(file, mode="r+")


@pytest.mark.parametrize("open_as", ["r+b", "ab"])
@pytest.mark.parametrize("mode", [None, "r", "r+", "c"])
def test_what_is_open_for_writing_only_cannot_be_mapped(
    counted: Path, open_as: str, mode: Any
) -> None:
    flags = os.O_WRONLY | (os.O_APPEND if open_as == "ab" else 0)
    fd = os.open(counted, flags)
    with os.fdopen(fd, "ab" if open_as == "ab" else "wb") as file:
        for given in (file, fd):
            with pytest.raises(PermissionError, match="writing only"):
                rawmmap.mmap(given, "u1", 3, mode=mode)
    assert counted.read_bytes() == BYTES


def test_permissions_of_the_file_count(python: Any) -> None:
    code = """
import os, sys, rawmmap.mapping
if os.geteuid() == 0:
    os.setuid(65534)
path = sys.argv[1]
rawmmap.mmap(path, shared=False)[:] = 1
for mode in "r+", "w+":
    try:
        rawmmap.mmap(path, "u1", 3, mode=mode)
    except PermissionError as error:
        print(error.filename == path, mode in str(error), end=" ")
"""
    # Not in tmp_path, which other users cannot enter.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder, "file")
        path.write_bytes(BYTES)
        path.chmod(0o444)
        assert python(code, path) == "True True True True"
        assert path.read_bytes() == BYTES


class TestNoFiles:
    """What has no bytes at fixed positions is refused at once."""

    @pytest.mark.parametrize("mode", [None, "r", "r+", "w+", "c"])
    def test_directories(self, tmp_path: Path, mode: Any) -> None:
        with pytest.raises(IsADirectoryError, match="directory") as caught:
            rawmmap.mmap(tmp_path, "u1", 3, mode=mode)
        assert caught.value.filename == str(tmp_path)

    @pytest.mark.parametrize("mode", [None, "r", "r+", "w+", "c"])
    @pytest.mark.parametrize("shape", [None, 0, 3])
    def test_named_pipes_do_not_hang(self, tmp_path: Path, mode: Any, shape: Any) -> None:
        if shape is None and mode == "w+":
            shape = 4
        os.mkfifo(tmp_path / "pipe")
        said: list[str] = []

        def attempt() -> None:
            try:
                rawmmap.mmap(tmp_path / "pipe", "u1", shape, mode=mode)
            except OSError as error:
                said.append(str(error))

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        assert "pipe" in said[0]

    def test_pipes(self) -> None:
        read, write = os.pipe()
        with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb") as writer:
            for given in (read, reader):
                with pytest.raises(OSError, match="a pipe"):
                    rawmmap.mmap(given, "u1", 3, 0)
            with pytest.raises(OSError, match="a pipe"):
                rawmmap.mmap(reader, "u1", 3)
            with pytest.raises(PermissionError, match="writing only"):
                rawmmap.mmap(writer, "u1", 3)

    def test_sockets(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket")
            with pytest.raises(OSError, match="a socket"):
                rawmmap.mmap("socket", "u1", 3)
            with pytest.raises(OSError, match="a socket"):
                rawmmap.mmap(listening.fileno(), "u1", 3)

    @pytest.mark.parametrize("mode", [None, "r+", "w+", "c"])
    @pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/urandom"])
    def test_devices(self, path: str, mode: Any) -> None:
        with pytest.raises(OSError, match="character device"):
            rawmmap.mmap(path, "u1", 3, mode=mode)

    def test_files_that_cannot_be_mapped(self) -> None:
        path = "/sys/kernel/mm/transparent_hugepage/enabled"
        if not Path(path).exists():
            pytest.skip("no such file here")
        with pytest.raises(OSError, match="cannot map the 3 bytes"):
            rawmmap.mmap(path, "u1", 3)

    def test_memory_of_python(self) -> None:
        with pytest.raises(io.UnsupportedOperation, match="cannot be mapped"):
            rawmmap.mmap(io.BytesIO(b"abc"))

    def test_text(self, counted: Path) -> None:
        file: Any
        with counted.open() as file, pytest.raises(TypeError, match="text"):
            rawmmap.mmap(file)

    def test_compressed_files(self, tmp_path: Path) -> None:
        path = tmp_path / "x.gz"
        path.write_bytes(gzip.compress(b"abc"))
        file: Any
        with gzip.open(path) as file, pytest.raises(TypeError, match="GzipFile"):
            rawmmap.mmap(file)

    @pytest.mark.parametrize("file", [None, 1.5, [], object()])
    def test_other_objects(self, file: Any) -> None:
        with pytest.raises(TypeError, match=type(file).__name__):
            rawmmap.mmap(file)

    @pytest.mark.parametrize("fd", [-1, 9999])
    def test_descriptors_that_are_not_open(self, fd: int) -> None:
        with pytest.raises(OSError, match=f"{fd} is not an open file descriptor"):
            rawmmap.mmap(fd, "u1", 3)

    def test_closed_files(self, counted: Path) -> None:
        file = counted.open("rb")
        file.close()
        with pytest.raises(ValueError, match="closed"):
            rawmmap.mmap(file)

    def test_closed_files_say_which_and_what_to_do(self, counted: Path) -> None:
        for file in (counted.open("rb"), counted.open("rb", 0)):
            file.close()
            with pytest.raises(ValueError, match="closed file; open it again") as caught:
                rawmmap.mmap(file)
            assert str(caught.value).startswith(f"{counted}: ")

    def test_what_has_no_size_is_not_blamed_on_the_shape(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(OSError, match="a pipe"):
            rawmmap.mmap(tmp_path / "pipe", mode="w+")
        with pytest.raises(IsADirectoryError, match="directory"):
            rawmmap.mmap(tmp_path, "u1", (-1, 2), mode="w+")
        read, write = os.pipe()
        with os.fdopen(read), os.fdopen(write), pytest.raises(OSError, match="a pipe"):
            rawmmap.mmap(read, mode="w+")

    @linux
    def test_files_that_the_system_makes_up(self) -> None:
        """Their size is said to be 0, or they can be read and not mapped."""
        for shape in (None, -1, (-1, 2)):
            with pytest.raises(OSError, match="0 bytes, though it has data") as caught:
                rawmmap.mmap("/proc/self/status", "u1", shape)
            assert caught.value.filename == "/proc/self/status"
        with open("/proc/self/status", "rb") as file:
            with pytest.raises(OSError, match="0 bytes, though"):
                rawmmap.mmap(file)
            assert file.tell() == 0

    def test_files_without_maps_say_what_to_do(self) -> None:
        path = "/sys/kernel/mm/transparent_hugepage/enabled"
        if not Path(path).exists():
            pytest.skip("no such file here")
        for shape in (None, 3):
            with pytest.raises(OSError, match="has no maps of it: copy") as caught:
                rawmmap.mmap(path, "u1", shape)
            assert caught.value.filename == path


def test_no_descriptor_leaks(counted: Path, tmp_path: Path) -> None:
    """Neither success nor failure leaves a descriptor behind."""
    before = os.listdir("/proc/self/fd")
    arguments: Any
    for _ in range(3):
        rawmmap.mmap(counted)
        for arguments in [("u1", None, 500), ("<u2", None, 1), ("u1", 500)]:
            with pytest.raises((OSError, ValueError)):
                rawmmap.mmap(counted, *arguments)
        with pytest.raises(OSError, match="device"):
            rawmmap.mmap("/dev/zero")
    assert os.listdir("/proc/self/fd") == before


def test_another_program_wrote_it(tmp_path: Path) -> None:
    subprocess.run(["sh", "-c", "printf '\\1\\2\\3\\4' > out"], cwd=tmp_path, check=True)
    a = rawmmap.mmap(tmp_path / "out", ">u2")
    np.testing.assert_array_equal(a, [0x0102, 0x0304])


@pytest.mark.parametrize("keyword", ["order", "mode", "grow", "shared"])
@pytest.mark.parametrize("value", [[], {}, "x", 2])
def test_a_keyword_of_another_kind_is_named(counted: Path, keyword: str, value: Any) -> None:
    keywords: dict[str, Any] = {keyword: value}
    with pytest.raises(ValueError, match=f"{keyword} must be") as caught:
        rawmmap.mmap(counted, "u1", 3, **keywords)
    assert str(counted) in str(caught.value)
    assert repr(value) in str(caught.value)
    if keyword in ("order", "shared"):
        with pytest.raises(ValueError, match=f"anonymous memory: {keyword} must be"):
            rawmmap.anonymous("u1", 3, **keywords)


def test_an_empty_array_that_numpy_cannot_make(counted: Path) -> None:
    with pytest.raises(ValueError, match=r"dtype uint8 and shape \(0, 4611686018427387904, 4\)"):
        rawmmap.mmap(counted, "u1", (0, 2**62, 4))


def test_a_mode_in_the_place_of_the_offset(counted: Path) -> None:
    with pytest.raises(TypeError, match=r"offset must be .*pass mode='r\+' by its keyword"):
        rawmmap.mmap(counted, "u1", (3,), "r+")  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [rawmmap.mmap, rawmmap.Mapping])
@pytest.mark.parametrize("mode", ["r", "r+", "w+", "c", "readwrite"])
def test_the_order_of_memmap_with_a_shape_by_its_keyword(
    counted: Path, function: Any, mode: str
) -> None:
    with pytest.raises(TypeError, match=r"third argument is the shape.*numpy\.memmap") as caught:
        function(counted, "u1", mode, shape=(3,))
    assert str(counted) in str(caught.value)
    assert counted.read_bytes() == BYTES
    with pytest.raises(TypeError, match="multiple values"):
        function(counted, "u1", 3, shape=3)


def test_signatures_are_those_of_the_documentation() -> None:
    for function in (rawmmap.mmap, rawmmap.Mapping):
        parameters = list(inspect.signature(function).parameters)
        assert parameters[:4] == ["file", "dtype", "shape", "offset"]
        assert parameters[-4:] == ["order", "mode", "grow", "shared"]


def test_a_dtype_may_be_named_like_a_mode(counted: Path) -> None:
    assert rawmmap.mmap(counted, "c", shape=3).dtype == "S1"
    assert rawmmap.Mapping(counted, "c", shape=3).array.dtype == "S1"


@pytest.mark.parametrize("module", [bz2, gzip, lzma])
def test_decoded_bytes_behind_a_buffer_are_refused(tmp_path: Path, module: Any) -> None:
    path = tmp_path / "a"
    path.write_bytes(module.compress(BYTES))
    with (
        module.open(path) as file,
        io.BufferedReader(file) as buffered,
        pytest.raises(TypeError, match=f"the result of {type(file).__name__}"),
    ):
        rawmmap.mmap(buffered)


def test_a_member_of_an_archive_is_refused(counted: Path) -> None:
    with tarfile.open(counted.with_name("a.tar"), "w") as archive:
        archive.add(counted, "member")
    with tarfile.open(counted.with_name("a.tar")) as archive:
        member: Any = archive.extractfile("member")
        with pytest.raises(TypeError, match="write them to a file first"):
            rawmmap.mmap(member)


def test_a_buffer_of_ones_own_is_taken(counted: Path) -> None:
    with counted.open("r+b", buffering=0) as file:
        buffered = io.BufferedRandom(file)
        buffered.write(b"\xff")
        a = rawmmap.mmap(buffered, offset=0)
        assert a.tobytes() == b"\xff" + BYTES[1:]
        assert a.flags.writeable
        buffered.detach()
