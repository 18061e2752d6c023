"""A file and its maps, against a model in plain bytes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

import rawmmap

MOST = 3 * 4096 + 500

# Another process, that answers single lines: it writes and reads through maps of its own.
OTHER = """
import sys, rawmmap
path = sys.argv[1]
for line in sys.stdin:
    word, start, n, value = line.split()
    start, n = int(start), int(n)
    if word == "write":
        rawmmap.mmap(path, "u1", n, start, mode="r+")[:] = int(value)
        print("done", flush=True)
    else:
        print(rawmmap.mmap(path, "u1", n, start).tobytes().hex() or "-", flush=True)
"""


class Shown:
    """An array and what it should show: bytes of the file, or a private copy of them."""

    def __init__(self, array: Any, start: int, private: bytearray | None) -> None:
        self.array, self.start, self.private = array, start, private


class Files(RuleBasedStateMachine):
    """Map, write, grow, resize and drop, from two processes; after each step all must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "file"
        self.path.touch()
        self.model = bytearray()
        self.shown: list[Shown] = []
        self.other: subprocess.Popen[str] | None = None

    maps = Bundle("maps")

    @initialize(data=st.binary(max_size=9000))
    def begin(self, data: bytes) -> None:
        self.path.write_bytes(data)
        self.model[:] = data

    def lengthened(self, stop: int) -> None:
        self.model.extend(bytes(max(0, stop - len(self.model))))

    @rule(
        target=maps,
        start=st.integers(0, MOST),
        n=st.integers(0, MOST),
        dtype=st.sampled_from(["u1", "<u2", "V3"]),
        shared=st.booleans(),
        grow=st.sampled_from([True, "sparse"]),
        given=st.sampled_from(["path", "object", "descriptor"]),
    )
    def map_writable(
        self,
        start: int,
        n: int,
        dtype: str,
        shared: bool,
        grow: Literal[True, "sparse"],
        given: str,
    ) -> Shown:
        nbytes = n // np.dtype(dtype).itemsize * np.dtype(dtype).itemsize
        with self.path.open("r+b") as file:
            source: Any = {"path": self.path, "object": file, "descriptor": file.fileno()}[given]
            array = rawmmap.mmap(
                source,
                dtype,
                nbytes // np.dtype(dtype).itemsize,
                start,
                mode="r+",
                shared=shared,
                grow=grow,
            )
        if nbytes:
            self.lengthened(start + nbytes)
        private = None if shared else self.model[start : start + nbytes]
        return self.kept(Shown(array.view("u1"), start, private))

    def kept(self, shown: Shown) -> Shown:
        # A private page may or may not show what is written to the file after it was mapped, until
        # it is touched; so the model touches all of them.
        if shown.private is not None and shown.array.size:
            shown.array[:] = shown.array.copy()
        self.shown.append(shown)
        return shown

    @rule(target=maps)
    def map_all(self) -> Shown:
        return self.kept(Shown(rawmmap.mmap(self.path), 0, None))

    @rule(shown=maps, value=st.integers(0, 255), at=st.floats(0, 1), to=st.floats(0, 1))
    def write(self, shown: Shown, value: int, at: float, to: float) -> None:
        first, last = sorted(int(x * shown.array.size) for x in (at, to))
        if not shown.array.flags.writeable:
            return
        shown.array[first:last] = value
        changed = self.model if shown.private is None else shown.private
        start = shown.start if shown.private is None else 0
        changed[start + first : start + last] = bytes([value]) * (last - first)

    @rule(shown=maps, wait=st.booleans())
    def flush(self, shown: Shown, wait: bool) -> None:
        if shown.array.flags.writeable and shown.private is None:
            rawmmap.flush(shown.array[::3], wait=wait)

    @rule(shown=maps, advice=st.sampled_from(["random", "willneed", "dontneed", "normal"]))
    def advise(self, shown: Shown, advice: str) -> None:
        rawmmap.advise(shown.array, advice)
        assert 0 <= rawmmap.resident(shown.array) <= 1

    @rule(target=maps, shown=consumes(maps))
    def drop(self, shown: Shown) -> Any:
        self.shown.remove(shown)
        return multiple()

    @rule(start=st.integers(0, MOST), n=st.integers(0, MOST), longer=st.booleans())
    def resize(self, start: int, n: int, longer: bool) -> None:
        """Resize a handle of its own, that ends with the file; never under maps of others."""
        start = min(start, len(self.model))
        with rawmmap.Mapping(self.path, "u1", None, start, mode="r+") as m:
            assert m.array.tobytes() == self.model[start:]
            shortest = max([x.start + x.array.size - start for x in self.shown], default=0)
            length = max(n, shortest) if not longer else m.array.size + n
            m.resize(length)
            assert m.array.size == length
        del self.model[start + length :]
        self.lengthened(start + length)

    @rule(start=st.integers(0, MOST), n=st.integers(1, 5000), value=st.integers(0, 255))
    def another_process_writes(self, start: int, n: int, value: int) -> None:
        assert self.ask(f"write {start} {n} {value}") == "done"
        self.lengthened(start + n)
        self.model[start : start + n] = bytes([value]) * n

    @rule(at=st.floats(0, 1), to=st.floats(0, 1))
    def another_process_reads(self, at: float, to: float) -> None:
        first, last = sorted(int(x * len(self.model)) for x in (at, to))
        said = self.ask(f"read {first} {last - first} 0")
        assert said == (self.model[first:last].hex() or "-")

    def ask(self, line: str) -> str:
        if self.other is None:
            self.other = subprocess.Popen(
                [sys.executable, "-c", OTHER, str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self.other.stdin is not None
        assert self.other.stdout is not None
        print(line, file=self.other.stdin, flush=True)
        return self.other.stdout.readline().strip()

    @invariant()
    def all_agree(self) -> None:
        assert self.path.read_bytes() == self.model
        for shown in self.shown:
            expected = (
                self.model[shown.start : shown.start + shown.array.size]
                if shown.private is None
                else shown.private
            )
            assert shown.array.tobytes() == expected

    def teardown(self) -> None:
        self.shown.clear()
        if self.other is not None:
            assert self.other.stdin is not None
            assert self.other.stdout is not None
            self.other.stdin.close()
            self.other.stdout.close()
            assert self.other.wait(10) == 0
        shutil.rmtree(self.folder)


TestFiles = Files.TestCase
# Each example may start a process; more steps find more than more examples.
TestFiles.settings = settings(
    max_examples=max(10, settings().max_examples // 2), stateful_step_count=40, deadline=None
)
