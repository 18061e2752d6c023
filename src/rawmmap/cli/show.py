"""``rawmmap show``: what lies where in a file, as a bar."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import Any

import click
import numpy as np

import rawmmap
from rawmmap.cli.options import add_description_options, take_keywords
from rawmmap.cli.output import add_json_option, write_json
from rawmmap.drawing import Bar, Drawing, Row

__all__ = ["command", "fit_bar"]

# A bar of fewer parts would say too little; its lines are broken by the terminal.
_FEWEST_COLUMNS = 16


@click.command("show")
@click.argument("path", type=click.Path())
@add_description_options
@add_json_option
def command(path: str, as_json: bool, **options: Any) -> None:
    """Draw the file PATH as a bar: header, variables, gaps, and what of it is in memory.

    Without options the file is described by its sidecar or header.
    """
    drawing = rawmmap.show(path, **take_keywords(options))
    if as_json:
        write_json({"files": [_bar_facts(bar) for bar in drawing.bars], "note": drawing.note})
    else:
        click.echo(str(_fit_terminal(drawing)))


def _fit_terminal(drawing: Drawing) -> Drawing:
    """Return a drawing that is not wider than the terminal, if it goes to one."""
    if not sys.stdout.isatty():
        return drawing
    width = shutil.get_terminal_size().columns
    return replace(drawing, bars=tuple(fit_bar(bar, width) for bar in drawing.bars))


def fit_bar(bar: Bar, width: int) -> Bar:
    """Return a bar whose lines have at most `width` characters, if they can.

    Parameters
    ----------
    bar : Bar
        The bar.
    width : int
        Characters of a line, labels and notes included.
    """
    labels = max((len(row.label) for row in bar.rows), default=0)
    notes = max((len(row.note) for row in bar.rows), default=0)
    columns = max(width - labels - notes - len(" || "), _FEWEST_COLUMNS)
    return replace(bar, rows=tuple(_fit_row(row, columns) for row in bar.rows))


def _fit_row(row: Row, columns: int) -> Row:
    """Return a row of fewer parts, each of which has the mean of what it covers."""
    count = len(row.shares)
    if count <= columns:
        return row
    total = np.concatenate([[0.0], np.cumsum(row.shares)])
    sums = np.interp(np.linspace(0, count, columns + 1), np.arange(count + 1), total)
    shares = np.clip(np.diff(sums) * columns / count, 0, 1)
    # Rounding leaves a little where nothing is.
    return replace(row, shares=tuple(np.where(shares < 1e-9, 0.0, shares).tolist()))


def _bar_facts(bar: Bar) -> dict[str, Any]:
    """Return the rows of a bar: how much of each of the equal parts of the file each fills."""
    rows = [
        {
            "label": row.label,
            "note": row.note,
            "shares": [round(share, 4) for share in row.shares],
        }
        for row in bar.rows
    ]
    return {"path": bar.title, "nbytes": bar.nbytes, "rows": rows}
