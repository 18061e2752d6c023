"""One guess: keywords, how sure they are, why, and how the values look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.guessing.thumbnails import draw_blocks, embed_png

__all__ = ["Guess"]


@dataclass(frozen=True, repr=False)
class Guess:
    """What a file may hold, as `guess` returns it.

    ``print(guess)`` shows all of it, with the picture; so does a notebook.

    Attributes
    ----------
    keywords : dict
        Keywords for ``xr.open_dataset(path, engine="rawmmap", ...)`` and `open`. Empty if the file
        does not hold raw numbers.
    score : float
        How probable it is, from 0 to 1. Those of all guesses together are 1 at the most.
    evidence : tuple of str
        Sentences that say what speaks for it, and against it.
    thumbnail : array of uint8, shape (rows, columns), or None
        A picture of the first values in rows, 0 for low and 255 for high ones; None if there are no
        values to show.
    path : str
        The file.
    remote : bool
        Whether `code` needs ``storage_options``, which are not kept.
    """

    keywords: dict[str, Any]
    score: float
    evidence: tuple[str, ...] = ()
    thumbnail: npt.NDArray[np.uint8] | None = field(default=None, compare=False)
    path: str = ""
    remote: bool = False

    @property
    def code(self) -> str:
        """Python code that opens the file so; empty if the file does not hold raw numbers."""
        if not self.keywords:
            return ""
        arguments = [_format_value(self.path), 'engine="rawmmap"']
        arguments += [f"{key}={_format_value(value)}" for key, value in self.keywords.items()]
        arguments += ["storage_options=storage_options"] if self.remote else []
        lines = "".join(f"    {argument},\n" for argument in arguments)
        return f"import xarray as xr\n\nds = xr.open_dataset(\n{lines})\n"

    def __repr__(self) -> str:
        if not self.keywords:
            return f"<Guess: not raw, {'; '.join(self.evidence)}>"
        return f"<Guess {self.score:.3f}: {self.title}>"

    def __str__(self) -> str:
        lines = [f"{self.title}  (score {self.score:.3f})"]
        lines += [f"- {sentence}" for sentence in self.evidence]
        if self.thumbnail is not None:
            lines += ["", draw_blocks(self.thumbnail)]
        if self.code:
            lines += ["", self.code.rstrip()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.evidence)
        image = "" if self.thumbnail is None else embed_png(self.thumbnail)
        code = f"<pre>{escape(self.code)}</pre>" if self.code else ""
        return (
            '<div class="rawmmap-guess" style="overflow-wrap:anywhere">'
            f"<b>{escape(self.title)}</b> (score {self.score:.3f})"
            f"<ul>{items}</ul>{image}{code}</div>"
        )

    @property
    def title(self) -> str:
        """The keywords as Python code, or that the file is not raw."""
        pairs = (f"{key}={_format_value(value)}" for key, value in self.keywords.items())
        return ", ".join(pairs) or "not raw"


def _format_value(value: Any) -> str:
    """Return a value as Python code, strings in double quotes and mappings as calls of `dict`."""
    if isinstance(value, Mapping):
        if all(str(key).isidentifier() for key in value):
            pairs = (f"{key}={_format_value(inner)}" for key, inner in value.items())
            return f"dict({', '.join(pairs)})"
        return repr(dict(value))
    if isinstance(value, tuple):
        inner = ", ".join(_format_value(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, str) and not {'"', "\\"} & set(value) and value.isprintable():
        return f'"{value}"'
    return repr(value)
