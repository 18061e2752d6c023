"""The group of commands, each of which is loaded when it is used."""

from __future__ import annotations

import importlib
from typing import Any

import click

import rawmmap
from rawmmap.cli.reporting import report_errors

__all__ = ["COMMANDS", "LazyGroup", "main"]

#: The commands: a module of this package each, which has the command as `command`, and what the
#: list of commands says of it.
COMMANDS = {
    "check": "Check a file against its sidecar or header.",
    "convert": "Convert a file to Zarr, netCDF or another raw form.",
    "demo": "Run a demonstration on a generated file.",
    "describe": "Write a sidecar that describes a file.",
    "guess": "Rank what an unknown file may hold.",
    "info": "Show the contents of a file.",
    "show": "Draw what lies where in a file.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a name, or None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"rawmmap.cli.{cmd_name}").command
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the options before the command; `--help` writes its text here."""
        with report_errors():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with report_errors():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "Exit codes: 0 success, 1 negative result, 2 wrong usage, 3 failure. "
        "Set RAWMMAP_TRACEBACK=1 to see where an error comes from."
    ),
)
@click.version_option(rawmmap.__version__, prog_name="rawmmap")
def main() -> None:
    """Flat binary files as labelled, chunked, out-of-core arrays."""
