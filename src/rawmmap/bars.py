"""The bars of files: what lies in each of them, and what of it is in memory."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping

from rawmmap.drawing import Bar, Drawing, draw_file, make_edges
from rawmmap.layout import Arrangement, Layout
from rawmmap.layout.bits import BitLayout
from rawmmap.mapping import resident_shares
from rawmmap.sources import Files, local_path

__all__ = ["draw_files"]

#: Files that get a bar.
_MOST_FILES = 6
# Pieces of a variable that are looked at.
_MOST_PIECES = 5000


def draw_files(files: Files, variables: Mapping[str, Arrangement]) -> Drawing:
    """Return a bar for each of the first few files.

    Parameters
    ----------
    files : Files
        The files.
    variables : mapping of str to Arrangement
        What lies in them, by name.
    """
    shown = min(len(files), _MOST_FILES)
    placed: list[dict[str, list[Layout]]] = [{} for _ in range(shown)]
    for name, arrangement in variables.items():
        for number, layout in _pieces(arrangement, shown):
            placed[number].setdefault(name, []).append(layout)
    bars = tuple(_bar(files, number, placed[number]) for number in range(shown))
    more = len(files) - shown
    return Drawing(bars, f"and {more} more files" if more else "")


def _pieces(arrangement: Arrangement, files: int) -> Iterator[tuple[int, Layout]]:
    """Yield file number and layout of the first pieces that lie in the first files."""
    for part in itertools.islice(arrangement.parts(), _MOST_PIECES):
        data = part.data.bytes_read if isinstance(part.data, BitLayout) else part.data
        if isinstance(data, Layout) and 0 <= part.file < files:
            yield part.file, data


def _bar(files: Files, number: int, layouts: Mapping[str, list[Layout]]) -> Bar:
    url, nbytes = files.urls[number], files[number].identity.size
    path = local_path(url)
    memory = resident_shares(path, make_edges(nbytes).tolist()) if path and nbytes else None
    return draw_file(os.path.basename(url) or url, nbytes, layouts, memory=memory)
