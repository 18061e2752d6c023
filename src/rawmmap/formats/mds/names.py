"""Names of files, and the staggered grid that MITgcm's fields lie on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["GRID", "POSITIONS", "FileName", "group_by_prefix", "parse_name"]

_NAME = re.compile(
    r"(?P<prefix>.+?)(?:\.(?P<step>[0-9]{10}))?(?:\.(?P<x>[0-9]{3,})\.(?P<y>[0-9]{3,}))?"
    r"\.(?P<suffix>meta|data)"
)

# Where the arrays of the model's grid lie: i and j count cells, i_g and j_g their western and
# southern edges, k levels and k_p1 the interfaces above and below them.
GRID = {
    "XC": ("j", "i"),
    "YC": ("j", "i"),
    "XG": ("j_g", "i_g"),
    "YG": ("j_g", "i_g"),
    "AngleCS": ("j", "i"),
    "AngleSN": ("j", "i"),
    "Depth": ("j", "i"),
    "RAC": ("j", "i"),
    "RAZ": ("j_g", "i_g"),
    "RAW": ("j", "i_g"),
    "RAS": ("j_g", "i"),
    "DXC": ("j", "i_g"),
    "DYC": ("j_g", "i"),
    "DXG": ("j_g", "i"),
    "DYG": ("j", "i_g"),
    "hFacC": ("k", "j", "i"),
    "hFacW": ("k", "j", "i_g"),
    "hFacS": ("k", "j_g", "i"),
    "RC": ("k",),
    "RF": ("k_p1",),
    "DRC": ("k_p1",),
    "DRF": ("k",),
    "PHrefC": ("k",),
    "PHrefF": ("k_p1",),
}

#: The horizontal axes of fields that do not lie at the centres of cells.
POSITIONS = {
    "U": ("j", "i_g"),
    "UVEL": ("j", "i_g"),
    "V": ("j_g", "i"),
    "VVEL": ("j_g", "i"),
}


class FileName(NamedTuple):
    """The parts of a file's name.

    Attributes
    ----------
    prefix : str
        The name of the output, such as ``T``.
    step : int or None
        The iteration.
    tile : tuple of int or None
        Numbers of a tile along x and y, counted from 1.
    suffix : str
        ``meta`` or ``data``.
    """

    prefix: str
    step: int | None
    tile: tuple[int, int] | None
    suffix: str

    @property
    def output(self) -> tuple[str, int | None]:
        """Prefix and iteration, which all tiles of an output share."""
        return self.prefix, self.step


def parse_name(name: str) -> FileName | None:
    """Return the parts of a file's name, or None for another file."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    step = None if match["step"] is None else int(match["step"])
    tile = None if match["x"] is None else (int(match["x"]), int(match["y"]))
    return FileName(match["prefix"], step, tile, match["suffix"])


def group_by_prefix(names: Iterable[str]) -> dict[str, dict[int | None, list[str]]]:
    """Return the headers among some files: those of each iteration of each prefix.

    A header of the whole array counts alone, even if there are tiles beside it.
    """
    groups: dict[str, dict[int | None, list[str]]] = {}
    for name in sorted(names):
        parsed = parse_name(name)
        if parsed is None or parsed.suffix != "meta":
            continue
        headers = groups.setdefault(parsed.prefix, {}).setdefault(parsed.step, [])
        if parsed.tile is None:
            headers[:] = [name]
        elif not headers or parse_name(headers[0]).tile is not None:  # type: ignore[union-attr]
            headers.append(name)
    return groups
