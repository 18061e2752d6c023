"""Types of options that shells complete."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

__all__ = ["FormatName"]

if TYPE_CHECKING:
    _NameType = click.ParamType[str]
else:
    # Older releases of click have no generic one.
    _NameType = click.ParamType


class FormatName(_NameType):
    """The name of a format, ours or one that another package or `register` adds."""

    name = "format"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, if there is such a format."""
        from rawmmap.formats.registry import format_names

        names = format_names()
        if value not in names:
            near = difflib.get_close_matches(value, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(names))}"
            self.fail(f"{value!r} is not a format; {hint}", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin like this."""
        from rawmmap.formats.registry import format_names

        return [CompletionItem(name) for name in format_names() if name.startswith(incomplete)]
