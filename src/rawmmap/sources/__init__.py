"""Places that bytes come from: one module per kind, behind one small interface."""

from __future__ import annotations

from rawmmap.sources.base import Access, Identity, Source
from rawmmap.sources.opening import local_path, open_source

__all__ = ["Access", "Identity", "Source", "local_path", "open_source"]
