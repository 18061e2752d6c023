"""Fresh interpreters in which packages or functions of the system are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

#: Packages that the library requires besides NumPy, and those that they bring.
REQUIRED = (
    "click",
    "cloudpickle",
    "dask",
    "fsspec",
    "pandas",
    "partd",
    "toolz",
    "xarray",
    "yaml",
)

#: Packages that only some parts of the library want.
OPTIONAL = (
    "aiohttp",
    "astropy",
    "cubed",
    "cubed_xarray",
    "distributed",
    "h5netcdf",
    "h5py",
    "matplotlib",
    "mrcfile",
    "netCDF4",
    "nibabel",
    "rich",
    "s3fs",
    "scipy",
    "tifffile",
    "zarr",
)

_HIDE = """
import sys

class _Hide:
    # Stands in for a finder, and finds nothing that has one of these names.
    names = frozenset({names!r})

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in self.names
        return None if hidden else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [_Hide(finder) for finder in sys.meta_path]
"""


def run_python(
    code: str, *, without: Iterable[str] = (), before: str = "", cwd: Path | None = None
) -> str:
    """Return what `code` prints in an interpreter that lacks some packages.

    Parameters
    ----------
    code : str
        What runs. Its failure fails the test, with what it printed.
    without : iterable of str
        Packages that cannot be imported.
    before : str
        What runs first, such as the deletion of functions that a system lacks.
    cwd : path, optional
        Where it runs.
    """
    whole = "\n".join([_HIDE.format(names=sorted(without)), before, code])
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning:rawmmap", "-c", whole],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
