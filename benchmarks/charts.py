"""Draw the tables of ``docs/benchmark-tables.md`` as charts: ``python benchmarks/charts.py``.

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
WIDTH, LEFT, RIGHT, ROW, TOP = 620, 262, 555, 22, 34
OURS, OTHERS = "#3b82f6", "#94a3b8"


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
    label = escape(f"{title}: times as multiples of those of {last.reference}")
    view = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}"'
    parts = [f'<svg class="chart" {view} font-size="14" fill="currentColor">']
    for tick in scale.ticks:
        x, strong = scale(tick), tick == 1
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 10}" '
            f'stroke="currentColor" stroke-opacity="{0.7 if strong else 0.15}"/>'
        )
        words = last.reference if strong else f"{tick:,g} times"
        parts.append(write_text(x, TOP - 16, words, extra='font-size="12"'))
    for number, name in enumerate(names):
        y = TOP + ROW * number + ROW // 2
        parts.append(draw_row(name, y, scale, last.ratios[name], earlier.get(name)))
    return "\n".join([*parts, "</svg>\n"])


def draw_all(tables: dict[str, Table]) -> dict[str, str]:
    """Return all charts by the names of their files."""
    return {
        f"{name}.svg": draw(title, tables[title], tables.get(title + FIRST))
        for name, title in CHARTS.items()
    }


def main() -> None:
    """Write the charts beside the page."""
    folder = DOCS / "charts"
    folder.mkdir(exist_ok=True)
    tables = read_tables((DOCS / "benchmark-tables.md").read_text("utf-8"))
    for name, chart in draw_all(tables).items():
        (folder / name).write_text(chart, "utf-8")


if __name__ == "__main__":
    main()
