"""Packages that own a format, which not everybody has installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["load_library"]


def load_library(name: str, purpose: str) -> Any:
    """Return a package that the extra ``formats`` installs.

    Parameters
    ----------
    name : str
        The package, such as ``"h5py"``.
    purpose : str
        What it is needed for, such as ``"HDF5 files are written"``.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.split(".", maxsplit=1)[0]
        raise ImportError(
            f"{purpose} with {package}, which is not installed: pip install 'rawmmap[formats]'"
        ) from error
