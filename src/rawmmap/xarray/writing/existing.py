"""An existing file, and data made to fit it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import dask.array as da
import numpy as np
import pandas as pd
from xarray import Dataset, Variable
from xarray.coding.strings import create_vlen_dtype
from xarray.coding.times import _cleanup_netcdf_time_units as cleaned
from xarray.conventions import decode_cf_variable

from rawmmap.array import RawArray
from rawmmap.dask import as_dask
from rawmmap.dataset import open_described
from rawmmap.description import Description, Keywords
from rawmmap.description import Variable as Described
from rawmmap.description.patterns import Pattern
from rawmmap.errors import DescriptionError
from rawmmap.formats import sidecar
from rawmmap.layout import Values
from rawmmap.layout.bits import BitLayout
from rawmmap.sources import Files, Source
from rawmmap.writing import State, settle
from rawmmap.xarray.engine import RawStore
from rawmmap.xarray.writing.encoding import chunk_if_large, encode
from rawmmap.xarray.writing.packing import check_packable
from rawmmap.xarray.writing.samples import encode_samples, mark_samples
from rawmmap.xarray.writing.times import as_times, convert_times

__all__ = ["Existing"]

_TEXT = "OUT"


@dataclass(frozen=True)
class Existing:
    """A data file with its sidecar, or a series of files with theirs.

    Attributes
    ----------
    description : Description
        What lies in it.
    store : RawStore
        Its variables.
    state : State
        What file and sidecar were just before.
    """

    description: Description
    store: RawStore
    state: State

    @classmethod
    def open(cls, path: str, pattern: Pattern | None = None) -> Self:
        """Look at a file that has a sidecar, or at a series.

        Parameters
        ----------
        path : str
            The file; of a series, the path that its sidecar is named after.
        pattern : Pattern, optional
            The names of the files of a series.
        """
        name = path if pattern is None else pattern.text
        own = sidecar.sidecar_path_of(path)
        if not os.path.exists(path if pattern is None else own):
            raise FileNotFoundError(2, os.strerror(2), name)
        settle(path)
        state = State.of(path)
        if not sidecar.is_sidecar(own):
            raise DescriptionError(
                f"{path} has no sidecar of rawmmap, {own}, to change: describe it first, by "
                "rawmmap.describe(path, ...)"
            )
        raw = open_described(name, Keywords(), "sidecar")
        variables = raw.description.variables
        packed = [key for key, v in variables.items() if isinstance(v.data, BitLayout)]
        if packed:
            raise DescriptionError(
                f"{name}: {packed} hold samples of a few bits, which can be read, but not written; "
                "write the dataset to another path"
            )
        return cls(replace(raw.template, path=raw.title), RawStore(raw), state)

    @property
    def source(self) -> Source:
        """The bytes of the one file."""
        return self.store.raw.source

    @property
    def files(self) -> Files:
        """The file, or those of a series."""
        return self.store.raw.opened

    @property
    def placed(self) -> Mapping[str, Described]:
        """Where every variable lies."""
        return self.store.raw.description.variables

    @property
    def sizes(self) -> dict[str, int]:
        """Lengths of the dimensions."""
        return dict(self.store.get_dimensions())

    @property
    def grows(self) -> bool:
        """Whether lengths of variables follow from the size of the file."""
        return any(variable.grows for variable in self.description.variables.values())

    def variable(self, name: str) -> Variable:
        """Return a variable as it is in the file, to be copied piece by piece."""
        placed = self.placed[name]
        data: Any = placed.data
        data = data.array if isinstance(data, Values) else as_dask(RawArray.of(self.files, data))
        variable = Variable(placed.dims, data, dict(placed.attrs))
        return variable if placed.samples is None else mark_samples(variable, placed.samples)

    def encoded(self, ds: Dataset) -> dict[str, Variable]:
        """Return the variables of a dataset in the encoding that they have in this file.

        Raises
        ------
        ValueError
            If they do not fit: other dims, another type, or values that the encoding cannot hold.
        """
        prepared = ds.copy(deep=False)
        counted = self._count_times(prepared)
        for name, variable in prepared.variables.items():
            if name in counted:
                continue
            variable.encoding = self._encoding(str(name), variable)
            variable.attrs = {}
            if variable.dtype.kind == "O" and not variable.size:
                # With no element to look at, xarray takes Python objects for floats.
                text = create_vlen_dtype(str)  # type: ignore[no-untyped-call]
                variable.data = np.empty(variable.shape, text)
            what = f"{self.description.path}: variable {name!r}"
            prepared[name] = check_packable(chunk_if_large(variable), what)
        found = encode(prepared).variables
        for key, dtype in counted.items():
            found[key] = as_times(found[key], dtype)
        return {name: self._fitted(name, variable) for name, variable in found.items()}

    def _count_times(self, ds: Dataset) -> dict[str, np.dtype[Any]]:
        """Replace times by counts where the file has them in NumPy's types; return those types."""
        counted: dict[str, np.dtype[Any]] = {}
        for name, variable in ds.variables.items():
            dtype = self.placed[str(name)].dtype
            if dtype.kind in "mM" and variable.dtype.kind == dtype.kind:
                what = f"{self.description.path}: variable {name!r}"
                ds[name] = convert_times(variable, what, dtype)
                counted[str(name)] = dtype.newbyteorder("=")
        return counted

    def _encoding(self, name: str, new: Variable) -> dict[Any, Any]:
        """Return the encoding of a variable of the file, for values like `new`."""
        known = self._decoded(name, new)
        self._check_type(name, known, new)
        drop = {"preferred_chunks", "char_dim_name"}
        if new.dtype.kind in "OSUT" and known.encoding.get("dtype") != "S1":
            drop.add("dtype")
        kept = {word: value for word, value in known.encoding.items() if word not in drop}
        if new.dtype.kind in "MO" and "units" in kept:
            kept |= {"calendar": _times(self.placed[name].attrs)["calendar"]}
        return kept if "_FillValue" in kept else {**kept, "_FillValue": None}

    def _decoded(self, name: str, like: Variable) -> Variable:
        """Return a variable of the file, decoded as far as `like` is."""
        raw = self.store.get_variables()[name]
        is_time = like.dtype.kind == "M" or (like.dtype.kind == "O" and "units" in raw.attrs)
        return decode_cf_variable(
            name, raw, decode_times=is_time, decode_timedelta=like.dtype.kind == "m"
        )

    def index(self, name: str, like: Variable, key: Any = slice(None)) -> pd.Index[Any]:
        """Return values of a coordinate of the file, decoded as far as `like` is."""
        return self._decoded(name, like)[key].to_index()

    def _check_type(self, name: str, known: Variable, new: Variable) -> None:
        kind, native = known.dtype.kind, new.dtype.newbyteorder("=")
        if known.dtype.newbyteorder("=") == native or (kind == native.kind and kind in "SUMm"):
            return
        packed = self.placed[name].dtype.kind in "iu" and known.dtype.kind == new.dtype.kind == "f"
        text = known.dtype.kind in _TEXT + "S" and new.dtype.kind in _TEXT
        times = {known.dtype.kind, new.dtype.kind} == {"M", "O"}
        if not (packed or text or times):
            raise ValueError(
                f"{self.description.path}: variable {name!r} has dtype {known.dtype} in the file, "
                f"but {new.dtype} in the data; convert it by astype()"
            )

    def _fitted(self, name: str, variable: Variable) -> Variable:
        """Return an encoded variable with the dims and the type that the file has."""
        path, placed = self.description.path, self.placed[name]
        variable = self._in_width(name, variable)
        if set(variable.dims) != set(placed.dims):
            raise ValueError(
                f"{path}: variable {name!r} has dims {placed.dims} in the file, but "
                f"{variable.dims} in the data"
            )
        for word, ours in _times(placed.attrs).items():
            if word in variable.attrs and _meaning(variable.attrs[word]) != _meaning(ours):
                raise ValueError(
                    f"{path}: the values of {name!r} cannot be written in the {word} of the file, "
                    f"{ours!r}; they would need {variable.attrs[word]!r}; rewrite the file "
                    f"with encoding={{{name!r}: {{{word!r}: ...}}}} that suits all of them"
                )
        if variable.dtype != placed.dtype.newbyteorder("="):
            variable = self._in_type(name, variable)
        if placed.samples is not None and placed.in_file:
            variable = encode_samples(variable, placed.samples, f"{path}: variable {name!r}")
        return variable.transpose(*placed.dims)

    def _in_type(self, name: str, variable: Variable) -> Variable:
        wanted = self.placed[name].dtype
        same = variable.dtype.kind == wanted.kind and wanted.kind in "SU"
        # xarray makes integers of times wherever it can.
        times = variable.dtype.kind == "i" and wanted.kind == "f" and "units" in variable.attrs
        if variable.dtype.newbyteorder("=") != wanted.newbyteorder("=") and not (
            times or (same and variable.dtype.itemsize <= wanted.itemsize)
        ):
            raise ValueError(
                f"{self.description.path}: variable {name!r} has type {wanted} in the file, but "
                f"the data became {variable.dtype}; convert it by astype(), or make text shorter"
            )
        return variable.astype(wanted)

    def _in_width(self, name: str, variable: Variable) -> Variable:
        """Return characters that fill the dimension that the file has for them."""
        placed = self.placed[name]
        if variable.dtype != "S1" or placed.data.dtype != "S1" or not placed.dims:
            return variable
        last = placed.dims[-1]
        width, most = variable.shape[-1], placed.arrangement.shape[-1]
        if width > most:
            raise ValueError(
                f"{self.description.path}: variable {name!r} holds texts of {most} bytes in the "
                f"file, but the data has some of {width}; rewrite the file"
            )
        data = variable.data
        rest = (*data.shape[:-1], most - width)
        if isinstance(data, da.Array):
            data = da.concatenate([data, da.zeros(rest, dtype="S1")], axis=-1)
        else:
            data = np.concatenate([data, np.zeros(rest, "S1")], axis=-1)
        return Variable((*variable.dims[:-1], last), data, variable.attrs)


def _times(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words that say what times mean; a calendar that is not named is the standard."""
    units = attrs.get("units")
    if not isinstance(units, str):
        return {"units": units}
    calendar = attrs.get("calendar", "standard") if " since " in units else None
    return {"units": units, "calendar": calendar}


def _meaning(word: Any) -> Any:
    """Return units as xarray's encoder spells them; any other word as it is."""
    return cleaned(word) if isinstance(word, str) and " since " in word else word
