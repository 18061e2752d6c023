"""Values of options, from the text of the command line: callbacks of click."""

from __future__ import annotations

import ast
import json
from typing import Any

import click

__all__ = [
    "parse_coords",
    "parse_dims",
    "parse_dtype",
    "parse_json",
    "parse_number",
    "parse_shape",
    "parse_size",
]


def parse_shape(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Parse element counts such as ``-1,256,512``."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.strip("()").split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of counts such as -1,256,512") from None


def parse_dims(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    """Parse names such as ``time,y,x``."""
    if value is None:
        return None
    names = tuple(part.strip() for part in value.split(","))
    if not all(names):
        raise click.BadParameter(f"{value!r} is not a list of names such as time,y,x")
    return names


def parse_dtype(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
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


def parse_number(
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


def parse_json(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
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


def parse_coords(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> dict[str, Any] | None:
    """Parse coordinates: values, or objects of dims, data and attrs, as xarray writes them."""
    coords = parse_json(ctx, param, value)
    return None if coords is None else {name: _as_coord(name, c) for name, c in coords.items()}


def _as_coord(name: str, coord: Any) -> Any:
    if not isinstance(coord, dict):
        return coord
    if "data" not in coord or not coord.keys() <= {"dims", "data", "attrs"}:
        raise click.BadParameter(
            f'{name!r} must be a list of values, or an object such as {{"dims": ["x"], '
            '"data": [1, 2], "attrs": {"units": "m"}}'
        )
    return coord.get("dims", name), coord["data"], coord.get("attrs", {})


def parse_size(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Parse a number of bytes, with or without a unit, such as ``256MiB``."""
    from dask.utils import parse_bytes

    try:
        return int(parse_bytes(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a size such as 256MiB or 1GB") from None
