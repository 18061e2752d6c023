"""JSON for human readers: short lists and objects stay on one line."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["pretty"]

_WIDTH = 100
_STEP = 1


def pretty(value: Any, depth: int = 0, column: int = 0) -> str:
    """Return `value` as JSON; lists and inner objects that fit on one line stay on it.

    Parameters
    ----------
    value : object
        Anything that `json.dumps` takes, with finite numbers only.
    depth : int
        Nesting depth of the value.
    column : int
        Number of characters before it on its line.
    """
    if not isinstance(value, dict | list) or not value:
        return _plain(value)
    if depth > 2 or isinstance(value, list):
        line = _plain(value)
        if column + len(line) <= _WIDTH:
            return line
    pad = " " * (_STEP * (depth + 1))
    end = "\n" + " " * (_STEP * depth)
    if isinstance(value, dict):
        names = [(_plain(name) + ": ", item) for name, item in value.items()]
        items = [name + pretty(item, depth + 1, len(pad + name)) for name, item in names]
        return "{\n" + pad + f",\n{pad}".join(items) + end + "}"
    return "[\n" + _fill_lines([pretty(v, depth + 1, len(pad)) for v in value], pad) + end + "]"


def _fill_lines(items: list[str], pad: str) -> str:
    """Put as many items on each line as fit."""
    lines = [pad + items[0]]
    for item in items[1:]:
        if "\n" in item or len(lines[-1]) + len(item) + 3 > _WIDTH:
            lines[-1] += ","
            lines.append(pad + item)
        else:
            lines[-1] += ", " + item
    return "\n".join(lines)


def _plain(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
