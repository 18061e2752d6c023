"""Which variables lie in which records: the keywords of a caller against the records of a file.

Variables fill the records in their order, as the statements of a program that read them do: a
record takes variables until it is full, and the next variable starts the next record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rawmmap.description.variable_keywords import VariableKeywords
from rawmmap.errors import DescriptionError
from rawmmap.formats.fortran.scanning import Scanner

__all__ = ["Slot", "assign_records"]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a variable lies.

    Attributes
    ----------
    keywords : VariableKeywords
        The variable; its shape is a tuple.
    record : int
        Number of its record, counted from the first of the file.
    offset : int
        Bytes of the record's payload before it.
    """

    keywords: VariableKeywords
    record: int
    offset: int

    @property
    def ragged(self) -> bool:
        """Whether the record says how many elements there are."""
        return -1 in (self.keywords.shape or ())

    @property
    def row_nbytes(self) -> int:
        """Bytes of the elements at one position of the axis whose length is ``-1``."""
        shape = self.keywords.shape or ()
        return self.keywords.dtype.itemsize * math.prod(n for n in shape if n != -1)

    def stop(self, length: int) -> int:
        """Return the byte of a payload of `length` bytes at which the variable ends."""
        nbytes = self.keywords.nbytes
        return max(length, self.offset) if nbytes is None else self.offset + nbytes


def assign_records(
    specs: Mapping[str, VariableKeywords],
    scanner: Scanner,
    first: int = 0,
    record_nbytes: int | None = None,
) -> dict[str, Slot]:
    """Return where variables lie, with the lengths of the first records as the measure.

    Parameters
    ----------
    specs : mapping of str to VariableKeywords
        The variables.
    scanner : Scanner
        The file, read as far as needed.
    first : int
        Number of the record in which the first of them starts.
    record_nbytes : int, optional
        Bytes of the one record in which all of them lie, where it is longer than they are.

    Raises
    ------
    DescriptionError
        If a variable does not fit into a record, or does not fill it.
    """
    slots: dict[str, Slot] = {}
    record, position = first, 0
    for name, spec in specs.items():
        spec = _check(spec)
        length = _length(scanner, record, spec)
        new = spec.offset == 0 or (spec.offset is None and position == length)
        if slots and new and record_nbytes is None:
            _check_full(scanner, record, position, length)
            record, position = record + 1, 0
            length = _length(scanner, record, spec)
        slot = Slot(spec, record, position if spec.offset is None else spec.offset)
        position = slot.stop(length)
        if position > length:
            raise DescriptionError(_explain_short(slot, length))
        slots[name] = slot
    if slots and record_nbytes is None:
        _check_full(scanner, record, position, length)
    if slots and record_nbytes not in (None, length):
        raise DescriptionError(
            f"{scanner.probe.name}: record_nbytes={record_nbytes}, but record {first} has {length} "
            "bytes between its markers"
        )
    return slots


def _check(spec: VariableKeywords) -> VariableKeywords:
    """Return a variable with its shape; refuse what a record cannot hold."""
    for key, value in (("strides", spec.strides), ("bits", spec.packing)):
        if value is not None:
            raise DescriptionError(
                f"{spec.subject}{key}= is not implemented for the records of Fortran, which are "
                "dense; leave it out"
            )
    shape = spec.shape or ()
    slowest = shape[:1] if spec.order == "C" else shape[-1:]
    lengths = [n for n in shape if n < 0]
    if lengths and (lengths != [-1] or slowest != (-1,) or 0 in shape):
        raise DescriptionError(
            f"{spec.subject}shape={shape}: one -1 is allowed, for the slowest axis, the "
            f"{'first' if spec.order == 'C' else 'last'} one for order={spec.order!r}, and no 0 "
            "beside it"
        )
    if lengths and not spec.record:
        raise DescriptionError(
            f"{spec.subject}shape={shape} has a -1, but record=False is one record; give its length"
        )
    return replace(spec, shape=shape)


def _length(scanner: Scanner, record: int, spec: VariableKeywords) -> int:
    """Return the bytes of the payload of a record."""
    if scanner.count <= record:
        scanner.scan(record + 1)
    if scanner.count <= record:
        raise DescriptionError(
            f"{spec.subject}it lies in record {record}, counted from 0, but the file has "
            f"{scanner.count} whole records"
        )
    return int(scanner.index.lengths[record])


def _check_full(scanner: Scanner, record: int, position: int, length: int) -> None:
    if position != length:
        raise DescriptionError(
            f"{scanner.probe.name}: the variables take {position} of the {length} bytes of record "
            f"{record}; correct dtype= or shape=, or give record_nbytes={length} if the rest is "
            "not wanted"
        )


def _explain_short(slot: Slot, length: int) -> str:
    spec = slot.keywords
    free = length - slot.offset
    count, rest = divmod(max(free, 0), spec.dtype.itemsize)
    hint = f", which is {count} elements of {spec.dtype.str}" if free > 0 and not rest else ""
    return (
        f"{spec.subject}it takes {spec.nbytes} bytes, but record {slot.record} has {length}, of "
        f"which {max(free, 0)} are left for it{hint}"
    )
