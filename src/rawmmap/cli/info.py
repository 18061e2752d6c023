"""``rawmmap info``: what a file holds, and how xarray opens it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

import rawmmap
from rawmmap.cli.options import add_description_options, take_keywords
from rawmmap.drawing import format_size

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["command"]

# Largest number of uncovered ranges that are listed.
_MAX_RANGES = 10


@click.command("info")
@click.argument("path")
@add_description_options
def command(path: str, **options: Any) -> None:
    """Show which variables the file PATH holds, and how xarray opens it.

    A pattern such as 'run/ux-{step:04d}.bin' stands for a series of files.

    Without options the file is described by its sidecar or header.
    """
    keywords = take_keywords(options)
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
    size = f"{sizes.sum()} bytes ({format_size(int(sizes.sum()))})"
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
        size = format_size(math.prod(lengths) * variable.dtype.itemsize)
        yield f"  {name}: {count} {'chunk' if count == 1 else 'chunks'} ({axes}) of {size}"
