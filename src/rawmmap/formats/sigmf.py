"""SigMF: recordings of signals, with metadata in JSON (SigMF specification 1.2)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError
from rawmmap.formats.frames import arrange_frames
from rawmmap.formats.header_files import HeaderFiles, find_named
from rawmmap.formats.probe import Probe
from rawmmap.layout import Mosaic, Values
from rawmmap.layout.mosaic import Cell
from rawmmap.layout.samples import parse_dtype

__all__ = ["SigmfReader"]

_META, _DATA = ".sigmf-meta", ".sigmf-data"
_LONGEST = 2**26
_MARK = b'"core:datatype"'
_TYPE = re.compile(r"([cr])(f64|f32|i32|i16|u32|u16|i8|u8)(_le|_be)?")
_REAL = {"f64": "f8", "f32": "f4", "i32": "i4", "i16": "i2", "u32": "u4", "u16": "u2"}
_REAL |= {"i8": "i1", "u8": "u1"}
_COMPLEX = {"f64": "c16", "f32": "c8", "i32": "ci4", "i16": "ci2", "i8": "ci1"}
# What became the layout.
_USED = {"core:datatype", "core:num_channels", "core:dataset", "core:trailing_bytes"}


def _is_metadata(head: bytes) -> bool:
    # The type may lie behind many annotations, where the keys are in alphabetical order.
    return b"{" in head and (b'"global"' in head or b'"annotations"' in head)


_FILES = HeaderFiles("SigMF metadata", _is_metadata, (_META,), (_DATA,), append=False)


class SigmfReader:
    """Reads SigMF metadata; the probe may be of the metadata or of the data file."""

    name = "sigmf"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file holds such metadata, or a file of its name does."""
        return _find_metadata(probe) is not None

    def read(self, probe: Probe) -> Description:
        """Return the description of the recording, a variable named ``data``.

        Pairs of signed integers become complex numbers; pairs of unsigned ones, which have no
        such type here, get an axis ``component`` of the real and the imaginary part.

        Raises
        ------
        DescriptionError
            If the metadata are malformed, or say something that is not implemented.
        FileNotFoundError
            If the data file is missing.
        """
        meta = _find_metadata(probe)
        if meta is None:
            raise DescriptionError(f"{probe.name}: there are no SigMF metadata of it")
        content = _parse(meta)
        try:
            header, captures = _sections(content)
            data = probe if meta is not probe else _find_data(meta, header)
            return _describe(data, header, captures)
        except DescriptionError:
            raise
        except (ValueError, TypeError) as error:
            raise DescriptionError(f"{meta.name}: {error}") from error


def _find_metadata(probe: Probe) -> Probe | None:
    named = probe.suffix == _META and _is_metadata(probe.head)
    if (named or _MARK in probe.head) and probe.head.lstrip()[:1] == b"{":
        return probe
    return _FILES.find_beside(probe)


def _parse(meta: Probe) -> Any:
    if meta.size > _LONGEST:
        raise DescriptionError(
            f"{meta.name}: {meta.size} bytes are too many for metadata; at most {_LONGEST} are read"
        )
    with meta.open() as file:
        text = file.read(_LONGEST)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DescriptionError(f"{meta.name}: not JSON: {error}") from error


def _sections(content: Any) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """Return the global section, and the captures."""
    if not isinstance(content, dict) or not isinstance(content.get("global"), dict):
        raise ValueError("there is no object 'global'")
    captures = content.get("captures", [])
    if not isinstance(captures, list) or not all(isinstance(item, dict) for item in captures):
        raise ValueError("'captures' is not a list of objects")
    return content["global"], captures


def _find_data(meta: Probe, header: Mapping[str, Any]) -> Probe:
    name = header.get("core:dataset")
    if header.get("core:metadata_only"):
        raise ValueError("core:metadata_only is true: there are no data")
    return _FILES.find_data(meta) if name is None else find_named(meta, str(name))


def _describe(
    data: Probe, header: Mapping[str, Any], captures: Sequence[Mapping[str, Any]]
) -> Description:
    match = _TYPE.fullmatch(str(header.get("core:datatype")))
    if match is None:
        raise ValueError(f"core:datatype {str(header.get('core:datatype'))[:80]!r} is unknown")
    kind, code, order = match.groups()
    if order is None and not code.endswith("i8") and not code.endswith("u8"):
        raise ValueError(f"core:datatype {match[0]!r} has no byte order, _le or _be")
    sign = ">" if order == "_be" else "<"
    channels = _count(header, "core:num_channels", 1)
    frame: tuple[tuple[str, int], ...] = (("channel", channels),) if channels != 1 else ()
    name = _COMPLEX.get(code) if kind == "c" else _REAL[code]
    if name is None:
        name, frame = _REAL[code], (*frame, ("component", 2))
    dtype, samples = parse_dtype(sign + name)
    trailing = _count(header, "core:trailing_bytes", 0)
    stop = data.size - trailing
    nbytes = dtype.itemsize * math.prod(n for _, n in frame)
    gaps = _gaps(captures, _count(header, "core:offset", 0))
    pieces = [
        arrange_frames(dtype, frame, start, end, samples=samples)
        for start, end in _split(gaps, nbytes, stop)
    ]
    variable = pieces[0] if len(pieces) == 1 else _join(pieces)
    labels = _label_captures(captures)
    notes = {
        key.removeprefix("core:"): value
        for key, value in header.items()
        if key not in _USED and isinstance(value, str | int | float)
    }
    return Description(data.name, {"data": variable, **labels}, frozenset(labels), notes)


def _count(entries: Mapping[str, Any], key: str, default: int) -> int:
    value = entries.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**62:
        raise ValueError(f"{key} is {str(value)[:80]}, not a count")
    return value


def _gaps(captures: Sequence[Mapping[str, Any]], first: int) -> list[tuple[int, int]]:
    """Return the frames before which bytes are left out, and how many of them."""
    gaps = []
    last = 0
    for capture in captures:
        start = _count(capture, "core:sample_start", 0) - first
        if start < last:
            raise ValueError("the captures are not in the order of their core:sample_start")
        last = start
        skipped = _count(capture, "core:header_bytes", 0)
        if skipped:
            gaps.append((start, skipped))
    return gaps


def _split(gaps: Sequence[tuple[int, int]], nbytes: int, stop: int) -> list[tuple[int, int]]:
    """Return the ranges of bytes that hold frames of `nbytes` bytes."""
    ranges = []
    start, frame = 0, 0
    for position, skipped in gaps:
        end = start + (position - frame) * nbytes
        if end + skipped > stop:
            raise ValueError(f"a capture at byte {end} begins past the end of the data, {stop}")
        if position > frame or not gaps:
            ranges.append((start, end))
        start, frame = end + skipped, position
    return [*ranges, (start, max(start, stop))]


def _join(pieces: Sequence[Variable]) -> Variable:
    cells = [Cell(piece.arrangement, 0) for piece in pieces]  # type: ignore[arg-type]
    first = pieces[0]
    return Variable(first.dims, Mosaic.concatenate(cells), first.attrs, samples=first.samples)


def _label_captures(captures: Sequence[Mapping[str, Any]]) -> dict[str, Variable]:
    """Return what is said of each capture, along the dimension ``capture``."""
    labels = {}
    for key, name, kind in (
        ("core:sample_start", "capture_start", int),
        ("core:frequency", "capture_frequency", float),
        ("core:global_index", "capture_global_index", int),
        ("core:datetime", "capture_datetime", str),
    ):
        values = [capture.get(key) for capture in captures]
        if any(value is not None for value in values):
            if kind is int:
                filled: list[Any] = [_count(capture, key, 0) for capture in captures]
            else:
                filled = [_fill(kind) if value is None else kind(value) for value in values]
            attrs = {"units": "Hz"} if name == "capture_frequency" else {}
            labels[name] = Variable(("capture",), Values(np.array(filled)), attrs)
    return labels


def _fill(kind: type) -> Any:
    return {float: np.nan, str: ""}[kind]
