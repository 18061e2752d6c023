"""`guess`: from a path to descriptions, best first."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, SupportsIndex

from rawmmap.formats.probe import Probe
from rawmmap.guessing.candidates import guess_raw
from rawmmap.guessing.fortran import guess_sequential
from rawmmap.guessing.model import Guess
from rawmmap.guessing.not_raw import explain_not_raw
from rawmmap.guessing.recognition import CERTAINTY, Recognised, recognise_header
from rawmmap.guessing.samples import Parts, read_parts
from rawmmap.sources import name_of

__all__ = ["guess"]


def guess(
    path: str | os.PathLike[str],
    *,
    limit: int = 5,
    storage_options: Mapping[str, Any] | None = None,
) -> list[Guess]:
    """Rank what an unknown file may hold: type, byte order, header, rows, channels, records.

    A header in the file, or beside it, is recognised as by `open`. Without one the bytes are read
    as numbers of all types, and the type comes first whose numbers are the easiest to predict from
    their sizes and their neighbours.

    Parameters
    ----------
    path : path-like
        Local file, or any URL that fsspec knows.
    limit : int
        How many guesses at most, 1 or more.
    storage_options : mapping, optional
        Options for fsspec, for URLs.

    Returns
    -------
    list of Guess
        Best first, and at least one. For a file that does not hold raw numbers, such as text or
        compressed data, one with empty `keywords`, a score of 0, and the reason as evidence.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it is not a regular file, or cannot be read.
    TypeError
        If `path` is not a path, or `limit` not an integer.
    ValueError
        If `limit` is less than 1.

    Notes
    -----
    It reads a few parts of a large file, about 2 MiB, and all of a small one. Types are integers
    of 1, 2, 4 and 8 bytes, floats of 4 and 8 and complex numbers of those; headers are at most
    4096 bytes long.

    Examples
    --------
    >>> import numpy as np, rawmmap, tempfile
    >>> from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name, "a.raw")
    >>> y, x = np.mgrid[:80, :96]
    >>> u = np.sin(x / 22) + np.cos(y / 20)
    >>> _ = path.write_bytes(b"temperature".ljust(512, b" ") + u.astype(">f4").tobytes())
    >>> rawmmap.guess(path)[0].keywords
    {'dtype': '>f4', 'shape': (-1, 96), 'dims': ('y', 'x'), 'offset': 512}
    >>> folder.cleanup()
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(f"a path or URL is needed, not {type(path).__name__}")
    if not isinstance(limit, SupportsIndex):
        raise TypeError(f"limit must be an integer, not {limit!r}")
    if operator.index(limit) < 1:
        raise ValueError(f"limit={limit} must be at least 1")
    name = os.fsdecode(path)
    probe = Probe(name, storage_options)
    header = recognise_header(probe, storage_options) if probe.size else Recognised()
    parts = read_parts(probe)
    shown = name_of(name)[0] if storage_options or "://" in name else name
    guesses = _rank(probe, parts, header, limit)
    return [replace(one, path=shown, remote=bool(storage_options)) for one in guesses[:limit]]


def _rank(probe: Probe, parts: Parts, header: Recognised, limit: int) -> list[Guess]:
    reason = explain_not_raw(parts)
    if reason is not None:
        remarks = (header.remark,) if header.remark else ()
        return [header.guess or Guess({}, 0.0, (*remarks, reason))]
    guesses = guess_sequential(probe, parts, limit) or guess_raw(parts, limit)
    if header.remark:
        guesses = [replace(one, evidence=(header.remark, *one.evidence)) for one in guesses]
    if header.guess is None:
        return guesses
    return [header.guess, *(replace(one, score=(1 - CERTAINTY) * one.score) for one in guesses)]
