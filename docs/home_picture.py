"""Draw the picture of the home page, ``home.svg``: a file as a bar, and the dataset made of it.

Colours follow the theme of the page, light or dark: the picture is put into the page, not linked.
"""

from __future__ import annotations

from pathlib import Path

COLORS = {"u": "#3b82f6", "v": "#10b981"}
LEFT, TOP, HEIGHT, HEADER, WIDTH = 10, 30, 34, 90, 74
RECORDS = 4


def text(x: float, y: float, words: str, style: str = "", anchor: str = "middle") -> str:
    """Return one line of text."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" {style}>{words}</text>'


def box(x: float, y: float, width: float, height: float, fill: str) -> str:
    """Return a rectangle."""
    edge = 'stroke="var(--color-background-primary)" stroke-width="1.5"'
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" {edge}/>'


def draw_file() -> list[str]:
    """Draw the header and the records, u and v in turns."""
    parts = [
        text(LEFT, TOP - 10, "run.bin: bytes", 'font-weight="600"', "start"),
        box(LEFT, TOP, HEADER, HEIGHT, "#94a3b8"),
        text(LEFT + HEADER / 2, TOP + 22, "header", 'fill="#0f172a"'),
    ]
    for number in range(2 * RECORDS):
        name = "uv"[number % 2]
        left = LEFT + HEADER + number * WIDTH
        parts.append(box(left, TOP, WIDTH, HEIGHT, COLORS[name]))
        label = f"{name} <tspan font-size='11'>time {number // 2}</tspan>"
        parts.append(text(left + WIDTH / 2, TOP + 22, label, 'fill="#0b1220"'))
    return parts


def draw_arrow(x: float, label: str) -> list[str]:
    """Draw an arrow from the file to the dataset."""
    line = f"M{x:g} {TOP + HEIGHT + 10} v26 m-5 -7 l5 7 l5 -7"
    return [
        f'<path d="{line}" fill="none" stroke="currentColor" stroke-width="1.5"/>',
        text(
            x + 14, TOP + HEIGHT + 29, label, 'font-family="var(--font-stack--monospace)"', "start"
        ),
    ]


def draw_variable(name: str, left: float, top: float) -> list[str]:
    """Draw a variable as a pile of grids, the latest time at the back."""
    parts = []
    for step in reversed(range(RECORDS)):
        x, y = left + 9 * step, top - 7 * step + 21
        cells = [(22 * column, 15 * row) for row in range(3) for column in range(4)]
        parts += [box(x + right, y + down, 22, 15, COLORS[name]) for right, down in cells]
    parts.append(text(left + 136, top + 32, name, 'font-weight="600"', "start"))
    parts.append(text(left + 136, top + 52, "(time, y, x)", 'font-size="12"', "start"))
    return parts


def draw() -> str:
    """Return the whole picture."""
    top = TOP + HEIGHT + 62
    parts = [
        *draw_file(),
        *draw_arrow(LEFT + 250, 'xr.open_dataset("run.bin", engine="rawmmap")'),
        *draw_variable("u", LEFT + 120, top),
        *draw_variable("v", LEFT + 420, top),
    ]
    label = "A file of a header and records becomes a dataset of two variables."
    head = '<svg class="home-picture" viewBox="0 0 702 200" role="img" font-size="14"'
    return f'{head} fill="currentColor" aria-label="{label}">\n' + "\n".join(parts) + "\n</svg>\n"


if __name__ == "__main__":
    (Path(__file__).parent / "home.svg").write_text(draw(), "utf-8")
