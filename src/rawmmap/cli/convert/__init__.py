"""``rawmmap convert``: a file in another form, larger than memory if need be."""

from __future__ import annotations

from rawmmap.cli.convert.entry import command

__all__ = ["command"]
