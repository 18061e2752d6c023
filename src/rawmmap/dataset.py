"""`open`: a described file, whatever describes it; the one place that pairs the two.

The engine, `describe`, `map_dataset`, the exports and the command line all come in through here, so
that one place looks whether a description and a file belong together, and whether the file is long
enough.
"""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from rawmmap.array import RawArray
from rawmmap.bars import Chunks, draw_files
from rawmmap.description import Description, Keywords
from rawmmap.description import Variable as DescribedVariable
from rawmmap.description.coord_keywords import add_coords
from rawmmap.description.keyword_types import as_names, suggest
from rawmmap.description.patterns import Pattern
from rawmmap.description.series import Series
from rawmmap.drawing import Drawing
from rawmmap.errors import name_file
from rawmmap.formats.compression import HEAD_BYTES, check_uncompressed, may_be_compressed
from rawmmap.formats.registry import find
from rawmmap.formats.series import find_series, names_series, read_series
from rawmmap.layout import Arrangement, Layout, Values, cells
from rawmmap.layout.bits import BitLayout
from rawmmap.layout.byte_ranges import ByteRanges
from rawmmap.layout.coverage import find_uncovered
from rawmmap.layout.ranges import find_ranges
from rawmmap.sources import Access, Files, Source, name_of, open_source

__all__ = [
    "RawDataset",
    "Variable",
    "format_path",
    "open",
    "open_described",
    "required_bytes",
    "values_of",
]

# A file may be replaced while it is opened, but hardly so often in a row.
_TRIES = 100
#: The keywords of `open`.
KEYWORDS = (
    *Keywords.names(),
    "coords",
    "format",
    "access",
    "storage_options",
    "drop_variables",
    "missing",
    "fill_value",
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of an open file.

    Attributes
    ----------
    dims : tuple of str
        Names of the axes.
    data : RawArray or numpy.ndarray
        The elements: lazy, in the types of the file; an array where the description holds them.
    attrs : dict
        Attributes, undecoded.
    """

    dims: tuple[str, ...]
    data: RawArray | npt.NDArray[Any]
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Element counts."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one element, as it is stored."""
        return self.data.dtype


class RawDataset(Mapping[str, Variable]):
    """A described file: a read-only mapping from names to variables.

    Nothing is read before an array of it is indexed. It may be used from several threads, and
    nothing stays open between two accesses.

    Parameters
    ----------
    template : Description
        What is said of the file, whatever its size.
    files : Files
        Its bytes: one file, or all those of a series.
    access : {"auto", "map", "read"}
        As for `RawArray`.
    dropped : frozenset of str
        Names of variables that are left out.
    series : Series, optional
        How many files of the same contents make one dataset.

    Raises
    ------
    DescriptionError
        If the description contradicts itself or the file's size.
    ShortFileError
        If the file is too short.
    """

    def __init__(
        self,
        template: Description,
        files: Files,
        access: Access = "auto",
        dropped: frozenset[str] = frozenset(),
        series: Series | None = None,
    ) -> None:
        # What is dropped need not even fit the file; fields have their names only afterwards.
        self.template = template.without(dropped)
        self.opened = files
        self.series = series
        self.access = access
        self.dropped = dropped
        if series is None:
            member = self.template.resolve(files[0].identity.size).without(dropped)
            self.description = member
        else:
            sizes = files.sizes.tolist()
            member = series.resolve_first(self.template, sizes).without(dropped)
            if not series.by_name:
                files.check_sizes(int(np.max(required_bytes(member, 1))))
            self.description = series.resolve(self.template, sizes).without(dropped)
        self._member = member
        self.opened.check_sizes(required_bytes(self.description, len(files)))

    @property
    def source(self) -> Source:
        """The bytes of the one file.

        Raises
        ------
        ValueError
            If the dataset lies in several files.
        """
        if self.series is not None:
            raise ValueError(
                f"{self.title}: this works on one file, and not on a series of "
                f"{len(self.opened)} files; give it one of them, such as {self.path}"
            )
        if len(self.opened) > 1:
            raise ValueError(
                f"{self.title}: this works on one file, but the data lie in "
                f"{len(self.opened)} files"
            )
        return self.opened[0]

    @property
    def title(self) -> str:
        """What errors name: the file, or the pattern of a series."""
        return self.path if self.series is None else self.series.pattern.text

    @property
    def path(self) -> str:
        """The data file, a path or URL."""
        return self.description.path

    @property
    def files(self) -> tuple[str, ...]:
        """The data files, paths or URLs."""
        return tuple(self.opened.urls)

    def is_replaced(self, number: int = 0) -> bool:
        """Return whether another file lies at a path now; one that was written to is the same.

        Parameters
        ----------
        number : int
            Number of the file, where there are several.
        """
        source = self.opened[number]
        then, now = source.identity, source.reopen().identity
        return (then.inode, then.generation) != (now.inode, now.generation)

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the whole."""
        return dict(self.description.attrs)

    @property
    def coords(self) -> frozenset[str]:
        """Names of the coordinates: variables named like their dimension, and those listed."""
        variables = self.description.variables
        own = {name for name, variable in variables.items() if variable.dims == (name,)}
        return frozenset(own | (self.description.coords & set(variables)))

    @property
    def sizes(self) -> dict[str, int]:
        """Lengths of the dimensions."""
        return {
            dim: n
            for name in self
            for dim, n in zip(self.dims(name), self.arrangement(name).shape, strict=True)
        }

    @property
    def coverage(self) -> ByteRanges:
        """Bytes of the file that no variable covers: (first, past the last), in ascending order.

        Ranges that recur, such as those between records, are computed when they are asked for, so
        that they take no memory. Of several files they are those of the first one.
        """
        size = self.opened[0].identity.size
        member = self._member
        if self.series is not None and not self.series.by_name:
            member = self.template.resolve(size)  # the first file may be longer than others
        arrangements = [variable.arrangement for variable in member.variables.values()]
        # Records of unequal length may be many; their ranges are known without a look at each.
        ranges = [find_ranges(data) for data in arrangements]
        others = [data for data, known in zip(arrangements, ranges, strict=True) if known is None]
        return find_uncovered(_layouts(others), size, [known for known in ranges if known])

    def with_coords(self, coords: Mapping[str, Any]) -> Self:
        """Return the dataset with further coordinates, whose values it holds.

        Parameters
        ----------
        coords : mapping
            Coordinates by name: values, ``(dims, values)``, ``(dims, values, attrs)``, or whatever
            has `dims`, `values` and `attrs`.

        Raises
        ------
        DescriptionError
            If one has the name of a variable, or dimensions that do not fit those of the variables.
        """
        result = copy.copy(self)
        kept = add_coords(replace(self.description, path=self.title), coords).without(self.dropped)
        result.description = replace(kept, path=self.description.path)
        return result

    def dims(self, name: str) -> tuple[str, ...]:
        """Return the names of the axes of a variable."""
        return self.description.variables[name].dims

    def arrangement(self, name: str) -> Arrangement:
        """Return where the elements of a variable lie."""
        return self.description.variables[name].arrangement

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the variables that lie in the file, and not in its description."""
        return tuple(name for name, v in self.description.variables.items() if v.in_file)

    def array(self, name: str) -> RawArray:
        """Return a variable that lies in the file, as a lazy array."""
        layout: Any = self.arrangement(name)
        samples = self.description.variables[name].samples
        return RawArray.of(self.opened, layout, samples, "r", self.access)

    def __getitem__(self, name: str) -> Variable:
        variable = self.description.variables[name]
        data = self.array(name) if variable.in_file else values_of(variable)
        return Variable(variable.dims, data, dict(variable.attrs))

    def __iter__(self) -> Iterator[str]:
        return iter(self.description.variables)

    def __len__(self) -> int:
        return len(self.description.variables)

    def draw(self, chunks: Mapping[str, Chunks] | None = None) -> Drawing:
        """Return a picture of the files: what each variable covers, and what is in memory.

        Parameters
        ----------
        chunks : mapping of str to tuple, optional
            The lengths of the chunks of variables along each axis: their windows are marked.
        """
        variables = self.description.variables
        arrays = {name: variables[name].arrangement for name in self.arrays}
        return draw_files(self.opened, arrays, chunks, self.description.records)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>{self.draw()._repr_html_()}"

    def __repr__(self) -> str:
        size = f"{int(self.opened.sizes.sum())} bytes"
        one_file = self.series is None and len(self.opened) == 1
        count = "" if one_file else f" in {len(self.opened)} files"
        lines = [f"<RawDataset {self.title}: {size}{count}>"]
        for name in self:
            data = self.arrangement(name)
            axes = ", ".join(
                f"{dim}: {n}" for dim, n in zip(self.dims(name), data.shape, strict=True)
            )
            samples = self.description.variables[name].samples
            kind = data.dtype.str if samples is None else str(samples)
            lines.append(f"  {name}: {kind} ({axes})")
        return "\n".join(lines)


def _layouts(arrangements: Iterable[Arrangement]) -> Iterator[Layout]:
    """Yield the layouts of all parts that lie in the first file."""
    for data in arrangements:
        for part in data.parts():
            if part.file != 0:
                continue
            if isinstance(part.data, Layout):
                yield part.data
            elif isinstance(part.data, BitLayout):
                yield part.data.bytes_read


def required_bytes(description: Description, count: int) -> npt.NDArray[np.int64]:
    """Return how many bytes each of `count` files must have."""
    variables = description.variables.values()
    return cells.required_bytes([variable.arrangement for variable in variables], count)


def values_of(variable: DescribedVariable) -> npt.NDArray[Any]:
    """Return the elements of a variable that the description holds: a copy."""
    (part,) = variable.arrangement.parts()
    assert isinstance(part.data, Values)
    return np.array(part.data.array)


def open(  # noqa: A001 - as the builtin, it opens a file
    path: str | bytes | os.PathLike[Any],
    *,
    format: str | None = None,
    access: Access = "auto",
    storage_options: Mapping[str, Any] | None = None,
    drop_variables: str | Iterable[str] | None = None,
    coords: Mapping[str, Any] | None = None,
    missing: Literal["raise", "fill"] = "raise",
    fill_value: Any = None,
    **keywords: Any,
) -> RawDataset:
    """Open a described file, without xarray and without reading any data.

    Parameters
    ----------
    path : str, bytes or path-like
        The data file, its sidecar or its header; a path or a URL that fsspec knows. A pattern such
        as ``"ux-{step:04d}.bin"`` stands for a series of files; see the page on series.
    format : str, optional
        The reader of the description: ``"sidecar"``, ``"npy"``, ... By default the one that
        recognises the file.
    access : {"auto", "map", "read"}
        How elements are read; as for `RawArray`.
    storage_options : mapping, optional
        Options for fsspec, for URLs.
    drop_variables : str or iterable of str, optional
        Variables to leave out, by the names that the dataset shows.
    coords : mapping, optional
        Coordinates by name: values, ``(dims, values)``, ``(dims, values, attrs)``, or whatever has
        `dims`, `values` and `attrs`. They are shown as they are.
    missing : {"raise", "fill"}
        What happens where files of a series are missing.
    fill_value : object, optional
        What stands for their elements; NaN for floats.
    **keywords
        The keywords of ``xr.open_dataset(path, engine="rawmmap", ...)`` that describe a file:
        `dtype`, `shape`, `dims`, `offset` (bytes), `order`, `strides` (bytes), `name`, `attrs`,
        `variables`, `record_dim`, `record_nbytes` (bytes), `fields`, `overlap`, `bits`,
        `bit_order`.

    Returns
    -------
    RawDataset
        A read-only mapping from names to `Variable`, with the variables' arrays still on disk.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PermissionError
        If the file may not be read.
    TypeError
        If a keyword is unknown or of the wrong type.
    ValueError
        If nothing describes the file, the description contradicts itself, variables overlap, or
        the file is too short.

    Examples
    --------
    >>> import numpy as np, os, rawmmap, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "a.raw")
    >>> np.arange(6, dtype=">i2").tofile(path)
    >>> raw = rawmmap.open(path, dtype=">i2", shape=(2, 3), dims=("y", "x"), name="u")
    >>> raw["u"].data[1, ::2]
    array([3, 5], dtype='>i2')
    >>> raw.coverage
    []
    >>> folder.cleanup()
    """
    described = Keywords.take_from(keywords)
    if keywords:
        raise TypeError(f"{format_path(path)}: {suggest(next(iter(keywords)), KEYWORDS)}")
    raw = open_described(
        path, described, format, access, storage_options, drop_variables, missing, fill_value
    )
    return raw if coords is None else raw.with_coords(coords)


def open_described(
    path: Any,
    keywords: Keywords,
    format: str | None = None,
    access: Access = "auto",
    storage_options: Mapping[str, Any] | None = None,
    drop_variables: str | Iterable[str] | None = None,
    missing: str = "raise",
    fill_value: Any = None,
) -> RawDataset:
    """Open a file with whatever describes it; see `open`.

    Another process may replace both meanwhile: then they are looked up again, so that the two
    always belong together.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(
            f"a path or URL is needed, not {type(path).__name__}: only files have bytes at "
            "positions that can be read later and elsewhere"
        )
    with name_file(format_path(path)):
        _check_types(access, missing)
        dropped = as_names("drop_variables", drop_variables)
    name, storage_options = name_of(os.fsdecode(path), storage_options)
    if names_series(name, storage_options):
        description, files, series = find_series(
            Pattern(name), format, keywords, storage_options, missing, fill_value
        )
        if may_be_compressed(files.urls[0]):
            check_uncompressed(files.urls[0], read_head(files[0]))
        return RawDataset(description, files, access, dropped, series)
    for _ in range(_TRIES):
        description = find(name, format, keywords, storage_options)
        if description.members is not None:
            description, files, series = read_series(name, storage_options, missing, fill_value)
            return RawDataset(description, files, access, dropped, series)
        current = _open_files(description, storage_options)
        if current is not None:
            return RawDataset(description, current, access, dropped)
    raise BlockingIOError(
        errno.EAGAIN,
        f"the file was replaced {_TRIES} times while it was being opened; try again",
        description.path,
    )


def _open_files(
    description: Description, storage_options: Mapping[str, Any] | None
) -> Files | None:
    """Return the files of a description, or None if the data file was replaced meanwhile."""
    source = open_source(description.path, storage_options)
    identity = source.identity
    if may_be_compressed(source.url):
        check_uncompressed(source.url, read_head(source))
    if description.state not in (None, (identity.inode, identity.modified)):
        return None
    if len(description.files) > 1:
        return Files.of(description.files, storage_options)
    return Files.single(source)


def _check_types(access: Any, missing: Any) -> None:
    """Refuse options of a type or value that they cannot have."""
    if access not in get_args(Access):
        raise ValueError(f"access must be one of {get_args(Access)}, not {access!r}")
    if missing not in ("raise", "fill"):
        raise ValueError(f"missing must be 'raise' or 'fill', not {missing!r}")


def read_head(source: Source) -> bytes:
    """Return the first bytes of a file, by which compressed ones are known."""
    head = Layout.dense("u1", min(HEAD_BYTES, source.identity.size))
    return bytes(np.asarray(RawArray.of(Files.single(source), head)))


def format_path(path: Any) -> str:
    """Return a path as errors show it, without credentials."""
    if not isinstance(path, str | bytes | os.PathLike):
        return repr(path)
    return name_of(os.fsdecode(path))[0]
