"""The command ``rawmmap``: look at a raw file, describe it, or see a demonstration.

Each command imports only what it needs: ``rawmmap --help`` loads neither Dask nor xarray.
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

# Largest number of uncovered ranges that are listed.
_MAX_RANGES = 10


def _parse_shape(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Parse element counts such as ``-1,256,512``."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.strip("()").split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of counts such as -1,256,512") from None


def _parse_dims(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    """Parse names such as ``time,y,x``."""
    if value is None:
        return None
    names = tuple(part.strip() for part in value.split(","))
    if not all(names):
        raise click.BadParameter(f"{value!r} is not a list of names such as time,y,x")
    return names


def _parse_dtype(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Parse a dtype: ``>f4``, ``<i3``, ``u1,<f8``, or a list of fields as in Python."""
    if value is None:
        return None
    from rawmmap.layout.samples import NAMES, parse_dtype

    text = value.strip()
    if text[:1] in ("<", ">") and text[1:] in NAMES:
        return text
    try:
        return parse_dtype(ast.literal_eval(text) if text.startswith("[") else text)[0]
    except (SyntaxError, TypeError, ValueError) as error:
        raise click.BadParameter(f"{value!r} is not a NumPy dtype such as >f4: {error}") from None


def _parse_number(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> int | float | complex | None:
    """Parse a number such as ``-999``, ``1e20`` or ``nan``."""
    if value is None:
        return None
    for kind in (int, float, complex):
        try:
            return kind(value)
        except ValueError:
            continue
    raise click.BadParameter(f"{value!r} is not a number such as -999 or nan")


def _parse_json(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Parse a JSON object."""
    if value is None:
        return None
    try:
        result = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not JSON: {error}") from None
    if not isinstance(result, dict):
        raise click.BadParameter(f'{value!r} is not a JSON object such as {{"units": "m"}}')
    return result


def _parse_size(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Parse a number of bytes, with or without a unit, such as ``256MiB``."""
    from dask.utils import parse_bytes

    try:
        return int(parse_bytes(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a size such as 256MiB or 1GB") from None


_DESCRIPTION_OPTIONS = (
    click.option(
        "--dtype",
        callback=_parse_dtype,
        help="Type of one element with its byte order, such as '>f4'.",
    ),
    click.option(
        "--shape",
        callback=_parse_shape,
        metavar="N,N",
        help="Element counts; one may be -1: -1,256,512.",
    ),
    click.option(
        "--dims", callback=_parse_dims, metavar="NAME,NAME", help="Names of the axes: time,y,x."
    ),
    click.option("--offset", type=int, metavar="BYTES", help="Bytes before the data."),
    click.option(
        "--order",
        type=click.Choice(["C", "F"]),
        help="C: the last axis is the fastest; F: the first.",
    ),
    click.option(
        "--strides",
        callback=_parse_shape,
        metavar="BYTES,BYTES",
        help="Bytes from one element to the next, per axis.",
    ),
    click.option("--name", metavar="NAME", help="Name of the variable."),
    click.option(
        "--attrs", callback=_parse_json, metavar="JSON", help="Attributes of the variable."
    ),
    click.option(
        "--variables",
        callback=_parse_json,
        metavar="JSON",
        help='Several variables: \'{"u": {"dtype": ">f4", "shape": [3, 4]}}\'.',
    ),
    click.option("--record-dim", metavar="NAME", help="Dimension that counts records."),
    click.option("--record-nbytes", type=int, metavar="BYTES", help="Bytes of one record."),
    click.option(
        "--fields",
        callback=_parse_json,
        metavar="JSON",
        help="Dims and attrs of fields of the dtype.",
    ),
    click.option("--bits", type=int, metavar="N", help="Bits of one packed sample."),
    click.option(
        "--bit-order", type=click.Choice(["msb", "lsb"]), help="Where in a byte the first one is."
    ),
    click.option(
        "--overlap", is_flag=True, default=None, help="Allow variables to share bytes of the file."
    ),
    click.option("--format", metavar="FORMAT", help="Format of the description: sidecar, npy, ..."),
    click.option("--group", metavar="NAME", help="Group of an HDF5 or netCDF-4 file."),
    click.option(
        "--index",
        is_flag=True,
        default=None,
        help="Keep the index of a Fortran file's records beside it.",
    ),
    click.option(
        "--missing",
        type=click.Choice(["raise", "fill"]),
        help="Of a series: what happens where files are missing.",
    ),
    click.option(
        "--fill-value",
        callback=_parse_number,
        metavar="NUMBER",
        help="Of a series: what stands for the elements of missing files.",
    ),
)


def _add_description_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe a file."""
    for option in reversed(_DESCRIPTION_OPTIONS):
        command = option(command)
    return command


def _name_options(message: str) -> str:
    """Return an error text of the library with options of the command in place of keywords."""
    message = message.replace("rawmmap.describe(path, dtype=..., ...)", "rawmmap describe PATH ...")
    for name in _option_names():
        option = "--" + name.replace("_", "-")
        message = re.sub(rf"(?<![\w(.{{-]){name}=(?=[\s,;:.)]|$)", option, message)
        message = re.sub(rf"(?<![\w(.{{-]){name}=", f"{option} ", message)
    return message


def _option_names() -> list[str]:
    """Return the names of the options that describe a file."""
    command = click.Command("options")
    for option in _DESCRIPTION_OPTIONS:
        option(command)
    return [param.name for param in command.params if param.name]


@contextmanager
def _report_errors() -> Iterator[None]:
    """Report errors of the library as a message of one line, with exit code 1."""
    try:
        yield
    except (RawmmapError, OSError, TypeError, ValueError) as error:
        if os.environ.get("RAWMMAP_TRACEBACK"):
            raise
        message = _name_options(" ".join(str(error).split()))
        raise click.ClickException(message or type(error).__name__) from error


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Set RAWMMAP_TRACEBACK=1 to see where an error comes from.",
)
@click.version_option(rawmmap.__version__, prog_name="rawmmap")
def main() -> None:
    """Flat binary files as labelled, chunked, out-of-core arrays."""


@main.command(short_help="Show the contents of a file.")
@click.argument("path")
@_add_description_options
def info(path: str, **options: Any) -> None:
    """Show which variables the file PATH holds, and how xarray opens it.

    A pattern such as 'run/ux-{step:04d}.bin' stands for a series of files.

    Without options the file is described by its sidecar or header.
    """
    keywords = {name: value for name, value in options.items() if value is not None}
    with _report_errors():
        import xarray as xr

        raw = rawmmap.open(path, **keywords)
        lines = [_format_files(raw)]
        for name, variable in raw.description.variables.items():
            if variable.in_file:
                lines.append(_format_variable(name, variable))
            else:
                lines.append(
                    f"  {name}: {variable.data.dtype} {variable.dims}, values in the description"
                )
        lines += _format_coverage(raw.coverage, int(raw.opened.sizes[0]), len(raw.files))
        with xr.open_dataset(path, engine="rawmmap", **keywords) as ds:
            lines += ["", str(ds), "", "With chunks={}:", *_format_chunks(ds)]
        click.echo("\n".join(lines))


def _format_files(raw: rawmmap.RawDataset) -> str:
    sizes = raw.opened.sizes
    size = f"{sizes.sum()} bytes ({_format_size(sizes.sum())})"
    if len(sizes) == 1:
        return f"{raw.title}: {size}"
    return f"{raw.title}: {size} in {len(sizes)} files of {sizes.min()} to {sizes.max()} bytes"


def _format_coverage(uncovered: list[tuple[int, int]], size: int, count: int) -> Iterator[str]:
    """Yield the share of a file that its variables cover, and the ranges that none covers.

    Of several files it is the first one.
    """
    free = sum(stop - start for start, stop in uncovered)
    share = 100 * (size - free) / size if size else 100
    where = "" if count == 1 else " of the first file"
    yield f"  covered: {size - free} of {size} bytes{where} ({share:.3g} %)"
    for start, stop in uncovered[:_MAX_RANGES]:
        yield f"  not covered: bytes {start} to {stop} ({stop - start} bytes)"
    if len(uncovered) > _MAX_RANGES:
        yield f"  not covered: {len(uncovered) - _MAX_RANGES} more ranges"


def _format_variable(name: str, variable: Any) -> str:
    from rawmmap.layout import Layout

    data = variable.data
    dtype = variable.samples or data.dtype.str
    axes = ", ".join(f"{dim}: {n}" for dim, n in zip(variable.dims, data.shape, strict=True))
    text = f"  {name}: {dtype} ({axes})"
    if isinstance(data, Layout):
        return f"{text}, {_format_place(data)}"
    first = next((part.data for part in data.parts() if part.data is not None), None)
    if not isinstance(first, Layout):
        return text
    shape = " x ".join(map(str, first.shape))
    return f"{text}, in pieces; the first one, {shape} elements: {_format_place(first)}"


def _format_place(layout: Any) -> str:
    start, stop = layout.extent
    return f"offset {layout.offset}, strides {layout.strides}, in bytes {start} to {stop}"


def _format_chunks(ds: xr.Dataset) -> Iterator[str]:
    """Yield a line for every variable that ``chunks={}`` would chunk."""
    for name, variable in ds.variables.items():
        preferred = variable.encoding.get("preferred_chunks")
        if not preferred or name in ds.xindexes:
            continue
        lengths = [int(preferred.get(dim, variable.sizes[dim])) for dim in variable.dims]
        count = math.prod(
            math.ceil(n / c) if c else 1 for n, c in zip(variable.shape, lengths, strict=True)
        )
        axes = ", ".join(f"{d}: {c}" for d, c in zip(variable.dims, lengths, strict=True))
        size = _format_size(math.prod(lengths) * variable.dtype.itemsize)
        yield f"  {name}: {count} {'chunk' if count == 1 else 'chunks'} ({axes}) of {size}"


def _format_size(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if nbytes < 1024:
            return f"{nbytes:.4g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.4g} TiB"


@main.command(short_help="Draw what lies where in a file.")
@click.argument("path")
@_add_description_options
def show(path: str, **options: Any) -> None:
    """Draw the file PATH as a bar: header, variables, gaps, and what of it is in memory.

    Without options the file is described by its sidecar or header.
    """
    keywords = {name: value for name, value in options.items() if value is not None}
    with _report_errors():
        click.echo(str(rawmmap.show(path, **keywords)))


@main.command(short_help="Write a sidecar that describes a file.")
@click.argument("path")
@_add_description_options
def describe(path: str, **options: Any) -> None:
    """Check a description against the file PATH and write it to the file's sidecar.

    A pattern such as 'run/ux-{step:04d}.bin' stands for a series of files, which get one sidecar
    together.

    After that, xarray opens the file without any keywords.
    """
    keywords = {name: value for name, value in options.items() if value is not None}
    with _report_errors():
        click.echo(rawmmap.describe(path, **keywords))


@main.command(short_help="Run a demonstration on a generated file.")
@click.option(
    "--size", callback=_parse_size, default="256MiB", show_default=True, help="Size of the file."
)
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    default="rawmmap-demo.bin",
    show_default=True,
    help="Where to write the file.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="Plot the result to this image file.")
def demo(size: int, file: Path, plot: Path | None) -> None:
    """Write a raw file, average it over time out of core, and compare with plain NumPy."""
    if plot is not None:
        _check_plot(plot)
    with _report_errors():
        from rawmmap.demo import run

        run(file, size, plot, click.echo)


def _check_plot(plot: Path) -> None:
    """Refuse a plot that could not be drawn, before the work starts."""
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
