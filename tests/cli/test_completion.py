"""What shells complete: commands, options and names of formats."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a search path with the command of this source tree before all others."""
    script = tmp_path / "bin" / "rawmmap"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rawmmap "$@"\n')
    script.chmod(0o755)
    return f"{script.parent}{os.pathsep}{os.environ['PATH']}"


def complete(path: str, shell: str, words: str) -> set[str]:
    """Return what the command tells a shell for the last one of some words."""
    count = len(words.split(" ")) - 1
    position = words.rpartition(" ")[2] if shell == "fish" else str(count)
    shown = subprocess.run(
        ["rawmmap"],
        env=os.environ
        | {
            "PATH": path,
            "_RAWMMAP_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": position,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    if shell == "zsh":
        return set(shown.stdout.splitlines()[1::3])
    if shell == "fish":
        lines = [line.split("\t")[0] for line in shown.stdout.splitlines()]
        return {line.partition(",")[2] for line in lines if "," in line}
    return {line.partition(",")[2] for line in shown.stdout.splitlines()}


CASES: list[tuple[str, set[str], set[str]]] = [
    ("rawmmap ", {"check", "convert", "demo", "describe", "info", "show"}, {"--help"}),
    ("rawmmap de", {"demo", "describe"}, {"info"}),
    ("rawmmap info --d", {"--dtype", "--dims"}, {"--offset"}),
    ("rawmmap convert --to-", {"--to-dtype", "--to-order", "--to-format"}, {"--dims"}),
    ("rawmmap info --format n", {"npy", "npz", "nrrd", "nifti", "netcdf3"}, {"envi"}),
    ("rawmmap convert --to-format z", {"zarr"}, {"raw"}),
]


@pytest.mark.parametrize(
    ("shell", "words", "expected", "absent"),
    [
        (shell, *case)
        for shell in ("bash", "zsh", "fish")
        for case in CASES
        # fish asks for nothing before a word has begun.
        if shell != "fish" or not case[0].endswith(" ")
    ],
)
def test_words_are_completed(
    path: str, shell: str, words: str, expected: set[str], absent: set[str]
) -> None:
    found = complete(path, shell, words)
    assert expected <= found
    assert not absent & found


@pytest.mark.parametrize(
    ("shell", "text"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef rawmmap"), ("fish", "complete --no-files")],
)
def test_the_script_of_each_shell(path: str, shell: str, text: str) -> None:
    shown = subprocess.run(
        ["rawmmap"],
        env=os.environ | {"PATH": path, "_RAWMMAP_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert text in shown.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_in_bash(path: str, tmp_path: Path) -> None:
    (tmp_path / "data.bin").touch()
    script = """
    eval "$(_RAWMMAP_COMPLETE=bash_source rawmmap)"
    reply() {
        COMPREPLY=() COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _rawmmap_completion rawmmap
        echo "${COMPREPLY[@]}"
    }
    reply rawmmap inf
    reply rawmmap info --bit-
    reply rawmmap info data.bin --format sidec
    """
    shown = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines() == ["info", "--bit-order", "sidecar"]


def test_a_misspelt_format_is_a_usage_error(run: Run, raw: Path) -> None:
    result = run("info", raw, "--format", "sidecart")
    assert result.exit_code == 2
    assert "'sidecart' is not a format; did you mean sidecar?" in result.stderr
    result = run("info", raw, "--format", "x")
    assert "there are ehdr, envi, " in result.stderr
