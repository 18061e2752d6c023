"""The engine: ``xr.open_dataset(path, engine="rawmmap")``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from inspect import signature
from typing import Any, Literal

from xarray import Coordinates, Dataset, Index, Variable, open_dataset
from xarray.backends import BackendEntrypoint
from xarray.backends.common import AbstractDataStore
from xarray.conventions import decode_cf_variables
from xarray.indexes import PandasIndex

from rawmmap.array import RawArray
from rawmmap.dask import chunk_shape
from rawmmap.dataset import RawDataset, format_path, open_described, values_of
from rawmmap.description import Keywords
from rawmmap.description import Variable as DescribedVariable
from rawmmap.description.keyword_types import refuse_type, suggest
from rawmmap.description.patterns import Pattern
from rawmmap.errors import name_file
from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import has_own_engine, recognise
from rawmmap.formats.series import has_sidecar, names_series
from rawmmap.layout.samples import is_native, native
from rawmmap.sources import Access, name_of
from rawmmap.xarray.lazy import LazyArray
from rawmmap.xarray.refresh import KEY, Opening

__all__ = ["RawStore", "RawmmapEntrypoint", "assign_coords"]

# Whether `open_dataset` makes the indexes that an engine leaves out, unlike its older releases.
_MAKES_INDEXES = "create_default_indexes" in signature(open_dataset).parameters
# Keywords of xarray's decoders, which are passed on to them.
DECODING = (
    "mask_and_scale",
    "decode_times",
    "concat_characters",
    "decode_coords",
    "use_cftime",
    "decode_timedelta",
)


class RawStore(AbstractDataStore):
    """The undecoded, lazy variables of a file, as xarray's decoders take them.

    Parameters
    ----------
    raw : RawDataset
        The open file.
    """

    def __init__(self, raw: RawDataset) -> None:
        self.raw = raw

    def get_variables(self) -> Mapping[str, Variable]:
        """Return the undecoded, lazy variables."""
        variables = self.raw.description.variables
        chunks = preferred_chunks(variables)
        return {name: self._variable(name, v, chunks) for name, v in variables.items()}

    def _variable(
        self, name: str, variable: DescribedVariable, chunks: Mapping[str, int]
    ) -> Variable:
        if not variable.in_file:
            return Variable(variable.dims, values_of(variable), variable.attrs)
        data: Any = variable.data
        samples = native(data.dtype) if variable.samples is None else variable.samples
        array = RawArray.of(self.raw.opened, data, samples, "r", self.raw.access)
        preferred = {dim: PreferredLength(chunks[dim]) for dim in variable.dims}
        encoding: dict[str, Any] = {"preferred_chunks": preferred}
        if variable.samples is None and not is_native(data.dtype):
            encoding["dtype"] = data.dtype
        return Variable(variable.dims, LazyArray(array), variable.attrs, encoding)

    def get_attrs(self) -> Mapping[str, Any]:
        """Return the attributes of the dataset."""
        return self.raw.attrs

    def get_encoding(self) -> dict[str, Any]:
        """Return the encoding of the dataset, with the name of the record dimension."""
        records = self.raw.description.records
        return {} if records is None else {"unlimited_dims": {records.dim}}

    def get_dimensions(self) -> Mapping[str, int]:
        """Return the lengths of the dimensions."""
        return self.raw.sizes

    def decode(self, options: Mapping[str, Any]) -> Dataset:
        """Return the decoded, lazy dataset.

        Labels of dimensions that the description holds have their indexes already: to make them
        here takes half the time that xarray needs to add them to a dataset without.

        Parameters
        ----------
        options : mapping
            Those of `DECODING` that the caller has set.
        """
        stored = self.load()  # type: ignore[no-untyped-call]
        decoded, attrs, names = decode_cf_variables(*stored, **options)
        described = self.raw.description
        names = set(names) | described.coords
        data: dict[Any, Variable] = {}
        coords: dict[Any, Variable] = {}
        indexes: dict[Any, Index] = {}
        for name, variable in decoded.items():
            if variable.dims == (name,) and not (
                _MAKES_INDEXES and described.variables[name].in_file
            ):
                index = PandasIndex.from_variables({name: variable}, options={})
                indexes[name] = index
                coords |= index.create_variables({name: variable})
            elif name in names or variable.dims == (name,):
                coords[name] = variable
            else:
                data[name] = variable
        ds = Dataset(data, Coordinates(coords, indexes), attrs)
        ds.encoding = self.get_encoding()
        return ds


class PreferredLength(int):
    """A chunk length that ``chunks={}`` uses, and that other chunks may split.

    xarray warns if the user's chunks split stored chunks. A flat file has none, so that warning
    would be wrong. xarray compares only lengths that are true.
    """

    def __bool__(self) -> bool:
        return False


def preferred_chunks(variables: Mapping[str, DescribedVariable]) -> dict[str, int]:
    """Return one chunk length per dimension, with which the chunks of all variables are contiguous.

    Variables that share a dimension share its chunks, so that ``ds.chunks`` works and arithmetic
    between them needs no rechunking.
    """
    chunks: dict[str, int] = {}
    for variable in variables.values():
        if variable.in_file:
            data: Any = variable.data
            for dim, n in zip(variable.dims, chunk_shape(data), strict=True):
                chunks[dim] = min(n, chunks.get(dim, n))
    return chunks


def assign_coords(ds: Dataset, coords: Mapping[Any, Any] | None, raw: RawDataset) -> Dataset:
    """Return a dataset with the coordinates of the keyword ``coords=``, which are not decoded."""
    if coords is None:
        return ds
    with name_file(raw.path):
        added = make_coords(coords, raw)
        return ds.assign_coords(added.drop_vars(raw.dropped, errors="ignore").coords)


def make_coords(coords: Mapping[Any, Any], raw: RawDataset) -> Dataset:
    """Return the coordinates of the keyword ``coords=`` as a dataset.

    Raises
    ------
    ValueError
        If one has the name of a variable of the file, or a dimension that no variable has.
    """
    if not isinstance(coords, Mapping):
        refuse_type("", "coords", coords, "a mapping of coordinates, as xarray.Dataset takes them")
    result = Dataset(coords=coords)
    repeated = sorted(str(name) for name in result.variables if name in raw)
    if repeated:
        raise ValueError(f"coords= has {repeated}, but the file has variables of these names")
    sizes = raw.sizes
    for name, variable in result.variables.items():
        for dim in variable.dims:
            if dim not in sizes:
                raise ValueError(
                    f"coords= has {name!r} along {dim!r}, which is not a dimension of any variable "
                    f"of the file: {sorted(sizes)}"
                )
            if variable.sizes[dim] != sizes[str(dim)]:
                raise ValueError(
                    f"conflicting sizes: coords= has {name!r} of length {variable.sizes[dim]} "
                    f"along {dim!r}, which has length {sizes[str(dim)]} in the file"
                )
    return result


def _remember(ds: Dataset, path: Any, keywords: Mapping[str, Any], raw: RawDataset) -> None:
    """Store how a dataset was opened, with credentials only where they are not shown."""
    name, options = name_of(path, keywords["storage_options"])
    state = raw.opened.identities
    if name == os.fsdecode(path):
        ds.encoding[KEY] = Opening(path, keywords, state)
        return
    ds.encoding[KEY] = Opening(name, {**keywords, "storage_options": options}, state)
    # What xarray would set to the path as it was passed.
    ds.encoding["source"] = name


class RawmmapEntrypoint(BackendEntrypoint):
    """Flat binary files, described by keywords, a sidecar or a header."""

    description = "Open flat binary files, described by keywords, a sidecar or a header"
    url = "https://github.com/rawmmap/rawmmap"

    open_dataset_parameters = (
        "filename_or_obj",
        *Keywords.names(),
        "coords",
        "format",
        "access",
        "storage_options",
        "missing",
        "fill_value",
        "drop_variables",
        *DECODING,
    )

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        coords: Mapping[Any, Any] | None = None,
        format: str | None = None,
        access: Access = "auto",
        storage_options: Mapping[str, Any] | None = None,
        drop_variables: str | Iterable[str] | None = None,
        missing: Literal["raise", "fill"] = "raise",
        fill_value: Any = None,
        **keywords: Any,
    ) -> Dataset:
        """Return a lazy dataset of a raw file; see the guide for the keywords that describe it."""
        passed = {
            **keywords,
            "coords": coords,
            "format": format,
            "access": access,
            "storage_options": storage_options,
            "drop_variables": drop_variables,
            "missing": missing,
            "fill_value": fill_value,
        }
        description_keywords = Keywords.take_from(keywords)
        decoding = {key: keywords.pop(key) for key in DECODING if key in keywords}
        if keywords:
            hint = suggest(next(iter(keywords)), self.open_dataset_parameters[1:])
            raise TypeError(f"{format_path(filename_or_obj)}: {hint}")
        raw = open_described(
            filename_or_obj,
            description_keywords,
            format,
            access,
            storage_options,
            drop_variables,
            missing,
            fill_value,
        )
        store = RawStore(raw)
        ds = assign_coords(store.decode(decoding), coords, raw)
        # Nothing is open, but `open_mfdataset` closes each of its files.
        ds.set_close(store.close)
        _remember(ds, filename_or_obj, passed, raw)
        return ds

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether a sidecar or a header describes the file; never raises."""
        try:
            path = os.fspath(filename_or_obj)
            if names_series(path):
                return has_sidecar(Pattern(path))
            reader = recognise(Probe(path))
        except Exception:  # noqa: BLE001 - an error means that another engine must open it
            return False
        return reader is not None and not has_own_engine(reader)
