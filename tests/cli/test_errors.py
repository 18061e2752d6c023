"""How the command ends: its errors, its exit codes, interrupts and closed pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import rawmmap
from rawmmap.cli import main
from rawmmap.cli.exit_codes import ExitCode
from rawmmap.cli.options import option_names
from rawmmap.cli.wording import name_options
from tests.cli.conftest import Run

COMMAND = f"{sys.executable} -m rawmmap"


def shell(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("give dtype=, shape= and dims=", "give --dtype, --shape and --dims"),
        ("dtype='<f33': unknown", "--dtype <f33: unknown"),
        ("shape=(3, 4) needs dims=('y', 'x')", "--shape 3,4 needs --dims y,x"),
        ("dims=('x',) is one name", "--dims x is one name"),
        ("record_nbytes=12, but", "--record-nbytes 12, but"),
        ("pass overlap=True if that is intended", "pass --overlap if that is intended"),
        (
            'pass missing="fill" to have fill_value= in',
            "pass --missing fill to have --fill-value in",
        ),
        ("variables={name: dict(dtype=..., ...)}", '--variables \'{"NAME": {"dtype": ...}}\''),
        ("Layout(dtype='<f4', a)", "Layout(dtype='<f4', a)"),
        ("filename=, xdtype=1, no.dtype=2", "filename=, xdtype=1, no.dtype=2"),
        ("keywords must describe it", "options must describe it"),
        ("/tmp/keywords.bin: no", "/tmp/keywords.bin: no"),
        ("did you mean dtype=?", "did you mean --dtype?"),
        ("compute=True", "compute=True"),
    ],
)
def test_keywords_become_options(python: str, words: str) -> None:
    assert name_options(python, option_names()) == words


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a b"),
        TypeError("a\nb"),
        OSError("a b"),
        MemoryError("a b"),
        NotImplementedError("a b"),
        ImportError("a b"),
    ],
)
def test_errors_are_one_line_on_stderr(
    run: Run, raw: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(rawmmap, "show", fail)
    result = run("show", raw)
    assert result.exit_code == ExitCode.REFUSED
    assert result.stderr == "Error: a b\n"
    assert result.stdout == ""


def test_a_mistake_of_the_program_keeps_its_traceback(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(rawmmap, "show", fail)
    result = CliRunner().invoke(main, ["show", str(raw)])
    assert isinstance(result.exception, ZeroDivisionError)


def test_warnings_are_one_line_on_stderr(raw: Path) -> None:
    code = (
        "import sys, warnings, rawmmap\n"
        "rawmmap.show = lambda *a, **k: warnings.warn('mind\\nthe gap')\n"
        "from rawmmap.cli import main\n"
        "main(['show', sys.argv[1]])"
    )
    command = [sys.executable, "-c", code, str(raw)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stderr == "Warning: mind the gap\n"
    assert shown.stdout == "None\n"


def test_an_interrupt_prints_one_line(run: Run, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(rawmmap, "show", interrupt)
    result = run("show", raw)
    assert result.exit_code == 130
    assert result.output == "Interrupted.\n"


@pytest.mark.parametrize("words", ["info u.bin --dtype '>f4' --offset 20", "--help", "info --help"])
def test_a_closed_pipe_ends_quietly(raw: Path, words: str) -> None:
    script = f"{{ {COMMAND} {words}; echo $? >code; }} | true"
    result = shell(f"{script}; cat code", raw.parent)
    assert result.stderr == ""
    assert result.stdout == f"{ExitCode.BROKEN_PIPE}\n"


def test_the_head_of_the_output_can_be_taken(raw: Path) -> None:
    result = shell(f"{COMMAND} info u.bin --dtype '>f4' --offset 20 | head -1", raw.parent)
    assert (result.stdout, result.stderr) == ("u.bin: 116 bytes (116 B)\n", "")


@pytest.mark.slow
def test_exit_codes_in_a_shell(raw: Path) -> None:
    for words, code in (
        ("info u.bin --dtype '>f4' --offset 20", 0),
        ("info u.bin --dtype '>f4' --offset ten", 2),
        ("frobnicate", 2),
        ("info absent.bin", 3),
        ("info u.bin --dtype '>f4' --shape 99", 3),
    ):
        result = shell(f"{COMMAND} {words}", raw.parent)
        assert result.returncode == code, words
        assert "Traceback" not in result.stderr


def test_the_version(run: Run) -> None:
    result = run("--version")
    assert result.output == f"rawmmap, version {version('rawmmap')}\n"


def test_errors_about_json_options_name_the_option(run: Run, raw: Path) -> None:
    result = run("info", raw, "--variables", json.dumps({"u": {"shape": 3}}))
    assert result.exit_code == 3
    assert "dtype=" not in result.stderr
    assert "--dtype" in result.stderr or '"dtype"' in result.stderr
