"""`to_raw`, for whatever can be written: arrays, and xarray's datasets and data arrays."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rawmmap.dask.to_raw import to_raw as array_to_raw
from rawmmap.dataset import format_path
from rawmmap.description.keyword_types import suggest

if TYPE_CHECKING:
    from dask.delayed import Delayed

__all__ = ["to_raw"]

# Keywords that mean something for one array only, and for labelled data only.
_OF_ARRAYS = ("dtype", "offset", "order")
_OF_DATASETS = ("append_dim", "region", "encoding", "unlimited_dims")
_COMMON = ("mode", "compute")


@functools.wraps(array_to_raw)
def to_raw(x: Any, path: str | os.PathLike[str], **keywords: Any) -> Delayed | None:  # noqa: D103
    labelled = _is_labelled(x)
    _check_keywords(format_path(path), labelled, keywords)
    if not labelled:
        return array_to_raw(x, path, **keywords)
    from rawmmap.xarray.writing.front import to_raw as dataset_to_raw

    return dataset_to_raw(x, path, **keywords)


def _check_keywords(path: str, labelled: bool, keywords: Iterable[str]) -> None:
    """Refuse keywords that are unknown, or mean nothing for the kind of data."""
    known, others = (_OF_DATASETS, _OF_ARRAYS) if labelled else (_OF_ARRAYS, _OF_DATASETS)
    for name in keywords:
        if name in others and labelled:
            raise TypeError(
                f"{path}: {name}= is for plain arrays; the variables of a dataset take their types "
                "from encoding={name: {'dtype': ...}}, and rawmmap chooses where they lie"
            )
        if name in others:
            raise TypeError(
                f"{path}: {name}= is for datasets and data arrays of xarray; a plain array takes "
                f"{', '.join(known)}"
            )
        if name not in (*known, *_COMMON):
            raise TypeError(f"{path}: {suggest(name, (*known, *_COMMON))}")


def _is_labelled(x: Any) -> bool:
    """Return whether `x` is a dataset or data array; without xarray loaded it cannot be one."""
    xarray: Any = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, (xarray.Dataset, xarray.DataArray))
