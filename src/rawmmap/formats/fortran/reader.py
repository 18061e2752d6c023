"""Files of unformatted sequential access as one of the formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rawmmap.description import Description, Keywords, Records, Variable
from rawmmap.description.variable_keywords import VariableKeywords
from rawmmap.errors import DescriptionError
from rawmmap.formats.fortran.dtypes import with_byteorder
from rawmmap.formats.fortran.equal import Cycle, arrange_equal, arrange_single, check_lengths
from rawmmap.formats.fortran.index_file import read_index, write_index
from rawmmap.formats.fortran.markers import detect_markers, has_certain_records
from rawmmap.formats.fortran.payload import Slot, assign_records
from rawmmap.formats.fortran.scanning import RecordIndex, Scanner
from rawmmap.formats.fortran.unequal import Sequence, arrange_unequal
from rawmmap.formats.probe import Probe
from rawmmap.layout import Mosaic

__all__ = ["FortranReader"]

# Records that are looked at, without a keyword, before all are taken to be of one length.
_SAMPLES = 17


class FortranReader:
    """Reads the record markers that a Fortran program writes around its records."""

    name = "fortran"
    options = frozenset(
        {
            "attrs",
            "dims",
            "dtype",
            "fields",
            "index",
            "name",
            "offset",
            "order",
            "record_dim",
            "record_nbytes",
            "shape",
            "variables",
        }
    )

    def recognises(self, probe: Probe) -> bool:
        """Return whether two records at the start and one at the end agree with their markers."""
        return has_certain_records(probe)

    def read(self, probe: Probe, **options: Any) -> Description:
        """Return the description of the records, by keywords that say what lies between markers.

        Parameters
        ----------
        probe : Probe
            The file.
        **options
            Keywords of ``open_dataset``; `options` lists them.

        Raises
        ------
        DescriptionError
            If the markers are damaged, or contradict the keywords.
        """
        index = options.pop("index", None)
        if index not in (None, True, False):
            raise TypeError(f"{probe.name}: index= must be True or False, not {index!r}")
        keywords = Keywords(**options)
        return _Reading(probe, keywords, index).describe()


@dataclass
class _Reading:
    """One file that is being described.

    Attributes
    ----------
    probe : Probe
        The file.
    keywords : Keywords
        What its records hold.
    keep : bool or None
        Whether to keep an index of its records: None uses one that exists, and writes none.
    """

    probe: Probe
    keywords: Keywords
    keep: bool | None

    def __post_init__(self) -> None:
        self.path = self.probe.name
        start = 0 if self.keywords.offset is None else self.keywords.offset
        if isinstance(start, bool) or not isinstance(start, int | np.integer) or start < 0:
            raise TypeError(f"{self.path}: offset={start!r} must be a number of bytes, at least 0")
        self.markers = detect_markers(self.probe, int(start))
        self.scanner = Scanner(self.probe, self.markers, int(start))
        self.dim = "record" if self.keywords.record_dim is None else self.keywords.record_dim

    def describe(self) -> Description:
        """Return the description."""
        if self.keywords.dtype is None and self.keywords.variables is None:
            return self._describe_bytes()
        specs = self._specs()
        outside = {name: spec for name, spec in specs.items() if not spec.record}
        inside = {name: spec for name, spec in specs.items() if spec.record}
        if not inside:
            raise DescriptionError(f"{self.path}: every variable has record=False; one has to vary")
        single = assign_records(outside, self.scanner)
        first = max((slot.record + 1 for slot in single.values()), default=0)
        slots = assign_records(inside, self.scanner, first, self.keywords.record_nbytes)
        head = self.scanner.index
        variables = arrange_single(self.path, single, head, self.probe)
        added, records = self._arrange(slots, head, first)
        return Description(
            self.path,
            variables | added,
            attrs=dict(self.keywords.attrs or {}) if self.keywords.variables is not None else {},
            records=records,
            specific=records is None
            or any(isinstance(v.data, Mosaic) for v in (variables | added).values()),
            unnamed=self.keywords.variables is None and self.keywords.name is None,
        )

    def _arrange(
        self, slots: dict[str, Slot], head: RecordIndex, first: int
    ) -> tuple[dict[str, Variable], Records | None]:
        """Return the variables of the records from number `first` on."""
        period = max(slot.record for slot in slots.values()) + 1 - first
        if not any(slot.ragged for slot in slots.values()):
            cycle = Cycle(_shorten(head, first + period), first)
            if cycle.repeats(self.probe):
                return arrange_equal(self.path, slots, cycle, self.dim, self.probe)
            check_lengths(cycle, self._index_all(), slots, self.path)
        sequence = Sequence(self._index_all(), first, period)
        return arrange_unequal(self.path, slots, sequence, self.dim, self.probe), None

    def _specs(self) -> dict[str, VariableKeywords]:
        """Return the keywords of the variables, with the byte order of the file."""
        order = self.markers.byteorder
        keywords = replace(self.keywords, offset=None)
        if keywords.variables is None:
            keywords = replace(keywords, dtype=with_byteorder(keywords.dtype, order))
        elif isinstance(keywords.variables, Mapping):
            variables = {
                name: {**spec, "dtype": with_byteorder(spec["dtype"], order)}
                if isinstance(spec, Mapping) and spec.get("dtype") is not None
                else spec
                for name, spec in keywords.variables.items()
            }
            keywords = replace(keywords, variables=variables)
        return keywords.variable_keywords(self.path)

    def _describe_bytes(self) -> Description:
        """Return the records as bytes, where no keyword says what they hold."""
        first = self.scanner.scan(1)
        if not len(first):
            raise DescriptionError(f"{self.path}: it has no whole record")
        cycle = Cycle(first, 0)
        equal = cycle.repeats(self.probe, _SAMPLES)
        lengths = first.lengths if equal else self._index_all().lengths
        count = cycle.count(self.probe.size) if equal else lengths.size
        extent = f"{lengths.min()}" if equal else f"{lengths.min()} to {lengths.max()}"
        text = f"{count} records of {extent} bytes, markers of {self.markers}"
        passed = sorted(set(self.keywords.passed) - {"offset", "record_dim"})
        if passed:
            raise DescriptionError(
                f"{self.path}: {text}: give dtype= beside {', '.join(f'{k}=' for k in passed)}"
            )
        shape = int(lengths[0]) if equal else -1
        keywords = Keywords(
            dtype="u1", shape=shape, dims="byte", offset=self.keywords.offset, record_dim=self.dim
        )
        described = _Reading(self.probe, keywords, self.keep).describe()
        return replace(described, attrs={"records": f"{text}: give dtype= and shape= for values"})

    def _index_all(self) -> RecordIndex:
        """Return the index of all records: that beside the file, or by a pass over the markers."""
        start = self.scanner.start
        index = None if self.keep is False else read_index(self.probe, self.markers, start)
        if index is None:
            index = self.scanner.scan()
            if self.keep:
                write_index(self.probe, index)
        return index


def _shorten(index: RecordIndex, count: int) -> RecordIndex:
    """Return the index of the first `count` records."""
    stop = np.append(index.first_parts, index.leads.size)[count]
    return RecordIndex(index.markers, index.start, index.leads[:stop])
