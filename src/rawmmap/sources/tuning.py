"""What reads and writes were tuned by: every constant, its unit, and the benchmark that set it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TUNING", "Tuning"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """Constants of reading and writing.

    Attributes
    ----------
    small : int
        Bytes below which a positional read is at least as fast as a map (windows of 4 KiB to
        16 MiB, in ``benchmarks/test_mapping.py``).
    few_runs : int
        Number of runs up to which one system call each is cheaper than page faults (crops of a
        cube, ``benchmarks/cases.py``).
    sparse : tuple of int
        A window is sparse where its pages are more than this ratio of those that are needed
        (series of a pixel on a cold page cache, ``benchmarks/cases.py``).
    most_hinted : int
        Bytes above which hints are left out: they would push each other out of memory.
    samples : int
        Number of runs that are looked up in the page cache before hints are given.
    short_read : int
        Bytes of a read that comes whole or ends with the file, a page.
    near : int
        Bytes between two runs that are read faster than a second call is made (crops of a cube on
        a warm page cache, ``benchmarks/cases.py``).
    slab : int
        Bytes at a time where bytes between the wanted ones are read too, so that memory stays
        bounded.
    remote_gap : int
        Bytes between two ranges of a remote file that are fetched faster than a second request is
        made: about 20 ms of latency at 13 MB/s.
    open_sources : int
        Number of sources of a series that are remembered, well below the usual limit of
        descriptors.
    """

    small: int = 2**20
    few_runs: int = 4096
    sparse: tuple[int, int] = (3, 2)
    most_hinted: int = 2**30
    samples: int = 8
    short_read: int = 4096
    near: int = 2**16
    slab: int = 2**26
    remote_gap: int = 2**18
    open_sources: int = 64


TUNING = Tuning()
