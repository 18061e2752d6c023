"""Dask arrays of raw files: `from_raw`."""

from __future__ import annotations

import itertools
import numbers
import uuid
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any, Literal, SupportsIndex

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask import config
from dask.array.core import getter, normalize_chunks
from dask.base import tokenize
from dask.blockwise import blockwise
from dask.highlevelgraph import HighLevelGraph
from dask.layers import ArraySliceDep
from dask.utils import parse_bytes

from rawmmap.array import RawArray, Url
from rawmmap.dask.opening import first_of, open_array
from rawmmap.dataset import format_path
from rawmmap.errors import name_file
from rawmmap.layout import Arrangement, Layout
from rawmmap.layout.chunks import auto_chunks
from rawmmap.layout.mosaic import Mosaic
from rawmmap.layout.samples import native
from rawmmap.layout.stacks import Joined
from rawmmap.mapping import PAGE
from rawmmap.sources import Access

__all__ = ["FileArray", "Slices", "as_dask", "chunk_shape", "from_raw"]

_BASIC = (slice, int, np.integer, EllipsisType, type(None))


def from_raw(
    url: Url | Sequence[Url],
    dtype: npt.DTypeLike | None = None,
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    offset: SupportsIndex = 0,
    order: Literal["C", "F"] = "C",
    strides: Sequence[SupportsIndex] | None = None,
    bits: int | None = None,
    bit_order: Literal["msb", "lsb"] = "msb",
    chunks: Any = "auto",
    byteorder: Literal["native", "file"] = "native",
    access: Access = "auto",
    storage_options: Mapping[str, Any] | None = None,
    name: str | bool | None = None,
    variable: str | None = None,
) -> da.Array:
    """Return a Dask array of a file, without reading any of its data.

    Parameters
    ----------
    url : path-like or list of path-like
        The file, or several of equal contents: then a leading axis counts them. A pattern such as
        ``"ux-{step:04d}.bin"`` stands for all files of such names; each field is a leading axis.
    dtype, shape, offset, order, strides, bits, bit_order, access, storage_options
        As for `RawArray`. Without `dtype` the file's sidecar or header describes it.
    chunks : int, tuple, dict, str
        As Dask takes them. ``"auto"``: contiguous slabs of about Dask's ``array.chunk-size``, cut
        on page boundaries where the shape allows; a size such as ``"64 MiB"``: the same with this
        limit.
    byteorder : {"native", "file"}
        Whether chunks have this machine's byte order or that of the file.
    name : str or bool, optional
        Name of the array in Dask's graph. By default, as for True, it follows from the file's
        identity (real path, size, modification time, inode) and the layout, never from the data;
        ``False`` gives a random one.
    variable : str, optional
        Which variable of a described file; needless where one alone is not a coordinate.

    Returns
    -------
    dask.array.Array
        One Blockwise layer, which pickles as a description and its chunk boundaries. Each task
        opens the file, maps or reads just what is selected, and closes it again. Works with the
        threaded, process and distributed schedulers, if the workers see the same file.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        As `RawArray`, and for chunks that do not fit the shape.

    Notes
    -----
    Integers and slices of any step, and chains of them, reach the file: only what they select is
    read. Dask applies lists and masks to whole chunks; even then, only the pages of a mapped chunk
    that are touched are read.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(12, dtype=">i2").tofile(path)
    >>> x = from_raw(path, ">i2", (3, 4), chunks=(1, 4))
    >>> int(x.sum().compute())
    66
    >>> folder.cleanup()
    """
    if byteorder not in ("native", "file"):
        raise ValueError(
            f"{format_path(first_of(url))}: byteorder must be 'native' or 'file', not {byteorder!r}"
        )
    keywords = {
        "dtype": dtype,
        "shape": shape,
        "offset": offset,
        "order": order,
        "strides": strides,
        "bits": bits,
        "bit_order": bit_order,
    }
    array = open_array(url, keywords, access, storage_options, variable)
    samples = array.samples
    if samples is None and byteorder == "native":
        samples = native(array.data.dtype)
    with name_file(format_path(first_of(url))):
        return as_dask(RawArray.of(array.files, array.data, samples, "r", access), chunks, name)


def as_dask(array: RawArray, chunks: Any = "auto", name: str | bool | None = None) -> da.Array:
    """Return a Dask array of a `RawArray`, as one Blockwise layer."""
    if isinstance(chunks, str):
        chunks = chunk_shape(array.data, chunks)
    bounds = _normalize_chunks(chunks, array)
    if not isinstance(name, str):
        name = f"rawmmap-{uuid.uuid4().hex if name is False else tokenize(array, bounds)}"
    axes = tuple(range(array.ndim))
    # Dask fuses a later selection into its own `getter`, so that it reaches the file; it cannot do
    # so for other functions.
    layer = blockwise(
        getter, name, axes, array, None, Slices(bounds), axes, numblocks={}, _data_producer=True
    )
    graph = HighLevelGraph.from_collections(name, layer)
    meta = np.empty((0,) * array.ndim, array.dtype)
    result = FileArray(graph, name, bounds, meta=meta)  # type: ignore[no-untyped-call]
    result.__dict__["_shows"] = name, array
    return result


class FileArray(da.Array):
    """A Dask array of a file, whose slices are arrays of the part of the file that they select.

    Dask lets only the first of several selections reach the task that reads; the others it applies
    to what was read. Whatever else is done to the array gives ordinary Dask arrays.
    """

    def __getitem__(self, index: Any) -> da.Array:
        result: da.Array = super().__getitem__(index)  # type: ignore[no-untyped-call]
        name, array = self.__dict__.get("_shows", (None, None))
        key = index if isinstance(index, tuple) else (index,)
        basic = all(isinstance(item, _BASIC) and not isinstance(item, bool) for item in key)
        # An assignment gives the array another name.
        if result is self or self.name != name or not basic:
            return result
        return as_dask(array.part(key), result.chunks)


def _normalize_chunks(chunks: Any, array: RawArray) -> tuple[tuple[int, ...], ...]:
    """Return the lengths of all chunks along each axis, as Dask counts them."""
    if isinstance(chunks, Mapping):
        unknown = [axis for axis in chunks if axis not in range(array.ndim)]
        if unknown:
            raise ValueError(
                f"chunks={chunks!r} names the axes {unknown}; the array has {array.ndim}, counted "
                "from 0"
            )
    try:
        bounds: tuple[tuple[int, ...], ...] = normalize_chunks(
            chunks, array.shape, dtype=array.dtype
        )
    except (TypeError, ValueError, ZeroDivisionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"chunks={chunks!r} does not fit the shape {array.shape}: {error}") from error
    return bounds


def chunk_shape(data: Arrangement, limit: str = "auto") -> tuple[int, ...]:
    """Return chunk lengths that are contiguous slabs of at most `limit`, by default Dask's.

    Chunks of an array in many files lie within one file each, unless the files are joined along an
    axis of theirs. Those and the pieces of one file are cut as if they followed each other in C
    order.
    """
    layout = data if isinstance(data, Layout) else _chunked_layout(data)
    most = config.get("array.chunk-size") if limit == "auto" else limit
    try:
        most = most if isinstance(most, numbers.Integral) else parse_bytes(most)
    except ValueError as error:
        raise ValueError(f"chunks={limit!r} is neither 'auto' nor a size: {error}") from error
    return auto_chunks(layout.shape, layout.strides, layout.dtype.itemsize, int(most), PAGE)


def _chunked_layout(data: Arrangement) -> Layout:
    """Return a layout whose chunks suit an array in many pieces."""
    if isinstance(data, Mosaic) and isinstance(data.cells, Joined):
        # The first of files of unequal length may be a short one.
        return Layout.dense(data.dtype, data.shape)
    # Of a series of many files a look at two of them is enough, and quicker than one at all.
    for some in (data[:2], data) if data.ndim else (data,):
        first = list(itertools.islice(some.parts(), 2))
        if len(first) == 2 and first[0].file != first[1].file and isinstance(first[0].data, Layout):
            return first[0].data
    return Layout.dense(data.dtype, data.shape)


class Slices(ArraySliceDep):
    """Dask's slices of chunks, pickled without the starts that follow from the lengths."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.chunks,)
