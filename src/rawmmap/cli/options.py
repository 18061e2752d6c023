"""The options that describe a file, which the commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import click

from rawmmap.cli.parsing import (
    parse_coords,
    parse_dims,
    parse_dtype,
    parse_json,
    parse_number,
    parse_shape,
)
from rawmmap.cli.types import FormatName

__all__ = ["add_description_options", "add_drop_option", "option_names", "take_keywords"]

_DESCRIPTION_OPTIONS = (
    click.option(
        "--dtype",
        callback=parse_dtype,
        help="Type of one element with its byte order, such as '>f4'.",
    ),
    click.option(
        "--shape",
        callback=parse_shape,
        metavar="N,N",
        help="Element counts; one may be -1: -1,256,512.",
    ),
    click.option(
        "--dims", callback=parse_dims, metavar="NAME,NAME", help="Names of the axes: time,y,x."
    ),
    click.option("--offset", type=int, metavar="BYTES", help="Bytes before the data."),
    click.option(
        "--order",
        type=click.Choice(["C", "F"]),
        help="C: the last axis is the fastest; F: the first.",
    ),
    click.option(
        "--strides",
        callback=parse_shape,
        metavar="BYTES,BYTES",
        help="Bytes from one element to the next, per axis.",
    ),
    click.option("--name", metavar="NAME", help="Name of the variable."),
    click.option(
        "--attrs", callback=parse_json, metavar="JSON", help="Attributes of the variable."
    ),
    click.option(
        "--coords",
        callback=parse_coords,
        metavar="JSON",
        help='Coordinates: \'{"x": [1, 2], "lon": {"dims": ["x"], "data": [0.5, 1.5]}}\'.',
    ),
    click.option(
        "--variables",
        callback=parse_json,
        metavar="JSON",
        help='Several variables: \'{"u": {"dtype": ">f4", "shape": [3, 4]}}\'.',
    ),
    click.option("--record-dim", metavar="NAME", help="Dimension that counts records."),
    click.option("--record-nbytes", type=int, metavar="BYTES", help="Bytes of one record."),
    click.option(
        "--fields",
        callback=parse_json,
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
    click.option(
        "--format",
        type=FormatName(),
        metavar="FORMAT",
        help="Format of the description: sidecar, npy, ...",
    ),
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
        callback=parse_number,
        metavar="NUMBER",
        help="Of a series: what stands for the elements of missing files.",
    ),
)


def add_description_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe a file."""
    for option in reversed(_DESCRIPTION_OPTIONS):
        command = option(command)
    return command


def add_drop_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that leaves out variables."""
    option = click.option(
        "--drop-variables", callback=parse_dims, metavar="NAME,NAME", help="Variables to leave out."
    )
    return option(command)


@cache
def option_names() -> tuple[str, ...]:
    """Return the names of the options that describe a file."""
    command = click.Command("options")
    for option in _DESCRIPTION_OPTIONS:
        option(command)
    return tuple(param.name for param in command.params if param.name)


def take_keywords(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of the library for the options that were passed."""
    return {name: value for name, value in options.items() if value is not None}
