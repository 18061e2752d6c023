"""The ways to read a flat binary array, or the same array in another format, that are compared.

Each contestant opens the array without Dask (``open``), in chunks (``open_chunked``), or both.
Where a project documents a recipe, the contestant follows it, in its fastest honest form.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import dask
import dask.array as da
import numpy as np
import xarray as xr

from .flat import DIMS, Flat

__all__ = ["CONTESTANTS", "Contestant", "by_name"]


class Contestant:
    """One way to the array. Subclasses name themselves and the modules that they need."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    lazy: ClassVar[bool] = False
    chunked: ClassVar[bool] = False
    flat_file: ClassVar[bool] = True

    def missing(self) -> str | None:
        """Return why this contestant cannot take part, or None."""
        for need in self.needs:
            module, _, name = need.partition(":")
            try:
                found = importlib.import_module(module)
            except ImportError as error:
                return f"{module} cannot be imported: {error}"
            if name and not hasattr(found, name):
                return f"{module} has no {name}"
        return None

    def prepare(self, flat: Flat) -> None:
        """Write the contestant's own copy of the array, where it cannot read the flat file."""

    def files(self, flat: Flat) -> list[Path]:
        """Return the files and folders that the contestant reads."""
        return [flat.path]

    def open(self, flat: Flat) -> Any:
        """Return the array without Dask: an xarray object."""
        raise NotImplementedError

    def open_chunked(self, flat: Flat) -> Any:
        """Return the array in Dask chunks of ``flat.rows`` frames: xarray or Dask."""
        raise NotImplementedError

    def array(self, opened: Any) -> Any:
        """Return the array of what was opened."""
        return opened["u"] if isinstance(opened, xr.Dataset) else opened

    def close(self, opened: Any) -> None:
        """Give back what opening took."""
        if hasattr(opened, "close"):
            opened.close()


class Memory(Contestant):
    """The reference: the array is in memory before the clock starts."""

    name = "in memory"
    chunked = True

    def files(self, flat: Flat) -> list[Path]:
        return []

    def open_chunked(self, flat: Flat) -> da.Array:
        blocks = [da.from_array(b.copy(), name=f"memory-{i}") for i, b in flat.blocks()]
        return da.concatenate(blocks)


class Engine(Contestant):
    """``xr.open_dataset(path, engine="rawmmap")``."""

    name = "rawmmap engine"
    needs = ("rawmmap.xarray.engine:RawmmapEntrypoint",)
    lazy = chunked = True

    def _open(self, flat: Flat, **kwargs: Any) -> xr.Dataset:
        return xr.open_dataset(
            flat.path, engine="rawmmap", dtype=flat.dtype, shape=flat.shape, dims=DIMS,
            offset=flat.offset, name="u", **kwargs,
        )  # fmt: skip

    def open(self, flat: Flat) -> xr.Dataset:
        return self._open(flat)

    def open_chunked(self, flat: Flat) -> xr.Dataset:
        return self._open(flat, chunks={"time": flat.rows})


class FromRaw(Contestant):
    """``rawmmap.from_raw``."""

    name = "rawmmap.from_raw"
    needs = ("rawmmap.dask:from_raw",)
    chunked = True

    def open_chunked(self, flat: Flat) -> da.Array:
        import rawmmap

        return rawmmap.from_raw(
            flat.path, flat.dtype, flat.shape, offset=flat.offset, chunks=(flat.rows, -1, -1)
        )


class Memmap(Contestant):
    """``np.memmap`` that stays open."""

    name = "np.memmap"
    lazy = True

    def open(self, flat: Flat) -> xr.DataArray:
        mapped = np.memmap(flat.path, flat.dtype, "r", flat.offset, flat.shape)
        return xr.DataArray(mapped, dims=DIMS)


class MemmapFromArray(Contestant):
    """``da.from_array(np.memmap(...))``, which reads the file while the graph is built."""

    name = "da.from_array(np.memmap)"
    chunked = True

    def open_chunked(self, flat: Flat) -> da.Array:
        mapped = np.memmap(flat.path, flat.dtype, "r", flat.offset, flat.shape)
        return da.from_array(mapped, chunks=(flat.rows, -1, -1))


def _load_memmap(
    path: str, dtype: Any, shape: tuple[int, ...], offset: int, start: int, stop: int
) -> Any:
    return np.memmap(path, dtype, "r", offset, shape)[start:stop]


class DaskRecipe(Contestant):
    """The recipe of Dask's documentation: one delayed ``np.memmap`` per chunk."""

    name = "Dask's recipe"
    chunked = True
    load: ClassVar[Callable[..., Any]] = staticmethod(_load_memmap)

    def open_chunked(self, flat: Flat) -> da.Array:
        load = dask.delayed(self.load, pure=False)
        path = os.fspath(flat.path)
        blocks = []
        for start in flat.starts:
            stop = min(start + flat.rows, flat.shape[0])
            block = load(path, flat.dtype, flat.shape, flat.offset, start, stop)
            shape = (stop - start, *flat.shape[1:])
            blocks.append(da.from_delayed(block, shape, flat.dtype))
        return da.concatenate(blocks)


def _load_fromfile(
    path: str, dtype: Any, shape: tuple[int, ...], offset: int, start: int, stop: int
) -> Any:
    frame = shape[1] * shape[2]
    skip = offset + start * frame * dtype.itemsize
    values = np.fromfile(path, dtype, (stop - start) * frame, offset=skip)
    return values.reshape(stop - start, *shape[1:])


class FromFile(DaskRecipe):
    """One delayed ``np.fromfile`` per chunk."""

    name = "np.fromfile"
    load = staticmethod(_load_fromfile)


class Rosetta(Contestant):
    """``memmap_distributed`` of RosettaSciIO."""

    name = "rosettasciio"
    needs = ("rsciio.utils.distributed",)
    chunked = True

    def open_chunked(self, flat: Flat) -> da.Array:
        from rsciio.utils.distributed import memmap_distributed

        return memmap_distributed(
            os.fspath(flat.path), flat.dtype, offset=flat.offset, shape=flat.shape,
            chunks=(flat.rows, -1, -1),
        )  # fmt: skip


class Binfile(Contestant):
    """The xarray engine of xarray-binfile, which reads files without a header only."""

    name = "xarray-binfile"
    needs = ("xarray_binfile",)
    lazy = chunked = True
    flat_file = False

    def files(self, flat: Flat) -> list[Path]:
        return [flat.folder / "u.bin"]

    def prepare(self, flat: Flat) -> None:
        (path,) = self.files(flat)
        if path.exists() and path.stat().st_size == flat.nbytes:
            return
        with path.open("wb") as file:
            if flat.sparse:
                file.truncate(flat.nbytes)
                return
            for _, block in flat.blocks():
                file.write(block.tobytes())

    def _open(self, flat: Flat, **kwargs: Any) -> xr.Dataset:
        from xarray_binfile import ReadSpecs

        def specs(path: Path) -> ReadSpecs:
            coords = {d: np.arange(n) for d, n in zip(DIMS, flat.shape, strict=True)}
            return ReadSpecs(filepath=path, dtype=flat.dtype, coords=coords, name="u")

        (path,) = self.files(flat)
        return xr.open_dataset(path, engine="binfile", read_specs_getter=specs, **kwargs)

    def open(self, flat: Flat) -> xr.Dataset:
        return self._open(flat)

    def open_chunked(self, flat: Flat) -> xr.Dataset:
        return self._open(flat, chunks={"time": flat.rows})


class RioEnvi(Contestant):
    """rioxarray on the same file with an ENVI header."""

    name = "rioxarray (ENVI)"
    needs = ("rioxarray",)
    lazy = chunked = True

    def files(self, flat: Flat) -> list[Path]:
        return [flat.folder / "envi.raw"]

    def prepare(self, flat: Flat) -> None:
        (path,) = self.files(flat)
        if not path.exists():
            os.link(flat.path, path)
        bands, lines, samples = flat.shape
        path.with_suffix(".hdr").write_text(
            f"ENVI\nsamples = {samples}\nlines = {lines}\nbands = {bands}\n"
            f"header offset = {flat.offset}\nfile type = ENVI Standard\ndata type = 4\n"
            "interleave = bsq\nbyte order = 0\n"
        )

    def _open(self, flat: Flat, **kwargs: Any) -> Any:
        import rioxarray

        (path,) = self.files(flat)
        return rioxarray.open_rasterio(path, **kwargs)

    def open(self, flat: Flat) -> Any:
        return self._open(flat)

    def open_chunked(self, flat: Flat) -> Any:
        return self._open(flat, chunks=(flat.rows, *flat.shape[1:]), lock=False)


class NetCDF3(Contestant):
    """A netCDF-3 file through SciPy, which maps it; the netCDF4 library writes it."""

    name = "netCDF-3 (scipy)"
    needs = ("scipy.io", "netCDF4")
    lazy = chunked = True
    flat_file = False
    engine: ClassVar[str] = "scipy"
    format: ClassVar[str] = "NETCDF3_64BIT_OFFSET"
    suffix: ClassVar[str] = "nc3"

    def files(self, flat: Flat) -> list[Path]:
        return [flat.folder / f"u.{self.suffix}"]

    def prepare(self, flat: Flat) -> None:
        import netCDF4

        (path,) = self.files(flat)
        if path.exists():
            return
        partial = path.with_name("partial." + self.suffix)
        with netCDF4.Dataset(partial, "w", format=self.format) as file:
            for dim, n in zip(DIMS, flat.shape, strict=True):
                file.createDimension(dim, n)
            variable = file.createVariable("u", flat.dtype, DIMS, fill_value=False)
            for start, block in flat.blocks():
                variable[start : start + len(block)] = block
        partial.rename(path)

    def _open(self, flat: Flat, **kwargs: Any) -> xr.Dataset:
        (path,) = self.files(flat)
        return xr.open_dataset(path, engine=self.engine, **kwargs)

    def open(self, flat: Flat) -> xr.Dataset:
        return self._open(flat)

    def open_chunked(self, flat: Flat) -> xr.Dataset:
        return self._open(flat, chunks={"time": flat.rows})


class NetCDF4(NetCDF3):
    """A netCDF-4 file with contiguous storage through the netCDF4 library."""

    name = "netCDF4"
    needs = ("netCDF4",)
    engine = "netcdf4"
    format = "NETCDF4"
    suffix = "nc4"


class ZarrRaw(Contestant):
    """An uncompressed Zarr array in chunks of the same size."""

    name = "Zarr, uncompressed"
    needs = ("zarr",)
    lazy = chunked = True
    flat_file = False

    def files(self, flat: Flat) -> list[Path]:
        return [flat.folder / "u.zarr"]

    def prepare(self, flat: Flat) -> None:
        import zarr

        (path,) = self.files(flat)
        if path.exists():
            return
        group = zarr.open_group(path, mode="w", zarr_format=3)
        array = group.create_array(
            "u",
            shape=flat.shape,
            dtype=flat.dtype,
            chunks=(flat.rows, *flat.shape[1:]),
            compressors=None,
            dimension_names=DIMS,
        )
        for start, block in flat.blocks():
            array[start : start + len(block)] = block

    def open(self, flat: Flat) -> xr.Dataset:
        (path,) = self.files(flat)
        return xr.open_zarr(path, chunks=None, consolidated=False)

    def open_chunked(self, flat: Flat) -> xr.Dataset:
        (path,) = self.files(flat)
        return xr.open_zarr(path, chunks={}, consolidated=False)


CONTESTANTS: tuple[Contestant, ...] = (
    Memory(), Engine(), FromRaw(), Memmap(), MemmapFromArray(), DaskRecipe(), Rosetta(), Binfile(),
    FromFile(), NetCDF3(), NetCDF4(), RioEnvi(), ZarrRaw(),
)  # fmt: skip


def by_name(name: str) -> Contestant:
    """Return the contestant of that name."""
    for contestant in CONTESTANTS:
        if contestant.name == name:
            return contestant
    raise KeyError(f"no contestant {name!r}; there are {[c.name for c in CONTESTANTS]}")


def slug(name: str) -> str:
    """Return a contestant's name as a test id."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
