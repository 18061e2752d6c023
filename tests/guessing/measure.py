"""How often guesses are right, on files from seeds; run as a program, it updates the docs.

::

    python -m tests.guessing.measure docs/guess.md
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rawmmap
from tests.guessing.unknown_files import Sample, make_decoys, make_samples

#: Those that the table is made from. None was looked at while the rules were made.
SEEDS = (20261, 20262)
MARK = "<!-- The table is written by `python -m tests.guessing.measure docs/guess.md`. -->\n"


@dataclass(frozen=True)
class Result:
    """What became of one file.

    Attributes
    ----------
    sample : Sample
        The file.
    rank : int or None
        Place of the right guess, counted from 0; None if there is none among the first three.
    shape : bool
        Whether that guess has the right rows and channels too.
    """

    sample: Sample
    rank: int | None
    shape: bool = False


def measure(samples: Iterable[Sample]) -> Iterator[Result]:
    """Yield what becomes of each file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "unknown.bin")
        for sample in samples:
            path.write_bytes(sample.data)
            guesses = rawmmap.guess(path, limit=3)
            ranks = [rank for rank, guess in enumerate(guesses) if is_right(sample, guess)]
            if not ranks:
                yield Result(sample, None)
            else:
                yield Result(sample, ranks[0], has_shape(sample, guesses[ranks[0]]))


def is_right(sample: Sample, guess: rawmmap.Guess) -> bool:
    """Return whether type, byte order and offset are exactly those of a sample."""
    if sample.dtype is None:
        return not guess.keywords and guess.score == 0
    keywords = guess.keywords
    if not keywords or keywords.get("format") != sample.keywords.get("format"):
        return False
    if "dtype" not in keywords or np.dtype(keywords["dtype"]) != sample.dtype:
        return False
    return bool(keywords.get("offset", 0) == sample.offset)


def has_shape(sample: Sample, guess: rawmmap.Guess) -> bool:
    shape = guess.keywords.get("shape", ())
    return bool((shape if sample.keywords else shape[1:]) == sample.shape[1:])


def make_all(seeds: Iterable[int] = SEEDS) -> tuple[list[Result], list[Result]]:
    """Return the results of raw files and of decoys."""
    raw = [result for seed in seeds for result in measure(make_samples(seed))]
    decoys = [result for seed in seeds for result in measure(make_decoys(seed))]
    return raw, decoys


def share(results: Iterable[Result], within: int) -> float:
    """Return the share of files whose right guess is among the first few."""
    right = [result.rank is not None and result.rank < within for result in results]
    return sum(right) / len(right)


def format_table(raw: list[Result], decoys: list[Result]) -> str:
    """Return the tables of the docs."""
    sections = [
        _format_section("values", raw, lambda s: s.kind),
        _format_section("type", raw, _name_type),
    ]
    names = sorted({result.sample.kind for result in decoys}, key=str.lower)
    known = 100 * share(decoys, 1)
    seeds = " and ".join(map(str, SEEDS))
    text = (
        f"{len(raw)} raw files from the seeds {seeds}, in both byte orders, with headers of none "
        "to 4096 bytes (text, padded text, numbers, mixtures). A guess is right if type, sign, "
        "byte order and offset are exactly those that the file was written with; *shape* is the "
        "share of right guesses whose rows and channels are of the right lengths, too.\n"
    )
    last = (
        f"Of {len(decoys)} files that are not raw, {known:.1f} % were recognised: "
        f"{', '.join(names)}.\n"
    )
    return "\n".join([text, *sections, last])


def _name_type(sample: Sample) -> str:
    assert sample.dtype is not None
    return "records" if sample.dtype.names is not None else sample.dtype.str[1:]


def _format_section(title: str, results: list[Result], key: object) -> str:
    assert callable(key)
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(key(result.sample), []).append(result)
    rows = [
        f"| {title} | files | right first | in the first three | shape |",
        "|---|" + "---:|" * 4,
    ]
    rows += [_format_row(name, group) for name, group in groups.items()]
    return "\n".join([*rows, _format_row("**all**", results), ""])


def _format_row(name: str, group: list[Result]) -> str:
    right = [result.shape for result in group if result.rank is not None]
    shape = f"{100 * sum(right) / len(right):.0f} %" if right else ""
    first, three = (100 * share(group, within) for within in (1, 3))
    return f"| {name} | {len(group)} | {first:.1f} % | {three:.1f} % | {shape} |"


def main(page: Path) -> None:
    """Replace what comes after the mark in a page by new tables."""
    head, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    assert mark, f"{page} has no line {MARK!r}"
    page.write_text(f"{head}{mark}\n{format_table(*make_all())}", encoding="utf-8")


def read_totals(page: str) -> list[float]:
    """Return the percentages of the rows for all files, and of the decoys."""
    rows = re.findall(r"^\| \*\*all\*\* .*$", page, re.MULTILINE)
    numbers = [float(n) for n in re.findall(r"([\d.]+) %", rows[0])[:2]]
    return [*numbers, float(re.findall(r"not raw, ([\d.]+) %", page)[0])]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
