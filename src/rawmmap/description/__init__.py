"""What a file is said to hold: pure data, no I/O."""

from __future__ import annotations

from rawmmap.description.keywords import Keywords
from rawmmap.description.model import Description, Records, Variable
from rawmmap.description.template import LayoutTemplate

__all__ = ["Description", "Keywords", "LayoutTemplate", "Records", "Variable"]
