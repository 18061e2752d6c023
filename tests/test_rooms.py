"""The rooms of the library know only those below them, whichever way an import is written."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import rawmmap

ROOT = Path(rawmmap.__file__).parent

#: From the lowest: a room imports from its own and from earlier lines only.
ROOMS: list[set[str]] = [
    {"errors", "_pages"},
    {"layout", "mosaic", "chunks", "indexing"},
    {"mapping"},
    {"sources"},
    {"array"},
    {"descriptors"},
    {"exports"},
    {"dask"},
    {"xarray"},
    {"cli", "demo", "__main__"},
]

#: Private modules of a room that is not a folder.
ANNEXES: dict[str, str] = {
    "_growing": "mapping",
    "_opening": "mapping",
    "_replacing": "sources",
    "_system": "mapping",
}

#: The top-level package: it holds no code of its own and loads the rooms by name, late.
TOP = "__init__"

LOADERS = {"__import__", "import_module", "importlib.import_module"}

#: Libraries that only some rooms may know.
ONLY: dict[str, set[str]] = {
    "click": {"cli"},
    "ctypes": {"mapping"},
    "dask": {"dask", "xarray", "cli", "demo"},
    "distributed": {"dask", "xarray"},
    "fsspec": {"sources", "descriptors"},
    "matplotlib": {"demo"},
    "mmap": {"mapping"},
    "pandas": {"xarray"},
    "xarray": {"xarray", "cli", "demo"},
}


def room_of(path: Path) -> str:
    """Return the room of a module: its folder, or itself."""
    name = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return ANNEXES.get(name, name)


def imports(source: str, package: tuple[str, ...]) -> Iterator[str]:
    """Yield the full name of whatever a module of `package` imports, anywhere in it.

    What is imported for type checkers alone does not count: it is never loaded.
    """
    for node in loaded(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = [*base, *([node.module] if node.module else [])]
            for alias in node.names:
                yield ".".join([*origin, alias.name])
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in LOADERS
            # A name put together at run time is the top-level package's way of loading late.
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)


def loaded(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below `node` but those that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from loaded(child)


def imports_of(path: Path) -> list[str]:
    parts = path.relative_to(ROOT).parts[:-1]
    return list(imports(path.read_text(encoding="utf-8"), ("rawmmap", *parts)))


def target_of(name: str) -> str | None:
    """Return the room that an import reaches, or None if it is not of this library."""
    first, *rest = name.split(".")
    if first != "rawmmap":
        return None
    if rest and ((ROOT / rest[0]).is_dir() or (ROOT / f"{rest[0]}.py").is_file()):
        return ANNEXES.get(rest[0], rest[0])
    return TOP


def rank(room: str) -> int:
    return next(i for i, rooms in enumerate(ROOMS) if room in rooms)


MODULES = sorted(path for path in ROOT.rglob("*.py") if room_of(path) != TOP)
IDS = [str(path.relative_to(ROOT)) for path in MODULES]


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_rooms_import_from_below(path: Path) -> None:
    room = room_of(path)
    wrong = []
    for name in imports_of(path):
        target = target_of(name)
        # The top-level package stands for all the rooms that it loads.
        height = rank("xarray") if target == TOP else rank(target) if target else 0
        if height > rank(room):
            wrong.append(name)
    assert not wrong, f"{path} imports from rooms that are not below it: {wrong}"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_libraries_are_known_to_their_rooms_only(path: Path) -> None:
    room = room_of(path)
    wrong = [name for name in imports_of(path) if room not in ONLY.get(name.split(".")[0], {room})]
    assert not wrong, f"{path} imports what its room must not know: {wrong}"


def test_the_top_level_package_imports_numpy_at_most() -> None:
    found = {name.split(".")[0] for name in imports_of(ROOT / "__init__.py")}
    assert found <= {"__future__", "importlib", "numpy", "rawmmap", "sys", "typing"}


def test_every_room_and_annex_is_there() -> None:
    found = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in MODULES}
    planned = set(ANNEXES).union(*ROOMS)
    assert found <= planned


def test_no_way_of_importing_is_overlooked() -> None:
    source = """
import os.path as p, rawmmap.cli
from . import dask
from ..xarray.engine import RawStore, open_it
if TYPE_CHECKING:
    import pandas
def late():
    import xarray
    importlib.import_module("fsspec")
    importlib.import_module(f"rawmmap.{home}")
"""
    assert list(imports(source, ("rawmmap", "sources"))) == [
        "os.path",
        "rawmmap.cli",
        "rawmmap.sources.dask",
        "rawmmap.xarray.engine.RawStore",
        "rawmmap.xarray.engine.open_it",
        "xarray",
        "fsspec",
    ]
    assert target_of("rawmmap.sources.dask") == "sources"
    assert target_of("rawmmap.Layout") == target_of("rawmmap") == TOP
    assert target_of("numpy") is None
