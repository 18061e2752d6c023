"""`RawArray`: an array in a file, indexed like NumPy's, of which nothing is read until it is."""

from __future__ import annotations

import operator
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Self, SupportsIndex, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt

from rawmmap import access as accessing
from rawmmap.errors import ShortFileError
from rawmmap.layout import (
    Arrangement,
    BasicKey,
    Layout,
    as_shape,
    check_shape,
    dtype_words,
    infer_shape,
    plain_dtype,
)
from rawmmap.layout.indexing import select
from rawmmap.layout.mosaic import Mosaic
from rawmmap.layout.samples import Samples, native
from rawmmap.sources import Access, Files, Source, open_source

__all__ = ["NativeArray", "RawArray"]

T = TypeVar("T", bound="RawArray")
Url = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class RawArray:
    """An array in a file: nothing is read until it is indexed, and then only what the key needs.

    Parameters
    ----------
    url : str, bytes or path-like
        The file: a path, or a URL that fsspec knows.
    dtype : dtype-like
        Type of one element, byte order included (``">f4"``).
    shape : int or tuple of int
        Element counts; ``-1`` is allowed once, on the major axis: its length follows from the
        file's size.
    offset : int
        Bytes before the first element.
    order : {"C", "F"}
        ``"C"``: the last axis is the fastest; ``"F"``: the first one is.
    strides : tuple of int, optional
        Bytes from one element to the next along each axis, instead of `order`.
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
        dtype: npt.DTypeLike,
        shape: SupportsIndex | Sequence[SupportsIndex],
        *,
        offset: SupportsIndex = 0,
        order: Literal["C", "F"] = "C",
        strides: Sequence[SupportsIndex] | None = None,
        mode: Literal["r", "r+"] = "r",
        access: Access = "auto",
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        with about(url):
            _check_words(mode, access)
            checked = check_words(dtype, shape, offset, order, strides)
        source = open_source(url, storage_options)
        with about(url):
            layout = resolve_layout(*checked, size=source.identity.size)
        self._set(Files.single(source), layout, None, mode, access)
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
        """Return the array that lies in a file as `layout` says; the rest is as for `RawArray`."""
        return cls.from_source(open_source(url, storage_options), layout, mode, access)

    @classmethod
    def from_source(
        cls,
        source: Source,
        layout: Arrangement,
        mode: Literal["r", "r+"] = "r",
        access: Access = "auto",
        samples: Samples | None = None,
    ) -> Self:
        """Return an array of one file that was looked at already."""
        return cls.of(Files.single(source), layout, samples, mode, access)

    @classmethod
    def of(
        cls,
        files: Files,
        data: Arrangement,
        samples: Samples | None = None,
        mode: Literal["r", "r+"] = "r",
        access: Access = "auto",
    ) -> Self:
        """Return an array of files that were looked at already.

        Parameters
        ----------
        files : Files
            What the parts of `data` lie in.
        data : Layout, Mosaic or Values
            Where the elements lie.
        samples : Samples, optional
            How stored elements become values; by default they are values.
        mode, access
            As for `RawArray`.

        Raises
        ------
        ValueError
            If a layout does not fit into its file.
        """
        with about(files.urls[0] if len(files) else ""):
            _check_words(mode, access)
        array = _restore(cls, files, data, samples, mode, access)
        array._check()
        return array

    def _set(
        self, files: Files, data: Arrangement, samples: Samples | None, mode: str, access: str
    ) -> None:
        self._files, self._data, self._samples = files, data, samples
        self._mode, self._access = mode, cast("Access", access)

    def _check(self) -> None:
        # Whoever makes an arrangement of many files checks their lengths once, in a listing.
        if not isinstance(self._data, Layout):
            return
        start, stop = self._data.extent
        size = self._files[0].identity.size
        if stop > size and start != stop:
            raise ShortFileError(self.url, stop, size)

    def __reduce__(self) -> tuple[Any, ...]:
        values = self._files, self._data, self._samples, self._mode, self._access
        return _restore, (type(self), *values)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        # What this array writes itself changes the state of its files.
        files = self._files if self._mode == "r" else self._files.reopen()
        samples = repr(None if self._samples is None else (self._samples, self._samples.dtype.str))
        return (type(self).__name__, tuple(map(tuple, files.identities)), self._words(), samples)

    def _words(self) -> Any:
        """Return plain values that tell the arrangement from any other."""
        data = self._data
        if isinstance(data, Layout):
            return repr(dtype_words(data.dtype)), data.shape, data.strides, data.offset
        return pickle.dumps(data)

    @property
    def data(self) -> Arrangement:
        """Where the elements lie: a `Layout` in one file, or an arrangement of many parts."""
        return self._data

    @property
    def files(self) -> Files:
        """What the parts of `data` lie in."""
        return self._files

    @property
    def layout(self) -> Layout:
        """Where the elements lie in the file.

        Raises
        ------
        ValueError
            If the array has several parts, which no single layout describes.
        """
        if not isinstance(self._data, Layout):
            raise ValueError(f"{self.url}: the array has several parts and no single layout")
        return self._data

    @property
    def url(self) -> str:
        """Where the file, or the first one of many, is: an absolute path or a URL."""
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
        """Bytes of all values, gaps between stored elements not counted."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array with no axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        """Return ``numpy.asarray(self)[key]``, for every key that NumPy accepts.

        Returns
        -------
        numpy.ndarray or NumPy scalar
            Writable, without any effect on the file. A view of a map may show what others write to
            the file meanwhile; a copy (``access="read"``, ``numpy.array``) does not.

        Raises
        ------
        IndexError
            If NumPy refuses the key.
        OSError
            If the file is gone, or shrank since it was opened.
        """
        selection = select(cast("Layout", self._data), key)
        layout = selection.layout
        if not selection.points:
            stored = self._read_all(layout)
        elif isinstance(layout, Layout):
            stored = accessing.read_points(self._files[0], layout, selection.points, self._access)
        else:
            stored = accessing.read_point_parts(self._files, layout, selection.points, self._access)
        return selection.arrange(stored if self._samples is None else self._samples.decode(stored))

    def _read_all(self, data: Arrangement) -> npt.NDArray[Any]:
        if isinstance(data, Layout):
            return accessing.read_layout(self._files[0], data, self._access)
        fill = data.filling() if isinstance(data, Mosaic) else None
        return accessing.read(self._files, data.parts(), data.shape, data.dtype, self._access, fill)

    def load(self) -> npt.NDArray[Any]:
        """Return all elements; see `__getitem__`."""
        stored = self._read_all(self._data)
        return stored if self._samples is None else self._samples.decode(stored)

    def part(self, key: BasicKey) -> Self:
        """Return ``self[key]`` as an array of the same kind, without reading anything.

        `key` holds integers, slices, ``...`` and ``None`` only.
        """
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
        ValueError
            If the array was opened with mode "r", or the shapes do not fit.
        OSError
            If the file is gone, shrank since it was opened, or the disk is full.
        """
        if self._mode != "r+":
            raise ValueError(f"{self.url}: it was opened with mode='r', and mode='r+' writes")
        selection = select(cast("Layout", self._data), key)
        with about(self.url):
            dtype = selection.layout.dtype
            if self._samples is not None:
                _check_writable(self._samples)
                dtype = dtype if dtype.names else self._samples.dtype
            stored = selection.disarrange(_as_numpy_assigns(values, dtype, selection.ndim))
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
            raise ValueError(f"{self.dtype} becomes {np.dtype(dtype)} only by a copy")
        found = self.load()
        # A view of a map follows the file until it is written to; a copy must not.
        return found.astype(self.dtype if dtype is None else dtype, copy=bool(copy))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} {self._data!r}>"


class NativeArray(RawArray):
    """A `RawArray` with ``samples=native(dtype)``, under its former name."""

    __slots__ = ()

    def _set(
        self, files: Files, data: Arrangement, samples: Samples | None, mode: str, access: str
    ) -> None:
        super()._set(files, data, samples or native(data.dtype), mode, access)


def _restore(
    cls: type[T],
    files: Files,
    data: Arrangement,
    samples: Samples | None,
    mode: str,
    access: str,
) -> T:
    """Return an array without a look at its file, which may be out of reach until it is read.

    A function of the module, since cloudpickle takes along the code of methods.
    """
    array = cls.__new__(cls)
    array._set(files, data, samples, mode, access)
    return array


@contextmanager
def about(url: Url) -> Iterator[None]:
    """Let errors in words name the file that the words are about."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{os.fsdecode(url)}: {error}") from error


def _check_words(mode: str, access: str) -> None:
    if mode not in ("r", "r+"):
        raise ValueError(f"mode must be 'r' or 'r+', not {mode!r}")
    if access not in get_args(Access):
        raise ValueError(f"access must be one of {get_args(Access)}, not {access!r}")


def _as_numpy_assigns(values: Any, dtype: np.dtype[Any], ndim: int) -> npt.NDArray[Any]:
    """Return values of `dtype`, converted by the rules of assignment to an array of `ndim` axes."""
    if isinstance(values, np.ndarray):
        given = values.astype(dtype, copy=False)
        while given.ndim > ndim and given.shape[0] == 1:
            given = given[0]  # NumPy drops leading axes of length 1 of arrays
        return given
    if dtype.names is not None:
        return np.asarray(values, dtype)
    given = np.empty(np.shape(values), dtype)
    given[...] = values
    return given


def _check_writable(samples: Samples) -> None:
    if not samples.writable:
        raise TypeError(f"samples of type {samples.stored} can be read, but not written")


Words = tuple[np.dtype[Any], tuple[int, ...], int, str, tuple[int, ...] | None]


def check_words(
    dtype: npt.DTypeLike,
    shape: SupportsIndex | Sequence[SupportsIndex] | None,
    offset: SupportsIndex = 0,
    order: str = "C",
    strides: SupportsIndex | Sequence[SupportsIndex] | None = None,
) -> Words:
    """Return the words that describe an array, checked as far as that needs no file."""
    plain = plain_dtype(dtype)
    steps = None if strides is None else as_shape(strides)
    counts = check_shape(shape, order, steps)
    start = operator.index(offset)
    resolve_layout(plain, tuple(max(n, 0) for n in counts), start, order, steps, size=0)
    return plain, counts, start, order, steps


def resolve_layout(
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    offset: int,
    order: str,
    strides: tuple[int, ...] | None,
    *,
    size: int,
) -> Layout:
    """Return the layout that these words describe in a file of `size` bytes."""
    counts = infer_shape(dtype, shape, size=size, offset=offset, order=order, strides=strides)
    if strides is None:
        return Layout.dense(dtype, counts, offset=offset, order=order)
    return Layout(dtype, counts, strides, offset)
