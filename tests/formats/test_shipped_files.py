"""Files that packages ship for their own tests and examples, as these packages read them.

Each file is opened: either it gives what its package reads, or it is refused for a reason that is
known here. The examples of GrADS, SciPy's files of Fortran programs, and baseband's recordings are
in the tests of their formats.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap

# What a refusal may say: the data do not lie in the file as an array does, or are not there.
_REASONS = {
    ".npy": "holds pointers",
    ".npz": "holds pointers|compressed",
    ".wav": "are not read|no chunk|bytes are needed|do not make frames",
    ".fits": "there are no images|nothing says",
    ".h5": "variable length",
}
_LARGEST = 2**22


def read_npy(path: Path) -> Iterator[tuple[str, Any]]:
    values = np.load(path)
    # Fields are variables.
    names = values.dtype.names
    yield from [("data", values)] if names is None else ((name, values[name]) for name in names)


def read_npz(path: Path) -> Iterator[tuple[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
    with np.load(path) as arrays:
        yield from arrays.items()


def read_wav(path: Path) -> Iterator[tuple[str, Any]]:
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)
        _, values = wavfile.read(path)
    # SciPy widens 24 bits to 32 by zeros below them.
    if rawmmap.open(path).array("data").samples is not None:
        values = values >> 8
    yield "data", values.reshape(len(values), -1)


def read_netcdf(path: Path) -> Iterator[tuple[str, Any]]:
    io = pytest.importorskip("scipy.io")
    with io.netcdf_file(path, mmap=False) as file:
        yield from ((name, variable.data) for name, variable in file.variables.items())


def read_nifti(path: Path) -> Iterator[tuple[str, Any]]:
    nibabel = pytest.importorskip("nibabel")
    yield "data", nibabel.load(path).dataobj.get_unscaled().T


def read_fits(path: Path) -> Iterator[tuple[str, Any]]:
    fits = pytest.importorskip("astropy.io.fits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path, do_not_scale_image_data=True, ignore_missing_end=True) as units:
            images = [unit.data for unit in units if unit.is_image and unit.data is not None]
    yield from zip(rawmmap.open(path).arrays, images, strict=True)


def read_hdf5(path: Path) -> Iterator[tuple[str, Any]]:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        yield from ((name, file[name][()]) for name in file)


def read_tiff(path: Path) -> Iterator[tuple[str, Any]]:
    tifffile = pytest.importorskip("tifffile")
    yield "data", tifffile.imread(path)


READERS: dict[str, Callable[[Path], Iterator[tuple[str, Any]]]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".wav": read_wav,
    ".nc": read_netcdf,
    ".nii": read_nifti,
    ".fits": read_fits,
    ".h5": read_hdf5,
    ".tif": read_tiff,
}
SHIPPED = [
    ("numpy", ".npy"),
    ("numpy", ".npz"),
    ("scipy", ".npy"),
    ("scipy", ".npz"),
    ("scipy", ".wav"),
    ("scipy", ".nc"),
    ("xarray", ".nc"),
    ("matplotlib", ".npy"),
    ("matplotlib", ".npz"),
    ("skimage", ".npy"),
    ("skimage", ".tif"),
    ("nibabel", ".nii"),
    ("nibabel", ".nc"),
    ("astropy", ".fits"),
    ("h5py", ".h5"),
]
# Packages that own a format and come without files of it, as far as their releases are known.
WITHOUT_FILES = {
    "mrcfile": (".mrc", ".map"),
    "nrrd": (".nrrd", ".nhdr"),
    "rasterio": (".tif", ".img", ".bil", ".vrt", ".grd"),
    "safetensors": (".safetensors",),
    "segyio": (".sgy", ".segy"),
    "sigmf": (".sigmf-data",),
    "SimpleITK": (".mha", ".mhd", ".nrrd"),
    "spectral": (".hdr",),
    "tifffile": (".tif",),
    "your": (".fil",),
}


def files_of(package: str, *suffixes: str) -> list[Path]:
    """Return all files of some suffixes that a package brings; skip if it brings none."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    root = Path(spec.submodule_search_locations[0])
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in suffixes)
    if not files:
        pytest.skip(f"this release of {package} ships no files of {', '.join(suffixes)}")
    return files


def is_refused(path: Path, reasons: str | None) -> bool:
    """Return whether a file is refused for one of some reasons; other errors are raised."""
    try:
        rawmmap.open(path)
    except ValueError as error:
        if reasons is None or re.search(reasons, str(error)) is None:
            raise
        return True
    return False


def compare(path: Path, read: Callable[[Path], Iterator[tuple[str, Any]]]) -> None:
    raw = rawmmap.open(path)
    found = set()
    for name, expected in read(path):
        found.add(name)
        if np.size(expected) <= _LARGEST:
            values = np.asarray(raw[name].data).reshape(np.shape(expected))
            np.testing.assert_array_equal(values, expected)
    assert set(raw.arrays) <= found


@pytest.mark.filterwarnings("ignore:Reading .* required additional header parsing")
@pytest.mark.parametrize(("package", "suffix"), SHIPPED)
def test_files_are_read_as_their_package_reads_them(package: str, suffix: str) -> None:
    opened = 0
    for path in files_of(package, suffix):
        if is_refused(path, _REASONS.get(suffix)):
            continue
        compare(path, READERS[suffix])
        opened += 1
    if not opened:
        pytest.skip(f"none of the files of {package} is one that can be read in place")


@pytest.mark.parametrize("package", WITHOUT_FILES)
def test_files_that_a_later_release_ships_open_or_are_refused(package: str) -> None:
    for path in files_of(package, *WITHOUT_FILES[package]):
        try:
            raw = rawmmap.open(path)
        except (ValueError, OSError):
            continue
        for name in raw.arrays:
            if raw[name].data.nbytes <= _LARGEST:
                np.asarray(raw[name].data)
