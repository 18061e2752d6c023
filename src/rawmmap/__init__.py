"""Flat binary files as labelled, chunked, out-of-core arrays.

``import rawmmap`` loads NumPy and nothing heavier; each name below loads its part of the library
on first use. Where xarray is loaded already, its accessor ``rawmmap`` is registered too.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rawmmap.array import RawArray
    from rawmmap.dask import from_raw
    from rawmmap.dataset import RawDataset, open
    from rawmmap.errors import DescriptionError, RawmmapError, ShortFileError, ShrunkFileError
    from rawmmap.exports import to_envi, to_hdf5, to_kerchunk, to_npy, to_vrt
    from rawmmap.guessing import Guess, guess
    from rawmmap.layout import Layout
    from rawmmap.mapping import (
        Mapping,
        advise,
        anonymous,
        flush,
        mapping_of,
        mmap,
        resident,
    )
    from rawmmap.output import to_raw
    from rawmmap.pictures import show
    from rawmmap.xarray.describe import describe
    from rawmmap.xarray.live import map_dataset
    from rawmmap.xarray.refresh import refresh

__version__ = "0.1.0"

__all__ = [
    "DescriptionError",
    "Guess",
    "Layout",
    "Mapping",
    "RawArray",
    "RawDataset",
    "RawmmapError",
    "ShortFileError",
    "ShrunkFileError",
    "__version__",
    "advise",
    "anonymous",
    "describe",
    "flush",
    "from_raw",
    "guess",
    "map_dataset",
    "mapping_of",
    "mmap",
    "open",
    "refresh",
    "resident",
    "show",
    "to_envi",
    "to_hdf5",
    "to_kerchunk",
    "to_npy",
    "to_raw",
    "to_vrt",
]

# The module of each public name.
_HOMES = {
    "DescriptionError": "errors",
    "Guess": "guessing",
    "Layout": "layout",
    "Mapping": "mapping",
    "RawArray": "array",
    "RawDataset": "dataset",
    "RawmmapError": "errors",
    "ShortFileError": "errors",
    "ShrunkFileError": "errors",
    "advise": "mapping",
    "anonymous": "mapping",
    "describe": "xarray.describe",
    "flush": "mapping",
    "from_raw": "dask",
    "guess": "guessing",
    "map_dataset": "xarray.live",
    "mapping_of": "mapping",
    "mmap": "mapping",
    "open": "dataset",
    "refresh": "xarray.refresh",
    "resident": "mapping",
    "show": "pictures",
    "to_envi": "exports",
    "to_hdf5": "exports",
    "to_kerchunk": "exports",
    "to_npy": "exports",
    "to_raw": "output",
    "to_vrt": "exports",
}


# Packages whose own names are public; `rawmmap.formats.register`, for example.
_PACKAGES = ("errors", "formats", "testing")


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"rawmmap.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'rawmmap' has no attribute {name!r}")
    from rawmmap.libraries import explain_missing

    with explain_missing(f"rawmmap.{name} works"):
        value = getattr(importlib.import_module(f"rawmmap.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if sys.modules.get("xarray") is not None:
    importlib.import_module("rawmmap.xarray")
