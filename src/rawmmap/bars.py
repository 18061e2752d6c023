"""The bars of files: what lies in each of them, what it is cut into, and what is in memory."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping

from rawmmap.description.model import Records
from rawmmap.drawing import (
    MOST_BARS,
    Bar,
    Boundaries,
    Drawing,
    draw_file,
    iterate_pieces,
    make_edges,
    place_variables,
)
from rawmmap.layout import Arrangement, Layout
from rawmmap.layout.pages import round_down
from rawmmap.mapping import GRANULARITY, PAGE, resident_shares
from rawmmap.sources import Files, local_path

__all__ = ["Chunks", "draw_files"]

#: Lengths of chunks along each axis, as Dask has them.
Chunks = tuple[tuple[int, ...], ...]

# Chunks that are looked at.
_MOST_CHUNKS = 1000


def draw_files(
    files: Files,
    variables: Mapping[str, Arrangement],
    chunks: Mapping[str, Chunks] | None = None,
    records: Records | None = None,
) -> Drawing:
    """Return a bar for each of the first few files.

    Parameters
    ----------
    files : Files
        The files.
    variables : mapping of str to Arrangement
        What lies in them, by name.
    chunks : mapping of str to tuple, optional
        The lengths of the chunks of variables along each axis, as Dask has them: the start of the
        window of each is marked.
    records : Records, optional
        The records that follow each other to the end of each file.
    """
    shown = min(len(files), MOST_BARS)
    placed = place_variables(variables, shown)
    cuts: list[dict[str, Boundaries]] = [{} for _ in range(shown)]
    for name, arrangement in variables.items():
        starts = _chunk_starts(arrangement, (chunks or {}).get(name), shown)
        for number, positions in starts.items():
            cuts[number][name] = Boundaries("chunks", len(positions), positions)
    bars = tuple(
        _bar(files, number, placed[number], cuts[number], records) for number in range(shown)
    )
    more = len(files) - shown
    return Drawing(bars, f"and {more} more files" if more else "")


def _chunk_starts(
    arrangement: Arrangement, chunks: Chunks | None, files: int
) -> dict[int, list[int]]:
    """Return, for the first files, the bytes at which the windows of chunks start."""
    starts: dict[int, list[int]] = {}
    if chunks is None or math.prod(map(len, chunks)) > _MOST_CHUNKS:
        return starts
    bounds = [list(itertools.accumulate(lengths, initial=0)) for lengths in chunks]
    axes = [[slice(*pair) for pair in itertools.pairwise(edges)] for edges in bounds]
    for key in itertools.product(*axes):
        first: dict[int, int] = {}
        for number, layout in iterate_pieces(arrangement[key], files):
            start = round_down(layout.extent[0], GRANULARITY)
            first[number] = min(start, first.get(number, start))
        for number, start in first.items():
            starts.setdefault(number, []).append(start)
    return starts


def _bar(
    files: Files,
    number: int,
    layouts: Mapping[str, list[Layout]],
    cuts: Mapping[str, Boundaries],
    records: Records | None,
) -> Bar:
    url, nbytes = files.urls[number], files[number].identity.size
    path = local_path(url)
    memory = resident_shares(path, make_edges(nbytes).tolist()) if path and nbytes else None
    ranges = {}
    if records is not None:
        count = records.count(nbytes)
        starts = range(records.offset, nbytes, records.nbytes)[:count]
        ranges["records"] = [(records.offset, min(records.offset + count * records.nbytes, nbytes))]
        cuts = {**cuts, "records": Boundaries("records", count, starts)}
    if memory is not None:
        pages = range(0, nbytes, PAGE)
        cuts = {**cuts, "memory": Boundaries("pages", len(pages), pages)}
    name = os.path.basename(url) or url
    return draw_file(name, nbytes, layouts, ranges, memory, cuts)
