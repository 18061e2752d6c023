"""Where the elements of arrays lie, and what a key needs of them: pure arithmetic, no I/O."""

from __future__ import annotations

from rawmmap.layout.mosaic import Cell, Edges, Mosaic
from rawmmap.layout.parts import Arrangement, Part, Values
from rawmmap.layout.runs import Runs
from rawmmap.layout.shapes import (
    MAX_BYTES,
    as_shape,
    check_shape,
    dense_strides,
    dtype_state,
    infer_shape,
    plain_dtype,
)
from rawmmap.layout.strided import BasicKey, Layout

__all__ = [
    "MAX_BYTES",
    "Arrangement",
    "BasicKey",
    "Cell",
    "Edges",
    "Layout",
    "Mosaic",
    "Part",
    "Runs",
    "Values",
    "as_shape",
    "check_shape",
    "dense_strides",
    "dtype_state",
    "infer_shape",
    "plain_dtype",
]
