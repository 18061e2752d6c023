"""The page that lists what was tried holds what a run of the tests has recorded."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]

TESTS = """
import os, signal, subprocess, sys
import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.recording.plugin import count
import rawmmap

def test_a_format_and_what_it_is_compared_with(tmp_path):
    pytest.importorskip("h5py")
    np.save(tmp_path / "a.npy", np.arange(3))
    rawmmap.open(tmp_path / "a.npy")
    count("mutated", "npy", 7)

@given(st.integers())
def test_a_property(n):
    pass

def test_a_killed_child():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL

def test_a_failure(tmp_path):
    count("fault", "never survived")
    assert False

def test_a_skip():
    pytest.skip("no reason")
"""


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_proof", ROOT / "docs" / "make_proof.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_run_of_the_tests_the_page_says_so(tmp_path: Path, maker: ModuleType) -> None:
    maker.write_page(tmp_path / "proof.md", tmp_path / "absent.json")
    text = (tmp_path / "proof.md").read_text("utf-8")
    assert text.startswith("# What was tried\n")
    assert "without a run of the tests" in text
    assert "|" not in text


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_passed_is_on_the_page(tmp_path: Path, maker: ModuleType, workers: str) -> None:
    pytest.importorskip("h5py")
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text("utf-8"))
    (tmp_path / "test_some.py").write_text(TESTS)
    evidence = tmp_path / "evidence" / "found.json"
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        env={
            **os.environ,
            "RAWMMAP_EVIDENCE": str(evidence),
            "PYTHONPATH": path.rstrip(os.pathsep),
            "HYPOTHESIS_PROFILE": "quick",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 3 passed, 1 skipped" in done.stdout, done.stdout + done.stderr
    found = json.loads(evidence.read_text("utf-8"))
    assert found["outcomes"] == {"passed": 3, "failed": 1, "skipped": 1}
    assert found["formats"] == {"npy": {"": 1, "h5py": 1}}
    assert found["mutated"] == {"npy": 7}
    assert sum(found["examples"].values()) == 50
    assert found["fault"] == {"processes killed": 1}
    assert {"numpy", "h5py", "hypothesis"} <= set(found["versions"])

    maker.write_page(tmp_path / "proof.md", evidence)
    text = (tmp_path / "proof.md").read_text("utf-8")
    assert "| `npy` | 1 | 7 | h5py 1 |" in text
    assert "| processes killed | 1 |" in text
    assert "| all | 50 |" in text
    assert "| no reason | 1 |" in text
    assert "never survived" not in text
