"""HDF5 with external storage: a small file that leads to the data in the flat one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rawmmap.files.replace import replacing
from rawmmap.formats.described_file import DescribedFile, relative, target_path
from rawmmap.formats.hdf5.model import Plan, Planned, plan
from rawmmap.libraries import load_library

__all__ = ["load_h5py", "write_hdf5"]

# By this name netCDF-4 knows a dimension that no variable labels (netCDF-4 format, "Dimensions").
_UNLABELLED = "This is a netCDF dimension but not a netCDF variable."


def write_hdf5(
    subject: DescribedFile, target: str | os.PathLike[str] | None, variable: str | None
) -> Path:
    """Write what `rawmmap.to_hdf5` promises, for a file that is described already."""
    h5py = load_h5py()
    planned = plan(subject, variable)
    place = target_path(
        subject,
        target,
        ".h5",
        lambda path: _leads_to(h5py, path, subject),
        f"an HDF5 file that leads to {subject.path}",
    )
    name = relative(subject, place)
    with replacing(str(place)) as draft, h5py.File(draft, "w", track_order=True) as file:
        _write(h5py, file, planned, name)
    return place


def load_h5py() -> Any:
    """Return the package h5py, or say how to install it."""
    return load_library("h5py", "HDF5 files are written")


def _leads_to(h5py: Any, path: Path, subject: DescribedFile) -> bool:
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
