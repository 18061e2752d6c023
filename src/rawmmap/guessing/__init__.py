"""Guess what an unknown file holds, from its bytes."""

from __future__ import annotations

from rawmmap.guessing.model import Guess
from rawmmap.guessing.ranking import guess

__all__ = ["Guess", "guess"]
