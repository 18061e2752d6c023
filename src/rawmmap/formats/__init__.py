"""Formats: headers into descriptions, one module or package each.

`register` adds a reader of another one.
"""

from __future__ import annotations

from rawmmap.formats.registry import register

__all__ = ["register"]
