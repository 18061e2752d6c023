"""Pictures of files as bars: which bytes hold what, as text and as HTML. Pure, from layouts.

::

    u.bin: 3.3 MiB
    header  |█                                               |
    u       | ███████████████                                |
    v       |                ████████████████████████████████|
    memory  |████████                                        |
            0                                           3.3 MiB
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

import numpy as np
import numpy.typing as npt

from rawmmap.layout import Arrangement, Layout
from rawmmap.layout.bits import BitLayout
from rawmmap.layout.density import bytes_between, bytes_of_ranges

__all__ = [
    "COLUMNS",
    "MOST_BARS",
    "Bar",
    "Boundaries",
    "Drawing",
    "Row",
    "draw_file",
    "format_size",
    "make_edges",
]

#: Parts into which a file is cut.
COLUMNS = 96
#: Files that get a bar.
MOST_BARS = 6
_SHADES = " ░▒▓█"
_COLORS = ("#3b82f6", "#10b981", "#f59e0b", "#ef4444", "#8b5cf6", "#06b6d4", "#ec4899", "#84cc16")
_PLAIN = {"header": "#94a3b8", "gaps": "#94a3b8", "memory": "#64748b", "window": "#64748b"}
_WIDTH, _HEIGHT, _MARGIN, _NOTE = 6, 14, 130, 160
# Variables that get a row of their own.
_MOST_ROWS = 16
# Boundaries that are drawn: more would hide what lies between them.
_MOST_MARKS = COLUMNS // 2
# Pieces of a variable that are looked at.
_MOST_PIECES = 5000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a bar.

    Attributes
    ----------
    label : str
        What it shows.
    shares : tuple of float
        How much of each part of the file it fills, from 0 to 1.
    note : str
        What else there is to say.
    marks : tuple of float
        Where boundaries lie, such as those of chunks, from 0 to 1.
    """

    label: str
    shares: tuple[float, ...]
    note: str = ""
    marks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Boundaries:
    """What a row is cut into.

    Attributes
    ----------
    noun : str
        What the parts are, in plural, such as ``"chunks"``.
    count : int
        How many there are.
    starts : sequence of int
        The bytes at which they begin; empty where there are too many to be drawn.
    """

    noun: str
    count: int
    starts: Sequence[int] = ()

    def __str__(self) -> str:
        return f"{self.count:,} {self.noun if self.count != 1 else self.noun.removesuffix('s')}"


@dataclass(frozen=True, slots=True)
class Bar:
    """One file.

    Attributes
    ----------
    title : str
        Its name.
    nbytes : int
        Its size.
    rows : tuple of Row
        What lies in it.
    """

    title: str
    nbytes: int
    rows: tuple[Row, ...]

    @property
    def heading(self) -> str:
        """The name and the size."""
        return f"{self.title}: {format_size(self.nbytes)}"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Files as bars, readable as text and as HTML.

    Attributes
    ----------
    bars : tuple of Bar
        The files.
    note : str
        What is left out.
    """

    bars: tuple[Bar, ...]
    note: str = field(default="")

    def __str__(self) -> str:
        parts = ["\n".join(_text_lines(bar)) for bar in self.bars]
        return "\n\n".join([*parts, self.note] if self.note else parts)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        parts = "".join(_svg(bar) for bar in self.bars)
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return f'<div class="rawmmap-drawing" style="max-width:100%">{parts}{note}</div>'


def make_edges(nbytes: int, columns: int = COLUMNS) -> npt.NDArray[np.float64]:
    """Return the bytes at which the parts of a file begin, and its end."""
    return np.linspace(0.0, float(max(nbytes, 1)), columns + 1)


def place_variables(
    variables: Mapping[str, Arrangement], files: int
) -> list[dict[str, list[Layout]]]:
    """Return, for each of the first `files` files, which layouts each variable has in it."""
    placed: list[dict[str, list[Layout]]] = [{} for _ in range(files)]
    for name, arrangement in variables.items():
        for number, layout in iterate_pieces(arrangement, files):
            placed[number].setdefault(name, []).append(layout)
    return placed


def iterate_pieces(arrangement: Arrangement, files: int) -> Iterator[tuple[int, Layout]]:
    """Yield file number and layout of the first pieces that lie in the first files."""
    for part in itertools.islice(arrangement.parts(), _MOST_PIECES):
        data = part.data.bytes_read if isinstance(part.data, BitLayout) else part.data
        if isinstance(data, Layout) and 0 <= part.file < files:
            yield part.file, data


def draw_file(
    title: str,
    nbytes: int,
    layouts: Mapping[str, Sequence[Layout]],
    ranges: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    memory: Sequence[float] | None = None,
    boundaries: Mapping[str, Boundaries] | None = None,
) -> Bar:
    """Return the bar of one file.

    Parameters
    ----------
    title : str
        The name of the file.
    nbytes : int
        Its size.
    layouts : mapping of str to sequence of Layout
        What lies in it, by name; what comes before the first element is the header, and what lies
        between elements are gaps.
    ranges : mapping of str to sequence of (int, int), optional
        Ranges of bytes that get a row of their own, such as windows.
    memory : sequence of float, optional
        The share of each part that is in memory.
    boundaries : mapping of str to Boundaries, optional
        What the rows of these labels are cut into, such as chunks.
    """
    edges = make_edges(nbytes)
    widths = np.diff(edges)
    counted = {
        name: sum((bytes_between(layout, edges) for layout in pieces), np.zeros(len(widths)))
        for name, pieces in layouts.items()
    }
    used = sum(counted.values(), np.zeros(len(widths)))
    firsts = [x.extent[0] for pieces in layouts.values() for x in pieces if x.size]
    header = bytes_of_ranges([(0, min(firsts, default=0))], edges)
    gaps = np.where(widths - used - header > widths * 1e-6, widths - used - header, 0.0)
    rows = [_row("header", header, widths)] if header.any() else []
    shown = list(counted)[:_MOST_ROWS]
    rows += [_row(name, counted[name], widths) for name in shown]
    if len(counted) > len(shown):
        rest = sum((counted[name] for name in list(counted)[_MOST_ROWS:]), np.zeros(len(widths)))
        rows.append(_row(f"{len(counted) - len(shown)} others", rest, widths))
    if nbytes and gaps.any():
        rows.append(_row("gaps", gaps, widths))
    for name, pairs in (ranges or {}).items():
        rows.append(_row(name, bytes_of_ranges(pairs, edges), widths))
    if memory is not None:
        share = f"{100 * float(np.mean(memory)):.0f} %"
        rows.append(Row("memory", tuple(memory), share))
    if boundaries:
        rows = [
            _mark(row, boundaries[row.label], nbytes) if row.label in boundaries else row
            for row in rows
        ]
    return Bar(title, nbytes, tuple(rows))


def _mark(row: Row, boundaries: Boundaries, nbytes: int) -> Row:
    """Return a row with marks where its parts begin, unless they would hide what it shows."""
    note = f"{row.note}, {boundaries}" if row.note else str(boundaries)
    starts = boundaries.starts if len(boundaries.starts) <= _MOST_MARKS else ()
    marks = sorted({start / nbytes for start in starts if 0 < start < nbytes})
    return replace(row, note=note, marks=tuple(marks))


def _row(label: str, counted: npt.NDArray[np.float64], widths: npt.NDArray[np.float64]) -> Row:
    shares = np.clip(counted / widths, 0.0, 1.0)
    return Row(label, tuple(shares.tolist()), format_size(round(float(counted.sum()))))


def format_size(nbytes: int) -> str:
    """Return a number of bytes as text, such as ``"3.3 MiB"``."""
    size, unit = float(nbytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{nbytes} B" if unit == "B" else f"{size:.3g} {unit}"


def _text_lines(bar: Bar) -> list[str]:
    width = max([len(row.label) for row in bar.rows], default=0)
    lines = [bar.heading]
    for row in bar.rows:
        cells = _cells(row)
        lines.append(f"{row.label:<{width}} |{cells}|{f' {row.note}' if row.note else ''}")
    columns = len(bar.rows[0].shares) if bar.rows else 0
    end = format_size(bar.nbytes)
    lines.append(f"{'':<{width}}  0{end:>{max(columns - 1, len(end) + 1)}}")
    return lines


def _cells(row: Row) -> str:
    """Return a character for each part; a mark takes the place of the one that it lies in."""
    cells = [_shade(share) for share in row.shares]
    for mark in row.marks:
        cells[int(mark * len(cells))] = "│"
    return "".join(cells)


def _shade(share: float) -> str:
    """Return a character; the least share shows, and only a full one is black."""
    if share <= 0:
        return _SHADES[0]
    return _SHADES[-1] if share >= 0.995 else _SHADES[min(1 + int(share * 3), 3)]


def _svg(bar: Bar) -> str:
    columns = len(bar.rows[0].shares) if bar.rows else COLUMNS
    width, height = _MARGIN + columns * _WIDTH, (len(bar.rows) + 2) * (_HEIGHT + 4)
    heading = escape(bar.heading)
    size = f'viewBox="0 0 {width + _NOTE} {height}" style="max-width:{width + _NOTE}px;width:100%"'
    parts = [
        f'<svg {size} role="img" aria-label="{heading}" font-size="11" fill="currentColor">',
        f'<text x="0" y="{_HEIGHT}" font-weight="bold">{heading}</text>',
    ]
    colors = iter(_COLORS * (len(bar.rows) // len(_COLORS) + 1))
    for number, row in enumerate(bar.rows, 1):
        color = _PLAIN[row.label] if row.label in _PLAIN else next(colors)
        parts.append(_svg_row(row, number * (_HEIGHT + 4), columns, color))
    bottom = (len(bar.rows) + 1) * (_HEIGHT + 4) + _HEIGHT - 4
    end = escape(format_size(bar.nbytes))
    parts.append(
        f'<text x="{_MARGIN}" y="{bottom}">0</text>'
        f'<text x="{width}" y="{bottom}" text-anchor="end">{end}</text></svg>'
    )
    return "".join(parts)


def _svg_row(row: Row, top: int, columns: int, color: str) -> str:
    base = top + _HEIGHT - 3
    label = row.label if len(row.label) <= 20 else f"{row.label[:19]}…"
    frame = f'x="{_MARGIN}" y="{top}" width="{columns * _WIDTH}" height="{_HEIGHT}"'
    parts = [
        f'<text x="{_MARGIN - 8}" y="{base}" text-anchor="end">',
        f"{escape(label)}<title>{escape(row.label)}</title></text>",
        f'<rect {frame} fill="none" stroke="currentColor" stroke-opacity="0.25"/>',
    ]
    for start, stop, share in _runs(row.shares):
        parts.append(
            f'<rect x="{_MARGIN + start * _WIDTH}" y="{top}" width="{(stop - start) * _WIDTH}" '
            f'height="{_HEIGHT}" fill="{color}" fill-opacity="{max(share, 0.25):.2f}"/>'
        )
    for mark in row.marks:
        left = _MARGIN + mark * columns * _WIDTH
        parts.append(
            f'<path d="M{left:.1f} {top}v{_HEIGHT}" stroke="currentColor" stroke-opacity="0.8"/>'
        )
    if row.note:
        right = _MARGIN + columns * _WIDTH + 6
        parts.append(f'<text x="{right}" y="{base}">{escape(row.note)}</text>')
    return "".join(parts)


def _runs(shares: Sequence[float]) -> list[tuple[int, int, float]]:
    """Return neighbouring parts of equal shares together, empty ones left out."""
    runs: list[tuple[int, int, float]] = []
    for i, share in enumerate(shares):
        rounded = round(share, 2) if share > 0 else 0.0
        if share <= 0:
            continue
        if runs and runs[-1][1] == i and runs[-1][2] == rounded:
            runs[-1] = (runs[-1][0], i + 1, rounded)
        else:
            runs.append((i, i + 1, rounded))
    return runs
