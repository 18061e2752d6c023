"""Bytes of a file that no variable covers: they would be lost if it were rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rawmmap.array import RawArray
from rawmmap.description import LayoutTemplate, Records
from rawmmap.description.arrange import arrange
from rawmmap.layout import Layout
from rawmmap.sources import Files
from rawmmap.xarray.writing.existing import Existing

__all__ = ["check_covered", "is_arranged_by_us"]

# So many bytes are looked at at a time.
_SLAB = 2**24


def check_covered(existing: Existing) -> None:
    """Refuse a file with bytes, other than zeros, that belong to none of its variables."""
    for start, stop, known in _uncovered(existing):
        if not known or not _is_zero(existing, start, stop):
            raise ValueError(
                f"{existing.description.path}: this change would rewrite the file, and bytes "
                f"{start} to {stop}, which no variable covers, would be lost; write the whole "
                "dataset to another path, with mode='w'"
            )


def _uncovered(existing: Existing) -> Iterator[tuple[int, int, bool]]:
    """Yield ranges between variables, and whether all of their bytes are outside of variables."""
    layouts = [v.data for v in existing.placed.values() if isinstance(v.data, Layout)]
    ranges = sorted((*layout.extent, layout.nbytes) for layout in layouts if layout.nbytes)
    records, size = existing.description.records, existing.source.identity.size
    if records is not None:
        yield from _between_fields(existing, records)
        ranges = [found for found in ranges if found[1] <= records.offset]
        size = min(size, records.offset)
    end = start = held = 0
    for low, high, nbytes in ranges:
        if low > end:
            if held < end - start:
                yield start, end, False
            yield end, low, True
            start, held = low, 0
        end, held = max(end, high), held + nbytes
    if held < end - start:
        yield start, end, False
    # Behind what we have arranged ourselves there is what a killed writer has left at the most.
    if end < size and not is_arranged_by_us(existing):
        yield end, size, True


def is_arranged_by_us(existing: Existing) -> bool:
    """Return whether every variable lies exactly where a new file would have it."""
    description = existing.description
    inside = {n: v for n, v in existing.placed.items() if isinstance(v.data, Layout)}
    wanted = {
        name: replace(v, data=LayoutTemplate(v.data.dtype, v.data.shape))
        for name, v in inside.items()
    }
    known = all(not v.in_file or isinstance(v.data, Layout) for v in existing.placed.values())
    if description.records is not None or not inside or not known or len(existing.files) > 1:
        return False
    arranged, size = arrange(description.path, wanted, {})
    return arranged.resolve(size).variables == inside


def _between_fields(existing: Existing, records: Records) -> Iterator[tuple[int, int, bool]]:
    """Yield the records, if something lies in them that is neither a variable's nor zero."""
    free = np.ones(records.nbytes, np.uint8)
    count = records.count(existing.source.identity.size)
    for placed in existing.placed.values():
        layout = placed.data
        if isinstance(layout, Layout) and layout.nbytes and records.dim in placed.dims:
            key = (slice(None),) * placed.dims.index(records.dim) + (slice(0, 1),)
            one = layout[key].shifted(-records.offset)
            shape, steps = (*one.shape, one.dtype.itemsize), (*one.strides, 1)
            Layout("u1", shape, steps, one.offset).view(free)[...] = 0
    shape, steps = (count, records.nbytes), (records.nbytes, 1)
    array = RawArray.of(Files.single(existing.source), Layout("u1", shape, steps, records.offset))
    rows = max(_SLAB // records.nbytes, 1)
    for first in range(0, count if free.any() else 0, rows):
        if np.asarray(array[first : first + rows])[:, free != 0].any():
            yield records.offset, records.offset + count * records.nbytes, False
            return


def _is_zero(existing: Existing, start: int, stop: int) -> bool:
    array = RawArray.of(
        Files.single(existing.source), Layout.dense("u1", stop - start, offset=start)
    )
    slabs = range(0, stop - start, _SLAB)
    return not any(np.asarray(array[at : at + _SLAB]).any() for at in slabs)
