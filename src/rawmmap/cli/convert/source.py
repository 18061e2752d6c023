"""The source of a conversion: the variables of a file as they are stored, in chunks."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rawmmap.cli.convert.casting import cast_variable
from rawmmap.cli.convert.chunking import choose_chunks
from rawmmap.layout.samples import parse_dtype

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Request", "decode_labels", "open_source"]

# Values are converted as they are stored, and their attributes with them: neither scale factors nor
# units of times are applied, so that nothing is rounded. Text alone is put together.
_DECODING: dict[str, Any] = {
    "mask_and_scale": False,
    "decode_times": False,
    "decode_timedelta": False,
}
# Elements are copied anyway: positional reads hold no more memory than that, and a file that is cut
# meanwhile is an error.
_ACCESS = "read"
# Bytes of a chunk; some of them are in memory for each thread.
_CHUNK = 2**24
# Parts of an encoding that stay true of what is written.
_KEPT = ("char_dim_name", "coordinates")


@dataclass(frozen=True, slots=True)
class Request:
    """What to convert, and into which types.

    Attributes
    ----------
    variables : tuple of str
        Names of the variables; all of them if there are none.
    dtype : numpy.dtype or str or None
        Type of the numbers among them; a name for a type that NumPy lacks.
    byteorder : {"big", "little", "native"} or None
        Byte order; that of the file if None.
    """

    variables: tuple[str, ...] = ()
    dtype: Any = None
    byteorder: str | None = None

    @property
    def samples(self) -> str | None:
        """The name of a type that NumPy lacks, if that was asked for."""
        return self.dtype if isinstance(self.dtype, str) else None


def open_source(
    path: str,
    keywords: dict[str, Any],
    request: Request,
    order: Literal["C", "F"] | None,
) -> xr.Dataset:
    """Return the requested variables of a file in chunks, in the requested types.

    Parameters
    ----------
    path : str
        The file, or the pattern of a series.
    keywords : dict
        What describes it.
    request : Request
        Which variables, and their types.
    order : {"C", "F"} or None
        Order of the axes where they are written to; None where chunks are stored one by one.

    Raises
    ------
    ValueError
        If there is no such variable, or a value does not fit; the latter when it is computed.
    """
    import dask
    import xarray as xr

    with dask.config.set({"array.chunk-size": _CHUNK}):
        ds = xr.open_dataset(path, engine="rawmmap", access=_ACCESS, **_DECODING, **keywords)
    if request.variables:
        ds = ds[_check_names(path, ds, request.variables)]
    ds = ds.assign({n: _chunk(v.variable, order) for n, v in ds.data_vars.items()})
    for variable in ds.variables.values():
        _keep_encoding(variable)
    return ds.assign({n: _convert(str(n), v.variable, request) for n, v in ds.data_vars.items()})


def _chunk(variable: Any, order: Literal["C", "F"] | None) -> Any:
    """Return a variable of the file as a Dask array; values of the description stay as they are."""
    preferred = variable.encoding.get("preferred_chunks")
    if preferred is None or not variable.ndim:
        return variable
    lengths = tuple(int(preferred.get(d, n)) for d, n in variable.sizes.items())
    if order is not None:
        itemsize = variable.dtype.itemsize
        lengths = choose_chunks(variable.shape, lengths, itemsize, _CHUNK, order)
    chunks = dict(zip(variable.dims, lengths, strict=True))
    return variable.chunk(chunks, name=f"rawmmap-{uuid.uuid4().hex}")


def _check_names(path: str, ds: xr.Dataset, names: Sequence[str]) -> list[str]:
    for name in names:
        if name not in ds.variables:
            known = [str(key) for key in ds.variables]
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {known}"
            raise ValueError(f"{path}: --variable {name} is not a variable of the file; {hint}")
    return list(dict.fromkeys(names))


def _keep_encoding(variable: Any) -> None:
    """Drop the encoding of the source, and keep xarray from adding a fill value to floats."""
    stored = variable.encoding.get("dtype")
    variable.encoding = {key: variable.encoding[key] for key in _KEPT if key in variable.encoding}
    if stored is not None and variable.dtype.kind in "biufc":
        variable.encoding["dtype"] = np.dtype(stored)
    if variable.dtype.kind in "fc" and "_FillValue" not in variable.attrs:
        variable.encoding["_FillValue"] = None


def _convert(name: str, variable: Any, request: Request) -> Any:
    """Return a variable in another type; in its encoding is the type with its byte order."""
    stored = variable.encoding.get("dtype", variable.dtype)
    if variable.dtype.kind in "biufc":
        if request.dtype is not None:
            stored, samples = parse_dtype(request.dtype)
            values = stored if samples is None else samples.dtype
            variable = cast_variable(name, variable, np.dtype(values))
        if request.byteorder is not None:
            stored = np.dtype(stored).newbyteorder(request.byteorder)
        variable.encoding["dtype"] = request.samples or stored
    return variable


def decode_labels(ds: xr.Dataset, dims: Iterable[str]) -> xr.Dataset:
    """Return a dataset with decoded labels along some dimensions, where those are times."""
    from xarray.conventions import decode_cf_variable

    coords = {dim: decode_cf_variable(dim, ds.variables[dim]) for dim in dims if dim in ds.coords}
    return ds.assign_coords(coords)
