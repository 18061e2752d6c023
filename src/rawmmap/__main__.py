"""``python -m rawmmap`` is the command ``rawmmap``."""

from __future__ import annotations

import sys

from rawmmap.libraries import MissingLibraryError, explain_missing

__all__ = ["main"]

# As in `rawmmap.cli.exit_codes`, which cannot be imported without click.
_REFUSED = 3


def main() -> None:
    """Run the command, or say which package it lacks."""
    try:
        with explain_missing("the command works"):
            from rawmmap.cli import main as command
    except MissingLibraryError as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(_REFUSED) from error
    command(prog_name="rawmmap")


if __name__ == "__main__":
    main()
