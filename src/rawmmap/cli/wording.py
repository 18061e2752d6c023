"""Texts of the library in the words of the command line: options in place of keywords."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["name_options"]

# Parts of texts that are Python rather than a keyword with its value.
_PHRASES = (
    ("rawmmap.describe(path, dtype=..., ...)", "rawmmap describe PATH ..."),
    ("variables={name: dict(dtype=..., ...)}", '--variables \'{"NAME": {"dtype": ...}}\''),
    ("dict(dtype=..., ...)", '{"dtype": ...}'),
    ("dict(dims=, attrs=)", '{"dims": ..., "attrs": ...}'),
    ("overlap=True", "--overlap"),
    ("index=True", "--index"),
    ("record=False", '"record": false'),
)
# The word itself, where it is not part of a path.
_KEYWORD = re.compile(r"(?<![\w/.-])(k|K)eyword(s?)(?![\w/-]|\.\w)")
# A keyword that is not an argument within a call, then its value: a tuple, a plain word in
# quotes, or anything else.
_BEFORE = r"(?<![\w(.{-])"
_TUPLE = r"\(([^()]*)\)"
_QUOTED = r"(['\"])([\w.+<>-]+)\2"


def name_options(message: str, names: Iterable[str]) -> str:
    """Return an error text of the library with options of the command in place of keywords.

    Parameters
    ----------
    message : str
        The text, in which keywords look like ``dtype=`` or ``dtype='<f4'``.
    names : iterable of str
        Keywords that are options, such as ``fill_value`` for ``--fill-value``.
    """
    for python, words in _PHRASES:
        message = message.replace(python, words)
    known = "|".join(sorted(names, key=len, reverse=True))
    if known:
        message = re.sub(rf"{_BEFORE}({known})=(?=[\s,;:.?)]|$)", _option, message)
        message = re.sub(rf"{_BEFORE}({known})={_TUPLE}", _option_with_items, message)
        message = re.sub(rf"{_BEFORE}({known})={_QUOTED}", _option_with_word, message)
        message = re.sub(rf"{_BEFORE}({known})=", lambda match: f"{_option(match)} ", message)
    return _KEYWORD.sub(lambda match: f"{'oO'[match[1] == 'K']}ption{match[2]}", message)


def _option(match: re.Match[str]) -> str:
    return "--" + match[1].replace("_", "-")


def _option_with_items(match: re.Match[str]) -> str:
    items = [item.strip().strip("'\"") for item in match[2].split(",")]
    return f"{_option(match)} {','.join(item for item in items if item)}"


def _option_with_word(match: re.Match[str]) -> str:
    return f"{_option(match)} {match[3]}"
