"""``rawmmap demo``: the demonstration."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from rawmmap.cli.parsing import parse_size
from rawmmap.cli.reporting import AnswerIsNoError, RefusedError

__all__ = ["command"]


@click.command("demo")
@click.option(
    "--size", callback=parse_size, default="256MiB", show_default=True, help="Size of the file."
)
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    default="rawmmap-demo.bin",
    show_default=True,
    help="Where to write the file.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="Plot the result to this image file.")
def command(size: int, file: Path, plot: Path | None) -> None:
    """Write a raw file, average it over time out of core, and compare with plain NumPy."""
    if plot is not None:
        _check_plot(plot)
    from rawmmap.demo import WrongResultError, run

    try:
        run(file, size, plot, click.echo)
    except WrongResultError as error:
        raise AnswerIsNoError(str(error)) from error


def _check_plot(plot: Path) -> None:
    """Refuse a plot that could not be drawn, before the work starts."""
    if importlib.util.find_spec("matplotlib") is None:
        raise RefusedError(
            "--plot draws with matplotlib, which is not installed: pip install 'rawmmap[plot]'"
        )
    if not plot.resolve().parent.is_dir():
        raise click.BadParameter(f"there is no folder {plot.parent}", param_hint="--plot")
    if plot.suffix.lower() not in {".pdf", ".png", ".svg"}:
        raise click.BadParameter(
            f"{plot.name!r} does not end in .png, .pdf or .svg", param_hint="--plot"
        )
