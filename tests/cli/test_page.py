"""The page on the command names all of it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from rawmmap.cli import main
from rawmmap.cli.exit_codes import ExitCode
from rawmmap.cli.group import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "command.md").read_text("utf-8")


def load(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_a_section_that_names_its_options(name: str) -> None:
    assert f"## `rawmmap {name}`" in PAGE
    for param in load(name).params:
        for option in param.opts if isinstance(param, click.Option) else []:
            assert re.search(rf"`(?:[^`]* )?{option}(?![\w-])", PAGE), option


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_list_of_commands_says_what_their_help_says(name: str) -> None:
    command = load(name)
    assert command.name == name
    assert command.help
    assert COMMANDS[name].endswith(".")


def test_every_exit_code_is_listed() -> None:
    table = PAGE[PAGE.index("## Exit codes") :]
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]
    assert listed == sorted(ExitCode)
