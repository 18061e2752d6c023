"""HDF5 with external storage: a small file that leads to the data in the flat one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rawmmap.exports.hdf5_model import Plan, Planned, plan
from rawmmap.exports.subject import Subject, open_subject, relative, target_path
from rawmmap.files.replace import replacing

__all__ = ["to_hdf5"]

# By this name netCDF-4 knows a dimension that no variable labels (netCDF-4 format, "Dimensions").
_UNLABELLED = "This is a netCDF dimension but not a netCDF variable."


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
    h5py = _h5py()
    subject = open_subject(path, **keywords)
    planned = plan(subject, variable)
    place = target_path(
        subject,
        target,
        ".h5",
        lambda path: _leads_to(h5py, path, subject),
        f"HDF5 file that leads to {subject.path}",
    )
    name = relative(subject, place)
    with replacing(str(place)) as draft, h5py.File(draft, "w", track_order=True) as file:
        _write(h5py, file, planned, name)
    return place


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "HDF5 files are written with h5py, which is not installed: "
            "pip install 'rawmmap[formats]'"
        ) from error
    return h5py


def _leads_to(h5py: Any, path: Path, subject: Subject) -> bool:
    if not h5py.is_hdf5(path):
        return False
    name = os.path.basename(subject.path)
    with h5py.File(path, "r") as file:
        return any(
            os.path.basename(external) == name
            for dataset in file.values()
            if isinstance(dataset, h5py.Dataset)
            for external in _externals(dataset)
        )


def _externals(dataset: Any) -> Iterator[str]:
    for name, _, _ in dataset.external or ():
        yield os.fsdecode(name)


def _write(h5py: Any, file: Any, planned: Plan, name: str) -> None:
    for dim, n in planned.dims.items():
        if dim not in planned.datasets:
            # Nothing is stored: space comes with the first value, and there is none.
            scale = file.create_dataset(dim, (n,), ">f4")
            scale.make_scale(f"{_UNLABELLED}{n:10d}")
    for key, wanted in planned.datasets.items():
        made = _create(h5py, file, key, wanted, name)
        made.attrs.update(wanted.attrs)
        if wanted.dims == (key,):
            made.make_scale(key)
    for key, wanted in planned.datasets.items():
        if wanted.dims != (key,):
            for axis, dim in enumerate(wanted.dims):
                file[key].dims[axis].attach_scale(file[dim])
    file.attrs.update(planned.attrs)


def _create(h5py: Any, file: Any, key: str, wanted: Planned, name: str) -> Any:
    if wanted.values is None:
        # h5py's own create_dataset forgets the external files of scalars.
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        for start, length in wanted.segments:
            plist.set_external(os.fsencode(name), start, length)
        kind = h5py.h5t.py_create(wanted.dtype, logical=True)
        scalar = h5py.h5s.create(h5py.h5s.SCALAR)
        space = h5py.h5s.create_simple(wanted.shape) if wanted.shape else scalar
        return h5py.Dataset(h5py.h5d.create(file.id, key.encode(), kind, space, plist))
    if wanted.dtype.kind == "U":
        texts = wanted.values.astype(object)
        return file.create_dataset(key, data=texts, dtype=h5py.string_dtype())
    return file.create_dataset(key, data=wanted.values)
