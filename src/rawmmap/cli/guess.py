"""``rawmmap guess``: what an unknown file may hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

import rawmmap
from rawmmap.cli.exit_codes import ExitCode
from rawmmap.cli.output import add_json_option, write_json
from rawmmap.guessing.thumbnails import draw_blocks

__all__ = ["command"]


@click.command("guess")
@click.argument("path", type=click.Path())
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="N",
    help="How many guesses at most.",
)
@add_json_option
def command(path: str, limit: int, as_json: bool) -> None:
    """Rank what the file PATH may hold: type, byte order, header, rows, channels, records.

    The best guess comes with a picture of the values and with code that opens the file.

    Exit code 1 says that the file does not hold raw numbers.
    """
    guesses = rawmmap.guess(path, limit=limit)
    if as_json:
        write_json({"path": path, "guesses": [_list_facts(guess) for guess in guesses]})
    else:
        click.echo("\n".join(_format_guesses(path, guesses)))
    if not guesses[0].keywords:
        raise click.exceptions.Exit(ExitCode.NO)


def _list_facts(guess: rawmmap.Guess) -> dict[str, Any]:
    """Return a guess as JSON has it: tuples as lists, the picture as rows of numbers."""
    return {
        "score": round(guess.score, 6),
        "keywords": json.loads(json.dumps(guess.keywords)),
        "evidence": list(guess.evidence),
        "code": guess.code,
        "thumbnail": None if guess.thumbnail is None else guess.thumbnail.tolist(),
    }


def _format_guesses(path: str, guesses: list[rawmmap.Guess]) -> Iterator[str]:
    best = guesses[0]
    if not best.keywords:
        yield f"{path}: not raw"
        yield from (f"  - {sentence}" for sentence in best.evidence)
        return
    for rank, guess in enumerate(guesses, 1):
        yield f"{rank}. {guess.score:.3f}  {guess.title}"
        yield from (f"   - {sentence}" for sentence in guess.evidence)
    if best.thumbnail is not None:
        yield from ("", "The first values of 1:", draw_blocks(best.thumbnail))
    yield from ("", "To open it as 1:", "", best.code.rstrip())
