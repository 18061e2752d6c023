"""Records of any lengths, by an index of all of them: arrays that run through the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rawmmap.description import Variable
from rawmmap.description.variable_keywords import record_dims
from rawmmap.errors import DescriptionError
from rawmmap.formats.fortran.fields import split_fields
from rawmmap.formats.fortran.payload import Slot
from rawmmap.formats.fortran.scanning import RecordIndex
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout, Mosaic, Values
from rawmmap.layout.edges import Edges
from rawmmap.layout.records import DividedElements, JoinedRecords, Stream

__all__ = ["Sequence", "arrange_unequal"]


@dataclass(frozen=True)
class Sequence:
    """All records of a file, of which some groups follow each other.

    Attributes
    ----------
    index : RecordIndex
        All records.
    first : int
        Number of the first record of the first group.
    period : int
        Records of a group.
    """

    index: RecordIndex
    first: int
    period: int

    @property
    def count(self) -> int:
        """Whole groups."""
        return (len(self.index) - self.first) // self.period

    @cached_property
    def records(self) -> Edges:
        """Where the records begin in the stream of all payload."""
        return Edges.of_lengths(self.index.lengths)

    @cached_property
    def stream(self) -> Stream:
        """The parts of all records."""
        width = self.index.markers.nbytes
        parts = Edges.of_lengths(self.index.parts)
        return Stream(parts, self.index.start + width, 2 * width)

    def numbers(self, slot: Slot) -> range:
        """Return the records in which a variable lies."""
        return range(slot.record, slot.record + self.count * self.period, self.period)

    def lengths(self, slot: Slot) -> npt.NDArray[np.int64]:
        """Return the bytes of these records."""
        return self.index.lengths[slot.record :: self.period][: self.count]


def arrange_unequal(
    path: str, slots: Mapping[str, Slot], sequence: Sequence, dim: str, probe: Probe
) -> dict[str, Variable]:
    """Return variables of which some have as many elements as their records hold."""
    variables: dict[str, Variable] = {}
    counts: dict[str, npt.NDArray[np.int64]] = {}
    for slot in slots.values():
        if not slot.ragged:
            _check_equal(path, slot, slots, sequence)
            data = _stack(slot, sequence, probe)
            variables |= split_fields(slot.keywords, record_dims(slot.keywords, dim), data)
            continue
        rows = _count_rows(path, slot, sequence)
        data, along = _join(slot, sequence, rows, probe)
        dims = slot.keywords.dims or tuple(
            f"dim_{i}" for i in range(len(slot.keywords.shape or ()))
        )
        variables |= split_fields(slot.keywords, dims, data)
        if not np.array_equal(counts.setdefault(dims[along], rows), rows):
            raise DescriptionError(
                f"{slot.keywords.subject}its records have other numbers of elements along "
                f"{dims[along]!r} than those of another variable; name another dimension"
            )
    for along_dim, rows in counts.items():
        # As CF's contiguous ragged arrays have it (section 9.3.3 of the conventions).
        attrs = {"sample_dimension": along_dim, "long_name": f"{along_dim} of each {dim}"}
        variables[f"{along_dim}_count"] = Variable((dim,), Values(rows), attrs)
    return variables


def _check_equal(path: str, slot: Slot, slots: Mapping[str, Slot], sequence: Sequence) -> None:
    """Refuse a record that has not the bytes of the first one, if no variable of it may vary."""
    if any(other.ragged and other.record == slot.record for other in slots.values()):
        return
    lengths = sequence.lengths(slot)
    wrong = np.flatnonzero(lengths != lengths[:1])
    if wrong.size:
        number = sequence.numbers(slot)[int(wrong[0])]
        raise DescriptionError(
            f"{slot.keywords.subject}record {number}, at byte {sequence.index.positions[number]}, "
            f"has {sequence.index.lengths[number]} bytes, but {lengths[0]} are expected"
        )


def _count_rows(path: str, slot: Slot, sequence: Sequence) -> npt.NDArray[np.int64]:
    """Return how many positions of the axis of length ``-1`` each record holds."""
    rows, rest = np.divmod(sequence.lengths(slot) - slot.offset, slot.row_nbytes)
    wrong = np.flatnonzero((rest != 0) | (rows < 0))
    if wrong.size:
        number = sequence.numbers(slot)[int(wrong[0])]
        raise DescriptionError(
            f"{slot.keywords.subject}record {number}, at byte {sequence.index.positions[number]}, "
            f"has {sequence.index.lengths[number]} bytes, not {slot.offset} and a multiple of "
            f"{slot.row_nbytes}"
        )
    return rows


def _stack(slot: Slot, sequence: Sequence, probe: Probe) -> Mosaic | Layout:
    """Return a variable with one element, or one array, in each of its records."""
    spec, index = slot.keywords, sequence.index
    one = Layout.dense(spec.dtype, spec.shape or (), offset=slot.offset, order=spec.order)
    starts = index.positions[:-1][slot.record :: sequence.period][: sequence.count]
    steps = np.diff(starts)
    if index.first_parts.size == index.leads.size and (steps == steps[:1]).all():
        first = one.shifted(int(starts[0]) + index.markers.nbytes)
        return first.repeated((sequence.count,), int(steps[0]) if steps.size else 0)
    return _read_divided(slot, sequence, one[None], 0, np.ones(sequence.count, np.int64), probe)


def _join(
    slot: Slot, sequence: Sequence, rows: npt.NDArray[np.int64], probe: Probe
) -> tuple[Mosaic, int]:
    """Return a variable whose records are joined, and the axis along which they are."""
    spec, shape = slot.keywords, slot.keywords.shape or ()
    longest = tuple(int(rows.max()) if n == -1 else n for n in shape)
    one = Layout.dense(spec.dtype, longest, offset=slot.offset, order=spec.order)
    axis = shape.index(-1)
    return _read_divided(slot, sequence, one, axis, rows, probe), axis


def _read_divided(
    slot: Slot,
    sequence: Sequence,
    layout: Layout,
    axis: int,
    rows: npt.NDArray[np.int64],
    probe: Probe,
) -> Mosaic:
    """Return records as one array, the elements that cuts divide being read."""
    joined = JoinedRecords(
        layout,
        axis,
        sequence.numbers(slot),
        Edges.of_lengths(rows),
        sequence.records,
        sequence.stream,
    )
    positions = joined.find_divided()
    data = b""
    if positions.size:
        data = bytes(probe.read(*sequence.stream.runs(positions, layout.dtype.itemsize)))
    return joined.arrange(DividedElements(tuple(positions.tolist()), data))
