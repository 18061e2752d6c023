"""The command ``rawmmap``: look at a raw file, describe it, or see a demonstration.

Each command is a module that is imported when the command runs, and imports only what it needs:
``rawmmap --help`` loads neither Dask nor xarray.
"""

from __future__ import annotations

from rawmmap.cli.group import main

__all__ = ["main"]
