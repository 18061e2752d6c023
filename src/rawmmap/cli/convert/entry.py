"""The command ``rawmmap convert``: its options, and the steps of a conversion."""

from __future__ import annotations

from typing import Any, Literal

import click
import numpy as np

from rawmmap.cli.convert.raw import names_of, write_plain, write_raw
from rawmmap.cli.convert.source import Request, decode_labels, open_source
from rawmmap.cli.convert.stores import write_netcdf, write_zarr
from rawmmap.cli.convert.target import Format, Target
from rawmmap.cli.options import add_description_options, take_keywords
from rawmmap.cli.parsing import parse_dtype

__all__ = ["command"]


@click.command("convert")
@click.argument("source", type=click.Path())
@click.argument("target", type=click.Path())
@click.option(
    "--variable",
    "selected",
    multiple=True,
    metavar="NAME",
    help="Variable to convert; may be repeated. By default all of them.",
)
@click.option(
    "--to-format",
    type=click.Choice(["netcdf", "raw", "zarr"]),
    help="What to write; by default what the suffix says: .zarr, .nc, else raw.",
)
@click.option("--to-dtype", callback=parse_dtype, help="Type of the elements, such as '<f4' or u1.")
@click.option(
    "--to-byteorder",
    type=click.Choice(["big", "little", "native"]),
    help="Of raw files: byte order of the elements.",
)
@click.option(
    "--to-order",
    type=click.Choice(["C", "F"]),
    default="C",
    show_default=True,
    help="Of raw files: which axis is the fastest, the last or the first.",
)
@click.option(
    "--plain", is_flag=True, help="Of raw files: the elements of one variable and no sidecar."
)
@click.option("--overwrite", is_flag=True, help="Replace what exists.")
@add_description_options
def command(
    source: str,
    target: str,
    selected: tuple[str, ...],
    to_format: Format | None,
    to_dtype: Any,
    to_byteorder: str | None,
    to_order: Literal["C", "F"],
    plain: bool,
    overwrite: bool,
    **options: Any,
) -> None:
    """Convert the file SOURCE to TARGET: Zarr (.zarr), netCDF (.nc), or raw in another form.

    SOURCE and TARGET may be series, such as 'run/ux-{step:04d}.bin'. Data larger than memory is
    converted chunk by chunk. TARGET appears when it is complete, and not at all after a failure.

    The description options say what is in SOURCE, as for the other commands.
    """
    destination = Target.choose(target, to_format)
    _check_options(destination, to_dtype, to_byteorder, to_order, plain)
    raw = destination.format == "raw"
    request = Request(selected, to_dtype, to_byteorder)
    order = None if destination.format == "zarr" else to_order
    ds = open_source(source, take_keywords(options), request, order)
    ds = decode_labels(ds, destination.fields)
    names = names_of(ds, destination, plain=plain) if raw else [destination.path]
    destination.check_free(names, overwrite)
    if not raw:
        write = write_zarr if destination.format == "zarr" else write_netcdf
        write(ds, destination.path)
    else:
        (write_plain if plain else write_raw)(ds, destination, to_order)


def _check_options(
    target: Target, to_dtype: Any, to_byteorder: str | None, to_order: str, plain: bool
) -> None:
    """Refuse a type that is not of numbers, and options that the target's format does not have."""
    if isinstance(to_dtype, np.dtype) and to_dtype.kind not in "biufc":
        raise click.BadParameter(
            f"{to_dtype.str} is not a type of numbers, and only those are converted",
            param_hint="--to-dtype",
        )
    if target.format == "raw":
        return
    for option, used in (
        ("--to-order F", to_order == "F"),
        ("--plain", plain),
        (f"--to-byteorder {to_byteorder}", to_byteorder is not None),
        (f"--to-dtype {to_dtype}", isinstance(to_dtype, str)),
    ):
        if used:
            raise click.UsageError(f"{option} is for raw files, not for {target.format}")
