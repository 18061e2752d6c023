"""`to_raw`, for whatever can be written: arrays, and xarray's datasets and data arrays."""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any

from rawmmap.dask.to_raw import to_raw as array_to_raw

if TYPE_CHECKING:
    from dask.delayed import Delayed

__all__ = ["to_raw"]

# Keywords that mean something for one array only.
_OF_ARRAYS = ("dtype", "offset", "order")


@functools.wraps(array_to_raw)
def to_raw(x: Any, path: str | os.PathLike[str], **keywords: Any) -> Delayed | None:  # noqa: D103
    if not _is_labelled(x):
        return array_to_raw(x, path, **keywords)
    wrong = [name for name in _OF_ARRAYS if name in keywords]
    if wrong:
        raise TypeError(
            f"{os.fsdecode(path)}: {wrong[0]}= is for plain arrays; the variables of a dataset "
            "take their types from encoding={name: {'dtype': ...}}, and rawmmap chooses where "
            "they lie"
        )
    from rawmmap.xarray.writing.front import to_raw as dataset_to_raw

    return dataset_to_raw(x, path, **keywords)


def _is_labelled(x: Any) -> bool:
    """Return whether `x` is a dataset or data array; without xarray loaded it cannot be one."""
    xarray: Any = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, (xarray.Dataset, xarray.DataArray))
