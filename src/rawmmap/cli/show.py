"""``rawmmap show``: what lies where in a file, as a bar."""

from __future__ import annotations

from typing import Any

import click

import rawmmap
from rawmmap.cli.options import add_description_options, take_keywords

__all__ = ["command"]


@click.command("show")
@click.argument("path")
@add_description_options
def command(path: str, **options: Any) -> None:
    """Draw the file PATH as a bar: header, variables, gaps, and what of it is in memory.

    Without options the file is described by its sidecar or header.
    """
    click.echo(str(rawmmap.show(path, **take_keywords(options))))
