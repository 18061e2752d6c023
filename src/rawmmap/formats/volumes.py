"""Images of several dimensions in one data file or in many: what NRRD and MetaImage share."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from rawmmap.errors import ShortFileError
from rawmmap.formats.header_files import find_named
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout, Mosaic
from rawmmap.layout.mosaic import Cell

__all__ = [
    "DataFiles",
    "check_dimension",
    "expand_pattern",
    "find_data_files",
    "name_axes",
    "skip_lines",
]

#: Names of the axes that have no label, the fastest first.
_AXES = ("x", "y", "z", "t")
_MOST_AXES = 16
_MOST_FILES = 10**6
# Lines that are skipped before the data are looked for within this many bytes.
_LONGEST_LINES = 2**20
_CONVERSION = re.compile(r"%(0?)([0-9]{0,2})([diu])")


def check_dimension(key: str, count: int) -> None:
    """Refuse an image of more dimensions than any program uses."""
    if count > _MOST_AXES:
        raise ValueError(f"{key} = {count}: images of at most {_MOST_AXES} dimensions are read")


def name_axes(count: int) -> list[str]:
    """Return names for `count` axes, the fastest first."""
    if count <= len(_AXES):
        return list(_AXES[:count])
    return [f"dim_{i}" for i in reversed(range(count))]


def expand_pattern(pattern: str, first: int, last: int, step: int) -> list[str]:
    """Return the names that a pattern of C's ``printf`` makes of numbers, `last` included.

    Raises
    ------
    ValueError
        If the pattern has anything but one conversion of an integer, or there are no numbers.
    """
    conversions = _CONVERSION.findall(pattern)
    if len(conversions) != 1 or "%" in _CONVERSION.sub("", pattern):
        raise ValueError(f"the pattern {pattern[:200]!r} is not a name with one number like %03d")
    numbers = range(first, last + (1 if step > 0 else -1), step) if step else range(0)
    if not 0 < len(numbers) <= _MOST_FILES:
        raise ValueError(
            f"the pattern {pattern[:200]!r} stands for {len(numbers)} files, from {first} to "
            f"{last} in steps of {step}; between 1 and {_MOST_FILES} can be read"
        )
    zero, width, _ = conversions[0]
    return [
        _CONVERSION.sub(lambda _, n=n: format(n, f"{zero}{width}d"), pattern)  # type: ignore[misc]
        for n in numbers
    ]


class DataFiles:
    """The data files of an image, and where the data start in each of them.

    Parameters
    ----------
    files : sequence of Probe
        The files.
    offset : callable
        Returns the byte at which the data start, from the probe and their number of bytes.
    """

    def __init__(self, files: Sequence[Probe], offset: Callable[[Probe, int], int]) -> None:
        self._files = files
        self._offset = offset

    @property
    def names(self) -> tuple[str, ...]:
        """Paths or URLs."""
        return tuple(file.name for file in self._files)

    def arrange(
        self, dtype: np.dtype[np.generic], shape: Sequence[int], split: int
    ) -> Layout | Mosaic:
        """Return the image; its axes are in the order of the files, the slowest first.

        Parameters
        ----------
        dtype : numpy.dtype
            Type of an element.
        shape : sequence of int
            Element counts of the whole image.
        split : int
            How many leading axes count the files; 0 where the files share the first axis equally.

        Raises
        ------
        ValueError
            If the number of files does not fit the shape.
        ShortFileError
            If a file is too short.
        """
        count = len(self._files)
        outer, inner = tuple(shape[:split]), list(shape[split:])
        if split == 0 and count > 1:
            if shape[0] % count:
                raise ValueError(f"{count} files cannot share {shape[0]} elements of the last axis")
            inner[0] = shape[0] // count
        elif math.prod(outer) != count:
            raise ValueError(f"{count} files do not fill the axes of lengths {outer}")
        layouts = [self._layout(file, dtype, inner) for file in self._files]
        if count == 1:
            return layouts[0][(None,) * split]
        if len(set(layouts)) == 1 and split:
            return Mosaic.stack(layouts[0], outer, range(count))
        return self._join(layouts, outer)

    def _layout(self, file: Probe, dtype: np.dtype[np.generic], shape: Sequence[int]) -> Layout:
        nbytes = math.prod(shape) * dtype.itemsize
        layout = Layout.dense(dtype, shape, offset=self._offset(file, nbytes))
        if layout.extent[1] > file.size:
            raise ShortFileError(file.name, layout.extent[1], file.size)
        return layout

    @staticmethod
    def _join(layouts: Sequence[Layout], outer: tuple[int, ...]) -> Mosaic:
        """Return files that differ in where their data start, one after another."""
        if len(outer) > 1:
            raise ValueError("files whose data start at different bytes must count one axis alone")
        if outer:
            layouts = [layout[None] for layout in layouts]
        return Mosaic.concatenate([Cell(layout, i) for i, layout in enumerate(layouts)])


def find_data_files(header: Probe, names: Sequence[str]) -> list[Probe]:
    """Return the files that a header names.

    Raises
    ------
    DescriptionError
        If a name leads out of the header's folder.
    FileNotFoundError
        If a file is missing.
    """
    return [find_named(header, name) for name in names]


def skip_lines(file: Probe, count: int) -> int:
    """Return the byte after the first `count` lines of a file.

    Raises
    ------
    ValueError
        If that many lines do not end within the first MiB.
    """
    if not count:
        return 0
    with file.open() as stream:
        text = stream.read(_LONGEST_LINES)
    ends = (match.end() for match in re.finditer(b"\n", text))
    end = next(itertools.islice(ends, count - 1, None), None)
    if end is None:
        raise ValueError(
            f"{count} lines, which are skipped before the data, do not end within the first "
            f"{len(text)} bytes of {file.name}"
        )
    return end
