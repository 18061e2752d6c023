"""The sidecar as one of the formats."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

from rawmmap.description import Description
from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe
from rawmmap.formats.sidecar.next import choose
from rawmmap.formats.sidecar.recognition import is_sidecar_text
from rawmmap.formats.sidecar.text import (
    SUFFIX,
    loads,
    read_bounded,
    read_bytes,
    sidecar_path_of,
)
from rawmmap.sources import split_chain

__all__ = ["SidecarReader"]


class SidecarReader:
    """Reads the description of a data file from its sidecar; the probe may be of either file."""

    name = "sidecar"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is a sidecar, or has one, by its content."""
        return _is_sidecar(_sidecar_of(probe)) or _is_sidecar(probe)

    def read(self, probe: Probe) -> Description:
        """Return the description of the data file.

        Raises
        ------
        DescriptionError
            If the sidecar is malformed, or describes another file.
        """
        if _is_sidecar(_sidecar_of(probe)) or not _is_sidecar(probe):
            return _read_for(probe.name, probe)
        with probe.open() as file:
            description = loads(read_bounded(file, probe.name), probe.name)
        if probe.path is not None and description.members is None:
            for data in description.files or (description.path,):
                _check_folder(probe.name, data)
            if _is_same(sidecar_path_of(description.path), probe.name):
                return _read_for(description.path, probe)
        return description


def _sidecar_of(probe: Probe) -> Probe | None:
    """Return the probe of a data file's sidecar."""
    if probe.path is None:
        return probe.sibling(SUFFIX)
    return probe.neighbour(sidecar_path_of(probe.name))


def _is_sidecar(probe: Probe | None) -> bool:
    try:
        return probe is not None and is_sidecar_text(probe.head, probe.open)
    except FileNotFoundError:
        return False  # removed since


def _read_for(name: str, probe: Probe) -> Description:
    """Return the description of a data file from its sidecar, even if both are being replaced."""
    if probe.path is None:
        sidecar = probe.sibling(SUFFIX)
        if sidecar is None:
            raise FileNotFoundError(errno.ENOENT, "there is no sidecar", name + SUFFIX)
        path = sidecar.name
        with sidecar.open() as file:
            text, state = read_bounded(file, path), None
    else:
        path = sidecar_path_of(name)
        text, state = _read_consistent(name, path)
    description = replace(loads(text, path), state=state)
    names = {os.path.basename(name), os.path.basename(os.path.realpath(name))}
    if probe.path is None:
        names = {os.path.basename(split_chain(name)[0])}
    if os.path.basename(split_chain(description.path)[0]) not in names:
        raise DescriptionError(
            f"{path} describes {description.path}, not {name}; open that file, or correct "
            '"file" in the sidecar'
        )
    return description


def _read_consistent(name: str, path: str) -> tuple[bytes, tuple[int, int] | None]:
    """Return the text that describes the data file, and the file's state: inode and mtime_ns.

    Another process may replace both in the meantime. The two belong together if the sidecar has not
    changed since before the data file was looked at.
    """
    while True:
        before = os.stat(path)
        raw = read_bytes(path)
        try:
            data = os.stat(name)
        except FileNotFoundError:
            data = None
        now = os.stat(path)
        if (before.st_ino, before.st_mtime_ns) == (now.st_ino, now.st_mtime_ns):
            break
    text = choose(raw, name, data)
    if text is None:
        raise DescriptionError(f"{name}: its sidecar {path} describes another file")
    return text, None if data is None else (data.st_ino, data.st_mtime_ns)


def _check_folder(sidecar: str, data: str) -> None:
    """Refuse a link that leads out of the folder: the caller named the sidecar only."""
    real = os.path.realpath(data)
    if os.path.dirname(real) != os.path.dirname(os.path.realpath(sidecar)):
        raise DescriptionError(
            f"{sidecar}: {data} is a link out of the sidecar's folder, to {real}; to follow "
            "it, open the data file itself"
        )


def _is_same(path: str, other: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)
