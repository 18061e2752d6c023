"""safetensors: arrays one after another, behind a header of JSON.

The first 8 bytes are the length of the header; offsets count from its end (the format's README).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout
from rawmmap.layout.samples import parse_dtype

__all__ = ["SafetensorsReader"]

_LONGEST = 10**8
_TYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "BF16": "<bf2",
    "F32": "<f4",
    "F64": "<f8",
    "C64": "<c8",
}


class SafetensorsReader:
    """Reads the header of a safetensors file."""

    name = "safetensors"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts with the length of a JSON object that names tensors."""
        length = int.from_bytes(probe.head[:8], "little")
        return (
            2 <= length <= min(probe.size - 8, _LONGEST)
            and probe.head[8:9] == b"{"
            and b'"data_offsets"' in probe.head
        )

    def read(self, probe: Probe) -> Description:
        """Return the description of all tensors; each has dims of its own.

        Raises
        ------
        DescriptionError
            If the header is malformed, tensors overlap or lie outside of the file.
        """
        length = int.from_bytes(probe.head[:8], "little")
        if length > min(probe.size - 8, _LONGEST):
            raise DescriptionError(
                f"{probe.name}: a header of {length} bytes; the file has {probe.size}, and at most "
                f"{_LONGEST} are read"
            )
        with probe.open() as file:
            text = file.read(8 + length)[8:]
        try:
            return _describe(probe, json.loads(text), 8 + length)
        except DescriptionError:
            raise
        except (ValueError, TypeError, RecursionError) as error:
            raise DescriptionError(f"{probe.name}: {error}") from error


def _describe(probe: Probe, content: Any, start: int) -> Description:
    if not isinstance(content, dict):
        raise ValueError("the header is not a JSON object")
    notes = content.pop("__metadata__", None) or {}
    if not isinstance(notes, dict) or not all(isinstance(v, str) for v in notes.values()):
        raise ValueError("__metadata__ is not an object of texts")
    variables = {name: _tensor(name, entry, start, probe.size) for name, entry in content.items()}
    return Description(probe.name, variables, attrs=notes)


def _tensor(name: str, entry: Any, start: int, size: int) -> Variable:
    subject = f"tensor {name[:80]!r}"
    if not isinstance(entry, Mapping):
        raise ValueError(f"{subject}: it is described by {type(entry).__name__}, not an object")
    kind: Any = entry.get("dtype")
    shape: Any = entry.get("shape")
    offsets: Any = entry.get("data_offsets")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise ValueError(f"{subject}: the dtype {str(kind)[:80]!r} is none of {sorted(_TYPES)}")
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        raise ValueError(f"{subject}: shape or data_offsets are not lists of counts")
    dtype, samples = parse_dtype(_TYPES[kind])
    layout = Layout.dense(dtype, shape, offset=start + offsets[0])
    if layout.nbytes != offsets[1] - offsets[0] or start + offsets[1] > size:
        raise ValueError(
            f"{subject}: {layout.nbytes} bytes of shape {shape} do not lie at {offsets} in the "
            f"{size - start} bytes after the header"
        )
    dims = tuple(f"{name}_{i}" for i in range(len(shape)))
    return Variable(dims, layout, samples=samples)


def _are_counts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 64
        and all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**62 for n in value)
    )
