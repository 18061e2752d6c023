"""What a file is said to hold: pure data, no I/O."""

from __future__ import annotations

from rawmmap.description.model import Description, Placed, Records, Variable

__all__ = ["Description", "Placed", "Records", "Variable"]
