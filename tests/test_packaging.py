"""What is installed: versions and requirements agree wherever they are written."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import rawmmap

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RECIPE = ROOT / ".ci" / "conda" / "meta.yaml"

#: What conda calls the packages that pip knows as something else.
CONDA_NAMES = {"dask[array]": "dask-core"}


def bounds(requirements: list[str]) -> dict[str, str]:
    """Return the lower bounds of requirements such as ``"numpy>=2.0"``."""
    return {name: low for name, _, low in (item.partition(">=") for item in requirements) if low}


def release(text: str) -> tuple[int, ...]:
    """Return the numbers of a version, without zeros at its end."""
    numbers = [int(number) for number in text.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def pins() -> dict[str, str]:
    """Return the versions in the file of the oldest releases."""
    lines = (ROOT / ".ci" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    found = [line.partition("==") for line in lines if line and not line.startswith("#")]
    assert all(mark for _, mark, _ in found)
    return {name: pin for name, _, pin in found}


def load_yaml(path: Path) -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_versions_agree() -> None:
    assert rawmmap.__version__ == PROJECT["version"] == version("rawmmap")


def test_nothing_is_required_but_four_packages() -> None:
    names = {re.split(r"[\[>]", item)[0] for item in PROJECT["dependencies"]}
    assert names == {"numpy", "dask", "xarray", "fsspec"}


def test_the_oldest_releases_are_the_lower_bounds() -> None:
    required = PROJECT["dependencies"]
    extras = PROJECT["optional-dependencies"]
    offered = re.search(r"\[(.*)\]", extras["all"][0])
    assert offered is not None
    lowest = bounds([*required, *(item for name in offered[1].split(",") for item in extras[name])])
    oldest = pins()
    for name, low in lowest.items():
        assert release(oldest[name.partition("[")[0]]) == release(low), name


def test_the_recipe_agrees_with_the_project() -> None:
    recipe = load_yaml(RECIPE)
    assert recipe["package"] == {"name": PROJECT["name"], "version": PROJECT["version"]}
    run = dict(item.split(" >=") for item in recipe["requirements"]["run"])
    assert f">={run.pop('python')}" == PROJECT["requires-python"]
    required = bounds(PROJECT["dependencies"])
    assert run == {CONDA_NAMES.get(name, name): low for name, low in required.items()}
    scripts = [f"{name} = {target}" for name, target in PROJECT["scripts"].items()]
    assert recipe["build"]["entry_points"] == scripts
    assert recipe["about"]["summary"] == PROJECT["description"]
    assert recipe["about"]["license"] == PROJECT["license"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_what_is_there(path: Path) -> None:
    workflow = load_yaml(path)
    jobs = workflow["jobs"].values()
    assert jobs
    for job in jobs:
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            for name in re.findall(r"\.ci/[a-z_.]+", step.get("run", "")):
                assert (ROOT / name).is_file()


def test_the_workflow_covers_systems_and_versions() -> None:
    matrix = load_yaml(ROOT / ".github/workflows/tests.yml")["jobs"]["suite"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    prefix = "Programming Language :: Python :: 3."
    minors = [item.removeprefix(prefix) for item in PROJECT["classifiers"] if prefix in item]
    assert matrix["python"] == [f"3.{minor}" for minor in minors]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no bit that says so")
@pytest.mark.parametrize("name", ["run", "suite"])
def test_scripts_can_be_executed_and_parsed(name: str) -> None:
    path = ROOT / ".ci" / name
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_the_marker_for_type_checkers_is_installed() -> None:
    assert (Path(rawmmap.__file__).parent / "py.typed").is_file()
