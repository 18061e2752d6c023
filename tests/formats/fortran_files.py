"""Records as a Fortran program writes them: built byte by byte, and by gfortran itself."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAM = """
program records
  implicit none
  integer(4) :: counts(5) = [3, 0, 11, 1, 26]
  integer(4) :: i, j, k
  real(4) :: u(7, 3)
  real(8) :: t
  open(10, file='equal.dat', form='unformatted', access='sequential', status='replace')
  write(10) 'a title '
  do k = 0, 4
    t = k * 0.5d0
    do j = 1, 3
      do i = 1, 7
        u(i, j) = 100 * k + 10 * j + i
      end do
    end do
    write(10) t
    write(10) u
  end do
  close(10)
  open(10, file='ragged.dat', form='unformatted', access='sequential', status='replace')
  do k = 1, 5
    write(10) counts(k)
    write(10) (real(100 * k + i, 8), i = 1, counts(k))
  end do
  close(10)
end program
"""

COUNTS = [3, 0, 11, 1, 26]
TIMES = np.arange(5) * 0.5
FIELDS = (
    100 * np.arange(5)[:, None, None] + 10 * np.arange(1, 4)[:, None] + np.arange(1, 8)
).astype("f4")
PARTICLES = [100 * (k + 1) + np.arange(1, n + 1.0) for k, n in enumerate(COUNTS)]


@functools.cache
def run_gfortran(*flags: str) -> Path:
    """Return the folder in which a program compiled with some flags has written its files."""
    if shutil.which("gfortran") is None:
        pytest.skip("gfortran is not installed")
    folder = Path(tempfile.mkdtemp(prefix="gfortran-"))
    (folder / "records.f90").write_text(PROGRAM)
    subprocess.run(["gfortran", *flags, "records.f90", "-o", "records"], cwd=folder, check=True)
    subprocess.run(["./records"], cwd=folder, check=True)
    return folder


def record(payload: bytes, width: int = 4, byteorder: Any = "little", limit: int = 2**31) -> bytes:
    """Return one record with its markers, in parts of at most `limit` bytes."""
    parts = [payload[i : i + limit] for i in range(0, len(payload), limit)] or [b""]
    result = b""
    for i, part in enumerate(parts):
        lead = -len(part) if i + 1 < len(parts) else len(part)
        trail = -len(part) if i else len(part)
        for n, data in ((lead, part), (trail, b"")):
            result += n.to_bytes(width, byteorder, signed=True) + data
    return result


def records(payloads: Iterable[bytes], *how: Any) -> bytes:
    """Return records that follow each other."""
    return b"".join(record(payload, *how) for payload in payloads)
