"""One output of the model: its iterations, and the tiles of each of them, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rawmmap.errors import DescriptionError
from rawmmap.formats.file_group import FileGroup
from rawmmap.formats.mds.meta import Meta, read_meta
from rawmmap.layout import Layout, Mosaic
from rawmmap.layout.mosaic import Cell, Tile

__all__ = ["Output", "read_output"]


@dataclass(frozen=True)
class Output:
    """All files of one prefix.

    Attributes
    ----------
    prefix : str
        How their names begin.
    steps : tuple of int or None
        The iterations; one None for files whose names have none.
    headers : tuple of tuple of Meta
        The headers of each iteration, one for each tile.
    paths : tuple of tuple of str
        Their data files.
    dtype : numpy.dtype
        Type of an element.
    """

    prefix: str
    steps: tuple[int | None, ...]
    headers: tuple[tuple[Meta, ...], ...]
    paths: tuple[tuple[str, ...], ...]
    dtype: np.dtype[Any]

    @property
    def meta(self) -> Meta:
        """The header of the first file."""
        return self.headers[0][0]

    @property
    def files(self) -> tuple[str, ...]:
        """The data files, iteration by iteration."""
        return tuple(path for paths in self.paths for path in paths)

    @cached_property
    def fields(self) -> dict[str, slice | int]:
        """The records of each variable, by name."""
        names, count = self.meta.fields, self.meta.nrecords
        if len(names) == count:
            return dict(zip(names, range(count), strict=True))
        return {self.prefix: 0 if count == 1 else slice(None)}

    def arrange(self, records: slice | int, first: int, steps: Sequence[int | None]) -> Any:
        """Return where the elements of a variable lie.

        Parameters
        ----------
        records : slice or int
            Its records.
        first : int
            Number of the first of the data files in the dataset.
        steps : sequence of int
            The iterations along a new first axis; empty for an array without that axis.
        """
        if not steps:
            data = self._arrange_step(self.headers[0], records)
            return Mosaic.stack(data, (), (first,)) if first else data
        starts = dict(zip(self.steps, self._starts(first), strict=True))
        places = [_places(headers) for headers in self.headers]
        if all(place == places[0] for place in places):
            data = self._arrange_step(self.headers[0], records)
            numbers = [starts.get(step, -1) for step in steps]
            return Mosaic.stack(data, (len(steps),), numbers, self._filling)
        # Tiles that only some of the iterations have are missing in the others.
        by_step = dict(zip(self.steps, self.headers, strict=True))
        cells = [
            Cell(self._arrange_step(by_step[step], records)[None], starts[step])
            if step in by_step
            else Cell(None)
            for step in steps
        ]
        return Mosaic.concatenate(cells, 0, self._filling, [1] * len(steps))

    def _starts(self, first: int) -> list[int]:
        """Return the number of the first data file of each iteration."""
        counts = [len(paths) for paths in self.paths]
        return [first + int(n) for n in np.cumsum([0, *counts[:-1]])]

    def _arrange_step(self, headers: Sequence[Meta], records: slice | int) -> Any:
        """Return where the elements of one iteration lie, its files counted from 0."""
        layouts = [self._layout_of(header)[records] for header in headers]
        if len(headers) == 1 and headers[0].shape == headers[0].whole_shape:
            return layouts[0]
        tiles = [
            Tile(header.ranges[-2][1], header.ranges[-1][1], layout, number)
            for number, (header, layout) in enumerate(zip(headers, layouts, strict=True))
        ]
        height, width = headers[0].whole_shape[-2:]
        try:
            return Mosaic.tiles(tiles, (height, width), self._filling)
        except ValueError as error:
            raise headers[0].error(str(error)) from error

    def _layout_of(self, header: Meta) -> Layout:
        try:
            return Layout.dense(self.dtype, (header.nrecords, *header.shape))
        except ValueError as error:
            raise header.error(str(error)) from error

    @property
    def _filling(self) -> float | None:
        return self.meta.missing_value


def _places(headers: Sequence[Meta]) -> list[tuple[tuple[int, int, int], ...]]:
    return [header.ranges for header in headers]


def read_output(
    group: FileGroup, prefix: str, names: Mapping[int | None, Sequence[str]], dtype: Any
) -> Output:
    """Return the files of one prefix, after reading all of their headers.

    Parameters
    ----------
    group : FileGroup
        Their folder.
    prefix : str
        How their names begin.
    names : mapping of int to sequence of str
        The headers of each iteration.
    dtype : numpy.dtype or None
        Type of an element, if it is not that of the headers.

    Raises
    ------
    DescriptionError
        If a header is malformed, or contradicts another.
    """
    steps = sorted(names, key=lambda step: -1 if step is None else step)
    if None in steps and len(steps) > 1:
        steps.remove(None)  # such as a pickup without an iteration beside numbered ones
    headers = tuple(tuple(read_meta(group.probe(n)) for n in names[step]) for step in steps)
    first = headers[0][0]
    for header in (header for metas in headers for header in metas):
        _check_alike(header, first)
    paths = tuple(
        tuple(group.path_of(name.removesuffix("meta") + "data") for name in names[step])
        for step in steps
    )
    return Output(prefix, tuple(steps), headers, paths, _choose_dtype(first, dtype))


def _check_alike(header: Meta, first: Meta) -> None:
    """Refuse a header that does not go with the first one of its prefix."""
    if header.entries == first.entries and header is not first:
        return
    header.check_map()
    for key in ("whole_shape", "dtype", "nrecords", "fields", "missing_value"):
        here, there = getattr(header, key), getattr(first, key)
        if here != there:
            raise header.error(f"{key} is {here}, but {there} in {first.path}")
    if header.shape != header.whole_shape and len(header.shape) < 2:
        raise header.error("it has a part of one axis; tiles have two")
    if header.shape[:-2] != header.whole_shape[:-2]:
        raise header.error(
            f"dimList has a part of the levels, {header.ranges[:-2]}; only tiles of the two "
            "horizontal axes are implemented"
        )


def _choose_dtype(meta: Meta, dtype: Any) -> np.dtype[Any]:
    if dtype is None:
        return meta.dtype
    if (dtype.kind, dtype.itemsize) != (meta.dtype.kind, meta.dtype.itemsize):
        raise DescriptionError(
            f"{meta.path}: dtype={dtype.str!r}, but the header says {meta.dtype.str!r}; dtype= may "
            "change the byte order alone"
        )
    resolved: np.dtype[Any] = dtype
    return resolved
