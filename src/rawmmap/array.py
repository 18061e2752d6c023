"""`RawArray`: a lazy array in a file, indexed as a NumPy array is."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Literal, Self, SupportsIndex, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt

from rawmmap import access as accessing
from rawmmap.bars import Chunks, draw_files
from rawmmap.description.keyword_types import as_integer, as_shape
from rawmmap.description.template import LayoutTemplate
from rawmmap.drawing import Drawing
from rawmmap.errors import ShortFileError, name_file
from rawmmap.formats.series import arrange_series
from rawmmap.layout import (
    Arrangement,
    BasicKey,
    Layout,
    check_shape,
    dtype_state,
)
from rawmmap.layout.bits import BitLayout, Packing, check_packed_strides
from rawmmap.layout.cells import required_bytes
from rawmmap.layout.indexing import Selection, convert_for_assignment, select
from rawmmap.layout.samples import Samples, parse_dtype
from rawmmap.sources import Access, Files, name_of, open_source

__all__ = ["RawArray"]

T = TypeVar("T", bound="RawArray")
Url = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class RawArray:
    """An array in a file; indexing it reads what the key needs, and nothing else is read.

    Parameters
    ----------
    url : str, bytes or path-like
        The file: a path, or a URL that fsspec knows. A pattern such as ``"ux-{step:04d}.bin"``
        stands for all files of such names; each field is a leading axis.
    dtype : dtype-like
        Type of one element, byte order included (``">f4"``), or the name of a type that NumPy
        lacks (``"<i3"``, ``">ibm4"``, ...; see the page on samples).
    shape : int or tuple of int
        Element counts, of each file of a series; ``-1`` is allowed once, on the major axis: its
        length follows from the file's size.
    offset : int
        Bytes before the first element.
    order : {"C", "F"}
        ``"C"``: the last axis is the fastest; ``"F"``: the first one is.
    strides : tuple of int, optional
        Bytes from one element to the next along each axis, instead of `order`.
    bits : int, optional
        The elements are unsigned samples of so many bits (1 to 7, 10, 12, 14), packed along the
        fastest axis and to be read only. Rows start on a byte; where they do not fill their bytes,
        `strides` has the bytes from one to the next, for each axis but the packed one. `dtype` is
        then the smallest unsigned type that holds them, or None.
    bit_order : {"msb", "lsb"}
        Whether the first of them is in the most or the least significant bits of a byte.
    mode : {"r", "r+"}
        ``"r+"`` allows ``a[key] = values``.
    access : {"auto", "map", "read"}
        ``"map"``: views of private, copy-on-write windows of the file, which cost no copy.
        ``"read"``: copies by positional reads, safe against a file that shrinks while it is in use
        and right for network file systems. ``"auto"``: whichever was measured faster for the
        size at hand (small selections: read).
    storage_options : mapping, optional
        Options for fsspec, for URLs of other places.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If the dtype holds pointers.
    ValueError
        If the description is malformed, or the file too short for it.

    Notes
    -----
    Indexing returns what NumPy would, as an array that can be written to; what is written never
    reaches the file. A file that shrank since it was opened gives an `OSError`. Instances may be
    used from several threads and pickle as a description; nothing stays open between two accesses.

    There is deliberately neither ``copy`` nor ``__array_function__``: Dask would read the whole
    file through them while it builds a graph.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(12, dtype=">i2").tofile(path)
    >>> a = RawArray(path, ">i2", (3, 4))
    >>> a[1, ::2]
    array([4, 6], dtype='>i2')
    >>> folder.cleanup()
    """

    __slots__ = ("_access", "_data", "_files", "_mode", "_samples")

    _files: Files
    _data: Arrangement
    _samples: Samples | None
    _mode: str
    _access: Access

    def __init__(
        self,
        url: Url,
        dtype: npt.DTypeLike | None,
        shape: SupportsIndex | Sequence[SupportsIndex],
        *,
        offset: SupportsIndex = 0,
        order: Literal["C", "F"] = "C",
        strides: Sequence[SupportsIndex] | None = None,
        bits: int | None = None,
        bit_order: Literal["msb", "lsb"] = "msb",
        mode: Literal["r", "r+"] = "r",
        access: Access = "auto",
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        url, storage_options = name_of(url, storage_options)
        with name_file(url):
            _check_options(mode, access)
            packing = None if bits is None else Packing.of(bits, bit_order)
            stored, samples = parse_dtype(packing.dtype if packing and dtype is None else dtype)
            template = _as_template(stored, shape, offset, order, strides, packing)
            if packing is not None and mode != "r":
                raise ValueError("samples of a few bits can be read, but not written: mode='r'")
        series = arrange_series(url, template, storage_options)
        if series is None:
            source = open_source(url, storage_options)
            with name_file(url):
                series = Files.single(source), template.arrange(source.identity.size)
        self._set(*series, samples, mode, access)
        self._check()

    @classmethod
    def from_layout(
        cls,
        url: Url,
        layout: Layout,
        *,
        mode: Literal["r", "r+"] = "r",
        access: Access = "auto",
        storage_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Return the array that `layout` describes in a file.

        Parameters
        ----------
        layout : Layout
            Where the elements lie.
        url, mode, access, storage_options
            As for `RawArray`.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        TypeError
            If `layout` is not a `Layout`.
        ValueError
            If the file is too short for `layout`.
        """
        url, storage_options = name_of(url, storage_options)
        if not isinstance(layout, Layout):
            raise TypeError(f"{url}: layout must be a rawmmap.Layout, not {layout!r}")
        files = Files.single(open_source(url, storage_options))
        return cls.of(files, layout, None, mode, access)

    @classmethod
    def of(
        cls,
        files: Files,
        data: Arrangement,
        samples: Samples | None = None,
        mode: Literal["r", "r+"] = "r",
        access: Access = "auto",
    ) -> Self:
        """Return an array in files that are open already.

        Parameters
        ----------
        files : Files
            The files in which the parts of `data` lie.
        data : Layout, Mosaic or Values
            Where the elements lie.
        samples : Samples, optional
            How stored elements become values. By default values are what is stored.
        mode, access
            As for `RawArray`.

        Raises
        ------
        ValueError
            If a layout does not fit into its file.
        """
        with name_file(files.urls[0] if len(files) else None):
            _check_options(mode, access)
        array = _restore(cls, files, data, samples, mode, access)
        array._check()
        return array

    def _set(
        self, files: Files, data: Arrangement, samples: Samples | None, mode: str, access: str
    ) -> None:
        self._files, self._data, self._samples = files, data, samples
        self._mode, self._access = mode, cast("Access", access)

    def _check(self) -> None:
        if isinstance(self._data, Layout | BitLayout):
            start, stop = self._data.extent
            size = self._files[0].identity.size
            if stop > size and start != stop:
                raise ShortFileError(self.url, stop, size)
            return
        if not len(self._files):
            return
        self._files.check_sizes(required_bytes([self._data], len(self._files)))

    def __reduce__(self) -> tuple[Any, ...]:
        values = self._files, self._data, self._samples, self._mode, self._access
        return _restore, (type(self), *values)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        # What this array writes itself changes the state of its files.
        files = self._files if self._mode == "r" else self._files.reopen()
        samples = repr(None if self._samples is None else (self._samples, self._samples.dtype.str))
        return (
            type(self).__name__,
            tuple(map(tuple, files.identities)),
            self._arrangement_state(),
            samples,
        )

    def _arrangement_state(self) -> Any:
        """Return plain values that are equal for equal arrangements only."""
        data = self._data
        if isinstance(data, Layout):
            return repr(dtype_state(data.dtype)), data.shape, data.strides, data.offset
        return pickle.dumps(data)

    @property
    def data(self) -> Arrangement:
        """Where the elements lie: a `Layout` in one file, or an arrangement of many parts."""
        return self._data

    @property
    def files(self) -> Files:
        """The files in which the parts of `data` lie."""
        return self._files

    @property
    def samples(self) -> Samples | None:
        """How stored elements become values; None where they are values."""
        return self._samples

    @property
    def layout(self) -> Layout:
        """Where the elements lie in the file.

        Raises
        ------
        ValueError
            If the array has several parts, which no single layout describes.
        """
        if not isinstance(self._data, Layout):
            raise ValueError(
                f"{self.url}: the array has several parts, or samples of a few bits, and no single "
                "layout"
            )
        return self._data

    @property
    def url(self) -> str:
        """Absolute path or URL of the file, or of the first of several."""
        return self._files.urls[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one element."""
        return self._data.dtype if self._samples is None else self._samples.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Element counts."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def nbytes(self) -> int:
        """Bytes of all values, without the gaps between stored elements."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        """Return ``numpy.asarray(self)[key]``, for every key that NumPy accepts.

        Returns
        -------
        numpy.ndarray or NumPy scalar
            Writable; changes never reach the file. A view of a map may show what others write to
            the file in the meantime; a copy (``access="read"``, ``numpy.array``) does not.

        Raises
        ------
        IndexError
            If NumPy refuses the key.
        OSError
            If the file is gone, or shrank since it was opened.
        """
        selection = self._select(key)
        data = selection.layout
        if not selection.points:
            values = self._read_all(data)
        elif isinstance(data, Layout):
            stored = accessing.read_points(self._files[0], data, selection.points, self._access)
            values = stored if self._samples is None else self._samples.decode(stored)
        else:
            values = accessing.read_point_parts(
                self._files, data, selection.points, self._access, self._samples
            )
        return selection.arrange(values)

    def _select(self, key: Any) -> Selection:
        with name_file(self._name):
            return select(cast("Layout", self._data), key)

    @property
    def _name(self) -> str | None:
        """What errors name: the first file, if there is one."""
        return self._files.urls[0] if len(self._files) else None

    def _read_all(self, data: Arrangement) -> npt.NDArray[Any]:
        """Return the values of an arrangement in the files of this array."""
        samples = self._samples
        if isinstance(data, Layout):
            stored = accessing.read_layout(self._files[0], data, self._access)
            return stored if samples is None else samples.decode(stored)
        return accessing.read_mosaic(self._files, data, self._access, samples)

    def load(self) -> npt.NDArray[Any]:
        """Return all elements; see `__getitem__`."""
        return self._read_all(self._data)

    def part(self, key: BasicKey) -> Self:
        """Return ``self[key]`` as an array of the same kind, without reading anything.

        `key` holds integers, slices, ``...`` and ``None`` only.
        """
        with name_file(self._name):
            return self._with(self._data[key])

    def transpose(self, axes: Sequence[int]) -> Self:
        """Return the array with its axes in the order of `axes`, without reading anything."""
        return self._with(self._data.transpose(axes))

    def _with(self, data: Arrangement) -> Self:
        return _restore(type(self), self._files, data, self._samples, self._mode, self._access)

    def __setitem__(self, key: Any, values: npt.ArrayLike) -> None:
        """Store `values`, which broadcast as in NumPy, and touch no other byte of the file.

        Raises
        ------
        IndexError
            If NumPy refuses the key.
        TypeError
            If the values are masked: call their ``filled()`` first.
        ValueError
            If the array was opened with mode "r", or the shapes do not fit.
        OSError
            If the file is gone, shrank since it was opened, or the disk is full.
        """
        if self._mode != "r+":
            raise ValueError(
                f"{self.url}: the array was opened with mode='r'; open it with mode='r+' to write"
            )
        selection = self._select(key)
        with name_file(self.url):
            dtype = selection.layout.dtype
            if self._samples is not None:
                _check_writable(self._samples)
                dtype = dtype if dtype.names else self._samples.dtype
            stored = selection.to_stored_order(
                convert_for_assignment(values, dtype, selection.ndim)
            )
            if self._samples is not None and not dtype.names:
                stored = self._samples.encode(stored)
        data = selection.layout
        if not selection.points:
            accessing.write(self._files, data.parts(), stored)
        elif isinstance(data, Layout):
            accessing.write_points(self._files[0], data, selection.points, stored)
        else:
            accessing.write_point_parts(self._files, data, selection.points, stored)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False and dtype is not None and np.dtype(dtype) != self.dtype:
            raise ValueError(
                f"{self.url}: copy=False, but converting {self.dtype} to {np.dtype(dtype)} needs "
                "a copy"
            )
        values = self.load()
        # A view of a map follows the file until it is written to; a copy must not.
        return values.astype(self.dtype if dtype is None else dtype, copy=bool(copy))

    def draw(self, chunks: Chunks | None = None) -> Drawing:
        """Return a picture of the files: where the elements lie, and what is in memory."""
        return draw_files(self._files, {"array": self._data}, {"array": chunks} if chunks else None)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>{self.draw()._repr_html_()}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} {self._data!r}>"


def _restore(
    cls: type[T],
    files: Files,
    data: Arrangement,
    samples: Samples | None,
    mode: str,
    access: str,
) -> T:
    """Return an array without opening its file, which may be out of reach until it is read.

    A function of the module, because cloudpickle would send the code of a method along.
    """
    array = cls.__new__(cls)
    array._set(files, data, samples, mode, access)
    return array


def _check_options(mode: str, access: str) -> None:
    if mode not in ("r", "r+"):
        raise ValueError(f"mode must be 'r' or 'r+', not {mode!r}")
    if access not in get_args(Access):
        raise ValueError(f"access must be one of {get_args(Access)}, not {access!r}")


def _check_writable(samples: Samples) -> None:
    if not samples.writable:
        raise TypeError(f"samples of type {samples.stored} can be read, but not written")


def _as_template(
    dtype: np.dtype[Any],
    shape: SupportsIndex | Sequence[SupportsIndex],
    offset: SupportsIndex,
    order: str,
    strides: Sequence[SupportsIndex] | None,
    packing: Packing | None = None,
) -> LayoutTemplate:
    """Return the layout that the arguments of `RawArray` describe, checked without the file."""
    steps = as_shape("", "strides", strides)
    counts = check_shape(as_shape("", "shape", shape), order, None if packing else steps)
    if packing is not None:
        check_packed_strides(packing, len(counts), steps)
    start = as_integer("", "offset", offset)
    template = LayoutTemplate(dtype, counts, start, order, steps, packing)
    template.check()
    return template
