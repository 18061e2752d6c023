"""Output for programs: one JSON object, in place of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from rawmmap.formats.sidecar.pretty import pretty

__all__ = ["add_json_option", "write_json"]


def add_json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--json``, which the command takes as `as_json`."""
    option = click.option(
        "--json", "as_json", is_flag=True, help="Write one JSON object, with sizes in bytes."
    )
    return option(command)


def write_json(document: dict[str, Any]) -> None:
    """Write an object to the standard output."""
    click.echo(pretty(document))
