"""Write the page that lists what was tried, from what a run of the tests has recorded.

Nothing in it is written by hand: see tests/recording/plugin.py for what is recorded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["write_page"]

_TITLE = "# What was tried\n\n"
_MISSING = """\
This build of the pages was made without a run of the tests, so that there is nothing to show. With
`RAWMMAP_EVIDENCE=docs/_build/evidence.json python -m pytest` before it, the page lists the formats
and what they were compared with, the inputs of properties, mutated headers, faults, and versions.
"""
_INTRODUCTION = """\
The run of the tests that went before this build has recorded what they used. Only tests that passed
count. A format and a library or program are a pair where one test has used both.
"""


def write_page(page: Path, evidence: Path) -> None:
    """Write the page, or that there is nothing to write.

    Parameters
    ----------
    page : Path
        The page, which is replaced.
    evidence : Path
        What the tests have recorded, which need not exist.
    """
    if evidence.is_file():
        text = _TITLE + _INTRODUCTION + _describe(json.loads(evidence.read_text("utf-8")))
    else:
        text = _TITLE + _MISSING
    page.write_text(text, encoding="utf-8")


def _describe(found: dict[str, Any]) -> str:
    outcomes, skips = found["outcomes"], found["skips"]
    sections = {
        "Tests": _table(("outcome", "tests"), outcomes.items()),
        "Formats": _table(
            ("format", "tests", "mutated headers", "compared with, in so many tests"),
            _formats(found["formats"], found.get("mutated", {})),
        ),
        "Properties": _table(
            ("tests in", "random inputs"), _totals(_by_folder(found.get("examples", {})))
        ),
        "Faults": _table(("fault", "times"), found.get("fault", {}).items()),
        "Versions": _table(
            ("name", "version"), [*found["system"].items(), *found["versions"].items()]
        ),
        "Left out": _table(("reason", "tests"), skips.items()),
    }
    return "".join(f"\n## {name}\n\n{text}" for name, text in sections.items() if text)


def _formats(
    formats: dict[str, dict[str, int]], mutated: dict[str, int]
) -> Iterable[tuple[Any, ...]]:
    for name, pairs in formats.items():
        oracles = ", ".join(f"{oracle} {n}" for oracle, n in sorted(pairs.items()) if oracle)
        yield f"`{name}`", pairs[""], mutated.get(name, 0), oracles or "NumPy alone"


def _by_folder(examples: dict[str, int]) -> Counter[str]:
    folders: Counter[str] = Counter()
    for path, number in examples.items():
        parts = path.split("/")
        folders["/".join(parts[:2])] += number
    return folders


def _totals(numbers: Counter[str]) -> list[tuple[str, int]]:
    return [(f"`{name}`", n) for name, n in sorted(numbers.items())] + [("all", numbers.total())]


def _table(heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(map(_cell, row)) + " |\n" for row in rows]
    if not lines:
        return ""
    return f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n{''.join(lines)}"


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
