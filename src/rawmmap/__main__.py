"""``python -m rawmmap`` is the command ``rawmmap``."""

from __future__ import annotations

from rawmmap.libraries import MissingLibraryError, explain_missing

__all__ = ["main"]


def main() -> None:
    """Run the command, or say which package it lacks."""
    try:
        with explain_missing("The command works"):
            from rawmmap.cli import main as command
    except MissingLibraryError as error:
        raise SystemExit(f"rawmmap: {error}") from error
    command(prog_name="rawmmap")


if __name__ == "__main__":
    main()
