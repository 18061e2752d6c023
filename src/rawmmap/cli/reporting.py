"""How a command ends: errors as one line, an interrupt as one word, a closed pipe quietly."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from rawmmap.cli.exit_codes import ExitCode
from rawmmap.cli.options import option_names
from rawmmap.cli.wording import name_options
from rawmmap.errors import RawmmapError

__all__ = ["AnswerIsNoError", "RefusedError", "report_errors"]

# What the library, Dask, xarray and the system raise about files, descriptions and data; anything
# else is a mistake in this program, of which the traceback is wanted.
_REPORTED = (
    RawmmapError,
    BufferError,
    ImportError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)


class AnswerIsNoError(click.ClickException):
    """The command ran, and what it was to confirm is not so."""

    exit_code = int(ExitCode.NO)


class RefusedError(click.ClickException):
    """What was asked for cannot be done."""

    exit_code = int(ExitCode.REFUSED)


@contextmanager
def report_errors() -> Iterator[None]:
    """End the command with a message of one line, and an exit code, where it raises an error.

    With ``RAWMMAP_TRACEBACK`` in the environment errors are raised as they are.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
        sys.stdout.flush()
    except (click.exceptions.Abort, click.exceptions.Exit):
        raise  # these are how click ends a command, though they are RuntimeErrors
    except BrokenPipeError:
        _discard_output()
        raise click.exceptions.Exit(ExitCode.BROKEN_PIPE) from None
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None
    except _REPORTED as error:
        if os.environ.get("RAWMMAP_TRACEBACK"):
            raise
        message = name_options(" ".join(_describe(error).split()), option_names())
        raise RefusedError(message or type(error).__name__) from error


def _describe(error: Exception) -> str:
    """Return the text of an error; those of the system begin with the file, too."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Write a warning as one line, without the line of code that it comes from."""
    click.echo(f"Warning: {' '.join(str(message).split())}", err=True)


def _discard_output() -> None:
    """Send what is still buffered nowhere, so that closing the stream at exit does not fail."""
    with open(os.devnull, "wb") as devnull:
        os.dup2(devnull.fileno(), sys.stdout.fileno())
