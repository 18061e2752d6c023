"""`rawmmap convert` as a process: its memory, signals, and its progress bar."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

pytest.importorskip("netCDF4")
pytest.importorskip("zarr")

MIB = 2**20

# Runs a command, and prints the peak of its memory in KiB.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

# Runs a command that may write no file of more than 1 MiB.
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
os.execv(sys.argv[1], sys.argv[1:])
"""

# Converts in such a way that the first chunk waits until its threads are to end.
WAITING = """
import signal, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal
import numpy as np
from rawmmap.cli import main
from rawmmap.cli.convert import casting

def cast(block, dtype, what):
    if block.size:
        Path("started").touch()
        while not Path("go").exists():
            time.sleep(0.01)
    return block.astype(dtype)

shutdown = ThreadPoolExecutor.shutdown

def go_on(self, *arguments, **keywords):
    Path("go").touch()
    shutdown(self, *arguments, **keywords)

casting._cast = cast
ThreadPoolExecutor.shutdown = go_on
# A shell may have told its children to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("words", ["a.zarr", "a.nc", "a.bin", "a.bin --plain --to-order F"])
def test_memory_is_bounded_whatever_the_size(tmp_path: Path, words: str) -> None:
    if sys.platform == "darwin":
        pytest.skip("peak memory is counted otherwise there")
    size = 768 * MIB
    with (tmp_path / "in.bin").open("wb") as file:
        file.truncate(size)
        for position in range(0, size, 64 * MIB):
            file.seek(position)
            file.write(np.arange(1000, dtype="<i2").tobytes())
    target, *options = words.split()
    command = [sys.executable, "-m", "rawmmap", "convert", "in.bin", target, *options]
    command += ["--dtype", "<i2", "--shape", "-1,512,512", "--to-dtype", "<i2"]
    shown = subprocess.run(
        [sys.executable, "-c", MEASURE, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(shown.stdout) * 1024 < size * 2 // 3
    if target == "a.bin":
        offset = 0 if options else 4096
        order: Literal["C", "F"] = "F" if options else "C"
        result = np.memmap(tmp_path / "a.bin", "<i2", "r", offset, (1536, 512, 512), order)
        source = np.memmap(tmp_path / "in.bin", "<i2", "r", 0, (1536, 512, 512))
        np.testing.assert_array_equal(result[::128], source[::128])
    # Kept for later looks, they would fill the disk.
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.zarr", "a.nc", "a.bin", "{dim_0}.bin"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing_behind(
    tmp_path: Path, name: str, number: signal.Signals, code: int
) -> None:
    np.arange(24, dtype="<f4").tofile(tmp_path / "in.bin")
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-c", WAITING, "convert", "in.bin", f"out/{name}"]
    command += ["--dtype", "<f4", "--shape", "2,12", "--to-dtype", "<f8"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not (tmp_path / "started").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, stderr
    assert stdout == ""
    assert stderr == ("Interrupted.\n" if number == signal.SIGINT else "")
    assert os.listdir(out) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.zarr", "a.nc", "a.bin", "{dim_0}.bin"])
@pytest.mark.parametrize("exists", [False, True])
def test_files_that_may_not_grow_so_far(tmp_path: Path, name: str, exists: bool) -> None:
    """As on a full disk: the system refuses to write."""
    np.random.default_rng(0).integers(0, 99, (2, MIB)).tofile(tmp_path / "in.bin")
    out = tmp_path / "out"
    out.mkdir()
    words = ["--dtype", "<i8", "--shape", f"2,{MIB}", "--overwrite", "--to-dtype", "<f8"]
    convert = [sys.executable, "-m", "rawmmap", "convert", "in.bin", f"out/{name}", *words]
    if exists:
        subprocess.run(convert, cwd=tmp_path, check=True)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    shown = subprocess.run(
        [sys.executable, "-c", LIMITED, *convert],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 3, shown.stderr
    assert shown.stderr.startswith("Error: ")
    assert shown.stderr.count("\n") == 1
    assert "/out/" in shown.stderr
    assert ".part" not in shown.stderr
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert not exists or len(os.listdir(out)) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [False, True])
def test_a_progress_bar_on_terminals_only(tmp_path: Path, terminal: bool) -> None:
    np.arange(24, dtype="<f4").tofile(tmp_path / "in.bin")
    command = [sys.executable, "-m", "rawmmap", "convert", "in.bin", "a.bin", "--dtype", "<f4"]
    leader, follower = pty.openpty()
    try:
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=follower if terminal else subprocess.PIPE,
        )
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0
        assert stdout == b""
        if terminal:
            assert b"100% Completed" in os.read(leader, 2**16)
        else:
            assert stderr == b""
    finally:
        os.close(leader)
        os.close(follower)
