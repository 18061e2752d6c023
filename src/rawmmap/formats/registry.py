"""Which reader knows a file: ours, registered ones, and those that other packages bring.

A reader is any object with a `name`, ``recognises(probe)``, which looks at the content of the file
and not at its suffix, and ``read(probe)``, which returns a `Description`. Other packages add
theirs by `register`, or by an entry point in the group ``rawmmap.formats``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol

from rawmmap.description import Description, Keywords
from rawmmap.errors import DescriptionError
from rawmmap.formats.ehdr import EhdrReader
from rawmmap.formats.envi.reader import EnviReader
from rawmmap.formats.npy.reader import NpyReader
from rawmmap.formats.probe import Probe
from rawmmap.formats.sidecar import SUFFIX
from rawmmap.formats.sidecar.reader import SidecarReader

__all__ = ["Reader", "find", "recognise", "register"]


class Reader(Protocol):
    """Reads one format of headers; see `rawmmap.testing.ReaderTests` for what it has to keep."""

    name: str

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file, or the header beside it, is of this format, by content."""

    def read(self, probe: Probe) -> Description:
        """Return the description of the data that the file, or the header beside it, names.

        Raises
        ------
        DescriptionError
            If the header is malformed, or says something that this reader does not implement.
        """


_BUILT_IN: tuple[Reader, ...] = (SidecarReader(), NpyReader(), EnviReader(), EhdrReader())
_READERS: dict[str, Reader] = {reader.name: reader for reader in _BUILT_IN}


def register(reader: Reader) -> None:
    """Add a reader of a format, or replace the one of the same name.

    Parameters
    ----------
    reader : Reader
        From now on it is asked about every file that no keywords describe, after ours.

    Raises
    ------
    TypeError
        If it has no `name`, `recognises` or `read`.
    """
    if not isinstance(getattr(reader, "name", None), str) or not reader.name:
        raise TypeError(f"{reader!r} has no name; a reader has one, such as 'envi'")
    for method in ("recognises", "read"):
        if not callable(getattr(reader, method, None)):
            raise TypeError(f"reader {reader.name!r} has no method {method}(probe)")
    _READERS[reader.name] = reader


@cache
def _load_entry_points() -> None:
    for point in entry_points(group="rawmmap.formats"):
        loaded = point.load()
        reader = loaded() if isinstance(loaded, type) else loaded
        if reader.name not in _READERS:
            register(reader)


def _all_readers() -> dict[str, Reader]:
    _load_entry_points()
    return _READERS


def recognise(probe: Probe) -> Reader | None:
    """Return the reader that knows a file, or None."""
    return next((r for r in _all_readers().values() if r.recognises(probe)), None)


def find(
    path: str,
    format: str | None = None,
    keywords: Keywords | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Description:
    """Return the description of a file: by keywords, else by its sidecar, else by its header.

    Parameters
    ----------
    path : str
        The data file, its sidecar or its header.
    format : str, optional
        The reader to use: ``"sidecar"``, ``"npy"``, ``"envi"``, or one that another package adds.
    keywords : Keywords, optional
        The keywords that describe the file.
    storage_options : mapping, optional
        Options for fsspec, for URLs.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DescriptionError
        If nothing describes the file, or what describes it is malformed.
    """
    described = None if keywords is None else keywords.describe(path)
    if described is not None and format is not None:
        raise DescriptionError(
            f"{path}: format={format!r} and keywords both describe the file; give one or the other"
        )
    if described is not None:
        return described
    reader = None if format is None else _named_reader(path, format)
    probe = Probe(path, storage_options)
    reader = reader or recognise(probe)
    if reader is None:
        raise DescriptionError(_explain_ways(probe))
    return reader.read(probe)


def _named_reader(path: str, format: str) -> Reader:
    readers = _all_readers()
    if format not in readers:
        raise DescriptionError(f"{path}: format={format!r} is none of {sorted(readers)}")
    return readers[format]


def _explain_ways(probe: Probe) -> str:
    sidecar = probe.name + SUFFIX
    exists = os.path.exists(sidecar) if probe.path is not None else probe.sibling(SUFFIX)
    state = "exists but is not a sidecar of rawmmap" if exists else "does not exist"
    return (
        f"{probe.name}: nothing says what lies in this file. Describe it in one of these ways: "
        "(1) keywords: dtype=, shape= and dims=, with offset=, order= or strides= if need be, or "
        f"variables={{name: dict(dtype=..., ...)}}; (2) a sidecar, {sidecar} (it {state}), "
        "which rawmmap.describe(path, dtype=..., ...) writes; (3) a header of one of the formats "
        f"{sorted(set(_all_readers()) - {'sidecar'})}"
    )
