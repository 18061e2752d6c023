"""Files that a header describes: they are recognised, and not guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.dataset import RawDataset, open_described
from rawmmap.description import Keywords
from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import recognise
from rawmmap.guessing.model import Guess
from rawmmap.guessing.thumbnails import COLUMNS, ROWS, make_thumbnail

__all__ = ["Recognised", "recognise_header"]

#: The probability that a header says what is in a file.
CERTAINTY = 0.95
# Bytes of a plane that its picture is made from.
_PLANE = 2**22
# Variables that are named.
_NAMED = 4


@dataclass(frozen=True)
class Recognised:
    """What the header of a file came to.

    Attributes
    ----------
    guess : Guess or None
        What it describes; None if there is none, or if it cannot be used.
    remark : str
        Why it cannot be used.
    """

    guess: Guess | None = None
    remark: str = ""


def recognise_header(probe: Probe, storage_options: Mapping[str, Any] | None) -> Recognised:
    """Return what a header in the file, or beside it, describes.

    The markers of Fortran's records are not a header: they say nothing about types.
    """
    try:
        reader = recognise(probe)
    except OSError as error:  # of a server that does not say which files it has
        text = " ".join(str(error).split())
        return Recognised(None, f"whether a header lies beside the file is not known: {text}")
    if reader is None or reader.name == "fortran":
        return Recognised()
    # A fresh probe has looked at no files but those that this reader needs.
    own = Probe(probe.name, storage_options)
    reader.recognises(own)
    where = " and ".join([*own.neighbours, *([] if own.neighbours else ["the file itself"])])
    name = f"{where}: a header of the format {reader.name!r}"
    try:
        raw = open_described(probe.name, Keywords(), reader.name, storage_options=storage_options)
    except (ImportError, OSError, TypeError, ValueError) as error:
        return Recognised(None, f"{name}, but it does not open: {' '.join(str(error).split())}")
    evidence = (name, *_list_variables(raw))
    return Recognised(Guess({"format": reader.name}, CERTAINTY, evidence, _draw_largest(raw)))


def _draw_largest(raw: RawDataset) -> npt.NDArray[np.uint8] | None:
    """Return a picture of the largest variable, or None if there are no numbers to show."""
    arrays = [v.data for v in raw.values() if v.data.dtype.kind in "biufc" and v.data.size]
    if not arrays:
        return None
    data = max(arrays, key=lambda array: array.size)
    try:
        values = np.asarray(data[_first_plane(data.shape, data.dtype.itemsize)])
    except OSError:
        return None  # the file was cut or replaced meanwhile: a guess needs no picture
    return make_thumbnail([values.ravel()], values.shape[-1] if values.ndim > 1 else None)


def _first_plane(shape: tuple[int, ...], itemsize: int) -> tuple[int | slice, ...]:
    """Return a key of few elements of the first plane, from a few MiB of it."""
    if len(shape) < 2:
        return (slice(ROWS * COLUMNS),) * len(shape)
    width = min(shape[-1], _PLANE // itemsize)
    height = min(shape[-2], max(_PLANE // (shape[-1] * itemsize), 1))
    rows, columns = slice(0, height, -(-height // ROWS)), slice(0, width, -(-width // COLUMNS))
    return (*(0,) * (len(shape) - 2), rows, columns)


def _list_variables(raw: RawDataset) -> list[str]:
    lines = [
        f"it describes {name}: {variable.dtype} of shape {variable.shape}"
        for name, variable in list(raw.items())[:_NAMED]
    ]
    return lines + ([f"and {len(raw) - _NAMED} more variables"] if len(raw) > _NAMED else [])
