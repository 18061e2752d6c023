"""The fenced blocks of a Markdown page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r":(\S+?):[ ]?(.*)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, options, text, first line, and what the page says it prints."""

    language: str
    text: str
    line: int
    options: dict[str, str] = field(default_factory=dict)
    printed: str | None = None

    @property
    def runs(self) -> bool:
        """Whether the tests execute this block; what it installs they have already."""
        languages = ("python", "sh", "{code-cell} python", "{code-cell} ipython3")
        return self.language in languages and not self.installs

    @property
    def installs(self) -> bool:
        """Whether this block installs the library."""
        return self.language == "sh" and self.text.startswith("pip install")

    @property
    def raises(self) -> bool:
        """Whether the page shows an error on purpose."""
        return "raises-exception" in self.options.get("tags", "")


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page; one of ``text`` right after another is what that one prints."""
    source = page.read_text("utf-8")
    blocks: list[Block] = []
    end = 0
    for match in FENCE.finditer(source):
        language, text = match[2].strip(), match[3]
        follows = blocks and blocks[-1].runs and not source[end : match.start()].strip()
        end = match.end()
        if language == "text" and follows:
            blocks[-1] = Block(**{**vars(blocks[-1]), "printed": text})
            continue
        options, text = split_options(language, text)
        blocks.append(Block(language, text, source.count("\n", 0, match.start()) + 2, options))
    return blocks


def split_options(language: str, text: str) -> tuple[dict[str, str], str]:
    """Take the options of a directive, such as ``:tags: [remove-cell]``, off its text."""
    options = {}
    while language.startswith("{") and (match := OPTION.match(text)):
        options[match[1]] = match[2]
        text = text[match.end() :].removeprefix("\n")
    return options, text
