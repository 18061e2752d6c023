"""HDF5 and netCDF-4: datasets that are stored in one piece, found with h5py.

Dimensions are those of HDF5's dimension scales, by which netCDF-4 names them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.description.template import LayoutTemplate
from rawmmap.errors import DescriptionError
from rawmmap.formats.hdf5.external import arrange_external
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout, Mosaic, Values
from rawmmap.libraries import load_library

__all__ = ["Hdf5Reader"]

_MARK = b"\x89HDF\r\n\x1a\n"
# Where a file may begin that has a block of the user's before it.
_STARTS = (0, 512, 1024, 2048)
_HIDDEN = {
    "CLASS",
    "NAME",
    "DIMENSION_LIST",
    "REFERENCE_LIST",
    "_NCProperties",
    "_Netcdf4Coordinates",
    "_Netcdf4Dimid",
    "_nc3_strict",
}
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"
# Datasets that label a dimension are held in the description if they are at most so long.
_HELD_NBYTES = 2**20
_OTHER_ENGINE = "open the file with engine='h5netcdf' or 'netcdf4'"


class Hdf5Reader:
    """Reads where the datasets of one group lie; takes the keyword `group`."""

    name = "hdf5"
    options = frozenset({"group"})
    own_engine = True

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts as HDF5 files do."""
        return any(probe.head.startswith(_MARK, start) for start in _STARTS)

    def read(self, probe: Probe, group: str | None = None) -> Description:
        """Return the description of the datasets in a group, by default the outermost one.

        Datasets that label a dimension and are small are read at once, however they are stored.

        Raises
        ------
        DescriptionError
            If the file is damaged, has no such group, or a dataset is chunked or compressed.
        ImportError
            If h5py is not installed.
        """
        h5py = load_library("h5py", "HDF5 and netCDF-4 files are read")
        with probe.open() as stream:
            try:
                with h5py.File(stream, "r") as file:
                    return _describe(h5py, probe, file[group or "/"])
            except DescriptionError:
                raise
            # What h5py raises for damaged files depends on where the damage is.
            except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
                subject = probe.name if group is None else f"{probe.name}: group={group!r}"
                raise DescriptionError(f"{subject}: {error}") from error


def _describe(h5py: Any, probe: Probe, group: Any) -> Description:
    if not isinstance(group, h5py.Group):
        raise DescriptionError(f"{probe.name}: {group.name} is a dataset, not a group")
    datasets = {name: item for name, item in group.items() if isinstance(item, h5py.Dataset)}
    names = _Dims(datasets)
    files = {probe.name: 0}
    variables = {}
    coords = set()
    for name, dataset in datasets.items():
        if dataset.shape is None or _is_only_a_dimension(dataset):
            continue
        dims = names.of(name, dataset)
        attrs = dict(_attributes(h5py, dataset))
        variables[name] = Variable(dims, _data(h5py, probe, dataset, files), attrs)
        if dataset.is_scale and dims == (name,):
            coords.add(name)
    if not variables:
        inner = sorted(name for name, item in group.items() if isinstance(item, h5py.Group))
        advice = f"; pass group=, one of {inner[:20]}" if inner else ""
        raise DescriptionError(f"{probe.name}: {group.name} holds no datasets{advice}")
    attrs = dict(_attributes(h5py, group))
    return Description(probe.name, variables, frozenset(coords), attrs, files=tuple(files))


def _is_only_a_dimension(dataset: Any) -> bool:
    name = dataset.attrs.get("NAME", b"")
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return bool(dataset.is_scale) and text.startswith(_NO_VARIABLE)


class _Dims:
    """Names of dimensions: of their scales, or one for each length as h5netcdf makes them."""

    def __init__(self, datasets: Mapping[str, Any]) -> None:
        self._by_length: dict[int, str] = {}
        self._datasets = datasets

    def of(self, name: str, dataset: Any) -> tuple[str, ...]:
        if dataset.is_scale and dataset.ndim == 1:
            return (name,)
        dims = [self._dim(dataset, axis, n) for axis, n in enumerate(dataset.shape)]
        # An axis may appear twice, as those of a covariance do; here that would mean blocks.
        seen: set[str] = set()
        for axis, dim in enumerate(dims):
            if dim in seen:
                dims[axis] = f"{dim}_{axis}"
            seen.add(dims[axis])
        return tuple(dims)

    def _dim(self, dataset: Any, axis: int, n: int) -> str:
        scales = list(dataset.dims[axis].values())
        if scales:
            return str(posixpath.basename(scales[0].name))
        label = dataset.dims[axis].label
        if label:
            return str(label)
        return self._by_length.setdefault(n, f"phony_dim_{len(self._by_length)}")


def _data(h5py: Any, probe: Probe, dataset: Any, files: dict[str, int]) -> Any:
    """Return where a dataset lies, or its values where it lies in pieces but is small."""
    dtype = _plain_dtype(h5py, dataset)
    stored = dataset.id.get_create_plist()
    layout = stored.get_layout()
    if dtype is not None and layout == h5py.h5d.CONTIGUOUS:
        if dataset.external:
            return arrange_external(probe, dataset, dtype, files)
        # The offset of a dataset that has no space is not always None.
        if dataset.id.get_storage_size():
            return LayoutTemplate(dtype, dataset.shape, dataset.id.get_offset())
        if dataset.size:
            return _never_written(dataset, dtype)
    small = dataset.size * max(dataset.dtype.itemsize, 16) <= _HELD_NBYTES
    if small and (dataset.ndim == 0 or dataset.is_scale or layout == h5py.h5d.COMPACT):
        return Values(_values(h5py, dataset))
    if dtype is None:
        raise DescriptionError(
            f"{probe.name}: dataset {dataset.name} has elements of variable length, which do not "
            f"lie in one piece; {_OTHER_ENGINE}"
        )
    if dataset.size == 0:
        return Values(np.empty(dataset.shape, dtype.newbyteorder("=")))
    kind = f"compressed with {dataset.compression}" if dataset.compression else "chunked"
    raise DescriptionError(
        f"{probe.name}: dataset {dataset.name} is {kind}, so that it cannot be read in place; "
        f"{_OTHER_ENGINE}"
    )


def _plain_dtype(h5py: Any, dataset: Any) -> np.dtype[Any] | None:
    """Return the type of an element; None where elements lie elsewhere."""
    dtype: np.dtype[Any] = dataset.dtype
    if dtype.hasobject:
        return None
    if dtype.subdtype is not None or dtype.names is not None:
        return dtype
    # Without the note by which h5py knows enumerations.
    return np.dtype(dtype.str)


def _values(h5py: Any, dataset: Any) -> np.ndarray[Any, Any]:
    if h5py.check_string_dtype(dataset.dtype) is not None and dataset.dtype.hasobject:
        return np.asarray(dataset.asstr()[()], dtype="U")
    values = np.asarray(dataset[()])
    if values.dtype.hasobject:
        raise DescriptionError(f"dataset {dataset.name} holds objects, which have no fixed size")
    return values


def _never_written(dataset: Any, dtype: np.dtype[Any]) -> Mosaic:
    """Return an array that has the fill value everywhere: no space was ever taken for it."""
    fill = dataset.fillvalue
    return Mosaic.stack(Layout.dense(dtype, dataset.shape), (), (-1,), fill)


def _attributes(h5py: Any, item: Any) -> Iterator[tuple[str, Any]]:
    for key in item.attrs:
        if key in _HIDDEN:
            continue
        try:
            value = item.attrs[key]
        except (OSError, TypeError, KeyError):
            continue  # a type that h5py has no name for
        if isinstance(value, h5py.Empty | h5py.Reference):
            continue
        yield key, _attribute(value)


def _attribute(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "OS":
            texts = [_attribute(item) for item in value.ravel().tolist()]
            return texts[0] if len(texts) == 1 else texts
        return value.reshape(())[()] if value.size == 1 else value
    return value
