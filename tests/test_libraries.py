"""What works without the packages that only parts of the library need, and what else says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from rawmmap import libraries
from rawmmap.libraries import MissingLibraryError, explain_missing, load_library
from tests.interpreters import OPTIONAL, REQUIRED, run_python

PROJECT = Path(__file__).parents[1] / "pyproject.toml"

#: Prints the error of an expression, its type first.
MESSAGE = """
def message(what):
    try:
        what()
    except ImportError as error:
        print(error)
    else:
        print("no error")
"""

KEYWORDS = 'dict(dtype=">f4", shape=(-1, 4))'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a file ``a.bin`` of 24 big-endian floats."""
    np.arange(24, dtype=">f4").tofile(tmp_path / "a.bin")
    return tmp_path


def test_numpy_alone_is_enough_for_the_core(folder: Path) -> None:
    shown = run_python(
        f"""
import os, pickle
import numpy as np, rawmmap

kw = {KEYWORDS}
a = rawmmap.mmap("a.bin", ">f4", (-1, 4), mode="r+")
a[0, 0] = 7
rawmmap.flush(a)
rawmmap.advise(a, "willneed")
print(0 <= rawmmap.resident(a) <= 1, rawmmap.mapping_of(a[1:]).mode)
with rawmmap.Mapping("b.bin", "i2", (3,), mode="w+") as b:
    b.array[:] = 1
print(os.path.getsize("b.bin"), rawmmap.anonymous("u1", 5).sum())
raw = rawmmap.open("a.bin", **kw)
print(float(raw["data"].data[:, 0].sum()), raw.coverage)
lazy = pickle.loads(pickle.dumps(rawmmap.RawArray("a.bin", ">f4", (6, 4), mode="r+")))
lazy[1] = 3
print(float(lazy[::-1].sum()), rawmmap.Layout.dense("u1", (2, 3))[1].offset)
print("data" in str(rawmmap.show("a.bin", **kw)))
header = rawmmap.to_envi("a.bin", **kw)
rawmmap.to_vrt("a.bin", **kw)
print("data" in rawmmap.open(header), "data" in rawmmap.open("a.bin"))
np.save("c.npy", np.arange(4))
print(rawmmap.open("c.npy")["data"].data[:])
""",
        without=[*REQUIRED, *OPTIONAL],
        cwd=folder,
    )
    values = np.arange(24, dtype=">f4").reshape(6, 4)
    values[0, 0] = 7
    first = float(values[:, 0].sum())
    values[1] = 3
    assert shown.splitlines() == [
        "True r+",
        "6 0",
        f"{first} []",
        f"{float(values.sum())} 3",
        "True",
        "True True",
        "[0 1 2 3]",
    ]


def test_what_needs_more_than_numpy_says_what(folder: Path) -> None:
    names = ["from_raw", "to_raw", "describe", "map_dataset", "refresh"]
    shown = run_python(
        f"""
import rawmmap
{MESSAGE}
for name in {names}:
    message(lambda: getattr(rawmmap, name))
message(lambda: __import__("rawmmap.dask"))
message(lambda: __import__("rawmmap.xarray"))
message(lambda: rawmmap.open("memory://a.bin", dtype="u1", shape=-1))
message(lambda: rawmmap.open("memory://{{n}}.bin", dtype="u1", shape=-1))
message(lambda: rawmmap.open("simplecache::memory://a.bin", dtype="u1", shape=-1))
""",
        without=[*REQUIRED, *OPTIONAL],
        cwd=folder,
    )
    lines = shown.splitlines()
    assert len(lines) == 10
    dask, xarray, fsspec = "pip install 'dask[array]'", "pip install xarray", "pip install fsspec"
    for line, command in zip(
        lines, [dask, dask, *[xarray] * 3, dask, xarray, *[fsspec] * 3], strict=True
    ):
        assert line.endswith(f"which is not installed: {command}")


def test_the_command_without_click(folder: Path) -> None:
    shown = run_python(
        """
import sys
import rawmmap.__main__
sys.stderr = sys.stdout
try:
    rawmmap.__main__.main()
except SystemExit as error:
    print("exit", error.code)
""",
        without=["click"],
        cwd=folder,
    )
    assert shown == (
        "Error: the command works with click, which is not installed: pip install click\nexit 3\n"
    )


@pytest.mark.parametrize(
    ("arguments", "package", "command"),
    [
        (["info", "a.h5"], "h5py", "'rawmmap[formats]'"),
        (["info", "s3://b/a", "--dtype", "u1"], "s3fs", "s3fs"),
        (["demo", "--plot", "a.png"], "matplotlib", "'rawmmap[plot]'"),
        (["describe", "a.bin", "--dtype", ">f4"], "xarray", "xarray"),
        (["convert", "a.bin", "a.zarr", "--dtype", ">f4"], "zarr", "'rawmmap[convert]'"),
        (["convert", "a.bin", "a.nc", "--dtype", ">f4"], "netCDF4", "'rawmmap[convert]'"),
    ],
)
def test_commands_say_what_they_lack_in_one_line(
    folder: Path, arguments: list[str], package: str, command: str
) -> None:
    (folder / "a.h5").write_bytes(HEADS["a.h5"][0] + bytes(3000))
    shown = run_python(
        f"""
import sys
import rawmmap.__main__
sys.argv[1:] = {arguments}
sys.stderr = sys.stdout
try:
    rawmmap.__main__.main()
except SystemExit as error:
    print("exit", error.code)
""",
        without=[*OPTIONAL, "xarray"] if package == "xarray" else OPTIONAL,
        cwd=folder,
    )
    # Plugins of xarray that are installed here lack their libraries too.
    *others, message, end = shown.splitlines()
    assert all(line.startswith("Warning: ") for line in others)
    assert message.startswith("Error: ")
    assert message.endswith(f"with {package}, which is not installed: pip install {command}")
    assert end == "exit 3"


def test_xarray_without_dask_says_why_the_engine_is_missing(folder: Path) -> None:
    shown = run_python(
        """
import warnings, xarray, rawmmap
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        xarray.open_dataset("a.bin", engine="rawmmap", dtype="u1", shape=-1)
    except ValueError as error:
        print("no engine")
print(*[str(item.message) for item in caught], sep="\\n")
""",
        without=["dask", "distributed"],
        cwd=folder,
    )
    assert shown.startswith("no engine")
    assert "pip install 'dask[array]'" in shown


#: The first bytes of files, and the package that reads them.
HEADS = {
    "a.h5": (b"\x89HDF\r\n\x1a\n", "h5py"),
    "a.fits": (b"SIMPLE  =                    T", "astropy"),
    "a.tif": (b"II*\0", "tifffile"),
    "a.mrc": (bytes(208) + b"MAP " + b"DD\0\0", "mrcfile"),
    "a.nii": (
        (348).to_bytes(4, "little") + bytes(36) + b"\x03\0" + bytes(302) + b"n+1\0",
        "nibabel",
    ),
}


def test_formats_name_the_extra_that_reads_them(folder: Path) -> None:
    for name, (head, _) in HEADS.items():
        (folder / name).write_bytes(head + bytes(3000))
    formats = dict(zip(HEADS, ["hdf5", "fits", "geotiff", "mrc", "nifti"], strict=True))
    shown = run_python(
        f"""
import rawmmap
{MESSAGE}
for name, format in {formats}.items():
    message(lambda: rawmmap.open(name, format=format))
message(lambda: rawmmap.to_hdf5("a.bin", **{KEYWORDS}))
""",
        without=OPTIONAL,
        cwd=folder,
    )
    packages = [package for _, package in HEADS.values()] + ["h5py"]
    for line, package in zip(shown.splitlines(), packages, strict=True):
        assert f"with {package}, which is not installed: pip install 'rawmmap[formats]'" in line


def test_protocols_name_their_package_and_no_password(folder: Path) -> None:
    shown = run_python(
        f"""
import rawmmap
{MESSAGE}
keywords = dict(dtype="u1", shape=-1)
for url in ["http://me:secret@example.org/a", "s3://b/a", "s3://b/{{n}}.bin",
            "simplecache::s3://b/a"]:
    message(lambda: rawmmap.open(url, **keywords))
""",
        without=OPTIONAL,
        cwd=folder,
    )
    assert "secret" not in shown
    http, *s3 = shown.splitlines()
    assert http.startswith("http://")
    assert http.endswith("with aiohttp, which is not installed: pip install aiohttp")
    assert len(s3) == 3
    for line in s3:
        assert "s3://b/" in line
        assert line.endswith("with s3fs, which is not installed: pip install s3fs")


def test_installed_packages_are_returned() -> None:
    assert load_library("os.path", "Paths are joined").join("a", "b")


def test_a_package_that_lacks_another_names_that_one() -> None:
    with pytest.raises(MissingLibraryError, match="with no_such_package, which is not installed"):
        load_library("no_such_package.part", "Nothing is done")


def test_other_failures_of_an_import_stay_as_they_are() -> None:
    with pytest.raises(ImportError, match=r"^libfoo\.so$"), explain_missing("Nothing is done"):
        raise ImportError("libfoo.so")
    with pytest.raises(ModuleNotFoundError, match=r"rawmmap\.nothing"), explain_missing("Nothing"):
        __import__("rawmmap.nothing")


def test_the_extras_are_those_of_the_project() -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for package, extra in libraries._EXTRAS.items():
        assert any(item.startswith(f"{package}>=") for item in extras[extra])
    for name in ("convert", "distributed", "formats", "plot"):
        packages = {item.partition(">=")[0] for item in extras[name]}
        assert packages <= set(libraries._EXTRAS)
