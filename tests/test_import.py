"""``import rawmmap`` is light, and its public names are what it says."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import rawmmap

HEAVY = {"click", "dask", "distributed", "fsspec", "h5py", "matplotlib", "pandas", "xarray"}


def loaded(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after `code`."""
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in shown.stdout.split()}


def test_the_import_loads_nothing_heavy() -> None:
    assert not loaded("import rawmmap") & HEAVY


def test_the_mapping_core_needs_numpy_alone() -> None:
    names = loaded("import rawmmap; rawmmap.mmap; rawmmap.Layout; rawmmap.RawArray")
    assert "numpy" in names
    assert not names & HEAVY


def added(before: str, code: str) -> set[str]:
    """Return the modules that `code` loads where `before` has run, Python's own left out."""
    first = f"{before}\nimport sys\nbefore = set(sys.modules)"
    last = "print(*set(sys.modules) - before)"
    shown = subprocess.run(
        [sys.executable, "-c", f"{first}\n{code}\n{last}"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = shown.stdout.split()
    return {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names}


# What takes the time of an import is the modules that it loads; how long that is, depends on the
# machine.
def test_the_import_loads_one_module_beside_numpy() -> None:
    assert added("import numpy", "import rawmmap") == {"rawmmap"}


def test_the_accessor_loads_a_few_modules_beside_xarray() -> None:
    assert added("import xarray", "import rawmmap.xarray") == {
        "rawmmap",
        "rawmmap.libraries",
        "rawmmap.xarray",
        "rawmmap.xarray.accessor",
    }


def test_the_engine_is_not_loaded_before_it_is_used() -> None:
    names = added("import xarray", "import rawmmap")
    assert not {name for name in names if name.startswith(("rawmmap.xarray.engine", "dask"))}


def test_all_is_sorted_and_complete() -> None:
    assert list(rawmmap.__all__) == sorted(rawmmap.__all__)
    assert set(rawmmap.__all__) <= set(dir(rawmmap))
    contract = {
        "Layout",
        "Mapping",
        "RawArray",
        "advise",
        "anonymous",
        "describe",
        "flush",
        "from_raw",
        "map_dataset",
        "mapping_of",
        "mmap",
        "resident",
        "to_raw",
    }
    assert contract <= set(rawmmap.__all__)


@pytest.mark.parametrize("name", [name for name in rawmmap.__all__ if not name.startswith("__")])
def test_every_public_name_is_there_and_documented(name: str) -> None:
    thing = getattr(rawmmap, name)
    text = inspect.getdoc(thing)
    assert text
    assert text.splitlines()[0].endswith((".", ":"))
    assert thing.__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        rawmmap.no_such_name  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert rawmmap.__version__ == version("rawmmap")


def test_a_star_import_brings_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from rawmmap import *", names)
    assert set(rawmmap.__all__) <= set(names)


@pytest.mark.parametrize(
    "name",
    ["formats.register", "testing.ReaderTests", "testing.SourceTests", "errors.RawmmapError"],
)
def test_names_of_public_packages_need_no_import_of_their_own(name: str) -> None:
    """What a package author writes: ``import rawmmap; rawmmap.formats.register(reader)``."""
    shown = subprocess.run(
        [sys.executable, "-c", f"import rawmmap; print(rawmmap.{name}.__name__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == name.partition(".")[2]
