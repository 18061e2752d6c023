"""The page on the sidecar is true: its example is valid, and its C program reads the file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "sidecar.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def schema() -> Any:
    return json.loads((files("rawmmap.formats.sidecar") / "sidecar.schema.json").read_text("utf-8"))


def test_the_example_follows_the_schema() -> None:
    jsonschema.validate(json.loads(block("json")), schema())


def test_every_field_of_the_schema_is_explained() -> None:
    rules = schema()
    fields = {*rules["properties"], *rules["$defs"]["placed"]["properties"], "values"}
    fields |= set(rules["properties"]["records"]["properties"])
    fields |= set(rules["properties"]["series"]["properties"])
    pieces = rules["$defs"]["pieces"]["properties"]
    fields |= {*pieces, *pieces["pieces"]["items"]["properties"]}
    assert not {field for field in fields if f"`{field}`" not in PAGE}


def test_the_c_program_reads_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    monkeypatch.chdir(tmp_path)
    exec(block("python"), {})
    written = json.loads(Path("run.bin.json").read_text("utf-8"))
    example = json.loads(block("json"))
    assert written["records"] == example["records"]
    for name, words in example["variables"].items():
        for word in set(words) - {"attrs"}:
            assert written["variables"][name][word] == words[word]
    Path("read.c").write_text(block("c"))
    command = [compiler, "-Wall", "-Wextra", "-Werror", "-o", "read", "read.c"]
    subprocess.run(command, check=True)
    shown = subprocess.run(["./read"], capture_output=True, text=True, check=True)
    assert shown.stdout == "2 records: 6 7 8 9 10 11\n"
