"""The entry ``"pieces"`` of a variable in a sidecar: where each part of it lies, in which file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from rawmmap.description.checks import check_dims, check_integer, check_integers, check_object
from rawmmap.description.template import LayoutTemplate, template_of
from rawmmap.formats.sidecar.values import decode_array, decode_attrs, encode_array, encode_attrs
from rawmmap.layout import Arrangement, Layout, Mosaic, Values
from rawmmap.layout.cells import Cell
from rawmmap.layout.placed import Placed, arrange_pieces

__all__ = ["decode_pieces", "encode_pieces"]

_NAMES = {"start", "shape", "file", "offset", "order", "strides", "values"}

# A few pieces may not stand for far more elements than they have.
_MOST_MISSING = 1000


def encode_pieces(data: Arrangement) -> dict[str, Any]:
    """Return where the parts of an arrangement lie, and what stands for missing ones.

    Raises
    ------
    TypeError
        If a part has samples of a few bits.
    """
    parts = [_encode_piece(part) for part in data.parts() if part.data is not None]
    entry: dict[str, Any] = {"shape": list(data.shape), "pieces": parts}
    fill_value = getattr(data, "fill_value", None)
    if fill_value is not None:
        entry |= encode_attrs({"fill_value": fill_value}, "the pieces")
    return entry


def _encode_piece(part: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"start": [index.start for index in part.index]}
    if isinstance(part.data, Values):
        return {**entry, "values": encode_array(part.data.array)["values"]}
    if not isinstance(part.data, Layout):
        raise TypeError("a sidecar cannot describe samples of a few bits in several pieces")
    entry["shape"] = list(part.data.shape)
    if part.file:
        entry["file"] = part.file
    template = template_of(part.data)
    entry["offset"] = template.offset
    if template.strides is not None:
        entry["strides"] = list(template.strides)
    return entry


def decode_pieces(entry: dict[str, Any], dtype: np.dtype[Any], count: int, what: str) -> Mosaic:
    """Return a variable in pieces.

    Parameters
    ----------
    entry : dict
        The variable.
    dtype : numpy.dtype
        Type of one element.
    count : int
        Number of the files.
    what : str
        The variable, for errors.

    Raises
    ------
    TypeError, ValueError
        If a piece is malformed, or they do not fit together.
    """
    excess = sorted({"offset", "order", "strides", "bits", "bit_order"} & set(entry))
    if excess:
        raise ValueError(f"{what} lies in pieces; remove {excess}")
    shape = check_integers(entry.get("shape"), f'{what}: "shape"', 0)
    entries = entry["pieces"]
    if not isinstance(entries, list):
        raise TypeError(f'{what}: "pieces" must be a list of JSON objects')
    check_dims(tuple(entry.get("dims", ())), shape, what)
    pieces = list(_decode_all(entries, dtype, len(shape), count, what))
    covered = sum(math.prod(piece.cell.data.shape) for piece in pieces if piece.cell.data)
    if math.prod(shape) > _MOST_MISSING * (covered + 1):
        raise ValueError(f"{what}: its pieces have {covered} of the elements of its shape {shape}")
    fill_value = decode_attrs({"fill_value": entry.get("fill_value")})["fill_value"]
    return arrange_pieces(dtype, shape, pieces, fill_value)


def _decode_all(
    entries: list[Any], dtype: np.dtype[Any], ndim: int, count: int, what: str
) -> Iterator[Placed]:
    for number, value in enumerate(entries):
        subject = f"{what}: piece {number}"
        entry = check_object(value, subject, _NAMES)
        start = check_integers(entry.get("start"), f'{subject}: "start"', 0)
        file = check_integer(entry.get("file", 0), f'{subject}: "file"', 0)
        if file >= count:
            raise ValueError(f'{subject}: "file" is {file}, but there are {count} files')
        if len(start) != ndim:
            raise ValueError(f'{subject}: "start" has {len(start)} numbers for {ndim} axes')
        if "values" in entry:
            yield Placed(start, Cell(_decode_values(entry, dtype, subject)))
        else:
            yield Placed(start, Cell(_decode_layout(entry, dtype, subject), file))


def _decode_values(entry: dict[str, Any], dtype: np.dtype[Any], subject: str) -> Values:
    excess = sorted(set(entry) - {"start", "values"})
    if excess:
        raise ValueError(f"{subject} has its values in the sidecar; remove {excess}")
    text = {"dtype": dtype.newbyteorder("<").str, "values": entry["values"]}
    return Values(decode_array(text).astype(dtype))


def _decode_layout(entry: dict[str, Any], dtype: np.dtype[Any], subject: str) -> Layout:
    order, strides = entry.get("order", "C"), entry.get("strides")
    if order not in ("C", "F"):
        raise ValueError(f'{subject}: "order" must be "C" or "F", not {order!r}')
    layout = LayoutTemplate(
        dtype,
        check_integers(entry.get("shape"), f'{subject}: "shape"', 0),
        check_integer(entry.get("offset", 0), f'{subject}: "offset"', 0),
        order,
        None if strides is None else check_integers(strides, f'{subject}: "strides"'),
    ).resolve(0)
    first, last = layout.extent
    if layout.nbytes > last - first:
        raise ValueError(f"{subject}: its elements overlap, with strides {layout.strides}")
    return layout
