"""Raw files in xarray: the engine, `describe`, the writer and live datasets.

Importing this package registers the accessor ``rawmmap`` of datasets and data arrays, and little
else; what is heavier loads when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rawmmap.xarray.accessor import RawmmapAccessor

if TYPE_CHECKING:
    from rawmmap.xarray.description import describe
    from rawmmap.xarray.engine import RawmmapEntrypoint
    from rawmmap.xarray.live import map_dataset
    from rawmmap.xarray.writer import to_raw

__all__ = ["RawmmapAccessor", "RawmmapEntrypoint", "describe", "map_dataset", "to_raw"]

_HOMES = {
    "RawmmapEntrypoint": "engine",
    "describe": "description",
    "map_dataset": "live",
    "to_raw": "writer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
