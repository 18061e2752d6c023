"""The entry ``"series"`` of a sidecar: the names of the files that it describes together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rawmmap.description.checks import check_object, check_strings, name_subject
from rawmmap.description.members import Members
from rawmmap.description.patterns import Pattern, is_pattern
from rawmmap.errors import DescriptionError
from rawmmap.formats.sidecar.values import decode_array, decode_attrs, encode_array, encode_attrs

__all__ = ["check_in_folder", "decode_files", "decode_members", "encode_files", "encode_members"]

_NAMES = {"pattern", "values", "missing", "fill_value"}


def encode_members(members: Members) -> dict[str, Any]:
    """Return the entry of a sidecar in the folder of the files.

    Raises
    ------
    TypeError
        If JSON cannot hold the fill value.
    """
    # The folder is part of the pattern, with its braces doubled.
    text = members.pattern.text
    entry: dict[str, Any] = {"pattern": text.removeprefix(_double_braces(members.pattern.folder))}
    if members.values:
        entry["values"] = {name: encode_array(values) for name, values in members.values.items()}
    if members.missing != "raise":
        entry["missing"] = members.missing
    if members.fill_value is not None:
        entry |= encode_attrs({"fill_value": members.fill_value}, "the series")
    return entry


def decode_members(top: Mapping[str, Any], folder: str) -> Members | None:
    """Return the series that a sidecar describes, or None if it describes one file.

    Parameters
    ----------
    top : mapping
        The sidecar.
    folder : str
        Its folder, with a separator at the end.

    Raises
    ------
    TypeError, ValueError
        If the entry is malformed, or names files of other folders.
    """
    if "series" not in top:
        return None
    if "file" in top:
        raise ValueError('"file" and "series" exclude each other')
    entry = check_object(top["series"], '"series"', _NAMES)
    pattern = entry.get("pattern")
    if not isinstance(pattern, str) or not is_pattern(pattern):
        raise TypeError(f'"series": "pattern" must be a name with fields, not {pattern!r}')
    check_in_folder(pattern, '"series": "pattern"', colon=True)
    missing = entry.get("missing", "raise")
    if missing not in ("raise", "fill"):
        raise ValueError(f'"series": "missing" must be "raise" or "fill", not {missing!r}')
    listed = check_object(entry.get("values", {}), '"series": "values"')
    values = {}
    for name, value in listed.items():
        with name_subject(f'"series": "values": {name!r}'):
            values[name] = decode_array(check_object(value, "the values", {"dtype", "values"}))
    fill_value = decode_attrs({"fill_value": entry.get("fill_value")})["fill_value"]
    members = Members(Pattern(_double_braces(folder) + pattern), values, missing, fill_value)
    with name_subject('"series"'):
        members.check()
    return members


def encode_files(files: Sequence[str]) -> list[str]:
    """Return the names of several files, whose sidecar lies in their folder.

    Raises
    ------
    DescriptionError
        If they lie in several folders.
    """
    folders = {os.path.dirname(file) for file in files}
    if len(folders) > 1:
        raise DescriptionError(
            f"{files[0]}: a sidecar describes files in its own folder only, and these lie in "
            f"{len(folders)} folders"
        )
    return [os.path.basename(file) for file in files]


def decode_files(top: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that a sidecar lists; none if it does not.

    Raises
    ------
    TypeError, ValueError
        If the entry is malformed, or names files of other folders.
    """
    if "files" not in top:
        return []
    if "file" in top or "series" in top:
        raise ValueError('"file", "files" and "series" exclude each other')
    names = check_strings(top["files"], '"files"')
    for name in names:
        check_in_folder(name, '"files"')
    if not names or len(set(names)) < len(names):
        raise ValueError('"files" must be a list of at least one name, without repetitions')
    return names


def check_in_folder(name: str, what: str, *, colon: bool = False) -> None:
    """Refuse the name of a file in another folder than the sidecar.

    Parameters
    ----------
    name : str
        The name.
    what : str
        What it is, for errors.
    colon : bool
        Whether a colon is not part of the name, but of the format of a field.
    """
    # A colon names another drive on Windows, and is an ordinary character elsewhere.
    forbidden = "/\\:\0" if os.name == "nt" and not colon else "/\\\0"
    if name in (".", "..") or any(c in name for c in forbidden):
        raise ValueError(
            f"{what} is {name!r}: a sidecar names only files in its own folder; open the data file "
            "with keywords instead"
        )


def _double_braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
