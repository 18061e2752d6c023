"""Who sees a change: other maps, processes, children, and programs in C."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap

WRITER_IN_C = r"""
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Adds one to each of n 32-bit integers from byte `offset` on, through a map of its own. */
int main(int argc, char **argv)
{
    int fd = open(argv[1], O_RDWR);
    char *bytes = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) return 1;
    int32_t *x = (int32_t *)(bytes + 8);
    for (int i = 0; i < 100; i++) x[i] += 1;
    return 0;
}
"""


def test_shared_changes_reach_file_and_every_map(counted: Path) -> None:
    a = rawmmap.mmap(counted, mode="r+")
    b = rawmmap.mmap(counted)
    a[5] = 200
    assert b[5] == 200
    assert counted.read_bytes()[5] == 200


@pytest.mark.parametrize(
    "arguments", [{"mode": "c"}, {"shared": False}, {"mode": "r+", "shared": False}]
)
def test_private_changes_stay_here(counted: Path, arguments: Any) -> None:
    """Seen in the array itself; not in the file; not in a second map."""
    a = rawmmap.mmap(counted, **arguments)
    other = rawmmap.mmap(counted, **arguments)
    a[5] = 200
    assert a[5] == 200
    assert counted.read_bytes() == bytes(range(240))
    assert other[5] == 5


def test_private_maps_of_files_open_for_reading_can_be_written(counted: Path) -> None:
    counted.chmod(0o444)
    with counted.open("rb") as file:
        a = rawmmap.mmap(file, shared=False)
    a += 1
    assert a[0] == 1
    assert counted.read_bytes() == bytes(range(240))


def test_shared_wins_nothing_over_copy_on_write(counted: Path) -> None:
    a = rawmmap.mmap(counted, mode="c", shared=True)
    a[0] = 9
    assert counted.read_bytes()[0] == 0
    assert not rawmmap.mapping_of(a).shared


def test_read_only_stays_read_only(counted: Path) -> None:
    a = rawmmap.mmap(counted)
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        a.flags.writeable = True


def test_another_process_reads_and_writes(counted: Path, python: Any) -> None:
    a = rawmmap.mmap(counted, "<i4", 10, 4, mode="r+")
    a[:] = np.arange(10)
    code = """
import sys, rawmmap
b = rawmmap.mmap(sys.argv[1], "<i4", 10, 4, mode="r+")
print(b.sum())
b *= 2
"""
    assert python(code, counted) == "45"
    np.testing.assert_array_equal(a, 2 * np.arange(10))


def test_a_program_in_c_shares_the_map(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (tmp_path / "writer.c").write_text(WRITER_IN_C)
    subprocess.run([compiler, "writer.c", "-o", "writer"], cwd=tmp_path, check=True)
    a = rawmmap.mmap(tmp_path / "data", np.int32, 1022, 8, mode="w+")
    a[:] = np.arange(1022)
    subprocess.run([tmp_path / "writer", tmp_path / "data"], check=True)
    expected = np.arange(1022)
    expected[:100] += 1
    np.testing.assert_array_equal(a, expected)


fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

FORKING = """
import os, sys, rawmmap
a = {array}
a[0] = 1
ready, go = os.pipe()
pid = os.fork()
if pid == 0:
    os.read(ready, 1)
    seen = int(a[0])
    a[1] = 5
    os._exit(seen)
a[0] = 2
os.write(go, b"x")
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), a[1])
"""


@fork
@pytest.mark.parametrize(
    ("array", "seen"),
    [
        ('rawmmap.anonymous("i4", 4)', "2 5"),
        ('rawmmap.anonymous("i4", 4, shared=False)', "1 0"),
        ('rawmmap.mmap(sys.argv[1], "i4", 4, mode="w+")', "2 5"),
        ('rawmmap.mmap(sys.argv[1], "i4", 4, mode="w+", shared=False)', "1 0"),
    ],
)
def test_forked_children(tmp_path: Path, python: Any, array: str, seen: str) -> None:
    assert python(FORKING.format(array=array), tmp_path / "file") == seen


class TestAnonymous:
    """Memory with no file."""

    @pytest.mark.parametrize("shared", [True, False])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_zeros(self, shared: bool, order: Any) -> None:
        a = rawmmap.anonymous("<f4", (3, 5), order=order, shared=shared)
        assert type(a) is np.ndarray
        assert a.shape == (3, 5)
        assert not a.any()
        assert a.flags.c_contiguous == (order == "C")
        a[:] = 3
        assert a.sum() == 45
        m = rawmmap.mapping_of(a[1])
        assert m.path is None
        assert m.shared is shared
        assert m.layout == rawmmap.Layout.dense("<f4", (3, 5), order=order)

    @pytest.mark.parametrize("shape", [0, (3, 0)])
    def test_empty(self, shape: Any) -> None:
        assert rawmmap.anonymous("f4", shape).size == 0

    @pytest.mark.parametrize("shape", [-1, (2, -1), 2**63, (2**40, 2**40)])
    def test_impossible_shapes(self, shape: Any) -> None:
        with pytest.raises(ValueError, match=r"negative|2\*\*63"):
            rawmmap.anonymous("u1", shape)

    def test_other_errors(self) -> None:
        with pytest.raises(TypeError, match="pointers"):
            rawmmap.anonymous("O", 3)
        with pytest.raises(ValueError, match="order"):
            rawmmap.anonymous("u1", 3, order="K")
        with pytest.raises(OSError, match="cannot map the"):
            rawmmap.anonymous("u1", 2**62)

    def test_it_is_given_back(self) -> None:
        a = rawmmap.anonymous("u1", 1 << 20)
        address = a.ctypes.data
        del a
        assert f"{address:x}-" not in Path("/proc/self/maps").read_text()

    def test_no_file_to_resize(self) -> None:
        a = rawmmap.anonymous("u1", 10)
        m = rawmmap.mapping_of(a)
        del a
        with pytest.raises(OSError, match="anonymous memory has no file"):
            m.resize(20)

    @pytest.mark.parametrize("shared", [True, False])
    def test_what_is_said_of_it(self, shared: bool) -> None:
        a = rawmmap.anonymous("u1", 10, shared=shared)
        m = rawmmap.mapping_of(a)
        assert "anonymous memory" in repr(m)
        with pytest.raises(BufferError, match=r"^anonymous memory: "):
            m.close()
        if not shared:
            with pytest.raises(io.UnsupportedOperation, match=r"private anonymous.*shared=True"):
                m.flush()
        del a
        with pytest.raises(io.UnsupportedOperation, match="anonymous memory has no file"):
            m.resize(20)
        m.close()
        with pytest.raises(ValueError, match=r"^anonymous memory: .*closed"):
            m.array  # noqa: B018

    @pytest.mark.parametrize(
        "arguments", [("O", 3), ("S0", 3), ("u1", -1), ("u1", 2**63), ("u1", 2, "K")]
    )
    def test_bad_arguments_are_said_to_be_for_it(self, arguments: Any) -> None:
        dtype, shape, order = (*arguments, "C")[:3]
        with pytest.raises((TypeError, ValueError), match=r"^anonymous memory: "):
            rawmmap.anonymous(dtype, shape, order=order)
