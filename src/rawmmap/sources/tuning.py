"""Constants of reading and writing, with their units and the benchmarks that set them."""

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
        A window is sparse if it has more than this ratio of pages to needed pages
        (series of a pixel on a cold page cache, ``benchmarks/cases.py``).
    max_hinted : int
        Bytes above which no hints are given: the pages would evict each other from memory.
    samples : int
        Number of runs that are checked for presence in the page cache before hints are given.
    short_read : int
        Bytes, one page, up to which a read is complete unless the file ends.
    near : int
        Bytes between two runs up to which one read of both is faster than two calls (crops of a
        cube on a warm page cache, ``benchmarks/cases.py``).
    slab : int
        Bytes read at a time where unwanted bytes in between are read too, which bounds the memory.
    remote_gap : int
        Bytes between two ranges of a remote file up to which one request for both is faster than
        two: about 20 ms of latency at 13 MB/s (``benchmarks/remote.py``).
    remote_piece : int
        Bytes of a remote file above which one range is fetched as several, concurrently: a server
        often limits the rate of each connection.
    remote_requests : int
        Number of requests of one selection that are under way at a time; as many connections as
        aiohttp keeps.
    remote_buffer : int
        Bytes of an answer that may wait to be stored before the connection is held up
        (``benchmarks/remote.py`` without latency).
    open_sources : int
        Number of sources of a series that stay cached, well below the usual limit of descriptors.
    open_maps : int
        Number of descriptors in maps from which on windows of a series are read instead.
    """

    small: int = 2**20
    few_runs: int = 4096
    sparse: tuple[int, int] = (3, 2)
    max_hinted: int = 2**30
    samples: int = 8
    short_read: int = 4096
    near: int = 2**16
    slab: int = 2**26
    remote_gap: int = 2**18
    remote_piece: int = 2**24
    remote_requests: int = 100
    remote_buffer: int = 2**20
    open_sources: int = 64
    open_maps: int = 48


TUNING = Tuning()
