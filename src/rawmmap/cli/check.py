"""``rawmmap check``: whether a file and what describes it belong together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

import rawmmap
from rawmmap.cli.exit_codes import ExitCode
from rawmmap.cli.findings import Finding, compare, examine, explain_failure
from rawmmap.cli.options import add_description_options, option_names, take_keywords
from rawmmap.cli.output import add_json_option, write_json
from rawmmap.cli.wording import name_options
from rawmmap.description import Description, Keywords
from rawmmap.description.patterns import Pattern
from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import find, recognise, recognise_header
from rawmmap.formats.series import has_sidecar, names_series

if TYPE_CHECKING:
    from rawmmap.dataset import RawDataset

__all__ = ["command"]

# What describes a file, and the keywords by which it opens so.
_Way = tuple[str, dict[str, Any]]


@click.command("check")
@click.argument("path", type=click.Path())
@add_description_options
@click.option("--strict", is_flag=True, help="Let notes count as errors.")
@add_json_option
@click.pass_context
def command(ctx: click.Context, /, path: str, strict: bool, as_json: bool, **options: Any) -> None:
    """Check whether the file PATH is what its sidecar, its header or the options say.

    Errors are contradictions: a file that is too short, variables that overlap, a damaged header.
    Notes are what may be intended: bytes that no variable covers, a file that was written to after
    its sidecar. The exit code is 0 where there are no errors, and 1 where there are some.
    """
    keywords = take_keywords(options)
    ways = list(_find_ways(path, keywords))
    findings = _gather(path, ways)
    wrong = [each for each in findings if strict or each.severity == "error"]
    described_by = [name for name, _ in ways]
    if as_json:
        items = [each.to_dict() for each in findings]
        write_json({"path": path, "described_by": described_by, "ok": not wrong, "findings": items})
    else:
        click.echo(f"{path}: described by {' and '.join(described_by)}")
        for each in findings:
            click.echo(f"  {each.severity}: {each.message}")
        click.echo("wrong" if wrong else "ok")
    if wrong:
        ctx.exit(ExitCode.NO)


def _gather(path: str, ways: list[_Way]) -> list[Finding]:
    """Return what was found, each text in the words of the command line, and once."""
    findings: list[Finding] = []
    opened = {}
    for name, keywords in ways:
        raw, found = _check(path, name, keywords)
        findings += found
        if raw is not None:
            opened[name] = raw
    if len(opened) > 1:
        findings += compare(opened)
    names = option_names()
    unique = {(each.kind, each.message): each for each in findings}.values()
    return [replace(each, message=name_options(each.message, names)) for each in unique]


def _find_ways(path: str, keywords: dict[str, Any]) -> Iterator[_Way]:
    """Yield what describes a file.

    That is the options alone, or the sidecar, and then the header if the file has one, too.

    Raises
    ------
    DescriptionError
        If nothing does.
    """
    format = keywords.get("format")
    if format is not None or Keywords.take_from(dict(keywords)).describe(path) is not None:
        yield format or "options", keywords
        return
    if names_series(path):
        yield "series", keywords
        return
    try:
        probe = Probe(path)
    except (FileNotFoundError, IsADirectoryError):
        yield "files", keywords
        return
    reader = recognise(probe)
    if reader is None:
        find(path)
    else:
        yield reader.name, keywords
        yield from _find_header(reader.name, probe, keywords)


def _find_header(known: str, probe: Probe, keywords: dict[str, Any]) -> Iterator[_Way]:
    """Yield the header of a file that has a sidecar, too."""
    header = recognise_header(probe) if known == "sidecar" else None
    # Markers of Fortran are not a header: bytes of any file may look like some.
    if header is not None and header.name != "fortran":
        yield header.name, {**keywords, "format": header.name}


def _check(
    path: str, way: str, keywords: dict[str, Any]
) -> tuple[RawDataset | None, list[Finding]]:
    """Return the open file, if it opens, and what was found.

    Raises
    ------
    FileNotFoundError
        If there is nothing to check.
    """
    try:
        raw = rawmmap.open(path, **keywords)
    except (ValueError, FileNotFoundError) as error:
        if isinstance(error, FileNotFoundError) and not _exists(path):
            raise
        return None, list(explain_failure(_find(path, way, keywords), error))
    return raw, list(examine(raw))


def _exists(path: str) -> bool:
    """Return whether a file, or a sidecar of a series, is there at all."""
    return has_sidecar(Pattern(path)) if names_series(path) else os.path.exists(path)


def _find(path: str, way: str, keywords: dict[str, Any]) -> Description | None:
    """Return what describes one file, or None if that cannot be read."""
    if way in ("series", "files") or names_series(path):
        return None
    try:
        return find(path, keywords.get("format"), Keywords.take_from(dict(keywords)))
    except (DescriptionError, FileNotFoundError):
        return None
