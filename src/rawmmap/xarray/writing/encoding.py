"""What goes into a file: a dataset as xarray's own CF encoder leaves it, in types of fixed size."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
from xarray import Dataset, Variable
from xarray.backends.common import WritableCFDataStore
from xarray.coding.strings import CharacterArrayCoder, EncodedStringCoder

from rawmmap.dask.store import check_unmasked, refuse_masked
from rawmmap.xarray.writing.packing import check_packable
from rawmmap.xarray.writing.samples import encode_samples, take_samples
from rawmmap.xarray.writing.times import CF_UNITS, as_times, count_times

__all__ = [
    "Encoded",
    "UnknownVariableError",
    "check_names",
    "encode",
    "chunk_if_large",
    "find_record_dims",
]

# What may be left of an encoding once xarray's encoder has taken its part: how the variable was
# stored where it came from, or that it has no fill value.
_LEFT_OVER = {
    "_FillValue",
    "char_dim_name",
    "dtype",
    "original_shape",
    "preferred_chunks",
    "source",
}

# xarray's name for the variable named None.
_NO_NAME = "__values__"

# What is neither in memory nor chunked is written in chunks if it is larger than this.
_LARGE = 2**26

# Parts of an encoding by which xarray computes other values, some of them from conditions.
_FILLING = {"_FillValue", "missing_value", "scale_factor", "add_offset"}


class UnknownVariableError(KeyError, ValueError):
    """An encoding is for a variable that is not there; a KeyError as from xarray's writers."""

    __str__ = Exception.__str__


class Encoded(WritableCFDataStore):
    """A store that keeps what xarray's encoder hands to it.

    Parameters
    ----------
    dimensions : mapping of str to int, optional
        Lengths that dimensions have already.

    Attributes
    ----------
    variables : dict of str to Variable
        In NumPy types of fixed size, or the bytes of samples; NumPy or Dask arrays.
    attrs : dict
        Attributes of the whole.
    coords : frozenset of str
        Coordinates that the attribute "coordinates", a list of words, cannot name.
    """

    coords: frozenset[str] = frozenset()

    def __init__(self, dimensions: Mapping[str, int] | None = None) -> None:
        self.variables: dict[str, Variable] = {}
        self.attrs: dict[str, Any] = {}
        self._dimensions = dict(dimensions or {})

    def get_dimensions(self) -> dict[str, int]:
        """Return lengths that are fixed."""
        return self._dimensions

    def get_variables(self) -> dict[str, Variable]:
        """Return the variables as they were encoded."""
        return self.variables

    def get_attrs(self) -> dict[str, Any]:
        """Return the attributes of the whole."""
        return self.attrs

    def set_dimension(self, dim: Hashable, length: int, is_unlimited: bool = False) -> None:
        """Refuse a name that a file cannot hold."""
        if not isinstance(dim, str) or not dim:
            raise TypeError(f"dimension names are strings of some length in a file, not {dim!r}")

    def set_attribute(self, k: str, v: Any) -> None:
        """Keep an attribute of the whole."""
        self.attrs[k] = v

    def encode_variable(self, v: Variable, name: Hashable = None) -> Variable:
        """Return a variable whose text is of fixed width."""
        return _fixed(v, name)

    def set_variables(
        self,
        variables: Mapping[Any, Variable],
        check_encoding_set: Iterable[Hashable],
        writer: Any,
        unlimited_dims: Any = None,
    ) -> None:
        """Keep variables, unless a file cannot hold them or their encoding is unknown."""
        for name, variable in variables.items():
            if name in check_encoding_set:
                _check_encoding(name, variable.encoding)
            if variable.dtype.names is not None or variable.dtype.kind not in "biufcSUV":
                raise TypeError(
                    f"variable {name!r} has dtype {variable.dtype}, which a flat file cannot hold; "
                    "make it numbers or text, a structured one a variable per field"
                )
            self.variables[_NO_NAME if name is None else name] = variable


def _check_encoding(name: Hashable, encoding: Mapping[Any, Any]) -> None:
    unknown = sorted(str(word) for word in set(encoding) - _LEFT_OVER)
    if unknown:
        raise ValueError(
            f"unexpected encoding for variable {name!r}: {unknown}; a flat file takes dtype (byte "
            "order included), _FillValue, scale_factor, add_offset, units, calendar and what else "
            "the CF conventions know, and nothing about compression or chunks"
        )


def _fixed(variable: Variable, name: Hashable) -> Variable:
    """Return a variable whose text is of fixed width.

    Arrays of type U stay what they are. Python strings become characters in UTF-8 along a dimension
    of their own, as in netCDF-3, since their encoding then says nothing of the width.
    """
    as_bytes = variable.dtype.kind == "O" or "_Encoding" in variable.encoding
    as_characters = as_bytes or variable.encoding.get("dtype") == "S1"
    coder = EncodedStringCoder(allows_unicode=not as_bytes)  # type: ignore[no-untyped-call]
    variable = coder.encode(variable, name)
    if variable.dtype.kind in "SU" and variable.dtype.itemsize == 0:
        variable = variable.astype(f"{variable.dtype.kind}1")
    # xarray takes every variable of type S1 that it reads for characters.
    if as_characters or variable.dtype == "S1":
        variable = CharacterArrayCoder().encode(variable, name)  # type: ignore[no-untyped-call]
    return variable


def encode(
    ds: Dataset,
    encoding: Mapping[Any, Mapping[str, Any]] | None = None,
    unlimited_dims: Any = None,
    dimensions: Mapping[str, int] | None = None,
) -> Encoded:
    """Return a dataset as it goes into a file.

    Parameters
    ----------
    ds : Dataset
        It is not changed.
    encoding : mapping, optional
        Encodings by variable, instead of their own; unknown words in them are errors.
    unlimited_dims : set of str, optional
        Dimensions that may grow.
    dimensions : mapping of str to int, optional
        Lengths that dimensions have in the file already.
    """
    unknown = sorted(str(name) for name in encoding or () if name not in ds.variables)
    if unknown:
        raise UnknownVariableError(
            f"encoding= is for {unknown}, none of the variables {sorted(map(str, ds.variables))}"
        )
    store = Encoded(dimensions)
    store.coords = frozenset(str(name) for name in ds.coords if " " in str(name))
    ds, passed, samples = take_samples(ds, encoding or {})
    prepared = _prepared(ds.reset_coords(store.coords - set(ds.dims)), passed)
    _keep_resolution(prepared, set(unlimited_dims or ()), set(passed))
    counted = count_times(prepared)
    prepared.dump_to_store(store, encoding=passed, unlimited_dims=unlimited_dims)
    for name, dtype in counted.items():
        store.variables[name] = as_times(store.variables[name], dtype)
    for name, kind in samples.items():
        store.variables[name] = encode_samples(store.variables[name], kind, f"variable {name!r}")
    return store


def _prepared(ds: Dataset, explicit: Mapping[Any, Mapping[str, Any]]) -> Dataset:
    """Return a shallow copy whose variables can be encoded without loss, and piece by piece."""
    prepared = ds.copy(deep=False)
    for name, variable in prepared.variables.items():
        encoding = explicit.get(name, variable.encoding)
        if isinstance(encoding, Mapping):  # xarray refuses others
            if variable.chunks is not None:
                _refuse_masks(variable, encoding)
            _check_packed(variable, encoding, f"variable {name!r}")
        if name not in explicit and variable.dtype.kind in "OSUT":
            _forget_width(variable)
        if np.dtype(variable.encoding.get("dtype") or "f8").kind in "mM":
            del variable.encoding["dtype"]  # times of NumPy's own type are written as CF times
        if name not in explicit and "preferred_chunks" in variable.encoding:
            _keep_unfilled(variable)
        if _is_large(variable):
            prepared[name] = chunk_if_large(variable)
    return prepared


def _check_packed(variable: Variable, encoding: Mapping[str, Any], what: str) -> None:
    """Refuse values past the ends of the integers of an encoding, where xarray would wrap them."""
    if np.dtype(encoding.get("dtype") or "f8").kind in "iu" and variable.dtype.kind in "fiumM":
        trial = variable.copy(deep=False)
        trial.encoding = dict(encoding)
        checked = check_packable(trial, what, strict=False)
        if variable.chunks is not None:
            variable.data = checked.data


def _refuse_masks(variable: Variable, encoding: Mapping[str, Any]) -> None:
    """Refuse masked chunks, now or, where the array does not say so, when they are computed."""
    check_unmasked(variable.data)
    # What the encoder makes of such a chunk has lost its mask; any other chunk is looked at as it
    # is written.
    present = {key for key, value in encoding.items() if value is not None}
    if variable.dtype.kind not in "biufc" or _FILLING & present:
        data = variable.data
        variable.data = data.map_blocks(refuse_masked, dtype=data.dtype, meta=data._meta)


def _keep_resolution(ds: Dataset, growing: set[Any], explicit: set[Any]) -> None:
    """Encode times along a growing dimension in the resolution of their dtype: later ones fit."""
    for name, variable in ds.variables.items():
        kind = variable.dtype.kind
        if kind not in "mM" or not growing & set(variable.dims) or name in explicit:
            continue
        if not {"units", "dtype"} & set(variable.encoding):
            units = CF_UNITS[np.datetime_data(variable.dtype)[0]]
            variable.encoding["units"] = f"{units} since 1970-01-01" if kind == "M" else units
            variable.encoding["dtype"] = np.dtype("i8")


def _forget_width(variable: Variable) -> None:
    """Drop the width that text had where it came from: what is longer now would be cut."""
    dtype = variable.encoding.get("dtype")
    if dtype is not None and dtype not in (str, "S1") and np.dtype(dtype).kind in "SU":
        del variable.encoding["dtype"]
    # xarray's own name for the dimension of the characters holds their number.
    if str(variable.encoding.get("char_dim_name", "")).startswith("string"):
        del variable.encoding["char_dim_name"]


def _keep_unfilled(variable: Variable) -> None:
    """Let what came from a file without a fill value stay without one."""
    if variable.dtype.kind in "fc" and "_FillValue" not in variable.attrs:
        variable.encoding.setdefault("_FillValue", None)


def chunk_if_large(variable: Variable) -> Variable:
    """Return a variable that is lazy and large in chunks, and any other as it is."""
    if not _is_large(variable):
        return variable
    return variable.chunk(variable.encoding.get("preferred_chunks") or "auto")


def _is_large(variable: Variable) -> bool:
    in_memory = getattr(variable, "_in_memory", True) or variable.chunks is not None
    return not in_memory and variable.nbytes > _LARGE and variable.dtype.kind in "biufc"


def check_names(ds: Dataset) -> None:
    """Refuse names of variables that no file can hold."""
    for name in ds.variables:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"variable name {name!r} must be a string or None to go into a file")
        if name == "":
            raise ValueError(f"variable name {name!r}: the string must be length 1 or greater")


def find_record_dims(ds: Dataset, given: Iterable[Hashable] | None) -> set[Hashable]:
    """Return the dimensions that may grow, as the caller or else the dataset's encoding says."""
    origin = "dataset.encoding" if given is None else "unlimited_dims-kwarg"
    found = ds.encoding.get("unlimited_dims") if given is None else given
    names = {found} if isinstance(found, str) or not isinstance(found, Iterable) else set(found)
    names.discard(None)
    missing = {name for name in names if name not in ds.dims}
    if missing:
        text = f"Unlimited dimension(s) {missing!r} declared in {origin!r}, but not in the dataset"
        if given is not None:
            raise ValueError(f"{text}; it has {sorted(map(str, ds.dims))}")
        warnings.warn(f"{text}; left out", UserWarning, stacklevel=2)
    return names - missing
