"""``rawmmap info``: what a file holds, and how xarray opens it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

import rawmmap
from rawmmap.cli.facts import (
    chunk_facts,
    coverage_facts,
    dataset_facts,
    file_facts,
    resident_share,
    variable_facts,
)
from rawmmap.cli.options import add_description_options, add_drop_option, take_keywords
from rawmmap.cli.output import add_json_option, write_json
from rawmmap.drawing import format_size

__all__ = ["command"]

# Largest number of uncovered ranges that are listed.
_MAX_RANGES = 10


@click.command("info")
@click.argument("path", type=click.Path())
@add_description_options
@add_drop_option
@add_json_option
def command(path: str, as_json: bool, **options: Any) -> None:
    """Show which variables the file PATH holds, and how xarray opens it.

    A pattern such as 'run/ux-{step:04d}.bin' stands for a series of files.

    Without options the file is described by its sidecar or header.
    """
    keywords = take_keywords(options)
    import xarray as xr

    raw = rawmmap.open(path, **keywords)
    with xr.open_dataset(path, engine="rawmmap", **keywords) as ds:
        facts = _gather(raw, ds)
        if as_json:
            write_json(facts)
            return
        click.echo("\n".join([*_format_facts(facts), "", str(ds), "", *_format_chunks(facts)]))


def _gather(raw: rawmmap.RawDataset, ds: Any) -> dict[str, Any]:
    """Return all that there is to say, as ``--json`` writes it."""
    chunks = chunk_facts(ds)
    return {
        "path": raw.title,
        "files": file_facts(raw),
        "variables": {
            name: {
                **variable_facts(v),
                **({"chunks": chunks[name]} if name in chunks else {}),
            }
            for name, v in raw.description.variables.items()
        },
        "coverage": coverage_facts(raw),
        "resident": resident_share(raw),
        "xarray": dataset_facts(ds),
    }


def _format_facts(facts: Mapping[str, Any]) -> Iterator[str]:
    yield _format_files(facts["path"], facts["files"])
    for name, variable in facts["variables"].items():
        axes = _format_axes(variable, variable["shape"])
        yield f"  {name}: {variable['dtype']} ({axes}), {_format_place(variable)}"
        if "alignment" in variable:
            yield f"    {_format_alignment(variable)}"
    yield from _format_coverage(facts["coverage"], facts["files"]["count"])
    if facts["resident"] is not None:
        yield f"  in memory: {100 * facts['resident']:.3g} %"


def _format_files(title: str, files: Mapping[str, Any]) -> str:
    size = f"{files['nbytes']} bytes ({format_size(files['nbytes'])})"
    if files["count"] == 1:
        return f"{title}: {size}"
    least, most = files["smallest"], files["largest"]
    each = f"{most} bytes" if least == most else f"{least} to {most} bytes"
    return f"{title}: {size} in {files['count']} files of {each}"


def _format_axes(variable: Mapping[str, Any], lengths: list[int]) -> str:
    return ", ".join(f"{dim}: {n}" for dim, n in zip(variable["dims"], lengths, strict=True))


def _format_place(variable: Mapping[str, Any]) -> str:
    stored = variable["stored"]
    if stored == "description":
        return "values in the description"
    if stored == "layout":
        return _format_layout(variable)
    if stored == "bits":
        return f"{variable['bits']} bits each, {_format_layout(variable)}"
    text = f"in {'many' if variable['pieces'] is None else variable['pieces']} pieces"
    if variable["missing_pieces"]:
        text += f", {variable['missing_pieces']} of them missing"
    if "first_piece" not in variable:
        return text
    first = variable["first_piece"]
    shape = " x ".join(map(str, first["shape"]))
    return f"{text}; the first one, {shape} elements: {_format_layout(first)}"


def _format_layout(place: Mapping[str, Any]) -> str:
    start, stop = place["extent"]
    strides = tuple(place["strides"])
    return f"offset {place['offset']}, strides {strides}, in bytes {start} to {stop}"


def _format_alignment(variable: Mapping[str, Any]) -> str:
    alignment = variable["alignment"]
    start = "start" if variable["stored"] == "layout" else "starts of pieces"
    elements = "aligned" if alignment["elements"] else "not aligned"
    pages = "on" if alignment["start"] else "not on"
    unit = f"{alignment['element']} {'byte' if alignment['element'] == 1 else 'bytes'}"
    return f"elements {elements} to {unit}, {start} {pages} a page of {alignment['page']} bytes"


def _format_coverage(coverage: Mapping[str, Any], count: int) -> Iterator[str]:
    """Yield the share of a file that its variables cover, and the ranges that none covers.

    Of several files it is the first one.
    """
    covered, size, uncovered = coverage["covered"], coverage["nbytes"], coverage["uncovered"]
    where = "" if count == 1 else " of the first file"
    yield f"  covered: {covered} of {size} bytes{where} ({_format_share(covered, size)})"
    total = coverage.get("uncovered_ranges", len(uncovered))
    for start, stop in uncovered[:_MAX_RANGES]:
        yield f"  not covered: bytes {start} to {stop} ({stop - start} bytes)"
    if total > _MAX_RANGES:
        yield f"  not covered: {total - _MAX_RANGES} more ranges"


def _format_share(covered: int, size: int) -> str:
    """Return a share in percent; only all of it is 100 %."""
    share = f"{100 * covered / size if size else 100:.3g}"
    return "more than 99.9 %" if share == "100" and covered < size else f"{share} %"


def _format_chunks(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every variable that ``chunks={}`` would chunk."""
    yield "With chunks={}:"
    for name, variable in facts["variables"].items():
        if "chunks" in variable:
            chunks = variable["chunks"]
            axes = _format_axes(variable, chunks["shape"])
            count = f"{chunks['count']} {'chunk' if chunks['count'] == 1 else 'chunks'}"
            yield f"  {name}: {count} ({axes}) of {format_size(chunks['nbytes'])}"
