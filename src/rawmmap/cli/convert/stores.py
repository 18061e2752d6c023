"""Zarr stores and netCDF files that appear complete or not at all, by xarray's writers."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from rawmmap.cli.convert.running import running
from rawmmap.errors import name_file
from rawmmap.files.folders import replacing_folder
from rawmmap.files.replace import replacing
from rawmmap.libraries import load_library

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["write_netcdf", "write_zarr"]

# Bytes of text that are loaded, since text of any length cannot be converted chunk by chunk.
_MOST_TEXT = 2**24


def write_zarr(ds: xr.Dataset, target: str) -> None:
    """Write a dataset to a folder, a Zarr store.

    Raises
    ------
    ImportError
        If zarr is not installed.
    """
    zarr = load_library("zarr", "Zarr stores are written")
    # Version 3 of the format has no consolidated metadata, of which zarr warns.
    consolidated = False if int(zarr.__version__.partition(".")[0]) >= 3 else None
    with replacing_folder(target) as draft, _name_target(draft, target), running():
        _with_free_text(_in_native_order(ds)).to_zarr(draft, mode="w-", consolidated=consolidated)


@contextlib.contextmanager
def _name_target(draft: str, target: str) -> Iterator[None]:
    """Let errors name the target: the draft's name means nothing to the caller."""
    try:
        with name_file(target):
            yield
    except OSError as error:
        if isinstance(error.filename, str) and error.filename.startswith(draft):
            error.filename = target
        raise


def _with_free_text(ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset whose text has any length: version 3 of Zarr has no text of fixed width."""
    text = {
        name: (variable.dims, variable.values.astype(object), variable.attrs)
        for name, variable in ds.variables.items()
        if variable.dtype.kind == "U" and variable.nbytes <= _MOST_TEXT
    }
    return ds.assign(text)


def write_netcdf(ds: xr.Dataset, target: str) -> None:
    """Write a dataset to a netCDF-4 file.

    Raises
    ------
    ImportError
        If neither netCDF4 nor h5netcdf is installed.
    """
    engine: Literal["netcdf4", "h5netcdf"] = "netcdf4"
    if importlib.util.find_spec("netCDF4") is None and importlib.util.find_spec("h5netcdf"):
        engine = "h5netcdf"
    else:
        load_library("netCDF4", "netCDF files are written")
    with replacing(target) as draft, _name_target(draft, target), running():
        _in_native_order(ds).to_netcdf(draft, engine=engine)


def _in_native_order(ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset without the byte orders of its source: these formats know their own."""
    for variable in ds.variables.values():
        if "dtype" in variable.encoding:
            variable.encoding["dtype"] = np.dtype(variable.encoding["dtype"]).newbyteorder("=")
    return ds
