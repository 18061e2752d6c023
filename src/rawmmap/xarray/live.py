"""`map_dataset`: a dataset of views of a mapped file."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from xarray import DataArray, Dataset, Variable
from xarray.conventions import decode_cf_variable

from rawmmap.dataset import KEYWORDS, RawDataset, format_path, open_described, values_of
from rawmmap.description import Keywords
from rawmmap.description import Variable as DescribedVariable
from rawmmap.description.keyword_types import suggest
from rawmmap.errors import DescriptionError, name_file
from rawmmap.layout import Layout, Values
from rawmmap.layout.bits import BitLayout
from rawmmap.mapping import flush, mapping_of, mmap
from rawmmap.sources import local_path
from rawmmap.xarray.engine import assign_coords

__all__ = ["map_dataset"]

# A file may be replaced while it is mapped, but hardly so often in a row.
_TRIES = 100


def map_dataset(
    path: str | os.PathLike[str],
    mode: Literal["r", "r+", "c"] = "r",
    *,
    shared: bool = True,
    coords: Mapping[Any, Any] | None = None,
    format: str | None = None,
    access: Literal["auto", "map"] = "auto",
    storage_options: Mapping[str, Any] | None = None,
    drop_variables: str | Iterable[str] | None = None,
    **keywords: Any,
) -> Dataset:
    """Map a file as a dataset: what is assigned to its variables changes the file.

    Parameters
    ----------
    path : path-like
        The data file, its sidecar or its header, on this system.
    mode : {"r", "r+", "c"}
        ``"r"``: read-only arrays. ``"r+"``: an assignment changes the file, and every other map of
        it, at once. ``"c"``: the same as ``"r"`` with ``shared=False``.
    shared : bool
        False: the arrays can be assigned to even if the file is read-only, and their changes never
        reach the file.
    coords, format, **keywords
        Description of the file: `dtype`, `shape`, `dims` and the others, as for
        ``xr.open_dataset(path, engine="rawmmap", ...)``.
    access : {"auto", "map"}
        The variables are maps in either case.
    storage_options : mapping, optional
        Of no use for files on this system; accepted as for ``xr.open_dataset``.
    drop_variables : str or iterable of str, optional
        Variables to leave out.

    Returns
    -------
    xarray.Dataset
        Values are those of the file, in its types and byte order; nothing is decoded, scaled or
        masked. Index coordinates are decoded copies, and so are coordinates whose values come from
        `coords`; values that the sidecar holds are read-only copies. All other variables are views
        of one map, which exists until the last view is gone.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PermissionError
        If the file may not be opened as `mode` asks.
    ValueError
        If nothing describes the file, the description does not fit it, or the path is a remote URL.
        Later, if a read-only dataset is assigned to.

    See Also
    --------
    rawmmap.flush : Write the changes of a mapped dataset to disk.

    Notes
    -----
    The arrays are not locked, and several processes may change one file. Arithmetic and most
    methods of xarray return copies, which are independent of the file.

    Examples
    --------
    >>> import numpy as np, os, rawmmap, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.zeros(6, "<f4").tofile(path)
    >>> keywords = dict(dtype="<f4", shape=(2, 3), dims=("y", "x"), name="u")
    >>> ds = rawmmap.map_dataset(path, "r+", **keywords)
    >>> ds["u"][0, 1] = 7
    >>> np.fromfile(path, "<f4")
    array([0., 7., 0., 0., 0., 0.], dtype=float32)
    >>> del ds
    >>> folder.cleanup()
    """
    description_keywords = Keywords.take_from(keywords)
    with name_file(format_path(path)):
        _check_options(mode, shared, access, keywords)
    for _ in range(_TRIES):
        raw = open_described(
            path, description_keywords, format, access, storage_options, drop_variables
        )
        views = _map_described(raw, mode, shared and mode != "c")
        if views is not None:
            break
    else:
        raise BlockingIOError(
            errno.EAGAIN,
            f"the file was replaced {_TRIES} times while it was being mapped; try again",
            raw.path,
        )
    variables = raw.description.variables
    for name in set(raw.arrays) - set(views):
        views[name] = np.asarray(raw.array(name))
    live = {name: _make_variable(name, v, views.get(name), shared) for name, v in variables.items()}
    attrs = raw.attrs
    coord_names = _move_coordinates(live, attrs) | (raw.description.coords & set(live))
    return assign_coords(Dataset(live, attrs=attrs).set_coords(coord_names), coords, raw)


def _check_options(mode: Any, shared: Any, access: Any, unknown: Mapping[str, Any]) -> None:
    """Refuse keywords that are unknown, or cannot be what they are."""
    if mode not in ("r", "r+", "c"):
        raise ValueError(f"mode must be 'r', 'r+' or 'c', not {mode!r}")
    if shared not in (True, False):
        raise ValueError(f"shared must be True or False, not {shared!r}")
    if access == "read":
        raise ValueError(
            "access='read' copies, and a mapped dataset consists of maps; open the file with "
            "xr.open_dataset, or leave out access="
        )
    if unknown:
        raise TypeError(suggest(next(iter(unknown)), (*KEYWORDS, "mode", "shared")))


def _map_described(raw: RawDataset, mode: Any, shared: bool) -> dict[str, npt.NDArray[Any]] | None:
    """Return the variables of the files as views, or None if a file was replaced meanwhile."""
    pieces = {name: piece for name in raw.arrays if (piece := _piece_of(raw, name)) is not None}
    numbers = {number for _, number in pieces.values()} or {0}
    try:
        views = {
            name: view
            for number in sorted(numbers)
            for name, view in _map_file(raw, number, pieces, mode, shared).items()
        }
    except (OSError, ValueError):
        if any(map(raw.is_replaced, numbers)):
            return None
        raise
    return None if any(map(raw.is_replaced, numbers)) else views


def _map_file(
    raw: RawDataset,
    number: int,
    pieces: Mapping[str, tuple[Layout, int]],
    mode: Any,
    shared: bool,
) -> dict[str, npt.NDArray[Any]]:
    """Return the variables of one file as views of one map, which covers just their bytes."""
    path = local_path(raw.files[number])
    if path is None:
        raise DescriptionError(f"{raw.files[number]} is remote; only local files can be mapped")
    layouts = {name: layout for name, (layout, file) in pieces.items() if file == number}
    extents = [layout.extent for layout in layouts.values() if layout.nbytes]
    start = min((low for low, _ in extents), default=0)
    stop = max((high for _, high in extents), default=start)
    buffer = mmap(path, "u1", stop - start, start, mode=mode, grow=False, shared=shared)
    return {
        name: layout.shifted(-start).view(buffer)
        if layout.nbytes
        else np.empty(layout.shape, layout.dtype)
        for name, layout in layouts.items()
    }


def _piece_of(raw: RawDataset, name: str) -> tuple[Layout, int] | None:
    """Return the layout of a variable, and its file; None if its values are known already.

    Raises
    ------
    DescriptionError
        If it lies in several pieces.
    TypeError
        If its samples have to be decoded.
    """
    data = raw.arrangement(name)
    parts = list(itertools.islice(data.parts(), 2))
    if raw.description.variables[name].samples is not None or any(
        isinstance(part.data, BitLayout) for part in parts
    ):
        raise TypeError(
            f"{raw.path}: variable {name!r} has samples that have to be decoded, and a map shows "
            "bytes as they are; open it with xr.open_dataset, or with rawmmap.RawArray, "
            "which can write whole bytes with mode='r+'"
        )
    if isinstance(data, Layout):
        return data, 0
    if len(parts) == 1 and isinstance(parts[0].data, Layout):
        return parts[0].data, parts[0].file
    if all(isinstance(part.data, Values) for part in parts):
        return None
    where = ", in several files," if len({part.file for part in parts}) > 1 else ""
    raise DescriptionError(
        f"{raw.title}: variable {name!r} lies in several pieces{where} and cannot be one view of "
        "a map; map one of the files, open it with xr.open_dataset, or write with "
        "rawmmap.RawArray(..., mode='r+')"
    )


def _make_variable(
    name: str, described: DescribedVariable, view: npt.NDArray[Any] | None, shared: bool
) -> Variable:
    if view is None:
        view = values_of(described)
        # What is assigned to them would not reach the description.
        view.flags.writeable = not shared
    if described.dims != (name,):
        return LiveVariable(described.dims, view, described.attrs)
    # pandas keeps the index; it takes native values only, and never changes them.
    native = view.astype(view.dtype.newbyteorder("="))
    return decode_cf_variable(name, Variable(described.dims, native, described.attrs))


class LiveVariable(Variable):
    """A variable that explains why it cannot be assigned to, where it cannot."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        with self._explain_read_only():
            super().__setitem__(key, value)  # type: ignore[no-untyped-call]

    def _inplace_binary_op(self, other: Any, f: Any) -> Any:
        with self._explain_read_only():
            return super()._inplace_binary_op(other, f)  # type: ignore[no-untyped-call]

    @contextmanager
    def _explain_read_only(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            data = self._data
            if not isinstance(data, np.ndarray) or data.flags.writeable:
                raise
            raise ValueError(_explain_read_only(data)) from error


def _explain_read_only(data: npt.NDArray[Any]) -> str:
    try:
        path = mapping_of(data).path
    except ValueError:
        return (
            "these values are in the description of the file, and cannot be changed here; "
            "write them by ds.rawmmap.to_raw(path, mode='a')"
        )
    return (
        f"{path}: this dataset is read-only; to change the file, map it by "
        "rawmmap.map_dataset(path, mode='r+'), or pass shared=False to change the values in "
        "memory alone"
    )


def _move_coordinates(variables: Mapping[str, Variable], attrs: dict[str, Any]) -> set[str]:
    """Return the coordinates that CF attributes name; move the attributes to the encoding."""
    result: set[str] = set()
    for owner, encoding in [(v.attrs, v.encoding) for v in variables.values()] + [(attrs, {})]:
        names = owner.get("coordinates")
        if isinstance(names, str) and set(names.split()) <= set(variables):
            result |= set(names.split())
            encoding["coordinates"] = owner.pop("coordinates")
    return result


@flush.register(Dataset)
@flush.register(DataArray)
@flush.register(Variable)
def _flush(data: Dataset | DataArray | Variable, *, wait: bool = True) -> None:
    """Write the changes made through a mapped dataset to disk."""
    mapped = list(_iterate_mapped(data))
    if not mapped and data.nbytes:
        raise ValueError(
            f"nothing in this {type(data).__name__} is mapped; rawmmap.map_dataset maps a file"
        )
    for array in mapped:
        flush(array, wait=wait)


def _iterate_mapped(data: Dataset | DataArray | Variable) -> Iterator[npt.NDArray[Any]]:
    """Yield the arrays that are views of a map."""
    if isinstance(data, DataArray):
        data = data.to_dataset(name="values", promote_attrs=False)
    variables = data.variables.values() if isinstance(data, Dataset) else [data]
    for variable in variables:
        array = getattr(variable, "_data", None)
        if isinstance(array, np.ndarray):
            try:
                mapping_of(array)
            except ValueError:
                continue
            yield array
