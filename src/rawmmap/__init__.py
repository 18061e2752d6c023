"""Flat binary files as labelled, chunked, out-of-core arrays.

``import rawmmap`` loads NumPy and nothing heavier; every name below loads its room of the library on
first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives. The tests hold this table, __all__ and the imports below together.
_HOMES = {
    "Layout": "layout",
    "Mapping": "mapping",
    "RawArray": "array",
    "RawmmapError": "errors",
    "advise": "mapping",
    "anonymous": "mapping",
    "describe": "xarray",
    "flush": "mapping",
    "from_raw": "dask",
    "map_dataset": "xarray",
    "mapping_of": "mapping",
    "mmap": "mapping",
    "resident": "mapping",
    "to_raw": "dask",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rawmmap' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"rawmmap.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
