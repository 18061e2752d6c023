"""Packages that only parts of the library need, and that not everybody has installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

__all__ = ["MissingLibraryError", "explain_missing", "load_library"]

# The extra that installs a package, as in pyproject.toml; of the others pip is told the name.
_EXTRAS = {
    "astropy": "formats",
    "distributed": "distributed",
    "h5py": "formats",
    "matplotlib": "plot",
    "mrcfile": "formats",
    "netCDF4": "convert",
    "nibabel": "formats",
    "tifffile": "formats",
    "zarr": "convert",
}
# What pip is told in place of the name of the package.
_NAMES = {"dask": "dask[array]"}


class MissingLibraryError(ModuleNotFoundError):
    """A package is not installed, and the message says how to install it."""


def load_library(name: str, purpose: str) -> Any:
    """Return a package that only a part of the library needs.

    Parameters
    ----------
    name : str
        The package or a module of it, such as ``"h5py"``.
    purpose : str
        What it is needed for, such as ``"HDF5 files are written"``.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to install it.
    """
    with explain_missing(purpose):
        return import_module(name)


@contextmanager
def explain_missing(purpose: str) -> Iterator[None]:
    """Say what to install where an import in this context lacks a package.

    Parameters
    ----------
    purpose : str
        What is imported, such as ``"Remote files are read"``. The error continues it.

    Raises
    ------
    MissingLibraryError
        If a package is not installed. Where a module of an installed package is missing, the
        error stays as it is.
    """
    try:
        yield
    except MissingLibraryError:
        raise
    except ImportError as error:
        missing = _missing_package(error)
        if missing is None:
            raise
        raise MissingLibraryError(
            f"{purpose} with {missing}, which is not installed: {_command(missing)}",
            name=missing,
        ) from error


def _missing_package(error: BaseException | None) -> str | None:
    """Return the package that could not be found, or None if the error has another cause."""
    while error is not None and not isinstance(error, ModuleNotFoundError):
        error = error.__cause__  # a library's own account of what it lacks
    if error is None or not error.name:
        return None
    package = error.name.partition(".")[0]
    return None if package == "rawmmap" else package


def _command(package: str) -> str:
    """Return the command that installs a package."""
    if package in _EXTRAS:
        return f"pip install 'rawmmap[{_EXTRAS[package]}]'"
    name = _NAMES.get(package, package)
    return f"pip install '{name}'" if "[" in name else f"pip install {name}"
