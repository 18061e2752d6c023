"""What says the layout of a file's variables: keywords, a sidecar, or a header.

A reader of headers is any object with a `name`, ``recognises(path)``, which looks at the file's
content, and ``read(path)``, which returns a `Description`. Other packages add theirs by an
entry point in the group ``rawmmap.formats``.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from rawmmap.description import Description, Keywords
from rawmmap.errors import DescriptionError
from rawmmap.formats import sidecar
from rawmmap.formats.npy import NpyReader
from rawmmap.formats.sidecar.next import choose
from rawmmap.sources import local_path, open_source

__all__ = ["Reader", "find", "recognised"]


class Reader(Protocol):
    """Reads one format of headers."""

    name: str

    def recognises(self, path: str) -> bool:
        """Return whether `path`, or the header beside it, is of this format, by content."""

    def read(self, path: str) -> Description:
        """Return the description of the data that `path`, or the header beside it, names."""


class _SidecarReader:
    """The sidecar as a format among the others: `path` is the sidecar or its data file."""

    name = "sidecar"

    def recognises(self, path: str) -> bool:
        return _is_described(path) or sidecar.is_sidecar(path)

    def read(self, path: str) -> Description:
        if _is_described(path) or not sidecar.is_sidecar(path):
            return self._of_data(path)
        found = sidecar.read(path)
        # The caller named the sidecar only: what it leads to must be as near as it looks.
        real = os.path.realpath(found.path)
        if os.path.dirname(real) != os.path.dirname(os.path.realpath(path)):
            raise DescriptionError(
                f"{path}: {found.path} is a link out of the sidecar's folder, to {real}; open the "
                "data file itself if that is meant"
            )
        if os.path.realpath(sidecar.beside(found.path)) == os.path.realpath(path):
            return self._of_data(found.path)
        return found

    def _of_data(self, path: str) -> Description:
        own = sidecar.beside(path)
        raw, state = _matching(path)
        found = replace(sidecar.loads(raw, own), state=state)
        if os.path.basename(found.path) not in (
            os.path.basename(path),
            os.path.basename(os.path.realpath(path)),
        ):
            raise DescriptionError(
                f"{own} describes {found.path}, not {path}; open that file, or correct "
                '"file" in the sidecar'
            )
        return found


def _is_described(path: str) -> bool:
    return sidecar.is_sidecar(sidecar.beside(path))


def _matching(path: str) -> tuple[bytes, tuple[int, int] | None]:
    """Return the text that describes the data file, and the state of that: inode and mtime_ns.

    Another process may replace both meanwhile: the text is true if the sidecar has not changed
    since before the state of the data was looked at.
    """
    own = sidecar.beside(path)
    while True:
        before = os.stat(own)
        raw = sidecar.read_bytes(own)
        try:
            data = os.stat(path)
        except FileNotFoundError:
            data = None
        now = os.stat(own)
        if (before.st_ino, before.st_mtime_ns) == (now.st_ino, now.st_mtime_ns):
            break
    text = choose(raw, data)
    if text is None:
        raise DescriptionError(f"{path}: its sidecar {own} describes another file")
    return text, None if data is None else (data.st_ino, data.st_mtime_ns)


_OWN: tuple[Reader, ...] = (_SidecarReader(), NpyReader())


@cache
def _readers() -> dict[str, Reader]:
    found: dict[str, Reader] = {reader.name: reader for reader in _OWN}
    for point in entry_points(group="rawmmap.formats"):
        reader = point.load()
        found.setdefault(point.name, reader() if isinstance(reader, type) else reader)
    return found


def recognised(path: str) -> Reader | None:
    """Return the reader that knows `path`, or None."""
    for reader in (*_OWN, *_readers().values()):
        if reader.recognises(path):
            return reader
    return None


def find(path: str, format: str | None = None, keywords: Keywords | None = None) -> Description:
    """Return the description of a file: by keywords, else by its sidecar, else by its header.

    Parameters
    ----------
    path : str
        The data file, its sidecar or its header.
    format : str, optional
        The reader to use: ``"sidecar"``, ``"npy"``, or one that another package adds.
    keywords : Keywords, optional
        The keywords that describe the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DescriptionError
        If nothing describes the file, or what describes it is malformed.
    """
    described = None if keywords is None else keywords.describe(path)
    if described is not None:
        if format is not None:
            raise DescriptionError(
                f"{path}: format={format!r} and keywords both describe the file; give one or the "
                "other"
            )
        return described
    if format is not None:
        reader = _readers().get(format)
        if reader is None:
            raise DescriptionError(f"{path}: format {format!r} is none of {sorted(_readers())}")
        return reader.read(path)
    if local_path(path) is None:
        raise DescriptionError(
            f"{path}: sidecars and headers are looked for beside local files only; describe a file "
            "of another place by keywords: dtype=, shape= and dims=, or variables="
        )
    open_source(path)  # refuses what is not there, or no file
    reader = recognised(path)
    if reader is None:
        raise DescriptionError(_ways(path))
    return reader.read(path)


def _ways(path: str) -> str:
    own = sidecar.sidecar_path(path)
    state = "is no sidecar of rawmmap" if os.path.exists(own) else "does not exist"
    return (
        f"{path}: nothing says what lies in this file. Describe it in one of these ways: "
        "(1) keywords: dtype=, shape= and dims=, with offset=, order= or strides= if need be, or "
        f"variables={{name: dict(dtype=..., ...)}}; (2) a sidecar, {own} (it {state}), "
        "which rawmmap.describe(path, dtype=..., ...) writes; (3) a header of one of the formats "
        f"{sorted(set(_readers()) - {'sidecar'})}"
    )
