"""The command ``rawmmap``: look at a raw file, describe it, or see a demonstration.

What a command does not need is not loaded: ``rawmmap --help`` imports neither Dask nor xarray.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import rawmmap
from rawmmap.errors import RawmmapError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["main"]

# So many ranges that no variable covers are listed.
_SHOWN_RANGES = 10


def _shape(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Return element counts such as ``-1,256,512``."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.strip("()").split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of counts such as -1,256,512") from None


def _dims(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return names such as ``time,y,x``."""
    if value is None:
        return None
    names = tuple(part.strip() for part in value.split(","))
    if not all(names):
        raise click.BadParameter(f"{value!r} is not a list of names such as time,y,x")
    return names


def _dtype(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Return a NumPy dtype: ``>f4``, ``u1,<f8``, or a list of fields as in Python."""
    if value is None:
        return None
    import numpy as np

    text = value.strip()
    try:
        return np.dtype(ast.literal_eval(text) if text.startswith("[") else text)
    except (SyntaxError, TypeError, ValueError) as error:
        raise click.BadParameter(f"{value!r} is not a NumPy dtype such as >f4: {error}") from None


def _json(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Return an object in JSON."""
    if value is None:
        return None
    try:
        found = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.BadParameter(f'{value!r} is not a JSON object such as {{"units": "m"}}')
    return found


def _size(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Return a number of bytes, given with or without a unit, such as ``256MiB``."""
    from dask.utils import parse_bytes

    try:
        return int(parse_bytes(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a size such as 256MiB or 1GB") from None


_DESCRIPTION = (
    click.option(
        "--dtype", callback=_dtype, help="Type of one element with its byte order, such as '>f4'."
    ),
    click.option(
        "--shape", callback=_shape, metavar="N,N", help="Element counts; one may be -1: -1,256,512."
    ),
    click.option(
        "--dims", callback=_dims, metavar="NAME,NAME", help="Names of the axes: time,y,x."
    ),
    click.option("--offset", type=int, metavar="BYTES", help="Bytes before the data."),
    click.option("--order", type=click.Choice(["C", "F"]), help="C: last axis fastest; F: first."),
    click.option(
        "--strides", callback=_shape, metavar="BYTES,BYTES", help="Bytes between elements."
    ),
    click.option("--name", metavar="NAME", help="Name of the variable."),
    click.option("--attrs", callback=_json, metavar="JSON", help="Attributes of the variable."),
    click.option(
        "--variables",
        callback=_json,
        metavar="JSON",
        help='Several variables: \'{"u": {"dtype": ">f4", "shape": [3, 4]}}\'.',
    ),
    click.option("--record-dim", metavar="NAME", help="Dimension of records up to the file's end."),
    click.option("--record-nbytes", type=int, metavar="BYTES", help="Bytes of one record."),
    click.option(
        "--fields", callback=_json, metavar="JSON", help="Dims and attrs of fields of the dtype."
    ),
    click.option(
        "--overlap", is_flag=True, default=None, help="Let variables share bytes of the file."
    ),
    click.option("--format", metavar="FORMAT", help="Reader of the description: sidecar, npy, ..."),
)


def _description(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe a file."""
    for option in reversed(_DESCRIPTION):
        command = option(command)
    return command


def _in_own_words(message: str) -> str:
    """Return an error of the library with the command's options in the place of its keywords."""
    message = message.replace("rawmmap.describe(path, dtype=..., ...)", "rawmmap describe PATH ...")
    for name in _option_names():
        option = "--" + name.replace("_", "-")
        message = re.sub(rf"(?<![\w(.{{-]){name}=(?=[\s,;:.)]|$)", option, message)
        message = re.sub(rf"(?<![\w(.{{-]){name}=", f"{option} ", message)
    return message


def _option_names() -> list[str]:
    """Return the names of the options that describe a file."""
    command = click.Command("options")
    for option in _DESCRIPTION:
        option(command)
    return [param.name for param in command.params if param.name]


@contextmanager
def _errors() -> Iterator[None]:
    """Show what the library refuses as a message of one line and exit code 1, not a traceback."""
    try:
        yield
    except (RawmmapError, OSError, TypeError, ValueError) as error:
        if os.environ.get("RAWMMAP_TRACEBACK"):
            raise
        message = _in_own_words(" ".join(str(error).split()))
        raise click.ClickException(message or type(error).__name__) from error


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Set RAWMMAP_TRACEBACK=1 to see where an error comes from.",
)
@click.version_option(rawmmap.__version__, prog_name="rawmmap")
def main() -> None:
    """Flat binary files as labelled, chunked, out-of-core arrays."""


@main.command(short_help="Show what lies in a file.")
@click.argument("path")
@_description
def info(path: str, **words: Any) -> None:
    """Show what lies in the file PATH, and how xarray opens it.

    Without options the file's sidecar or header says what lies in it.
    """
    given = {word: value for word, value in words.items() if value is not None}
    with _errors():
        import xarray as xr

        from rawmmap.layout import Layout

        raw = rawmmap.open(path, **given)
        size = raw.source.identity.size
        lines = [f"{raw.path}: {size} bytes ({_human(size)})"]
        for name, variable in raw.description.variables.items():
            if isinstance(variable.data, Layout):
                lines.append(_line(name, variable.dims, variable.data))
            else:
                lines.append(f"  {name}: {variable.data.dtype} {variable.dims}, in the description")
        lines += _coverage(raw.coverage, size)
        with xr.open_dataset(path, engine="rawmmap", **given) as ds:
            lines += ["", str(ds), "", "With chunks={}:", *_chunks(ds)]
        click.echo("\n".join(lines))


def _coverage(uncovered: list[tuple[int, int]], size: int) -> Iterator[str]:
    """Yield what share of a file its variables cover, and the ranges that none does."""
    free = sum(stop - start for start, stop in uncovered)
    share = 100 * (size - free) / size if size else 100
    yield f"  covered: {size - free} of {size} bytes ({share:.3g} %)"
    for start, stop in uncovered[:_SHOWN_RANGES]:
        yield f"  not covered: bytes {start} to {stop} ({stop - start} bytes)"
    if len(uncovered) > _SHOWN_RANGES:
        yield f"  not covered: {len(uncovered) - _SHOWN_RANGES} more ranges"


def _line(name: str, dims: tuple[str, ...], layout: Any) -> str:
    axes = ", ".join(f"{dim}: {n}" for dim, n in zip(dims, layout.shape, strict=True))
    start, stop = layout.extent
    return (
        f"  {name}: {layout.dtype.str} ({axes}), offset {layout.offset}, strides {layout.strides}, "
        f"in bytes {start} to {stop}"
    )


def _chunks(ds: xr.Dataset) -> Iterator[str]:
    """Yield a line for every variable that would be chunked."""
    for name, variable in ds.variables.items():
        preferred = variable.encoding.get("preferred_chunks")
        if not preferred or name in ds.xindexes:
            continue
        lengths = [int(preferred.get(dim, variable.sizes[dim])) for dim in variable.dims]
        count = math.prod(
            math.ceil(n / c) if c else 1 for n, c in zip(variable.shape, lengths, strict=True)
        )
        axes = ", ".join(f"{d}: {c}" for d, c in zip(variable.dims, lengths, strict=True))
        size = _human(math.prod(lengths) * variable.dtype.itemsize)
        yield f"  {name}: {count} {'chunk' if count == 1 else 'chunks'} ({axes}) of {size}"


def _human(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if nbytes < 1024:
            return f"{nbytes:.4g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.4g} TiB"


@main.command(short_help="Write a sidecar that describes a file.")
@click.argument("path")
@_description
def describe(path: str, **words: Any) -> None:
    """Check a description against the file PATH and write it into a sidecar.

    From then on xarray opens the file without any keywords.
    """
    given = {word: value for word, value in words.items() if value is not None}
    with _errors():
        click.echo(rawmmap.describe(path, **given))


@main.command(short_help="See the library at work on a file of its own.")
@click.option(
    "--size", callback=_size, default="256MiB", show_default=True, help="Size of the file."
)
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    default="rawmmap-demo.bin",
    show_default=True,
    help="Where to write it.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the result, as an image.")
def demo(size: int, file: Path, plot: Path | None) -> None:
    """Write a raw file, average it over time out of core, and compare with plain NumPy."""
    if plot is not None:
        _check_plot(plot)
    with _errors():
        from rawmmap.demo import run

        run(file, size, plot, click.echo)


def _check_plot(plot: Path) -> None:
    """Refuse a plot that could not be drawn, before any work is done for it."""
    if importlib.util.find_spec("matplotlib") is None:
        raise click.ClickException(
            "--plot draws with matplotlib, which is not installed: pip install 'rawmmap[plot]'"
        )
    if not plot.resolve().parent.is_dir():
        raise click.BadParameter(f"there is no folder {plot.parent}", param_hint="--plot")
    if plot.suffix.lower() not in {".pdf", ".png", ".svg"}:
        raise click.BadParameter(
            f"{plot.name!r} does not end in .png, .pdf or .svg", param_hint="--plot"
        )
