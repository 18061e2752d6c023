"""``rawmmap show``: what lies where in a file, as a bar."""

from __future__ import annotations

from typing import Any

import click

import rawmmap
from rawmmap.cli.options import add_description_options, take_keywords
from rawmmap.cli.output import add_json_option, write_json
from rawmmap.drawing import Bar

__all__ = ["command"]


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
        click.echo(str(drawing))


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
