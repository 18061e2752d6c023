"""What is wrong, or worth knowing, about a file and what describes it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rawmmap.dataset import RawDataset, required_bytes
from rawmmap.description import Description
from rawmmap.errors import DescriptionError, MissingFilesError, OverlapError, ShortFileError
from rawmmap.formats.sidecar import sidecar_path_of
from rawmmap.formats.sidecar.next import has_next
from rawmmap.layout import Layout, Values
from rawmmap.layout.bits import BitLayout
from rawmmap.layout.overlap import find_overlap, find_self_overlap
from rawmmap.sources import local_path, open_source

__all__ = ["Finding", "compare", "examine", "explain_failure"]

# Ranges of one kind that are findings of their own; more are summed up.
_MOST_RANGES = 10
# Pieces that are compared with each other, and bytes that are read to see whether they are zero.
_MOST_PIECES = 10_000
_MOST_READ = 2**24
# Labels of a series from which on their steps are compared: fewer do not show a rule.
_FEWEST_LABELS = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes
    ----------
    severity : {"error", "note"}
        Whether the file and its description contradict each other.
    kind : str
        ``short``, ``missing``, ``overlap``, ``description``, ``header``, ``gap``, ``trailing``,
        ``incomplete_record``, ``longer``, ``missing_steps``, ``changed``, ``replacing`` or
        ``disagreement``.
    message : str
        A sentence without the name of the file.
    variable : str or None
        The variable that it is about.
    range : tuple of int or None
        The bytes that it is about: first, and past the last.
    """

    severity: Literal["error", "note"]
    kind: str
    message: str
    variable: str | None = None
    range: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {**asdict(self), "range": None if self.range is None else list(self.range)}


def explain_failure(description: Description | None, error: Exception) -> Iterator[Finding]:
    """Yield why a file does not open: for each variable if it can be told, else the error.

    Parameters
    ----------
    description : Description or None
        What describes the file, if that could be read.
    error : Exception
        What opening it raised.
    """
    findings: list[Finding] = []
    if description is not None and not isinstance(error, FileNotFoundError):
        one_file = description.members is None and len(description.files) < 2
        findings = list(_explain_variables(description)) if one_file else []
    yield from findings or [Finding("error", _kind_of(error), _text_of(error))]


def _explain_variables(description: Description) -> Iterator[Finding]:
    """Yield what is wrong with each variable of one file, whatever the others are."""
    size = open_source(description.path).identity.size
    for name in description.variables:
        try:
            alone = description.without(set(description.variables) - {name}).resolve(size)
        except DescriptionError as error:
            yield Finding("error", _kind_of(error), _text_of(error, description.path), name)
            continue
        needed = int(required_bytes(alone, 1)[0])
        if needed > size:
            yield Finding(
                "error",
                "short",
                f"variable {name!r} needs {needed} bytes, but the file has {size} "
                f"({needed - size} too few)",
                name,
                (size, needed),
            )


def _kind_of(error: BaseException) -> str:
    """Return the kind of an error, or of what it was raised from."""
    if isinstance(error, ShortFileError):
        return "short"
    if isinstance(error, FileNotFoundError | MissingFilesError):
        return "missing"
    if isinstance(error, OverlapError):
        return "overlap"
    return "description" if error.__cause__ is None else _kind_of(error.__cause__)


def _text_of(error: Exception, path: str | None = None) -> str:
    """Return the text of an error, without the file that it is about."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error) if path is None else str(error).removeprefix(f"{path}: ")


def examine(raw: RawDataset) -> Iterator[Finding]:
    """Yield what is worth knowing about an open file and its description."""
    yield from _examine_coverage(raw)
    yield from _examine_overlap(raw)
    if len(raw.files) > 1:
        yield from _examine_sizes(raw)
        yield from _examine_labels(raw)
    elif raw.series is None:
        yield from _examine_times(raw)


def _examine_coverage(raw: RawDataset) -> Iterator[Finding]:
    """Yield the bytes that no variable covers: before, between and after the variables."""
    size = int(raw.opened.sizes[0])
    ranges = raw.coverage
    header = len(ranges) > 0 and _place_of(ranges[0], size) == "header"
    trailing = len(ranges) > header and _place_of(ranges[-1], size) == "trailing"
    gaps = len(ranges) - header - trailing
    if header:
        yield _describe_range(raw, "header", "before the first variable", ranges[0])
    if gaps > _MOST_RANGES:
        nbytes = ranges.nbytes
        nbytes -= sum(stop - start for start, stop in (*ranges[:header], *ranges[header + gaps :]))
        text = f"{nbytes} bytes in {gaps} ranges between elements belong to no variable"
        yield Finding("note", "gap", text, range=(ranges[header][0], ranges[header + gaps - 1][1]))
    else:
        for each in ranges[header : header + gaps]:
            yield _describe_range(raw, "gap", "between elements", each)
    if trailing:
        record = _incomplete_record(raw, size)
        yield record or _describe_range(raw, "trailing", "after the last variable", ranges[-1])


def _place_of(each: tuple[int, int], size: int) -> str:
    if each == (0, size):
        return "gap"
    return "header" if each[0] == 0 else "trailing" if each[1] == size else "gap"


def _describe_range(raw: RawDataset, kind: str, words: str, each: tuple[int, int]) -> Finding:
    start, stop = each
    text = f"bytes {start} to {stop} {words} ({stop - start} bytes) belong to no variable"
    if stop - start <= _MOST_READ:
        zero = not np.frombuffer(raw.opened[0].read((start,), stop - start), "u1").any()
        text += "; all of them are zero" if zero else ""
    return Finding("note", kind, text, range=each)


def _incomplete_record(raw: RawDataset, size: int) -> Finding | None:
    records = raw.template.records
    if records is None or size <= records.offset:
        return None
    rest = (size - records.offset) % records.nbytes
    if not rest or rest >= (records.used or records.nbytes):
        return None
    text = f"the last record is incomplete: {rest} of {records.nbytes} bytes"
    return Finding("note", "incomplete_record", text, range=(size - rest, size))


def _examine_overlap(raw: RawDataset) -> Iterator[Finding]:
    """Yield variables that share bytes where that is allowed, and pieces that do."""
    for file, placed in _layouts_of(raw).items():
        names, layouts = zip(*placed, strict=True)
        where = "" if file == 0 and len(raw.files) == 1 else f" in {raw.files[file]}"
        number = find_self_overlap(layouts)
        pair = (number, number) if number is not None else find_overlap(layouts)
        if pair is None:
            continue
        first, second = (names[i] for i in pair)
        subject = (
            f"elements of variable {first!r}"
            if first == second
            else f"variables {first!r} and {second!r}"
        )
        yield Finding("note", "overlap", f"{subject} share bytes{where}", first)


def _layouts_of(raw: RawDataset) -> dict[int, list[tuple[str, Layout]]]:
    """Return names and layouts by the file that they lie in, of a bounded number of pieces."""
    placed: dict[int, list[tuple[str, Layout]]] = {}
    for name in raw.arrays:
        for part in itertools.islice(raw.arrangement(name).parts(), _MOST_PIECES):
            data = part.data.bytes_read if isinstance(part.data, BitLayout) else part.data
            if isinstance(data, Layout) and data.size:
                placed.setdefault(part.file, []).append((name, data))
    return placed


def _examine_sizes(raw: RawDataset) -> Iterator[Finding]:
    """Yield how many files of several are longer than what is described of them."""
    sizes, required = raw.opened.sizes, required_bytes(raw.description, len(raw.files))
    longer = np.flatnonzero(sizes > required)
    if len(longer):
        first = int(longer[0])
        more = int(sizes[first] - required[first])
        text = (
            f"{len(longer)} of {len(sizes)} files are longer than the variables in them; the first "
            f"one is {raw.files[first]}, by {more} bytes"
        )
        yield Finding("note", "longer", text)


def _examine_labels(raw: RawDataset) -> Iterator[Finding]:
    """Yield the labels that are missing in a series whose other labels have equal steps."""
    for field in () if raw.series is None else raw.series.pattern.names:
        variable = raw.description.variables.get(field)
        if variable is None or variable.dims != (field,) or not isinstance(variable.data, Values):
            continue
        labels = variable.data.array
        gaps = _find_left_out(labels)
        if gaps:
            missing, first = gaps
            text = (
                f"{missing} {'step' if missing == 1 else 'steps'} of {field!r} without a file, "
                f"where the others are equal; the first lies between {labels[first]} and "
                f"{labels[first + 1]}"
            )
            yield Finding("note", "missing_steps", text, field)


def _find_left_out(labels: npt.NDArray[Any]) -> tuple[int, int] | None:
    """Return how many equal steps are left out, and after which label; None if none are."""
    if labels.dtype.kind not in "iuM" or len(labels) < _FEWEST_LABELS:
        return None
    steps = np.diff(labels).astype("i8")
    missing = int((steps // steps.min() - 1).sum())
    # Where many are missing, or steps are not multiples of the smallest, there is no such rule.
    if not missing or (steps % steps.min()).any() or missing > len(labels):
        return None
    return missing, int(np.flatnonzero(steps > steps.min())[0])


def _examine_times(raw: RawDataset) -> Iterator[Finding]:
    """Yield whether the file was written to after its sidecar, as far as their times tell."""
    path = local_path(raw.path)
    sidecar = None if path is None else sidecar_path_of(path)
    if path is None or sidecar is None or not os.path.exists(sidecar):
        return
    if has_next(sidecar):
        text = 'its sidecar has an entry "next": a writer is replacing the file, or was killed'
        yield Finding("note", "replacing", text)
    grows = raw.template.records is not None or any(
        variable.grows for variable in raw.template.variables.values()
    )
    changed, described = os.stat(path).st_mtime, os.stat(sidecar).st_mtime
    if changed > described and not grows:
        times = [
            datetime.fromtimestamp(t, UTC).isoformat(" ", "seconds") for t in (changed, described)
        ]
        text = f"the file was written to at {times[0]}, after its sidecar at {times[1]}"
        yield Finding("note", "changed", text)


def compare(opened: Mapping[str, RawDataset]) -> Iterator[Finding]:
    """Yield the variables that two descriptions of one file place differently."""
    (one, first), (other, second) = opened.items()
    for name in first.arrays:
        if name in second.arrays and first.arrangement(name) != second.arrangement(name):
            text = f"{one} and {other} place variable {name!r} differently"
            yield Finding("note", "disagreement", text, name)
