"""Files that a header describes: they are recognised, and not guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rawmmap.dataset import RawDataset, open_described
from rawmmap.description import Keywords
from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import recognise
from rawmmap.guessing.model import Guess

__all__ = ["Recognised", "recognise_header"]

#: The probability that a header says what is in a file.
CERTAINTY = 0.95
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
    evidence = (f"{name}", *_list_variables(raw))
    return Recognised(Guess({"format": reader.name}, CERTAINTY, evidence))


def _list_variables(raw: RawDataset) -> list[str]:
    lines = [
        f"it describes {name}: {variable.dtype} of shape {variable.shape}"
        for name, variable in list(raw.items())[:_NAMED]
    ]
    return lines + ([f"and {len(raw) - _NAMED} more variables"] if len(raw) > _NAMED else [])
