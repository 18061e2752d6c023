"""The layers of the library know only those below them, whichever way an import is written."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import rawmmap

ROOT = Path(rawmmap.__file__).parent

#: From the lowest: a layer imports from its own and from earlier lines only.
LAYERS: list[set[str]] = [
    {"errors", "libraries"},
    {"layout"},
    {"drawing"},
    {"files"},
    {"description"},
    {"mapping"},
    {"sources"},
    {"formats"},
    {"access"},
    {"bars"},
    {"array"},
    {"writing"},
    {"dataset"},
    {"guessing", "testing", "exports"},
    {"dask"},
    {"xarray"},
    {"output", "pictures", "cli", "demo", "__main__"},
]

#: The top-level package: it holds no code of its own and loads the layers by name, late.
TOP = "__init__"

LOADERS = {"__import__", "import_module", "importlib.import_module"}

#: Libraries that only some layers may know.
ONLY: dict[str, set[str]] = {
    "click": {"cli"},
    "ctypes": {"files"},
    "dask": {"dask", "xarray", "cli", "demo"},
    "distributed": {"dask", "xarray"},
    "fsspec": {"sources"},
    "matplotlib": {"demo"},
    "mmap": {"mapping"},
    "pandas": {"xarray"},
    "xarray": {"xarray", "cli", "demo"},
}


def layer_of(path: Path) -> str:
    """Return the layer of a module: its package, or itself."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


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
    """Return the layer that an import reaches, or None if it is not of this library."""
    first, *rest = name.split(".")
    if first != "rawmmap":
        return None
    if rest and ((ROOT / rest[0]).is_dir() or (ROOT / f"{rest[0]}.py").is_file()):
        return rest[0]
    return TOP


def rank(layer: str) -> int:
    return next(i for i, layers in enumerate(LAYERS) if layer in layers)


MODULES = sorted(path for path in ROOT.rglob("*.py") if layer_of(path) != TOP)
IDS = [str(path.relative_to(ROOT)) for path in MODULES]


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_layers_import_from_below(path: Path) -> None:
    layer = layer_of(path)
    wrong = []
    for name in imports_of(path):
        target = target_of(name)
        # The top-level package stands for all the layers that it loads.
        height = rank("xarray") if target == TOP else rank(target) if target else 0
        if height > rank(layer):
            wrong.append(name)
    assert not wrong, f"{path} imports from layers that are not below it: {wrong}"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_libraries_are_known_to_their_layers_only(path: Path) -> None:
    layer = layer_of(path)
    wrong = [
        name for name in imports_of(path) if layer not in ONLY.get(name.split(".")[0], {layer})
    ]
    assert not wrong, f"{path} imports what its layer must not know: {wrong}"


def test_the_top_level_package_imports_numpy_at_most() -> None:
    found = {name.split(".")[0] for name in imports_of(ROOT / "__init__.py")}
    assert found <= {"__future__", "importlib", "numpy", "rawmmap", "sys", "typing"}


def test_every_module_has_a_layer() -> None:
    found = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in MODULES}
    planned = set().union(*LAYERS)
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
