"""Draw the tables of benchmarks in ``docs/`` as charts: ``python benchmarks/charts.py``.

Each chart has a row for each contestant, on a logarithmic scale of ratios to the reference: what
is left of the line is faster than it, what is right of it slower. Colours follow the page's theme.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

__all__ = ["CHARTS", "Table", "draw", "main", "read_tables"]

DOCS = Path(__file__).parent.parent / "docs"
FIRST = ", first read"
# Names of files, and the titles of their cases; those of single reads have a second case.
CHARTS = {
    "mean-warm": "Mean of the whole file through Dask, two threads, file in the page cache",
    "mean-cold": "Mean of the whole file through Dask, two threads, nothing in the page cache",
    "series-cold": "Time series of one pixel through Dask, nothing in the page cache",
    "window-cold": "Mean of a window of every frame through Dask, nothing in the page cache",
    "open": "Open without Dask",
    "open-chunked": "Open in Dask chunks",
    "per-chunk": "Cost of a chunk of 64 MiB before its data is touched",
    "many-chunks": "Open a 1 TiB sparse file in 100,000 chunks",
    "workers": "Mean of 4 GiB on two Dask workers of 1 GiB each, file in the page cache",
    "write": "Write the whole array by chunks from memory until it is on disk, two threads",
    "pixel": "One element by isel",
    "series": "Time series of one pixel by isel",
    "points-200": "200 scattered elements by vectorised isel",
    "points-2000": "2,000 scattered elements by vectorised isel",
    "crop": "A window of every frame by isel, loaded and summed",
}
WIDTH, LEFT, RIGHT, ROW, TOP = 670, 292, 590, 22, 34
OURS, OTHERS = "#3b82f6", "#94a3b8"
_RING = 'fill="var(--color-background-primary)" stroke-width="2.5"'
_MARKS = (
    f'fill="{OURS}"',
    f'stroke="{OURS}" {_RING}',
    f'fill="{OTHERS}"',
    f'stroke="{OTHERS}" {_RING}',
)
# How the table of remote files begins, and rows of cases with the ratios of their contestants.
REMOTE = "| | rawmmap engine |"
Rows = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Table:
    """The ratios of one case, and what they are ratios to."""

    reference: str
    ratios: dict[str, float]


def read_tables(page: str) -> dict[str, Table]:
    """Return the tables of the page by their titles."""
    tables = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        head = re.search(r"^\| contestant \| times (.*?) \|", section, re.MULTILINE)
        if head is None or "| held |" in section:
            continue
        rows = re.findall(r"^\| \**([^|*]+?)\** \| \**([\d.]+)\** \|", section, re.MULTILINE)
        ratios = {name: float(ratio) for name, ratio in rows}
        tables[section.splitlines()[0]] = Table(head[1], ratios)
    return tables


class Scale:
    """A logarithmic scale from ratios to positions, whole powers of ten at its ends."""

    def __init__(self, ratios: list[float]) -> None:
        self.low = math.floor(math.log10(min(*ratios, 0.9)) + 1e-9)
        self.high = math.ceil(math.log10(max(*ratios, 1.1)) - 1e-9)

    def __call__(self, ratio: float) -> float:
        share = (math.log10(max(ratio, 1e-9)) - self.low) / (self.high - self.low)
        return LEFT + share * (RIGHT - LEFT)

    @property
    def ticks(self) -> list[float]:
        """The powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def format_ratio(ratio: float) -> str:
    """Return a ratio as text, such as ``0.021``, ``1.1`` or ``1,796``."""
    if ratio >= 100:
        return f"{ratio:,.0f}"
    return f"{ratio:.2g}"


def write_text(x: float, y: float, words: str, anchor: str = "middle", extra: str = "") -> str:
    """Return one line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(words)}</text>'


def open_chart(title: str, reference: str, height: int, left: int = 0) -> str:
    """Return the start of a chart, which reaches as far to the left as its names need."""
    label = escape(f"{title}: times as multiples of those of {reference}")
    view = f'viewBox="{left} 0 {WIDTH - left} {height}" role="img" aria-label="{label}"'
    return f'<svg class="chart" {view} font-size="14" fill="currentColor">'


def draw_axis(scale: Scale, reference: str, top: int, height: int) -> list[str]:
    """Draw a line for each power of ten; that of one bears the name of the reference."""
    parts = []
    for tick in scale.ticks:
        x, strong = scale(tick), tick == 1
        opacity = 0.7 if strong else 0.15
        line = f'x1="{x:.1f}" x2="{x:.1f}" y1="{top - 8}" y2="{height - 10}"'
        parts.append(f'<line {line} stroke="currentColor" stroke-opacity="{opacity}"/>')
        words = reference if strong else f"{tick:,g} times"
        parts.append(write_text(x, top - 16, words, extra='font-size="12"'))
    return parts


def draw_row(name: str, y: float, scale: Scale, last: float | None, first: float | None) -> str:
    """Draw one contestant: a line from the reference to a dot, and a ring for its first read."""
    ours = name.startswith("rawmmap")
    color, weight = (OURS, 'font-weight="700"') if ours else (OTHERS, "")
    parts = [write_text(LEFT - 14, y + 4, name, "end", weight)]
    shown = [ratio for ratio in (last, first) if ratio is not None]
    far = max(shown, key=lambda ratio: abs(math.log(ratio)))
    line = f'x1="{scale(1):.1f}" x2="{scale(far):.1f}" y1="{y}" y2="{y}"'
    parts.append(f'<line {line} stroke="{color}" stroke-width="3"/>')
    if last is not None:
        parts.append(f'<circle cx="{scale(last):.1f}" cy="{y}" r="5.5" fill="{color}"/>')
    if first is not None:
        ring = f'fill="var(--color-background-primary)" stroke="{color}" stroke-width="2.5"'
        parts.append(f'<circle cx="{scale(first):.1f}" cy="{y}" r="4.5" {ring}/>')
    right = max(scale(ratio) for ratio in [*shown, 1.0])
    words = ", ".join(format_ratio(ratio) for ratio in shown)
    parts.append(write_text(right + 11, y + 4, words, "start", weight))
    return "".join(parts)


def draw(title: str, last: Table, first: Table | None = None) -> str:
    """Return the chart of a case, and of its first reads where they were measured apart."""
    names = sorted(last.ratios, key=lambda name: last.ratios[name])
    earlier = {} if first is None else first.ratios
    scale = Scale([*last.ratios.values(), *earlier.values()])
    height = TOP + len(names) * ROW + 14
    parts = [open_chart(title, last.reference, height)]
    parts += draw_axis(scale, last.reference, TOP, height)
    for number, name in enumerate(names):
        y = TOP + ROW * number + ROW // 2
        parts.append(draw_row(name, y, scale, last.ratios[name], earlier.get(name)))
    return "\n".join([*parts, "</svg>\n"])


def read_rows(page: str, start: str) -> Rows:
    """Return the ratios of a table with a row for each case, whose header begins with `start`."""
    table = page[page.index(f"\n{start}") + 1 :].partition("\n\n")[0]
    lines = table.splitlines()
    cells = [[cell.strip("* `") for cell in line.strip("|").split(" | ")] for line in lines]
    names = [name.replace("`", "") for name in cells[0]]
    return {
        row[0].replace("`", ""): {
            name: float(cell)
            for name, cell in zip(names[1:], row[1:], strict=True)
            if re.fullmatch(r"[\d.]+", cell)
        }
        for row in cells[2:]
    }


def draw_rows(title: str, reference: str, rows: Rows) -> str:
    """Return the chart of a table with a row for each case: a dot for each contestant."""
    names = [name for name in next(iter(rows.values())) if name != reference]
    marks = {name: _MARKS[place] for place, name in enumerate(names)}
    scale = Scale([ratio for row in rows.values() for ratio in row.values()])
    top = TOP + ROW
    height = top + len(rows) * ROW + 14
    parts = [open_chart(title, reference, height, -20), *draw_axis(scale, reference, top, height)]
    for place, name in enumerate(names):
        x = 20 + 190 * place
        parts.append(draw_mark(x, 10, marks[name]) + write_text(x + 12, 14, name, "start"))
    for number, (case, ratios) in enumerate(rows.items()):
        y = top + ROW * number + ROW // 2
        parts.append(write_text(LEFT - 14, y + 4, case, "end"))
        parts += [draw_mark(scale(ratios[name]), y, marks[name]) for name in reversed(names)]
    return "\n".join([*parts, "</svg>\n"])


def draw_mark(x: float, y: float, style: str) -> str:
    """Draw the dot or ring of a contestant."""
    return f'<circle cx="{x:.1f}" cy="{y}" r="5.5" {style}/>'


def draw_all(tables: dict[str, Table], remote: Rows) -> dict[str, str]:
    """Return all charts by the names of their files."""
    charts = {
        f"{name}.svg": draw(title, tables[title], tables.get(title + FIRST))
        for name, title in CHARTS.items()
    }
    charts["remote.svg"] = draw_rows("Remote files", "Zarr", remote)
    return charts


def main() -> None:
    """Write the charts beside the page."""
    folder = DOCS / "charts"
    folder.mkdir(exist_ok=True)
    tables = read_tables((DOCS / "benchmark-tables.md").read_text("utf-8"))
    remote = read_rows((DOCS / "remote.md").read_text("utf-8"), REMOTE)
    for name, chart in draw_all(tables, remote).items():
        (folder / name).write_text(chart, "utf-8")


if __name__ == "__main__":
    main()
