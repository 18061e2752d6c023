"""``rawmmap describe``: the sidecar of a file."""

from __future__ import annotations

from typing import Any

import click

import rawmmap
from rawmmap.cli.options import add_description_options, take_keywords

__all__ = ["command"]


@click.command("describe")
@click.argument("path")
@add_description_options
def command(path: str, **options: Any) -> None:
    """Check a description against the file PATH and write it to the file's sidecar.

    A pattern such as 'run/ux-{step:04d}.bin' stands for a series of files, which get one sidecar
    together.

    After that, xarray opens the file without any keywords.
    """
    click.echo(rawmmap.describe(path, **take_keywords(options)))
