"""The array of files that `from_raw` was called with: described, in a series, or by keywords."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rawmmap.array import RawArray, Url
from rawmmap.dataset import RawDataset, format_path, open_described
from rawmmap.description import Keywords
from rawmmap.formats.series import names_series
from rawmmap.layout import as_shape
from rawmmap.layout.mosaic import Mosaic
from rawmmap.sources import Access, Files, open_source

__all__ = ["first_of", "open_array"]

Options = Mapping[str, Any] | None


def open_array(
    url: Url | Sequence[Url],
    keywords: Mapping[str, Any],
    access: Access,
    storage_options: Options,
    variable: str | None,
) -> RawArray:
    """Return the lazy array of one file or several, without reading any of its data.

    Parameters
    ----------
    url, access, storage_options, variable
        As for `from_raw`.
    keywords : mapping
        `dtype`, `shape`, `offset`, `order`, `strides`, `bits` and `bit_order`, as for `from_raw`.

    Raises
    ------
    TypeError
        If keywords are missing, or mean nothing for such files.
    ValueError
        If the files do not fit the keywords, or their own description.
    """
    if keywords["dtype"] is None and keywords["bits"] is None:
        return _open_described(url, keywords, access, storage_options, variable)
    if isinstance(url, str | bytes | os.PathLike) and names_series(url, storage_options):
        bit_order = None if keywords["bits"] is None else keywords["bit_order"]
        described = Keywords(**{**keywords, "bit_order": bit_order})
        raw = open_described(url, described, None, access, storage_options)
        return _choose_variable(raw, variable)
    return _open_plain(url, keywords, access, storage_options, variable)


def _open_described(
    url: Any,
    keywords: Mapping[str, Any],
    access: Access,
    storage_options: Options,
    variable: str | None,
) -> RawArray:
    """Return the array that the description of a file, or of the first one of a list, has."""
    _refuse_without_dtype(url, keywords)
    first = first_of(url)
    raw = open_described(first, Keywords(), None, access, storage_options)
    array = _choose_variable(raw, variable)
    if not _is_list(url):
        return array
    _check_general(raw, first)
    return _stack(array, url, access, storage_options, equal=True)


def _open_plain(
    url: Any,
    keywords: Mapping[str, Any],
    access: Access,
    storage_options: Options,
    variable: str | None,
) -> RawArray:
    """Return the array that the keywords alone describe."""
    first, shape = first_of(url), keywords["shape"]
    if variable is not None:
        raise TypeError(
            f"{format_path(first)}: variable={variable!r} is for described files, without dtype="
        )
    if shape is None:
        raise TypeError(
            f"{format_path(first)}: shape= is missing; it goes with dtype=, such as shape=(-1, 69)"
        )
    array = RawArray(first, **keywords, access=access, storage_options=storage_options)
    if not _is_list(url):
        return array
    return _stack(array, url, access, storage_options, equal=-1 in as_shape(shape))


def _is_list(url: Any) -> bool:
    return isinstance(url, list | tuple)


def first_of(url: Any) -> Url:
    """Return the file, or the first one of a list."""
    if _is_list(url) and not url:
        raise ValueError("an empty list of files; pass at least one")
    first: Url = url[0] if _is_list(url) else url
    return first


def _stack(
    first: RawArray,
    urls: Any,
    access: Access,
    storage_options: Mapping[str, Any] | None,
    *,
    equal: bool,
) -> RawArray:
    """Return files of equal contents as one array, with a leading axis that counts them.

    With `equal` their sizes must be equal, since lengths follow from that of the first one.
    """
    files = Files.of(urls, storage_options)
    data: Any = first.data
    array = RawArray.of(files, Mosaic.stack(data, (len(files),)), first.samples, "r", access)
    if equal:
        _check_equal_sizes(files)
    return array


def _check_equal_sizes(files: Files) -> None:
    """Refuse files of unequal length, some of whose bytes would be left out."""
    sizes = files.sizes
    other = int(np.argmax(sizes != sizes[0]))
    if sizes[other] != sizes[0]:
        raise ValueError(
            f"{files.urls[other]} has {sizes[other]} bytes, and {files.urls[0]}, from which the "
            f"lengths follow, has {sizes[0]}; files of one array must be equally long: pass dtype= "
            "and a shape= without -1, or open them one by one"
        )


def _refuse_without_dtype(url: Any, keywords: Mapping[str, Any]) -> None:
    """Refuse keywords that describe an array, where the file's own description is asked for."""
    described = {
        "shape": keywords["shape"],
        "strides": keywords["strides"],
        "offset": keywords["offset"] or None,
        "order": None if keywords["order"] == "C" else keywords["order"],
    }
    for key, value in described.items():
        if value is not None:
            raise TypeError(
                f"{format_path(first_of(url))}: {key}={value!r} came without dtype=; give both, "
                "or neither"
            )


def _check_general(raw: RawDataset, url: Url) -> None:
    """Refuse the description of a listed file if it can be true of no other file."""
    one_file = raw.series is None and len(raw.files) == 1
    if one_file and not raw.description.specific and raw.path == open_source(url).url:
        return
    raise ValueError(
        f"{raw.title}: what describes it is true of this one alone, and says nothing of the other "
        "files of a list; list data files, or open them one by one and join them by "
        "dask.array.stack"
    )


def _choose_variable(raw: RawDataset, variable: str | None) -> RawArray:
    """Return the variable of a name, or the only one that is not a coordinate."""
    if variable is None:
        names = [name for name in raw.arrays if name not in raw.coords]
        if len(names) != 1:
            raise ValueError(
                f"{raw.path}: {len(names)} variables are arrays of the file: {names}; name one by "
                "variable="
            )
        variable = names[0]
    if variable not in raw.arrays:
        raise ValueError(
            f"{raw.path}: variable={variable!r} is not an array of the file; there are "
            f"{list(raw.arrays)}"
        )
    return raw.array(variable)
