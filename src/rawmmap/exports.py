"""The description of a raw file, written down for other programs; no data are copied."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rawmmap.array import RawArray
from rawmmap.dataset import RawDataset, open_described
from rawmmap.description import Description, Keywords
from rawmmap.description.coord_keywords import add_coords
from rawmmap.description.keyword_types import suggest
from rawmmap.formats.described_file import DescribedFile
from rawmmap.formats.envi.writer import write_envi
from rawmmap.formats.hdf5.writer import load_h5py, write_hdf5
from rawmmap.formats.kerchunk import make_references
from rawmmap.formats.npy.writer import write_npy
from rawmmap.formats.vrt.writer import write_vrt
from rawmmap.layout import Arrangement
from rawmmap.layout.bits import BitLayout
from rawmmap.layout.samples import native
from rawmmap.sources import Files, local_path, name_of

__all__ = ["to_envi", "to_hdf5", "to_kerchunk", "to_npy", "to_vrt"]

_KEYWORDS = (*Keywords.names(), "coords", "format")


def to_envi(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    variable: str | None = None,
    **keywords: Any,
) -> Path:
    """Write the ENVI header of a file that holds a raster of two or three dimensions.

    Lines and samples are the dimensions known as y and x (by the attribute ``axis``, the standard
    name or the name), in whichever order; otherwise the last two. The interleave (bsq, bil, bip)
    follows from where the elements lie. `_FillValue`, `scale_factor` and `add_offset` go along. A
    leading coordinate of text becomes the band names; one that is a wavelength, by its name, its
    standard name or its units, the wavelengths. Evenly spaced coordinates with y falling become
    map info. A boolean is a byte of 0 and 1.

    Parameters
    ----------
    path : path-like
        The data file, its sidecar or its header. It is not changed.
    target : path-like, optional
        ``<path>.hdr``, the default, or the path with its suffix replaced by ``.hdr``: readers look
        for no other name. An existing ENVI header is replaced.
    variable : str, optional
        The variable, where there are several.
    **keywords
        The words of `rawmmap.describe` that describe the file.

    Returns
    -------
    pathlib.Path
        The header.

    Raises
    ------
    FileExistsError
        If `target` exists and is not an ENVI header.
    FileNotFoundError
        If there is no such file.
    ValueError
        If nothing describes the file, or ENVI has no word for the type or the layout.

    Notes
    -----
    Follows "ENVI Header Files" of the documentation of ENVI 5.7. ENVI has no signed bytes, half
    floats, text or times, and neither gaps nor axes that run backwards. A text that holds a comma,
    a brace or a line break cannot stand in a header's list: such band names are left out. Map info
    is left out where y rises, since a header cannot say so. A grid mapping goes along where its
    text is WKT 1, which is all that a header takes.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from rawmmap.exports import to_envi
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(24, dtype=">i2").tofile(path)
    >>> header = to_envi(path, dtype=">i2", shape=(3, 4, 2), dims=("y", "x", "band"))
    >>> header.name, "interleave = bip" in header.read_text()
    ('a.raw.hdr', True)
    >>> folder.cleanup()
    """
    return write_envi(open_for_export(path, **keywords), target, variable)


def to_vrt(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    variable: str | None = None,
    **keywords: Any,
) -> Path:
    """Write a GDAL virtual dataset (VRT) whose raw bands are the very bytes of a file.

    A variable of two dimensions becomes one band, one of three dimensions a band per index of the
    leading one. Lines and pixels are the dimensions known as y and x (by the attribute ``axis``,
    the standard name or the name), in whichever order; otherwise the last two. `_FillValue`,
    `scale_factor`, `add_offset`, `units`, the text attributes, evenly spaced coordinates and the
    text of a CF grid mapping go along. A boolean is a ``Byte`` of 0 and 1.

    Parameters
    ----------
    path : path-like
        The data file, its sidecar or its header. It is not changed.
    target : path-like, optional
        The VRT, by default ``<path>.vrt``; an existing VRT is replaced. It lies in the folder of
        the data file or in one above it: GDAL refuses to follow a raw VRT elsewhere unless its
        option ``GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE`` says otherwise.
    variable : str, optional
        The variable, where there are several.
    **keywords
        The words of `rawmmap.describe` that describe the file.

    Returns
    -------
    pathlib.Path
        The VRT, which names the data file relative to itself.

    Raises
    ------
    FileExistsError
        If `target` exists and is not a VRT.
    FileNotFoundError
        If there is no such file.
    ValueError
        If nothing describes the file, or GDAL cannot express the type or the layout.

    Notes
    -----
    Follows the description of ``VRTRawRasterBand`` in the VRT driver's documentation of GDAL
    3.12. Type ``Int64`` needs GDAL 3.5, ``Int8`` 3.7 and ``Float16`` 3.11. The bands describe
    the file as it is now: after it has grown, export it again.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from rawmmap.exports import to_vrt
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(12, dtype=">i2").tofile(path)
    >>> to_vrt(path, dtype=">i2", shape=(3, 4), dims=("y", "x")).name
    'a.raw.vrt'
    >>> folder.cleanup()
    """
    return write_vrt(open_for_export(path, **keywords), target, variable)


def to_hdf5(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    variable: str | None = None,
    **keywords: Any,
) -> Path:
    """Write an HDF5 file whose datasets are the very bytes of a flat file.

    Every variable in the file becomes a dataset with external storage; coordinates that a sidecar
    or the keywords hold become ordinary small datasets. Dimensions are dimension scales as in
    netCDF-4, so that readers of that format know them. Attributes go along. What HDF5 or netCDF
    has no type for becomes what xarray decodes back: booleans bytes, times counts of their unit.
    Text of four bytes a character (``<U``) in the file, 64 MiB at most, is the only thing copied.

    Parameters
    ----------
    path : path-like
        The data file, its sidecar or its header. It is not changed.
    target : path-like, optional
        The HDF5 file, by default ``<path>.h5``. One that leads to the same data file is replaced.
    variable : str, optional
        The only variable to export, with its coordinates; by default all.
    **keywords
        The words of `rawmmap.describe` that describe the file.

    Returns
    -------
    pathlib.Path
        The HDF5 file, which names the data file relative to itself.

    Raises
    ------
    FileExistsError
        If `target` is there and does not lead to the data file.
    FileNotFoundError
        If there is no such file.
    ImportError
        If h5py is not installed.
    TypeError
        If HDF5 cannot hold an attribute. Nothing is written then.
    ValueError
        If nothing describes the file, or HDF5 cannot express a type or a layout: a dataset is at
        most 2,700 contiguous runs, in any order.

    Notes
    -----
    Follows the HDF5 file format specification 3.0, "Data Storage - External Data Files" (message
    0x0007), and the netCDF-4 format. HDF5 looks for a relative name in the *working directory* of
    the program that reads. Change to the folder, or set the environment variable
    ``HDF5_EXTFILE_PREFIX='${ORIGIN}'`` before the program starts; it means the folder of the HDF5
    file. In h5py a dataset can be opened with an access list on which
    ``set_efile_prefix(b"${ORIGIN}")`` was called.

    Complex numbers become the compound of two floats that h5py reads as such, and half floats need
    h5py or h5netcdf: the netCDF C library (4.10) does not know them, and reading them through it
    can end the process.

    Readers map all datasets to the length that the file has now: after it has grown, export it
    again. Whoever opens the HDF5 file for writing can write into the data file.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from rawmmap.exports import to_hdf5
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(12, dtype=">i2").tofile(path)
    >>> to_hdf5(path, dtype=">i2", shape=(3, 4), dims=("y", "x")).name
    'a.raw.h5'
    >>> folder.cleanup()
    """
    load_h5py()  # Said before the file is looked at.
    return write_hdf5(open_for_export(path, **keywords), target, variable)


def to_kerchunk(
    path: str | os.PathLike[str],
    *,
    coords: Mapping[str, Any] | None = None,
    drop_variables: str | Iterable[str] | None = None,
    format: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    missing: Literal["raise", "fill"] = "raise",
    fill_value: Any = None,
    **keywords: Any,
) -> dict[str, Any]:
    """Return the reference set of described files for kerchunk, VirtualiZarr and fsspec.

    It presents the very bytes of the files as the chunks of Zarr arrays. Every variable becomes an
    array whose chunks are contiguous pieces of about 16 MiB at most: parts of a contiguous
    variable, single records of a file of records, members of a series. What the description holds
    itself, such as coordinates, goes into the reference set. Attributes go along; ``coordinates``
    says which variables are coordinates.

    Parameters
    ----------
    path : path-like
        As for `rawmmap.open`: a path, a URL, or a pattern that stands for a series of files.
    coords : mapping, optional
        Coordinates by name: values, ``(dims, values)``, ``(dims, values, attrs)``, or whatever has
        `dims`, `values` and `attrs`.
    drop_variables : str or iterable of str, optional
        Names of variables that are left out.
    format, storage_options, missing, fill_value
        As for `rawmmap.open`. `storage_options` are used to open the files and are not part of the
        result; whoever reads through it passes them again.
    **keywords
        The words of `rawmmap.describe` that describe the file.

    Returns
    -------
    dict
        ``{"version": 1, "refs": {...}}``, plain data that `json.dump` takes.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If JSON cannot hold an attribute, or a keyword is unknown.
    ValueError
        If nothing describes the file; if a variable holds samples that have to be decoded or is of
        a type that Zarr lacks; if its elements are so scattered that the set would have more than
        10 million references; or if `_FillValue` and the `fill_value` of missing files differ.

    Notes
    -----
    Follows version 1 of kerchunk's reference specification, with the metadata of version 2 of
    Zarr. The dimensions of a variable are in the order of storage, the slowest first, whatever
    their order in the description is, since not all readers heed an ``order`` of ``"F"``.

    All chunks of a Zarr array are equal. A length without suitable divisors, such as a large prime,
    gives chunks that are smaller or larger than they should be, down to single rows and up to the
    whole variable. The references describe the files as they are now: after they have grown, make
    them again.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from rawmmap.exports import to_kerchunk
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(12, dtype=">i2").tofile(path)
    >>> refs = to_kerchunk(path, dtype=">i2", shape=(3, 4), dims=("y", "x"), name="u")["refs"]
    >>> sorted(refs), refs["u/0.0"][1:]
    (['.zattrs', '.zgroup', 'u/.zarray', 'u/.zattrs', 'u/0.0'], [0, 24])
    >>> folder.cleanup()
    """
    name, _ = name_of(path)
    if local_path(path) is None and "::" in name:
        raise ValueError(
            f"{name} is a chain of URLs, which a reference cannot be; give "
            f"{name.rpartition('::')[2]}, and let the reader of the references do the rest"
        )
    raw, description = _open(
        path,
        keywords,
        format,
        coords,
        storage_options=storage_options,
        drop_variables=drop_variables,
        missing=missing,
        fill_value=fill_value,
    )
    labels = [
        name
        for name, variable in description.variables.items()
        if variable.dims == (name,) or name in description.coords
    ]
    return make_references(description, raw.files, labels)


def to_npy(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    variable: str | None = None,
    **keywords: Any,
) -> Path:
    """Write NumPy's header into the unused bytes before a variable of a file.

    The file itself is then a ``.npy`` file, whatever its name: ``numpy.load(path)`` and
    ``numpy.load(path, mmap_mode="r")`` give the variable. Only bytes before the variable change,
    and only if no described variable has any of them and all are zero or already such a header. A
    sidecar stays as true as it was. Files that `rawmmap.to_raw` writes from datasets leave 4096
    bytes for this; the variable is then the first one.

    Parameters
    ----------
    path : path-like
        The data file, or its sidecar.
    target : path-like, optional
        The data file, if it is given: there is no other choice.
    variable : str, optional
        The variable, where there are several.
    **keywords
        The words of `rawmmap.describe` that describe the file.

    Returns
    -------
    pathlib.Path
        The data file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PermissionError
        If the file may not be written to.
    ValueError
        If nothing describes the file, the variable has gaps or runs backwards, or the bytes before
        it are too few, too many, or in use. Nothing is written then.

    Notes
    -----
    Follows the ``.npy`` format, version 1.0, of ``numpy.lib.format``: 10 bytes, then a dictionary
    padded with spaces up to the data, 10,000 bytes at most, since ``numpy.load`` takes no more.
    The header says how long the variable is now: after the file has grown, export it again.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from rawmmap.exports import to_npy
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(bytes(4096) + np.arange(6, dtype=">i2").tobytes())
    >>> _ = to_npy(path, dtype=">i2", shape=(2, 3), offset=4096)
    >>> np.load(path).tolist()
    [[0, 1, 2], [3, 4, 5]]
    >>> folder.cleanup()
    """
    return write_npy(open_for_export(path, **keywords), target, variable)


def open_for_export(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    coords: Mapping[str, Any] | None = None,
    **keywords: Any,
) -> DescribedFile:
    """Return a file with its description, checked against the file's size.

    Parameters
    ----------
    path : path-like
        The data file, its sidecar or its header, on this system.
    format : str, optional
        As for `rawmmap.open`.
    coords : mapping, optional
        Coordinates by name: values, ``(dims, values)``, ``(dims, values, attrs)``, or whatever has
        `dims`, `values` and `attrs`.
    **keywords
        The keywords that describe the file.

    Raises
    ------
    DescriptionError, ValueError
        If the file is not on this system, is not described, or is too short.
    """
    name = local_path(path)
    if name is None:
        raise ValueError(
            f"{name_of(path)[0]} is not on this system: other programs are led to a file only by "
            "its path; copy it here first"
        )
    raw, description = _open(name, keywords, format, coords)
    coded = [
        key
        for key, variable in raw.description.variables.items()
        if variable.samples or isinstance(variable.data, BitLayout)
    ]
    if coded:
        raise ValueError(
            f"{raw.path}: {coded} hold samples that have to be decoded, which other programs are "
            "not told; write the values to a file of their own and export that"
        )

    def read(data: Arrangement) -> npt.NDArray[Any]:
        files = Files.single(raw.source)
        return np.asarray(RawArray.of(files, data, native(data.dtype)))

    return DescribedFile(description, read)


def _open(
    path: str | os.PathLike[str],
    keywords: dict[str, Any],
    format: str | None,
    coords: Mapping[str, Any] | None,
    **options: Any,
) -> tuple[RawDataset, Description]:
    """Return an open file, and its description with the coordinates of the call."""
    described = Keywords.take_from(keywords)
    if keywords:
        raise TypeError(f"{name_of(path)[0]}: {suggest(next(iter(keywords)), _KEYWORDS)}")
    raw = open_described(path, described, format, **options)
    return raw, raw.description if coords is None else add_coords(raw.description, coords)
