"""Check that the library is imported from an environment, not from the checkout."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import rawmmap

here = Path(rawmmap.__file__).resolve()
if Path(sys.argv[1]).resolve() not in here.parents:
    sys.exit(f"rawmmap comes from {here}, not from {sys.argv[1]}")
packages = ("rawmmap", "numpy", "dask", "xarray", "fsspec")
print(f"Python {sys.version.split()[0]}:", *(f"{name} {version(name)}" for name in packages))
