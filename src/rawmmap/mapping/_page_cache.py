"""How much of each part of a file is in memory."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rawmmap.mapping._advice import resident
from rawmmap.mapping._mmap import mmap

__all__ = ["resident_shares"]

# Bytes that are looked at, at the beginning of each part.
_MOST = 2**20


def resident_shares(path: str, edges: Sequence[float]) -> list[float] | None:
    """Return the share of each part of a file that is in memory; None if the system does not tell.

    Parameters
    ----------
    path : str
        A local file.
    edges : sequence of float
        Bytes at which its parts begin, and its end. Of a part of more than 1 MiB the beginning is
        looked at.
    """
    try:
        return [_share(path, int(start), int(stop)) for start, stop in itertools.pairwise(edges)]
    except (NotImplementedError, OSError, ValueError):
        return None


def _share(path: str, start: int, stop: int) -> float:
    return resident(mmap(path, "u1", min(max(stop - start, 1), _MOST), start))
