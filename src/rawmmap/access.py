"""How a selection is fetched or stored: a plan over all parts of a request, and its execution.

`plan` is pure. For each part it chooses one of four ways, by what was measured faster
(`rawmmap.sources.tuning`):

read
    Just the byte ranges that hold the elements; the ranges of all parts are one request.
map
    A private window of the file, which costs no copy and dies with the array. Where a selection is
    sparse, read-ahead is switched off and exactly its pages are asked for, before they are needed.
sift
    Everything between the first and the last element, some at a time, where the elements lie so
    near each other that this is cheaper; from remote files the ranges, some at a time, where they
    hold so much else that they would take too much memory at once.
copy
    Elements that are known already, or missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from rawmmap.layout import Arrangement, Layout, Part, Runs
from rawmmap.layout.bits import BitLayout
from rawmmap.layout.mosaic import Mosaic
from rawmmap.layout.parts import filling_of, full_index
from rawmmap.layout.ranges import find_ranges
from rawmmap.layout.samples import Samples
from rawmmap.mapping import PAGE, descriptors_in_maps
from rawmmap.sources import Access, Files, Range, Source
from rawmmap.sources.tuning import TUNING, Tuning

__all__ = [
    "TUNING",
    "Facts",
    "Points",
    "Step",
    "plan",
    "read",
    "read_layout",
    "read_mosaic",
    "read_point_parts",
    "read_points",
    "read_ranges",
    "write",
    "write_layout",
    "write_point_parts",
    "write_points",
]

Points = tuple[npt.NDArray[np.intp], ...]


class Facts(Protocol):
    """What a plan needs to know of a source; each source is its own facts."""

    @property
    def maps(self) -> bool:
        """As for `Source`."""

    @property
    def prefers_reads(self) -> bool:
        """As for `Source`."""

    @property
    def gap(self) -> int:
        """As for `Source`."""


class Step(NamedTuple):
    """How one layout is fetched.

    Attributes
    ----------
    way : {"map", "read", "sift"}
        See the module.
    layout : Layout
        The elements.
    runs : Runs or None
        For "read": the ranges. For "map": the ranges to ask for, of a sparse selection.
    """

    way: Literal["map", "read", "sift"]
    layout: Layout
    runs: Runs | None = None


def plan(layout: Layout, access: Access, facts: Facts, tuning: Tuning = TUNING) -> Step:
    """Choose how to fetch the elements of a layout that is not empty."""
    automatic = access == "auto" and facts.maps and not facts.prefers_reads
    nbytes = layout.nbytes
    if (access == "map" and facts.maps) or (automatic and nbytes > tuning.small):
        return _plan_map(layout, tuning)
    if layout.contiguous:
        return Step("read", layout)
    runs = layout.runs(facts.gap)
    if automatic and (runs.nbytes > tuning.small or runs.count > tuning.few_runs):
        return _plan_map(layout, tuning)
    crowded = runs.count > tuning.few_runs and runs.steps[-1] <= tuning.near
    wasteful = runs.nbytes > tuning.slab and runs.nbytes > 2 * nbytes
    if wasteful or (facts.maps and crowded):
        return Step("sift", layout)
    return Step("read", layout, runs)


def _plan_map(layout: Layout, tuning: Tuning) -> Step:
    start, stop = layout.extent
    if not _exceeds(stop - start, layout.nbytes, tuning) or stop - start <= PAGE:
        return Step("map", layout)
    runs = layout.runs(PAGE - 1)
    # A run that starts anywhere touches one page more than its length fills.
    wanted = runs.count * (runs.length // PAGE + 1) * PAGE
    sparse = runs.count > 1 and wanted <= tuning.max_hinted
    return Step("map", layout, runs if sparse and _exceeds(stop - start, wanted, tuning) else None)


def _exceeds(extent: int, wanted: int, tuning: Tuning) -> bool:
    return extent * tuning.sparse[1] > wanted * tuning.sparse[0]


def read_layout(source: Source, layout: Layout, access: Access) -> npt.NDArray[Any]:
    """Return the elements of a layout: writable, without any effect on the file."""
    if 0 in layout.shape or not layout.dtype.itemsize:
        return np.empty(layout.shape, layout.dtype)
    return _execute(source, plan(layout, access, source))


def _execute(source: Source, step: Step) -> npt.NDArray[Any]:
    way, layout, runs = step
    if way == "map":
        start, stop = layout.extent
        expected = None if runs is None else (runs.batches(), runs.length)
        buffer, origin = source.map(start, stop, expected)
        return layout.shifted(-origin).view(buffer)
    if way == "sift":
        return _sift(source, layout)
    if runs is None:
        data = source.read((layout.offset,), layout.nbytes)
        return np.ndarray(layout.shape, layout.dtype, data)
    return runs.packed.view(source.read(runs.starts(), runs.length))


def _sift(source: Source, layout: Layout) -> npt.NDArray[Any]:
    """Return elements that lie near each other, by reading what is between them too."""
    result = np.empty(layout.shape, layout.dtype)
    if not source.maps:
        for index, piece in _portions(layout, TUNING.slab, source.gap):
            runs = piece.runs(source.gap)
            result[index] = runs.packed.view(source.read(runs.starts(), runs.length))
        return result
    for index, piece in _slabs(layout, TUNING.slab):
        start, stop = piece.extent
        result[index] = piece.shifted(-start).view(source.read((start,), stop - start))
    return result


def read_points(source: Source, layout: Layout, points: Points, access: Access) -> npt.NDArray[Any]:
    """Return ``array[points]``, a copy, where `points` pick along the leading axes."""
    picked = points[0].shape
    rest = layout.shape[len(points) :]
    if 0 in picked or 0 in rest:
        return np.empty(picked + rest, layout.dtype)
    runs, starts = layout.point_runs(points, source.gap)
    if source.maps and (
        access == "map"
        or (
            access == "auto"
            and not source.prefers_reads
            and (starts.size * runs.length > TUNING.small or starts.size > TUNING.few_runs)
        )
    ):
        return _map_points(source, layout, points, runs, starts)
    return runs.points(picked).view(source.read(starts, runs.length))


def _map_points(
    source: Source, layout: Layout, points: Points, runs: Runs, starts: npt.NDArray[np.int64]
) -> npt.NDArray[Any]:
    """Let NumPy pick from a window between the outermost of the points."""
    lows = [int(p.min()) for p in points]
    highs = [int(p.max()) for p in points]
    near = layout[tuple(slice(a, b + 1) for a, b in zip(lows, highs, strict=True))]
    start, stop = near.extent
    sparse = stop - start > PAGE and _exceeds(stop - start, starts.size * PAGE, TUNING)
    expected = (iter([starts]), runs.length) if sparse else None
    buffer, origin = source.map(start, stop, expected)
    shifted = tuple(p - low for p, low in zip(points, lows, strict=True))
    array: npt.NDArray[Any] = near.shifted(-origin).view(buffer)[shifted]
    return array


def read_bits(
    source: Source, data: BitLayout, access: Access, points: Points = ()
) -> npt.NDArray[Any]:
    """Return packed samples, all or those that `points` pick along the leading axes: a copy."""
    shape = (*(points[0].shape if points else ()), *data.shape[len(points) :])
    if 0 in shape:
        return np.empty(shape, data.dtype)
    rows = None if points else data.rows()
    if rows is not None:
        return rows.unpack(read_layout(source, rows.layout, access))
    windows, chosen, shift = data.windows(data.positions(points))
    return data.unpack(read_points(source, windows, (chosen,), access), shift)


def read_mosaic(
    files: Files, data: Arrangement, access: Access, samples: Samples | None = None
) -> npt.NDArray[Any]:
    """Return the elements of an arrangement in several pieces; see `read`."""
    ranges = find_ranges(data)
    if ranges is not None:
        buffer = read_ranges(files[0], ranges.starts, ranges.lengths)
        shape = [data.shape[axis] for axis in ranges.axes]
        stored = np.ndarray(shape, data.dtype, buffer)
        order = np.argsort(ranges.axes).tolist()
        return _decoder(samples)(stored.transpose(order))
    fill = data.fill_value if isinstance(data, Mosaic) else None
    return read(files, data.parts(), data.shape, data.dtype, access, fill, samples)


def read_ranges(
    source: Source, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> Any:
    """Return the bytes of many ranges, end to end, in writable memory.

    Ranges of a local file that lie near each other are read together with what is between them.
    """
    span = int(starts[-1] + lengths[-1] - starts[0])
    if not source.maps or span > PAGE * starts.size + int(lengths.sum()):
        return source.read(starts, lengths)
    result = np.empty(int(lengths.sum()), np.uint8)
    slabs = np.searchsorted(starts, np.arange(int(starts[0]), int(starts[-1]) + 1, TUNING.slab))
    at = 0
    for first, last in itertools.pairwise([*np.unique(slabs).tolist(), starts.size]):
        start, stop = int(starts[first]), int(starts[last - 1] + lengths[last - 1])
        # One where a range begins, and minus one where it ends: the sum is one within.
        marks = np.zeros(stop - start + 1, np.int8)
        marks[starts[first:last] - start] += 1
        marks[starts[first:last] + lengths[first:last] - start] -= 1
        wanted = np.cumsum(marks[:-1], dtype=np.int8).view(bool)
        block = np.frombuffer(source.read((start,), stop - start), np.uint8)[wanted]
        result[at : at + block.size] = block
        at += block.size
    return result


def read(
    files: Files,
    parts: Iterable[Part],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    access: Access,
    fill_value: Any = None,
    samples: Samples | None = None,
) -> npt.NDArray[Any]:
    """Return the array that parts make up.

    Parameters
    ----------
    files : Files
        What the layouts of the parts lie in.
    parts : iterable of Part
        They cover the result exactly once.
    shape, dtype
        Of the result, as its elements are stored.
    access : {"auto", "map", "read"}
        As for `RawArray`.
    fill_value : scalar, optional
        What stands for missing parts; by default NaN for floats, and zero otherwise.
    samples : Samples, optional
        How stored elements become those of the result.

    Returns
    -------
    numpy.ndarray
        Writable, without any effect on the files; a view of a window where there is one part.
    """
    every = list(parts)
    decode = _decoder(samples)
    if len(every) == 1 and isinstance(every[0].data, Layout):
        return decode(read_layout(files[every[0].file], every[0].data, _spare(access, files)))
    if len(every) == 1 and isinstance(every[0].data, BitLayout):
        return decode(read_bits(files[every[0].file], every[0].data, access))
    result = np.empty(shape, decode(np.empty(0, dtype)).dtype)
    ranges: list[Range] = []
    reads: list[tuple[Part, Step]] = []
    for part in every:
        data = part.data
        if data is None:
            result[part.index] = filling_of(fill_value, result.dtype)
        elif isinstance(data, BitLayout):
            result[part.index] = decode(read_bits(files[part.file], data, access))
        elif not isinstance(data, Layout):
            result[part.index] = decode(data.array)
        elif data.size:
            source = files[part.file]
            step = plan(data, access, source)
            # Local files gain nothing by one request for all of them.
            if source.maps or step.way != "read":
                result[part.index] = decode(_execute(source, step))
            else:
                ranges.append(_range_of(part.file, step))
                reads.append((part, step))
    for (part, step), buffer in zip(reads, files.read(ranges), strict=True):
        packed = Layout.dense(dtype, step.layout.shape) if step.runs is None else step.runs.packed
        result[part.index] = decode(packed.view(buffer))
    return result


def read_point_parts(
    files: Files,
    data: Mosaic | BitLayout,
    points: Points,
    access: Access,
    samples: Samples | None = None,
) -> npt.NDArray[Any]:
    """Return ``array[points]``, a copy, from the cells of a mosaic, or from packed samples."""
    decode = _decoder(samples)
    if isinstance(data, BitLayout):
        return decode(read_bits(files[0], data, access, points))
    picked, rest = points[0].shape, data.shape[len(points) :]
    result = np.empty((points[0].size, *rest), decode(np.empty(0, data.dtype)).dtype)
    ranges: list[Range] = []
    reads: list[tuple[Any, Layout]] = []
    for chosen, part, inside in data.point_parts(points):
        target: Any = (chosen, *part.index)
        if part.data is None:
            result[target] = filling_of(data.fill_value, result.dtype)
        elif isinstance(part.data, BitLayout):
            result[target] = decode(read_bits(files[part.file], part.data, access, inside))
        elif not isinstance(part.data, Layout):
            result[target] = decode(part.data.array[inside])
        elif files[part.file].maps:
            result[target] = decode(read_points(files[part.file], part.data, inside, access))
        elif part.data.size:
            runs, starts = part.data.point_runs(inside, files[part.file].gap)
            ranges.append(Range(part.file, starts, runs.length))
            reads.append((target, runs.points(inside[0].shape)))
    for (target, packed), buffer in zip(reads, files.read(ranges), strict=True):
        result[target] = decode(packed.view(buffer))
    return result.reshape(picked + rest)


def _spare(access: Access, files: Files) -> Access:
    """Return how to read one of many files, whose windows may each keep a descriptor open."""
    many = len(files) > 1 and descriptors_in_maps() >= TUNING.open_maps
    return "read" if many and access == "auto" else access


def _decoder(samples: Samples | None) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    return (lambda stored: stored) if samples is None else samples.decode


def _range_of(file: int, step: Step) -> Range:
    if step.runs is None:
        return Range(file, (step.layout.offset,), step.layout.nbytes)
    return Range(file, step.runs.starts(), step.runs.length)


def write(files: Files, parts: Iterable[Part], values: npt.NDArray[Any]) -> None:
    """Store values in the parts of an array, and touch no other byte.

    Raises
    ------
    ValueError
        If a part lies in no file; nothing is written then.
    """
    every = list(parts)
    _check_in_files(every)
    for part in every:
        if isinstance(part.data, Layout):
            write_layout(files[part.file], part.data, values[part.index])


def _check_in_files(parts: Iterable[Part]) -> None:
    if not all(isinstance(part.data, Layout) for part in parts):
        raise ValueError(
            "a part of this selection lies in no file, but is missing or known already; "
            "write to the other parts"
        )


def write_layout(source: Source, layout: Layout, values: npt.NDArray[Any]) -> None:
    """Store `values`, of the shape of `layout`, by positional writes of its runs."""
    for column, stored in _without_gaps(layout, values):
        if column.nbytes:
            for index, piece in _slabs(column, TUNING.slab):
                runs = piece.runs()
                _scatter(source, runs.packed, runs.starts(), runs.length, stored[index])


def write_points(source: Source, layout: Layout, points: Points, values: npt.NDArray[Any]) -> None:
    """Store ``array[points] = values``, where `points` pick along the leading axes."""
    for column, stored in _without_gaps(layout, values):
        if stored.size:
            runs, starts = column.point_runs(points)
            _scatter(source, runs.points(points[0].shape), starts, runs.length, stored)


def write_point_parts(files: Files, data: Mosaic, points: Points, values: npt.NDArray[Any]) -> None:
    """Store ``array[points] = values`` in the cells of a mosaic; see `write`."""
    if not values.size:
        return
    flat = values.reshape(-1, *values.shape[points[0].ndim :])
    every = list(data.point_parts(points))
    _check_in_files([part for _, part, _ in every])
    for chosen, part, inside in every:
        if isinstance(part.data, Layout):
            chosen_values: Any = (chosen, *part.index)
            write_points(files[part.file], part.data, inside, flat[chosen_values])


def _without_gaps(
    layout: Layout, values: npt.NDArray[Any]
) -> Iterator[tuple[Layout, npt.NDArray[Any]]]:
    """Yield the parts of a layout whose elements have no gaps inside, and the values of each."""
    if not _has_gaps(layout.dtype):
        yield layout, values
        return
    for name in layout.dtype.names or ():
        yield from _without_gaps(layout.field(name), values[name])


def _has_gaps(dtype: np.dtype[Any]) -> bool:
    """Return whether some bytes of an element belong to no field, or to several."""
    if dtype.names is None:
        return dtype.base.names is not None and _has_gaps(dtype.base)
    fields: Any = dtype.fields
    end = 0
    for inner, start, *_ in sorted((fields[name] for name in dtype.names), key=lambda f: f[1]):
        if start != end or _has_gaps(inner):
            return True
        end = start + inner.itemsize
    return end != dtype.itemsize


def _scatter(
    source: Source,
    packed: Layout,
    starts: npt.NDArray[np.int64],
    length: int,
    values: npt.NDArray[Any],
) -> None:
    """Write the elements of `values`, gathered into runs, at `starts`."""
    if packed.contiguous:
        data = np.ascontiguousarray(values, packed.dtype)
    else:
        data = np.empty(starts.size * length, "u1")
        packed.view(data)[...] = values
    source.write(starts, length, np.ravel(data).view(np.uint8).data)


def _slabs(
    layout: Layout, limit: int, index: tuple[slice, ...] = ()
) -> Iterator[tuple[tuple[slice, ...], Layout]]:
    """Cut a layout along its slowest axes until every piece lies within `limit` bytes."""
    index = index or full_index(layout.shape)
    start, stop = layout.extent
    if stop - start <= limit or layout.size == 1:
        yield index, layout
        return
    steps = [abs(s) if n > 1 else -1 for n, s in zip(layout.shape, layout.strides, strict=True)]
    axis = steps.index(max(steps))
    n = layout.shape[axis]
    inner = stop - start - (n - 1) * steps[axis]
    most = max((limit - inner) // max(steps[axis], 1) + 1, 1)
    for first in range(0, n, most):
        last = min(first + most, n)
        piece = layout[(slice(None),) * axis + (slice(first, last),)]
        base = index[axis].start
        part = slice(base + first, base + last)
        yield from _slabs(piece, limit, (*index[:axis], part, *index[axis + 1 :]))


def _portions(
    layout: Layout, limit: int, gap: int, index: tuple[slice, ...] = ()
) -> Iterator[tuple[tuple[slice, ...], Layout]]:
    """Cut a layout along its slowest axes until the runs of every piece have `limit` bytes."""
    index = index or full_index(layout.shape)
    count = -(-layout.runs(gap).nbytes // limit)
    if count <= 1 or layout.size == 1:
        yield index, layout
        return
    steps = [abs(s) if n > 1 else -1 for n, s in zip(layout.shape, layout.strides, strict=True)]
    axis = steps.index(max(steps))
    length = -(-layout.shape[axis] // count)
    for first in range(0, layout.shape[axis], length):
        last = min(first + length, layout.shape[axis])
        piece = layout[(slice(None),) * axis + (slice(first, last),)]
        base = index[axis].start
        part = slice(base + first, base + last)
        yield from _portions(piece, limit, gap, (*index[:axis], part, *index[axis + 1 :]))
