"""GrADS files for the tests: written value by value, and read by the program itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

__all__ = ["Grid", "dump", "needs_cdo", "needs_grads", "run_grads"]

needs_grads = pytest.mark.skipif(shutil.which("grads") is None, reason="grads is not installed")
needs_cdo = pytest.mark.skipif(shutil.which("cdo") is None, reason="cdo is not installed")

_UNITS = {"f4": "99", "u1": "-1,40,1", "u2": "-1,40,2", "i2": "-1,40,2,-1", "i4": "-1,40,4"}


@dataclass
class Grid:
    """A descriptor file and its data, for variables u, v, ... of some numbers of levels."""

    nx: int = 4
    ny: int = 3
    nt: int = 2
    ne: int = 0
    levels: tuple[int, ...] = (2, 0)
    code: str = "f4"
    order: str = "<"
    headers: dict[str, int] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    time_inside: bool = False
    lines: tuple[str, ...] = ()
    seed: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple("uvwpqrst"[: len(self.levels)])

    def values(self) -> dict[str, npt.NDArray[Any]]:
        """Return what each variable holds: member, time, level, south to north, west to east."""
        rng = np.random.default_rng(self.seed)
        result = {}
        for name, n in zip(self.names, self.levels, strict=True):
            shape = (max(self.ne, 1), self.nt, max(n, 1), self.ny, self.nx)
            if self.code == "f4":
                result[name] = rng.normal(size=shape).astype("f4")
            else:
                limits = np.iinfo(self.code)
                whole = rng.integers(limits.min, limits.max, shape, dtype="i8", endpoint=True)
                # GrADS keeps values as 32-bit floats when it writes them.
                result[name] = whole.astype("f4").clip(limits.min, limits.max / 2).astype(self.code)
        return result

    def expected(self) -> dict[str, npt.NDArray[Any]]:
        """Return the variables with the axes that they have when they are opened."""
        result = {}
        for (name, values), n in zip(self.values().items(), self.levels, strict=True):
            data = values if n else values[:, :, 0]
            result[name] = data if self.ne else data[0]
        return result

    def grid_bytes(self, grid: npt.NDArray[Any]) -> bytes:
        """Return one record: a grid with what is around it."""
        rows = grid[::-1] if "yrev" in self.options else grid
        data = rows.astype(self.order + self.code).tobytes()
        data = self.filler("XYHEADER") + data + self.filler("XYTRAILER")
        return self.record(data)

    def record(self, data: bytes) -> bytes:
        if "sequential" not in self.options:
            return data
        marker = np.array(len(data), self.order + "u4").tobytes()
        return marker + data + marker

    def filler(self, keyword: str) -> bytes:
        return b"\xa5" * self.headers.get(keyword, 0)

    def data(self, times: Iterable[int] | None = None) -> bytes:
        """Return the contents of the file, or of one that holds some of the times."""
        chosen = list(range(self.nt) if times is None else times)
        parts = [self.filler("FILEHEADER")]
        for e in range(max(self.ne, 1)):
            if self.time_inside:
                for name in self.names:
                    parts += [self.levels_bytes(name, e, t) for t in chosen]
                continue
            for t in chosen:
                header = self.filler("THEADER")
                parts.append(self.record(header) if header else b"")
                parts += [self.levels_bytes(name, e, t) for name in self.names]
                parts.append(self.filler("TRAILERBYTES"))
        return b"".join(parts)

    def levels_bytes(self, name: str, e: int, t: int) -> bytes:
        grids = self.values()[name][e, t]
        ordered = grids[::-1] if "zrev" in self.options else grids
        return b"".join(self.grid_bytes(grid) for grid in ordered)

    def text(self, dset: str = "^g.dat") -> str:
        """Return the descriptor file."""
        endian = "little_endian" if self.order == "<" else "big_endian"
        units = "-1,20" if self.time_inside else _UNITS[self.code]
        lines = [
            f"DSET {dset}",
            "TITLE a grid of values",
            "UNDEF -9.99e33",
            f"OPTIONS {' '.join((endian, *self.options))}",
            f"XDEF {self.nx} LINEAR 0 10",
            f"YDEF {self.ny} LINEAR -20 10",
            "ZDEF 4 LEVELS 1000 850 500 200",
            f"TDEF {self.nt} LINEAR 00z05mar1998 12hr",
            *(f"{keyword} {n}" for keyword, n in self.headers.items()),
            *self.lines,
        ]
        if self.ne and not any(line.startswith("EDEF") for line in self.lines):
            lines.append(f"EDEF {self.ne} NAMES {' '.join(f'e{i}' for i in range(self.ne))}")
        lines.append(f"VARS {len(self.levels)}")
        lines += [
            f"{name} {n} {units} variable {name}"
            for name, n in zip(self.names, self.levels, strict=True)
        ]
        return "\n".join([*lines, "ENDVARS", ""])

    def write(self, folder: Path) -> Path:
        """Write both files; return the path of the descriptor file."""
        (folder / "g.dat").write_bytes(self.data())
        ctl = folder / "g.ctl"
        ctl.write_text(self.text())
        return ctl


def run_grads(commands: Sequence[str], folder: Path) -> str:
    """Return what the program prints."""
    result = subprocess.run(
        ["grads", "-bl"],
        input="\n".join([*commands, "quit", ""]),
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
        check=False,
    )
    return result.stdout


def dump(
    ctl: Path, name: str, shape: tuple[int, int, int, int, int], undef: float | None = None
) -> npt.NDArray[np.float32]:
    """Return a variable as the program reads it: member, time, level, row, column."""
    members, times, levels, rows, columns = shape
    out = ctl.with_suffix(".out")
    out.unlink(missing_ok=True)
    commands = [f"open {ctl.name}", "set gxout fwrite", f"set fwrite -le -st {out.name}"]
    commands += [f"set x 1 {columns}", f"set y 1 {rows}"]
    for e in range(members):
        commands += [f"set e {e + 1}"] if members > 1 else []
        for t in range(times):
            for z in range(levels):
                commands += [f"set t {t + 1}", f"set z {z + 1}", f"d {name}"]
    log = run_grads([*commands, "disable fwrite"], ctl.parent)
    values = np.fromfile(out, "<f4") if out.exists() else np.zeros(0, "f4")
    assert values.size == np.prod(shape), log
    # What the program writes for missing values is its own number.
    return np.where(values == np.float32(-9.99e8), np.float32("nan"), values).reshape(shape)


def find_errors(log: str) -> list[str]:
    """Return the lines in which the program complains."""
    return re.findall(r"(?im)^.*(?:error|warning).*$", log)
