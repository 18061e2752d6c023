"""Series of files: which files there are, and what describes them."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rawmmap.description import Description, Keywords, LayoutTemplate, Variable
from rawmmap.description.members import Members
from rawmmap.description.patterns import VARIABLE, Pattern, is_pattern
from rawmmap.description.series import Series
from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import find
from rawmmap.formats.sidecar import SUFFIX, loads
from rawmmap.formats.sidecar.recognition import is_sidecar_text
from rawmmap.formats.sidecar.text import read_bounded
from rawmmap.layout import Arrangement
from rawmmap.sources import Files, local_path, open_source
from rawmmap.sources.listing import list_files, pattern_exists

__all__ = [
    "arrange_series",
    "find_series",
    "has_sidecar",
    "list_series",
    "names_series",
    "read_series",
    "series_label",
]

# The sidecar may be replaced while the files are listed, but hardly so often in a row.
_TRIES = 100


def series_label(pattern: Pattern) -> str:
    """Return the path whose sidecar describes a series: that of no file, ``run/ux-{step}.bin``.

    Raises
    ------
    DescriptionError
        If the files lie in several folders, since a sidecar names files of its own folder only.
    """
    if pattern.has_folders:
        raise DescriptionError(
            f"{pattern.text}: a sidecar describes files in its own folder only, and these lie in "
            "several; give a pattern without fields in folders"
        )
    return pattern.label


def find_series(
    pattern: Pattern,
    format: str | None,
    keywords: Keywords,
    storage_options: Mapping[str, Any] | None,
    missing: str,
    fill_value: Any,
) -> tuple[Description, Files, Series]:
    """Return the files of a pattern and what describes each of them.

    That is keywords, else the sidecar of the series, else the sidecar or header of the first file.

    Raises
    ------
    FileNotFoundError
        If there are no files.
    DescriptionError
        If nothing describes them, what does is malformed, or some are missing.
    """
    undescribed = format in (None, "sidecar") and keywords.describe(pattern.text) is None
    if undescribed and has_sidecar(pattern, storage_options):
        path = pattern.label + SUFFIX
        return read_series(path, storage_options, missing, fill_value, pattern)
    files, series = list_series(Members(pattern), storage_options, missing, fill_value)
    description = find(files.urls[0], format, keywords, storage_options)
    if description.specific or len(description.files) > 1:
        raise DescriptionError(
            f"{pattern.text}: what describes {files.urls[0]} is true of that file alone, since it "
            "says where its own records or tiles lie; open the files one by one, and join them "
            "by xarray.concat"
        )
    return description, files, series


def has_sidecar(pattern: Pattern, storage_options: Mapping[str, Any] | None = None) -> bool:
    """Return whether a series has a sidecar."""
    if pattern.has_folders:
        return False
    try:
        probe = Probe(pattern.label + SUFFIX, storage_options)
        return is_sidecar_text(probe.head, probe.open)
    except (FileNotFoundError, ValueError):
        return False


def read_series(
    path: str,
    storage_options: Mapping[str, Any] | None,
    missing: str = "raise",
    fill_value: Any = None,
    pattern: Pattern | None = None,
) -> tuple[Description, Files, Series]:
    """Return the files that the sidecar of a series describes.

    A writer that replaces files by others of another description removes the sidecar first, so that
    the files are those it means if it is the same before and after they are listed.

    Parameters
    ----------
    path : str
        The sidecar.
    storage_options, missing, fill_value
        As for `list_series`.
    pattern : Pattern, optional
        The pattern that the caller named. Without it links out of the folder are refused.

    Raises
    ------
    DescriptionError
        If it is malformed, or describes another pattern.
    """
    for _ in range(_TRIES):
        probe = Probe(path, storage_options)
        description = _read(probe, pattern)
        members, confined = description.members, pattern is None
        assert members is not None
        files, series = list_series(
            members, storage_options, missing, fill_value, confined=confined
        )
        if _is_unchanged(probe):
            return replace(description, path=files.urls[0]), files, series
    raise BlockingIOError(
        errno.EAGAIN,
        f"the sidecar was replaced {_TRIES} times while it was being opened; try again",
        path,
    )


def _read(probe: Probe, pattern: Pattern | None) -> Description:
    with probe.open() as file:
        description = loads(read_bounded(file, probe.name), probe.name)
    members = description.members
    if members is None or (pattern is not None and members.pattern != pattern):
        raise DescriptionError(
            f"{probe.name} describes {description.path}, and not "
            f"{'a series' if pattern is None else pattern.text}; open that, or pass keywords that "
            "describe the files"
        )
    return description


def _is_unchanged(probe: Probe) -> bool:
    """Return whether a local file is still what the probe has seen."""
    if probe.path is None:
        return True
    try:
        return open_source(probe.name).identity == probe.identity
    except FileNotFoundError:
        return False


def list_series(
    members: Members,
    storage_options: Mapping[str, Any] | None,
    missing: str = "raise",
    fill_value: Any = None,
    *,
    confined: bool = False,
) -> tuple[Files, Series]:
    """Return the files of a series, in the order of the values in their names.

    Parameters
    ----------
    members : Members
        What is said of them.
    storage_options : mapping, optional
        Options for fsspec, for URLs.
    missing, fill_value
        What the caller says of missing files besides.
    confined : bool
        Whether links that lead out of the folder are refused.

    Raises
    ------
    FileNotFoundError
        If there are none.
    DescriptionError
        If some are missing, and `missing` is not "fill".
    """
    pattern = members.pattern
    listing = list_files(pattern, storage_options, confined=confined)
    # A field of any text would take the sidecar of the series for a file of it.
    sidecar = pattern.label[len(pattern.folder) :] + SUFFIX
    chosen, axes = pattern.parse(["" if name == sidecar else name for name in listing.names])
    if missing != "raise":
        members = replace(members, missing=missing)
    if fill_value is not None:
        members = replace(members, fill_value=fill_value)
    if not chosen:
        raise FileNotFoundError(errno.ENOENT, "no file has a name of this pattern", pattern.text)
    series = Series.of(members, axes)
    if not len(series.grid.files):
        raise FileNotFoundError(
            errno.ENOENT, "none of the files that its sidecar lists exists", pattern.text
        )
    numbers = np.asarray(chosen)[series.grid.files]
    return listing.files(numbers.tolist()), series


def names_series(
    path: str | bytes | os.PathLike[Any], storage_options: Mapping[str, Any] | None = None
) -> bool:
    """Return whether a path stands for many files: one with fields, that does not exist itself."""
    name = os.fsdecode(path)
    return is_pattern(name) and not pattern_exists(name, storage_options)


def arrange_series(
    path: str | bytes | os.PathLike[Any],
    template: LayoutTemplate,
    storage_options: Mapping[str, Any] | None,
) -> tuple[Files, Arrangement] | None:
    """Return the files of a pattern, and where an array lies in them; None for the path of one.

    Parameters
    ----------
    path : path-like
        The pattern.
    template : LayoutTemplate
        Where the elements lie in each file.
    storage_options : mapping, optional
        Options for fsspec, for URLs.
    """
    if not names_series(path, storage_options):
        return None
    name = os.fsdecode(path)
    pattern = Pattern(local_path(name) or name)
    if VARIABLE in pattern.names:
        raise DescriptionError(
            f"{pattern.text}: the field {{{VARIABLE}}} stands for several arrays; name one of them"
        )
    files, series = list_series(Members(pattern), storage_options)
    dims = tuple(f"dim_{i}" for i in range(template.ndim))
    one = Description(files.urls[0], {"data": Variable(dims, template)}, unnamed=True)
    return files, series.resolve(one, files.sizes.tolist()).variables["data"].arrangement
