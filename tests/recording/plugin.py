"""Records what the tests tried, for the page of the documentation that lists it.

With the path of a file in the variable RAWMMAP_EVIDENCE, a run of the tests writes into it, as
JSON: the formats that were read and the libraries and programs that they were compared with, the
examples of properties, mutated headers, faults that were survived, and versions. Only what passed
counts.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from shutil import which
from typing import Any

import pytest

__all__ = ["Recorder", "count", "start_recording"]

VARIABLE = "RAWMMAP_EVIDENCE"
PROGRAMS = ("cdo", "gcc", "gdalinfo", "gfortran", "grads", "teem-unu", "unu")
#: What is tested with, rather than compared with.
TOOLS = {"aiohttp", "cubed-xarray", "mfusepy", "moto", "rawmmap", "s3fs"}

#: What the present test has used, and how often.
_used: Counter[tuple[str, str]] = Counter()


def count(kind: str, name: str, number: int = 1) -> None:
    """Note that the present test has used something, such as a format, or met a fault."""
    _used[kind, name] += number


def start_recording(config: pytest.Config) -> None:
    """Record if the variable asks for it."""
    if VARIABLE not in os.environ:
        return
    if not hasattr(config, "workerinput"):
        with tempfile.NamedTemporaryFile(prefix="kills-", delete=False) as file:
            os.environ["RAWMMAP_KILLS"] = file.name
        path = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        os.environ["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    _watch_readers()
    _watch_exports()
    _watch_libraries()
    _watch_programs()
    config.pluginmanager.register(Recorder(config), "recorder")


class Recorder:
    """The plugin: workers tell what each test used, the one that started them adds it up."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._outcomes: Counter[str] = Counter()
        self._skips: Counter[str] = Counter()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._pairs: dict[str, Counter[str]] = defaultdict(Counter)
        self._passed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        _used.clear()
        _note_module(item)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Iterator[None]:
        if call.when == "teardown":
            text = getattr(item, "hypothesis_statistics", "")
            examples = sum(int(number) for number in re.findall(r"(\d+) passing", text))
            if examples:
                count("examples", item.nodeid.split("::")[0], examples)
            used = [[kind, name, number] for (kind, name), number in _used.items()]
            item.user_properties.append(("evidence", used))
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            where = report.longrepr
            reason = where[2].removeprefix("Skipped: ") if isinstance(where, tuple) else "expected"
            self._outcomes["skipped"] += 1
            self._skips[reason] += 1
        elif report.failed:
            self._outcomes["failed"] += 1
        elif report.when == "call":
            self._outcomes["passed"] += 1
            self._passed.add(report.nodeid)
        elif report.when == "teardown" and report.nodeid in self._passed:
            used: Any
            for name, used in report.user_properties:
                if name == "evidence":
                    self._add(used)

    def _add(self, used: list[tuple[str, str, int]]) -> None:
        for kind, name, number in used:
            if kind not in ("format", "oracle"):
                self._counts[kind, name] += number
        oracles = {name for kind, name, _ in used if kind == "oracle"}
        for kind, name, _ in used:
            if kind == "format":
                self._pairs[name][""] += 1
                self._pairs[name].update(oracles)

    def pytest_sessionfinish(self) -> None:
        if hasattr(self._config, "workerinput"):
            return
        kills = Path(os.environ["RAWMMAP_KILLS"])
        path = Path(os.environ[VARIABLE])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self._summary(kills.stat().st_size), indent=1), "utf-8")
        kills.unlink()

    def _summary(self, kills: int) -> dict[str, Any]:
        kinds: dict[str, dict[str, int]] = defaultdict(dict)
        for (kind, name), number in sorted(self._counts.items()):
            if number:
                kinds[kind][name] = number
        if kills:
            kinds["fault"]["processes killed"] = kills
        return {
            "system": {
                "Python": platform.python_version(),
                "System": platform.platform(),
                "Processor": platform.machine(),
            },
            "outcomes": dict(self._outcomes),
            "skips": dict(self._skips.most_common()),
            "formats": {name: dict(pairs) for name, pairs in sorted(self._pairs.items())},
            **kinds,
            "versions": _versions(),
        }


def _note_module(item: pytest.Item) -> None:
    """Note libraries that a module of tests has imported at its top."""
    module = getattr(item, "module", None)
    for value in vars(module).values() if module else ():
        if isinstance(value, type(sys)):
            _note_library(value.__name__)


@functools.cache
def _oracles() -> dict[str, str]:
    """Return the libraries that formats are compared with, by the names that are imported."""
    extras = _extras()
    wanted = {*extras["test"], *extras["formats"]} - TOOLS
    found = packages_distributions()
    names = {module: _name(dist) for module, dists in found.items() for dist in dists}
    return {module: name for module, name in names.items() if name in wanted}


def _extras() -> dict[str, list[str]]:
    """Return the names of packages by the extra that installs them."""
    path = Path(__file__).parents[2] / "pyproject.toml"
    extras = tomllib.loads(path.read_text("utf-8"))["project"]["optional-dependencies"]
    return {extra: [_name(item) for item in items] for extra, items in extras.items()}


def _name(requirement: str) -> str:
    """Return the name in a requirement, as package indexes write it."""
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-")


def _note_library(module: str) -> None:
    name = _oracles().get(module.partition(".")[0])
    if name is not None:
        count("oracle", name)


def _watch_readers() -> None:
    """Note each format that is read."""
    from rawmmap.formats import registry

    for name in registry._BUILT_IN:
        kind = type(registry._reader(name))
        for method in ("read", "read_group"):
            original = vars(kind).get(method)
            if original is not None:
                setattr(kind, method, _watched(original))


def _watched(read: Any) -> Any:
    @functools.wraps(read)
    def note_and_read(self: Any, *args: Any, **keywords: Any) -> Any:
        count("format", self.name)
        return read(self, *args, **keywords)

    return note_and_read


def _watch_exports() -> None:
    """Note each header that is written for other programs."""
    from rawmmap import exports

    for name in ("to_envi", "to_hdf5", "to_kerchunk", "to_npy", "to_vrt"):
        setattr(exports, name, _noted(getattr(exports, name)))


def _noted(export: Any) -> Any:
    @functools.wraps(export)
    def note_and_export(*args: Any, **keywords: Any) -> Any:
        count("format", export.__name__)
        return export(*args, **keywords)

    return note_and_export


def _watch_libraries() -> None:
    """Note each library that a test is skipped without."""
    original = pytest.importorskip

    @functools.wraps(original)
    def note_and_import(modname: str, *args: Any, **keywords: Any) -> Any:
        module = original(modname, *args, **keywords)
        _note_library(modname)
        return module

    pytest.importorskip = note_and_import


def _watch_programs() -> None:
    """Note each program that a test runs."""
    original = subprocess.Popen.__init__

    @functools.wraps(original)
    def note_and_start(self: Any, args: Any, *rest: Any, **keywords: Any) -> None:
        first = args if isinstance(args, str | os.PathLike) else args[0]
        name = Path(os.fsdecode(first)).name
        if name in PROGRAMS:
            count("oracle", name)
        original(self, args, *rest, **keywords)

    subprocess.Popen.__init__ = note_and_start  # type: ignore[method-assign]


def _versions() -> dict[str, str]:
    """Return the versions of all that the tests can use."""
    found = {}
    named = {name for names in _extras().values() for name in names}
    for name in sorted({*named, "dask", "fsspec", "numpy", "pandas", "xarray"}):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    for program in PROGRAMS:
        if which(program) is not None:
            found[program] = _version_of(program)
    return found


def _version_of(program: str) -> str:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "installed"
    number = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return number[0] if number else "installed"
