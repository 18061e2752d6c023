"""Where a conversion goes: which format, and whether something is in the way."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, Self

from rawmmap.description.patterns import Pattern
from rawmmap.errors import DescriptionError
from rawmmap.formats.series import names_series
from rawmmap.sources import local_path

__all__ = ["Format", "Target"]

Format = Literal["netcdf", "raw", "zarr"]

_SUFFIXES: dict[str, Format] = {".zarr": "zarr", ".nc": "netcdf", ".nc4": "netcdf"}
# Suffixes of formats that are not written: a raw file of such a name would be taken for one.
_OTHERS = (".npy", ".npz", ".h5", ".hdf5", ".tif", ".tiff", ".nii", ".fits", ".zip", ".parquet")
# Names in a folder by which it is a Zarr store.
_OF_ZARR = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")


@dataclass(frozen=True, slots=True)
class Target:
    """A file, a folder or a series that a conversion makes.

    Attributes
    ----------
    path : str
        Absolute path, or the pattern of a series.
    format : {"netcdf", "raw", "zarr"}
        What is written.
    """

    path: str
    format: Format

    @classmethod
    def choose(cls, path: str, format: Format | None) -> Self:
        """Return the target that a path means; its suffix says which format, unless `format` does.

        Raises
        ------
        ValueError
            If it is not a local path, or has the suffix of a format that is not written.
        """
        local = local_path(path) if "://" in path else path
        if local is None:
            raise ValueError(f"{path}: only local files can be written; copy it there afterwards")
        suffix = os.path.splitext(local.rstrip("/" + os.sep))[1].lower()
        if format is None and suffix in _OTHERS:
            raise ValueError(
                f"{path}: {suffix} files are not written, but Zarr (.zarr), netCDF (.nc) and raw "
                "files are; --to-format raw writes raw data under this name"
            )
        target = cls(os.path.abspath(local), format or _SUFFIXES.get(suffix, "raw"))
        if target.is_series and target.format != "raw":
            raise ValueError(f"{path}: only raw files are written as a series")
        return target

    @property
    def is_series(self) -> bool:
        """Whether it is a pattern for the names of many files."""
        return names_series(self.path)

    @property
    def fields(self) -> tuple[str, ...]:
        """The dimensions that a pattern names; none for one file."""
        return Pattern(self.path).names if self.is_series else ()

    @property
    def folder(self) -> str:
        """The folder that it is in."""
        return os.path.dirname(self.path)

    def check_free(self, names: list[str], overwrite: bool) -> None:
        """Refuse a target that would replace something.

        Parameters
        ----------
        names : list of str
            Paths of all files that are written.
        overwrite : bool
            Whether what exists may be replaced.

        Raises
        ------
        FileExistsError
            If something exists that may not be replaced.
        FileNotFoundError
            If the folder does not exist.
        """
        if not os.path.isdir(self.folder) and not self.is_series:
            raise FileNotFoundError(f"{self.path}: there is no folder {self.folder}; create it")
        existing = [name for name in names if os.path.lexists(name)]
        if existing and not overwrite:
            more = f" and {len(existing) - 1} more files" if len(existing) > 1 else ""
            raise FileExistsError(f"{existing[0]}: exists; --overwrite replaces it{more}")
        if self.format == "zarr":
            self._check_store()
        elif not self.is_series and os.path.isdir(self.path):
            raise IsADirectoryError(
                f"{self.path}: is a folder, which a file does not replace; choose another name"
            )

    def _check_store(self) -> None:
        """Refuse to replace what is not a Zarr store."""
        if not os.path.lexists(self.path) or any(
            os.path.exists(os.path.join(self.path, name)) for name in _OF_ZARR
        ):
            return
        if not os.path.isdir(self.path) or os.listdir(self.path):
            raise DescriptionError(
                f"{self.path}: is not a Zarr store, so it is not replaced by one; remove it first"
            )
