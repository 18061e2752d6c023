"""What the README, the docstrings and the notebooks say is true."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rawmmap

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rawmmap.__path__, "rawmmap.")
    if not module.name.endswith("__main__")
)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def blocks(language: str) -> list[str]:
    """Return the code blocks of the README in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.FAIL_FAST)
    assert result.failed == 0


def test_the_readme_starts_with_two_commands_of_one_line() -> None:
    demo, test = blocks("sh")[:2]
    for command in (demo, test):
        assert command.count("\n") == 1
        assert command.startswith("python3 -m venv .venv")
    assert "rawmmap demo" in demo
    assert "-m pytest" in test


@pytest.mark.parametrize(("name", "number"), [("demo", 0), ("test", 1)])
def test_ci_runs_the_commands_of_the_readme(name: str, number: int) -> None:
    script = (ROOT / ".ci" / "run").read_text()
    found = re.search(rf"^{name}_command=\$\((awk .* README\.md)\)$", script, re.MULTILINE)
    assert found is not None
    shown = subprocess.run(
        ["bash", "-c", found[1]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout == blocks("sh")[number]


def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(block, names)
    assert dict(names["ds"].sizes) == {"time": 2, "y": 3, "x": 4}
    assert names["ds"].chunks


def test_the_page_on_formats_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "adding-a-format.md").read_text()
    code = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "test_scope.py").write_text("\n".join(code))
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *options, "test_scope.py"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout
    assert len(code[0].splitlines()) <= 40


def test_the_files_that_the_readme_names_are_there() -> None:
    for name in re.findall(r"`((?:docs|notebooks)/[^`]*|[A-Z]+\.md)`", README.read_text()):
        assert (ROOT / name).exists(), name


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs" / "reference.md").read_text()
    listed = set(re.findall(r"^   (\w+)$", text, re.MULTILINE))
    assert listed == {name for name in rawmmap.__all__ if not name.startswith("__")}


def test_the_docs_have_every_notebook() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    tree = re.search(r"^:glob:\n(?::.*\n)*\n((?:.+\n)+)```", index, re.MULTILINE)
    assert tree is not None
    assert "notebooks/*" in tree[1].split()
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{i + 1:02}" for i in range(len(NOTEBOOKS))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_kept_as_they_were_executed(path: Path) -> None:
    notebook = json.loads(path.read_text())
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for index, cell in enumerate(notebook["cells"]):
        assert cell["id"] == f"cell-{index:02}"
        assert not cell["metadata"]
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {
        "display_data",
        "execute_result",
        "stream",
    }
    assert "stderr" not in {output.get("name") for output in outputs}
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_light_and_name_no_folders(path: Path) -> None:
    assert path.stat().st_size < 300_000
    for cell in json.loads(path.read_text())["cells"]:
        texts = [cell["source"]]
        for output in cell.get("outputs", []):
            kinds = output.get("data", {"text": output.get("text", "")})
            texts += [text for kind, text in kinds.items() if not kind.startswith("image/")]
        for lines in texts:
            text = "".join(lines)
            assert re.search(r"/(?:home|root|tmp|var|Users|work)/|[A-Z]:\\", text) is None


def test_ci_can_be_executed() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
