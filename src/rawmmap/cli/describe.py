"""``rawmmap describe``: the sidecar of a file."""

from __future__ import annotations

from typing import Any

import click

import rawmmap
from rawmmap.cli.facts import variable_facts
from rawmmap.cli.options import add_description_options, add_drop_option, take_keywords
from rawmmap.cli.output import add_json_option, write_json

__all__ = ["command"]


@click.command("describe")
@click.argument("path", type=click.Path())
@add_description_options
@add_drop_option
@add_json_option
def command(path: str, as_json: bool, **options: Any) -> None:
    """Check a description against the file PATH and write it to the file's sidecar.

    A pattern such as 'run/ux-{step:04d}.bin' stands for a series of files, which get one sidecar
    together.

    After that, xarray opens the file without any keywords.
    """
    sidecar = rawmmap.describe(path, **take_keywords(options))
    if not as_json:
        click.echo(sidecar)
        return
    raw = rawmmap.open(sidecar)
    variables = raw.description.variables.items()
    write_json(
        {
            "path": raw.title,
            "sidecar": str(sidecar),
            "variables": {name: variable_facts(variable) for name, variable in variables},
        }
    )
