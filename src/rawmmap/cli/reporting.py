"""Errors of the library in the words of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from rawmmap.cli.options import name_options
from rawmmap.errors import RawmmapError

__all__ = ["report_errors"]


@contextmanager
def report_errors() -> Iterator[None]:
    """Report errors of the library as a message of one line, with exit code 1."""
    try:
        yield
    except (RawmmapError, OSError, TypeError, ValueError) as error:
        if os.environ.get("RAWMMAP_TRACEBACK"):
            raise
        message = name_options(" ".join(str(error).split()))
        raise click.ClickException(message or type(error).__name__) from error
