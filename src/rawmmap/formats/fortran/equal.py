"""Records that repeat at equal distances: one strided layout, by arithmetic on the file's size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rawmmap.description import Records, Variable
from rawmmap.description.variable_keywords import (
    VariableKeywords,
    arrange_in_records,
    arrange_in_sequence,
    record_dims,
)
from rawmmap.errors import DescriptionError
from rawmmap.formats.fortran.fields import split_fields
from rawmmap.formats.fortran.payload import Slot
from rawmmap.formats.fortran.scanning import RecordIndex
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout, Mosaic
from rawmmap.layout.edges import Edges
from rawmmap.layout.records import DividedElements, Stream, cut_records, find_divided

__all__ = ["Cycle", "arrange_equal", "arrange_single", "check_lengths"]

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cycle:
    """Records that follow each other again and again.

    Attributes
    ----------
    index : RecordIndex
        The first records of the file, up to the last one of the first cycle.
    first : int
        Number of the first record of the first cycle.
    """

    index: RecordIndex
    first: int

    @property
    def start(self) -> int:
        """Byte at which the first cycle starts."""
        return int(self.index.positions[self.first])

    @property
    def nbytes(self) -> int:
        """Bytes of one cycle, markers included."""
        return int(self.index.positions[-1]) - self.start

    def count(self, size: int) -> int:
        """Return how many whole cycles a file of `size` bytes can hold."""
        return (size - self.start) // self.nbytes

    def repeats(self, probe: Probe, samples: int = 3) -> bool:
        """Return whether the markers of some cycles, first and last included, are those of one.

        Parameters
        ----------
        probe : Probe
            The file.
        samples : int
            How many cycles are looked at, evenly spread.
        """
        count = self.count(probe.size)
        numbers = np.unique(np.linspace(0, count - 1, samples).astype(np.int64))
        positions, expected = self._markers
        starts = self.start + numbers[:, None] * self.nbytes + positions
        found = self._read(probe, starts.ravel()).reshape(starts.shape)
        return bool((found == expected).all()) and self._begins(probe, count)

    def _begins(self, probe: Probe, count: int) -> bool:
        """Return whether what follows the last whole cycle is nothing, or the start of another."""
        positions, expected = (both[::2] for both in self._markers)
        start = self.start + count * self.nbytes
        inside = positions + self.index.markers.nbytes <= probe.size - start
        found, expected = self._read(probe, start + positions[inside]), expected[inside]
        # gfortran fills a marker in when its record is complete.
        unfinished = found[-1:] == 0
        same = found == expected
        same[-1:] |= unfinished
        return bool(same.all())

    def _read(self, probe: Probe, starts: Positions) -> Positions:
        dtype = self.index.markers.dtype
        return np.frombuffer(probe.read(starts, dtype.itemsize), dtype).astype(np.int64)

    @property
    def _markers(self) -> tuple[Positions, Positions]:
        """Bytes from the start of a cycle to its markers, two for each part, and what they say."""
        index = self.index
        leads = index.leads[index.first_parts[self.first] :]
        lengths, width = np.abs(leads), index.markers.nbytes
        starts = np.cumsum(lengths + 2 * width) - lengths - 2 * width
        follows = np.concatenate([[False], leads[:-1] < 0])
        positions = np.stack([starts, starts + width + lengths], axis=1)
        said = np.stack([leads, np.where(follows, -lengths, lengths)], axis=1)
        return positions.ravel(), said.ravel()


def arrange_single(
    path: str, slots: Mapping[str, Slot], index: RecordIndex, probe: Probe
) -> dict[str, Variable]:
    """Return variables that lie in one record each, such as a header at the start of the file."""
    variables: dict[str, Variable] = {}
    for name, slot in slots.items():
        offset = _offset_of(slot, index)
        if offset is not None:
            spec = replace(slot.keywords, offset=offset)
            variables |= arrange_in_sequence(path, {name: spec}, 0)
            continue
        mosaic = _arrange_cut(slot, index, 1, 0, probe)[0]
        dims = slot.keywords.dims or tuple(f"dim_{i}" for i in range(mosaic.ndim))
        variables |= split_fields(slot.keywords, dims, mosaic)
    return variables


def arrange_equal(
    path: str, slots: Mapping[str, Slot], cycle: Cycle, dim: str, probe: Probe
) -> tuple[dict[str, Variable], Records]:
    """Return variables that lie in the records of a cycle."""
    index = cycle.index
    records = Records(dim, cycle.start, cycle.nbytes)
    plain: dict[str, VariableKeywords] = {}
    cut: dict[str, Variable] = {}
    count = cycle.count(probe.size)
    for name, slot in slots.items():
        offset = _offset_of(slot, index)
        if offset is not None:
            plain[name] = replace(slot.keywords, offset=offset - cycle.start)
            continue
        mosaic = _arrange_cut(slot, index, count, cycle.nbytes, probe)
        cut |= split_fields(slot.keywords, record_dims(slot.keywords, dim), mosaic)
    variables: dict[str, Variable] = {}
    if plain:
        # A record counts when its last marker is written, and not with the data before.
        variables = arrange_in_records(path, plain, cycle.start, dim, cycle.nbytes)[0]
    if cut:
        variables = {name: _fix_length(variable, count) for name, variable in variables.items()}
    return variables | cut, records


def _fix_length(variable: Variable, count: int) -> Variable:
    """Return a variable of a known number of records, as it is in mosaics."""
    return replace(variable, data=variable.data.with_length(0, count))  # type: ignore[union-attr]


def _offset_of(slot: Slot, index: RecordIndex) -> int | None:
    """Return the byte of the file at which a variable starts; None if it is cut."""
    stream = stream_of(index, slot.record)
    part = stream.parts.find(slot.offset) if stream.parts.length else 0
    nbytes = slot.keywords.nbytes
    assert nbytes is not None
    if slot.offset + nbytes > stream.parts.bounds(part)[1]:
        return None
    return slot.offset + stream.shift(part)


def stream_of(index: RecordIndex, record: int) -> Stream:
    """Return the parts of one record."""
    bounds = np.append(index.first_parts, index.leads.size)[record : record + 2]
    parts = Edges.of_lengths(index.parts[bounds[0] : bounds[1]])
    width = index.markers.nbytes
    return Stream(parts, int(index.positions[record]) + width, 2 * width)


def _arrange_cut(slot: Slot, index: RecordIndex, count: int, distance: int, probe: Probe) -> Mosaic:
    """Return a variable of which parts of a record hold pieces, in all records."""
    spec, stream = slot.keywords, stream_of(index, slot.record)
    one = Layout.dense(spec.dtype, spec.shape or (), offset=slot.offset, order=spec.order)
    layout = one.repeated((count,), distance)
    positions = find_divided(one, np.asarray(stream.parts.starts))
    data = b""
    for position in positions:
        starts, lengths = stream.runs(np.array([position]), one.dtype.itemsize)
        steps = np.arange(count, dtype=np.int64)[:, None] * distance
        data += probe.read((starts + steps).ravel(), np.tile(lengths, count))
    return cut_records(layout, stream, DividedElements(tuple(positions.tolist()), data))


def check_lengths(cycle: Cycle, index: RecordIndex, slots: Mapping[str, Slot], path: str) -> None:
    """Refuse records of other lengths than those of the first cycle.

    Parameters
    ----------
    cycle : Cycle
        What was expected of them.
    index : RecordIndex
        All records of the file.
    slots : mapping of str to Slot
        The variables, for the text.
    path : str
        The file.
    """
    period = len(cycle.index) - cycle.first
    expected = np.resize(cycle.index.lengths[cycle.first :], len(index) - cycle.first)
    wrong = np.flatnonzero(index.lengths[cycle.first :] != expected)
    if not wrong.size:
        return  # they are cut at different bytes
    number = int(wrong[0])
    names = [n for n, s in slots.items() if s.record - cycle.first == number % period]
    raise DescriptionError(
        f"{path}: record {number + cycle.first}, at byte "
        f"{index.positions[number + cycle.first]}, has {index.lengths[number + cycle.first]} "
        f"bytes, but {expected[number]} are expected for {names}; records of unequal length need "
        "shape=-1 for the slowest axis"
    )
