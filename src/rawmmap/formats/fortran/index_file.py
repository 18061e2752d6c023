"""The index of a file's records, kept beside it so that the next opening needs no pass.

``<path>.index`` starts with a line of JSON, which says of which state of the file it is true, and
then holds the first marker of each record or part of one as little-endian 64-bit integers.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import numpy as np

from rawmmap.errors import DescriptionError
from rawmmap.files.replace import replacing
from rawmmap.formats.fortran.markers import RecordMarkers
from rawmmap.formats.fortran.scanning import RecordIndex
from rawmmap.formats.probe import Probe

__all__ = ["SUFFIX", "read_index", "write_index"]

SUFFIX = ".index"
_KIND = "rawmmap index of Fortran records, version 1"
_LONGEST_LINE = 1000


def read_index(probe: Probe, markers: RecordMarkers, start: int) -> RecordIndex | None:
    """Return the index beside a file, or None if there is none that is true of the file now."""
    if probe.path is None:
        return None
    with contextlib.suppress(OSError), open(probe.path + SUFFIX, "rb") as file:
        if _parse_line(file.readline(_LONGEST_LINE)) != _state(probe, markers, start):
            return None
        data = file.read()
        if len(data) % 8:
            return None
        index = RecordIndex(markers, start, np.frombuffer(data, "<i8").astype(np.int64))
        return index if _fits(index, probe.size) else None
    return None


def write_index(probe: Probe, index: RecordIndex) -> None:
    """Keep an index beside its file.

    Raises
    ------
    DescriptionError
        If the file is not a local one.
    FileExistsError
        If a file of that name exists that is not such an index.
    """
    if probe.path is None:
        raise DescriptionError(f"{probe.name}: index=True keeps an index beside local files only")
    path = probe.path + SUFFIX
    if os.path.exists(path) and not _is_index(path):
        raise FileExistsError(
            f"{path} exists and is not an index of records, so it is not replaced; remove it, or "
            "leave out index=True"
        )
    line = json.dumps(_state(probe, index.markers, index.start))
    with replacing(path) as draft, open(draft, "wb") as file:
        file.write(line.encode() + b"\n")
        file.write(index.leads.astype("<i8").tobytes())


def _state(probe: Probe, markers: RecordMarkers, start: int) -> dict[str, Any]:
    identity = probe.identity
    return {
        "kind": _KIND,
        "size": identity.size,
        "mtime_ns": identity.modified,
        "start": start,
        "marker_bytes": markers.nbytes,
        "byteorder": markers.byteorder,
    }


def _is_index(path: str) -> bool:
    with open(path, "rb") as file:
        line = _parse_line(file.readline(_LONGEST_LINE))
    return isinstance(line, dict) and line.get("kind") == _KIND


def _parse_line(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _fits(index: RecordIndex, size: int) -> bool:
    """Return whether the records of an index lie within a file, so that nothing else is read."""
    lengths = index.parts
    if not lengths.size or lengths.min() < 0 or lengths.max() > size or index.leads[-1] < 0:
        return False
    stop = index.start + sum(lengths.tolist()) + lengths.size * 2 * index.markers.nbytes
    return bool(stop <= size)
