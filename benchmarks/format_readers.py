"""How each format's own reader, and rawmmap, open the same cube of floats.

Each format is a function that writes a cube of floats into a folder and returns how each contestant
opens it. Register it by `@format_named`; nothing else is needed::

    @format_named("NumPy .npy")
    def npy(folder, cube):
        np.save(folder / "u.npy", cube)
        return {"rawmmap": lambda chunks: engine(folder / "u.npy", "data", chunks), "np.load": ...}

An opener takes the length of the chunks along the first axis, or None for an array without Dask,
and returns something with a shape that can be indexed, its axes in the order of the cube. It raises
`NotImplementedError` where its reader has no such way.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

import rawmmap

__all__ = ["FORMATS", "READERS_OF_ARRAYS", "Cube", "Opener", "Whole"]

Cube = npt.NDArray[np.float32]
Opener = Callable[[int | None], Any]

# Readers that give arrays without names: compared with `rawmmap.open`, the others with our engine.
READERS_OF_ARRAYS = frozenset({"np.load", "spectral", "nibabel", "mrcfile", "astropy"})

FORMATS: dict[str, Callable[[Path, Cube], dict[str, Opener]]] = {}


def format_named(name: str) -> Callable[[Any], Any]:
    """Return a decorator that adds a format to the table."""

    def add(function: Callable[[Path, Cube], dict[str, Opener]]) -> Any:
        FORMATS[name] = function
        return function

    return add


def engine(path: Path, variable: str, chunks: int | None, **keywords: Any) -> xr.DataArray:
    """Open a variable by our engine, in chunks along its first axis or without Dask."""
    ds = xr.open_dataset(path, engine="rawmmap", **keywords)
    array = ds[variable]
    return array if chunks is None else ds.chunk({array.dims[0]: chunks})[variable]


def through_dask(array: Any, chunks: int) -> da.Array:
    """Return what Dask makes of an array-like without any support of its own."""
    return da.from_array(array, chunks=(chunks, *array.shape[1:]))


@dataclass(frozen=True)
class Whole:
    """An array of which a reader can read all or nothing; each selection reads it again."""

    read: Callable[[], npt.NDArray[Any]]
    shape: tuple[int, ...]

    def __getitem__(self, key: Any) -> Any:
        return self.read()[key]

    def __call__(self, chunks: int | None) -> Any:
        """Return the array, or what Dask makes of it: one task reads it, and others cut it."""
        if chunks is None:
            return self
        lazy = da.from_delayed(dask.delayed(self.read, pure=False)(), self.shape, np.float32)
        return lazy.rechunk({0: chunks})


@format_named("NumPy .npy")
def npy(folder: Path, cube: Cube) -> dict[str, Opener]:
    """NumPy maps the file, and Dask takes the map."""
    path = folder / "u.npy"
    np.save(path, cube)

    def numpy(chunks: int | None) -> Any:
        mapped = np.load(path, mmap_mode="r")
        return mapped if chunks is None else through_dask(mapped, chunks)

    return {
        "rawmmap": lambda chunks: engine(path, "data", chunks),
        "rawmmap.open": ours_as_array(path),
        "np.load": numpy,
    }


@format_named("GrADS")
def grads(folder: Path, cube: Cube) -> dict[str, Opener]:
    """A descriptor beside a file of one variable; xgrads reads it through Dask only."""
    cube.tofile(folder / "u.dat")
    frames, rows, columns = cube.shape
    ctl = folder / "u.ctl"
    ctl.write_text(
        "DSET ^u.dat\nTITLE cube\nUNDEF -9.99e33\nOPTIONS little_endian\n"
        f"XDEF {columns} LINEAR 0 0.1\nYDEF {rows} LINEAR -50 0.1\nZDEF 1 LINEAR 1 1\n"
        f"TDEF {frames} LINEAR 00z01jan2000 1hr\nVARS 1\nu 0 99 cube\nENDVARS\n"
    )

    def xgrads(chunks: int | None) -> Any:
        if chunks is None:
            raise NotImplementedError("opens Dask arrays only")
        opened = importlib.import_module("xgrads").open_CtlDataset(str(ctl))
        return opened["u"].squeeze()

    def ours(chunks: int | None) -> Any:
        return engine(ctl, "u", chunks, mask_and_scale=False)

    return {"rawmmap": ours, "xgrads": xgrads}


@format_named("NumPy .npz")
def npz(folder: Path, cube: Cube) -> dict[str, Opener]:
    """NumPy reads a member as a whole."""
    path = folder / "u.npz"
    np.savez(path, u=cube)

    def numpy() -> Any:
        with np.load(path) as archive:
            return archive["u"]

    whole = Whole(numpy, cube.shape)
    return {"rawmmap": lambda chunks: engine(path, "u", chunks), "np.load": whole}


@format_named("Fortran sequential")
def fortran(folder: Path, cube: Cube) -> dict[str, Opener]:
    """One record for each frame; SciPy reads them one after another."""
    path = folder / "u.dat"
    scipy_file = importlib.import_module("scipy.io").FortranFile
    with scipy_file(path, "w") as file:
        for frame in cube:
            file.write_record(frame)
    shape = cube.shape[1:]

    def scipy() -> Any:
        with scipy_file(path) as file:
            return np.stack([file.read_reals("f4").reshape(shape) for _ in range(len(cube))])

    def ours(chunks: int | None) -> Any:
        return engine(path, "data", chunks, format="fortran", dtype="f4", shape=shape)

    return {"rawmmap": ours, "FortranFile": Whole(scipy, cube.shape)}


@format_named("MITgcm, one file of levels")
def mitgcm_levels(folder: Path, cube: Cube) -> dict[str, Opener]:
    """A variable of three dimensions at one iteration."""
    mds = importlib.import_module("MITgcmutils")
    _write_grid(mds, folder, cube.shape)
    mds.wrmds(str(folder / "T"), cube, 0)
    return {
        "rawmmap": lambda chunks: engine(folder / "T.0000000000.data", "T", chunks),
        "xmitgcm": lambda chunks: _open_xmitgcm(folder, "T", [0], "k", chunks),
        "rdmds": Whole(lambda: _read_by_mitgcmutils(mds, folder / "T", 0), cube.shape),
    }


@format_named("MITgcm, many iterations")
def mitgcm_iterations(folder: Path, cube: Cube) -> dict[str, Opener]:
    """A variable of two dimensions, one file for each frame."""
    mds = importlib.import_module("MITgcmutils")
    _write_grid(mds, folder, (1, *cube.shape[1:]))
    for number, frame in enumerate(cube):
        mds.wrmds(str(folder / "Eta"), frame, number, ndims=2)
    numbers = list(range(len(cube)))
    return {
        "rawmmap": lambda chunks: engine(folder / "Eta", "Eta", chunks),
        "xmitgcm": lambda chunks: _open_xmitgcm(folder, "Eta", numbers, "time", chunks),
        "rdmds": Whole(lambda: _read_by_mitgcmutils(mds, folder / "Eta", np.nan), cube.shape),
    }


def _write_grid(mds: Any, folder: Path, shape: tuple[int, ...]) -> None:
    """Write the arrays by which xmitgcm knows the size of the model."""
    mds.wrmds(str(folder / "RC"), np.zeros((shape[0], 1, 1)))
    mds.wrmds(str(folder / "XC"), np.zeros(shape[1:]))


def _open_xmitgcm(folder: Path, name: str, numbers: Any, dim: str, chunks: int | None) -> Any:
    if chunks is None:
        raise NotImplementedError("opens Dask arrays only")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = importlib.import_module("xmitgcm").open_mdsdataset(
            str(folder), iters=numbers, prefix=[name], read_grid=False, ignore_unknown_vars=True
        )
    return ds[name].squeeze().chunk({dim: chunks})


def _read_by_mitgcmutils(mds: Any, prefix: Path, step: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return mds.rdmds(str(prefix), step, astype=None)


def own_or_dask(own: Callable[[], Any]) -> Opener:
    """Return an opener of an array-like that Dask gets as it gets any array-like."""

    def opener(chunks: int | None) -> Any:
        array = own()
        return array if chunks is None else through_dask(array, chunks)

    return opener


def ours(path: Path, variable: str = "data", **keywords: Any) -> Opener:
    """Return our opener of a variable whose axes are those of the cube, others dropped."""

    def opener(chunks: int | None) -> Any:
        array = engine(path, variable, chunks, mask_and_scale=False, **keywords)
        return array.squeeze() if array.ndim > 3 else array

    return opener


def ours_as_array(path: Path, variable: str = "data") -> Opener:
    """Return our opener of a lazy array without names, as readers of plain arrays give it."""

    def opener(chunks: int | None) -> Any:
        array = rawmmap.open(path)[variable].data
        array = array[(0,) * (array.ndim - 3)] if array.ndim > 3 else array
        return array if chunks is None else through_dask(array, chunks)

    return opener


def _rioxarray(path: Path) -> Opener:
    def opener(chunks: int | None) -> Any:
        rioxarray = importlib.import_module("rioxarray")
        return rioxarray.open_rasterio(path, chunks=None if chunks is None else {"band": chunks})

    return opener


@format_named("ENVI")
def envi(folder: Path, cube: Cube) -> dict[str, Opener]:
    """Bands one after another; Spectral Python has the bands last, as it shows images."""
    path = folder / "u.img"
    cube.tofile(path)
    bands, lines, samples = cube.shape
    (folder / "u.hdr").write_text(
        f"ENVI\nsamples = {samples}\nlines = {lines}\nbands = {bands}\nheader offset = 0\n"
        "file type = ENVI Standard\ndata type = 4\ninterleave = bsq\nbyte order = 0\n"
    )

    def spectral() -> Any:
        opened = importlib.import_module("spectral").envi.open(str(folder / "u.hdr"), str(path))
        return opened.open_memmap(interleave="bsq")

    return {
        "rawmmap": ours(path),
        "rawmmap.open": ours_as_array(path),
        "rioxarray": _rioxarray(path),
        "spectral": own_or_dask(spectral),
    }


@format_named("ESRI .bsq")
def ehdr(folder: Path, cube: Cube) -> dict[str, Opener]:
    """Bands one after another, read by GDAL."""
    path = folder / "u.bsq"
    cube.tofile(path)
    bands, lines, samples = cube.shape
    (folder / "u.hdr").write_text(
        f"NROWS {lines}\nNCOLS {samples}\nNBANDS {bands}\nNBITS 32\nPIXELTYPE FLOAT\n"
        "BYTEORDER I\nLAYOUT BSQ\n"
    )
    return {"rawmmap": ours(path), "rioxarray": _rioxarray(path)}


@format_named("GDAL VRT")
def vrt(folder: Path, cube: Cube) -> dict[str, Opener]:
    """Raw bands in one file."""
    cube.tofile(folder / "u.raw")
    bands, lines, samples = cube.shape
    inner = "".join(
        f'<VRTRasterBand dataType="Float32" band="{i + 1}" subClass="VRTRawRasterBand">'
        f'<SourceFilename relativeToVRT="1">u.raw</SourceFilename><ByteOrder>LSB</ByteOrder>'
        f"<ImageOffset>{i * cube[0].nbytes}</ImageOffset></VRTRasterBand>"
        for i in range(bands)
    )
    path = folder / "u.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="{samples}" rasterYSize="{lines}">{inner}</VRTDataset>'
    )
    return {"rawmmap": ours(path), "rioxarray": _rioxarray(path)}


@format_named("NRRD")
def nrrd(folder: Path, cube: Cube) -> dict[str, Opener]:
    """The data behind the header; pynrrd reads all of it."""
    package = importlib.import_module("nrrd")
    path = folder / "u.nrrd"
    package.write(str(path), cube, {"encoding": "raw"}, index_order="C")

    whole = Whole(lambda: package.read(str(path), index_order="C")[0], cube.shape)
    return {"rawmmap": ours(path), "pynrrd": whole}


@format_named("MetaImage")
def metaimage(folder: Path, cube: Cube) -> dict[str, Opener]:
    """The data beside the header; SimpleITK reads all of it."""
    package = importlib.import_module("SimpleITK")
    path = folder / "u.mhd"
    package.WriteImage(package.GetImageFromArray(cube), str(path))

    whole = Whole(lambda: package.GetArrayFromImage(package.ReadImage(str(path))), cube.shape)
    return {"rawmmap": ours(path), "SimpleITK": whole}


@format_named("NIfTI")
def nifti(folder: Path, cube: Cube) -> dict[str, Opener]:
    """nibabel's array proxy, turned round to the order of the file."""
    package = importlib.import_module("nibabel")
    path = folder / "u.nii"
    package.save(package.Nifti1Image(cube.transpose(), np.eye(4)), path)

    def nibabel() -> Any:
        # A proxy cannot be transposed, but maps the file where nothing is to be scaled.
        return np.asanyarray(package.load(path).dataobj).transpose()

    return {
        "rawmmap": ours(path),
        "rawmmap.open": ours_as_array(path),
        "nibabel": own_or_dask(nibabel),
    }


@format_named("MRC")
def mrc(folder: Path, cube: Cube) -> dict[str, Opener]:
    """mrcfile maps the file."""
    package = importlib.import_module("mrcfile")
    path = folder / "u.mrc"
    with package.new(path) as file:
        file.set_data(cube)
    return {
        "rawmmap": ours(path),
        "rawmmap.open": ours_as_array(path),
        "mrcfile": own_or_dask(lambda: package.mmap(path).data),
    }


@format_named("FITS")
def fits(folder: Path, cube: Cube) -> dict[str, Opener]:
    """astropy maps the file, which is big-endian."""
    package = importlib.import_module("astropy.io.fits")
    path = folder / "u.fits"
    package.PrimaryHDU(cube).writeto(path)

    def astropy() -> Any:
        return package.open(path, memmap=True)[0].data

    return {
        "rawmmap": ours(path),
        "rawmmap.open": ours_as_array(path),
        "astropy": own_or_dask(astropy),
    }


@format_named("HDF5, contiguous")
def hdf5(folder: Path, cube: Cube) -> dict[str, Opener]:
    """The two engines of xarray for such files."""
    path = folder / "u.h5"
    with importlib.import_module("h5py").File(path, "w") as file:
        file["u"] = cube

    def other(name: Any) -> Opener:
        def opener(chunks: int | None) -> Any:
            keywords = {"phony_dims": "sort"} if name == "h5netcdf" else {}
            array = xr.open_dataset(path, engine=name, **keywords)["u"]
            return array if chunks is None else array.chunk({array.dims[0]: chunks})

        return opener

    return {"rawmmap": ours(path, "u"), "h5netcdf": other("h5netcdf"), "netcdf4": other("netcdf4")}


@format_named("netCDF-3")
def netcdf3(folder: Path, cube: Cube) -> dict[str, Opener]:
    """The two engines of xarray for such files."""
    path = folder / "u.nc"
    xr.Dataset({"u": (("t", "y", "x"), cube)}).to_netcdf(
        path, format="NETCDF3_64BIT", engine="netcdf4"
    )

    def other(name: Any) -> Opener:
        def opener(chunks: int | None) -> Any:
            array = xr.open_dataset(path, engine=name)["u"]
            return array if chunks is None else array.chunk({"t": chunks})

        return opener

    return {"rawmmap": ours(path, "u"), "scipy": other("scipy"), "netcdf4": other("netcdf4")}


@format_named("SEG-Y")
def segy(folder: Path, cube: Cube) -> dict[str, Opener]:
    """Traces of one plane after another, as IEEE floats; segyio reads the cube into memory."""
    package = importlib.import_module("segyio")
    path = folder / "u.sgy"
    package.tools.from_array3D(str(path), cube, format=5)

    def ours_as_cube(chunks: int | None) -> Any:
        array = engine(path, "data", None)
        cut = array if chunks is None else array.chunk(trace=chunks * cube.shape[1])
        sizes = {"inline_": cube.shape[0], "crossline_": cube.shape[1]}
        return (
            cut.drop_vars(list(cut.coords))
            .coarsen(trace=cube.shape[1])
            .construct(trace=tuple(sizes))
        )

    return {
        "rawmmap": ours_as_cube,
        "segyio": Whole(lambda: package.tools.cube(str(path)), cube.shape),
    }
