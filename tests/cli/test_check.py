"""`rawmmap check`: each thing that can be wrong, and the exit code that says so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import rawmmap
from tests.cli.conftest import Run


def check(run: Run, path: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Return exit code and findings; the text has to say the same as the JSON."""
    result = run("check", path, *words, "--json")
    assert result.exit_code in (0, 1), result.output
    document = json.loads(result.stdout)
    assert document["ok"] == (result.exit_code == 0)
    text = run("check", path, *words)
    assert text.exit_code == result.exit_code
    lines = text.output.splitlines()
    assert lines[0].startswith(f"{path}: described by ")
    assert lines[1:-1] == [f"  {f['severity']}: {f['message']}" for f in document["findings"]]
    assert lines[-1] == ("ok" if document["ok"] else "wrong")
    return result.exit_code, document["findings"]


def kinds(findings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(finding["severity"], finding["kind"]) for finding in findings]


def write_sidecar(path: Path, variables: dict[str, Any], **document: Any) -> Path:
    sidecar = Path(f"{path}.json")
    sidecar.write_text(json.dumps({"rawmmap": 1, **document, "variables": variables}))
    return sidecar


U = {"dtype": "<f4", "dims": ["x"], "shape": [10], "offset": 0}
V = {"dtype": "<f4", "dims": ["y"], "shape": [20], "offset": 40}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(np.arange(1, 31, dtype="<f4").tobytes())
    return path


def test_nothing_is_wrong(run: Run, data: Path) -> None:
    write_sidecar(data, {"u": U, "v": V})
    assert check(run, data) == (0, [])
    assert check(run, data, "--strict") == (0, [])


def test_every_variable_that_is_too_long_is_named(run: Run, data: Path) -> None:
    data.write_bytes(data.read_bytes()[:30])
    write_sidecar(data, {"u": U, "v": V})
    code, findings = check(run, data)
    assert code == 1
    assert kinds(findings) == [("error", "short")] * 2
    assert findings[0]["message"] == (
        "variable 'u' needs 40 bytes, but the file has 30 (10 too few)"
    )
    assert [(f["variable"], f["range"]) for f in findings] == [("u", [30, 40]), ("v", [30, 120])]


def test_a_length_that_leaves_a_remainder(run: Run, data: Path) -> None:
    data.write_bytes(data.read_bytes() + b"x")
    write_sidecar(data, {"u": {**U, "shape": [-1]}})
    code, findings = check(run, data)
    assert (code, kinds(findings)) == (1, [("error", "description")])
    assert findings[0]["variable"] == "u"


def test_overlapping_variables(run: Run, data: Path) -> None:
    wide = {**U, "shape": [11]}
    write_sidecar(data, {"u": wide, "v": V})
    code, findings = check(run, data)
    assert (code, kinds(findings)) == (1, [("error", "overlap")])
    write_sidecar(data, {"u": wide, "v": V}, overlap=True)
    code, findings = check(run, data)
    assert (code, kinds(findings)) == (0, [("note", "overlap")])
    assert findings[0]["message"] == "variables 'u' and 'v' share bytes"
    assert check(run, data, "--strict")[0] == 1


def test_bytes_that_no_variable_covers(run: Run, data: Path) -> None:
    data.write_bytes(bytes(8) + data.read_bytes())
    u = {**U, "offset": 8}
    v = {**V, "offset": 56, "shape": [10]}
    write_sidecar(data, {"u": u, "v": v})
    code, findings = check(run, data)
    assert code == 0
    assert kinds(findings) == [("note", "header"), ("note", "gap"), ("note", "trailing")]
    assert [f["range"] for f in findings] == [[0, 8], [48, 56], [96, 128]]
    assert findings[0]["message"].endswith("all of them are zero")
    assert "zero" not in findings[1]["message"]


def test_many_gaps_are_one_finding(run: Run, data: Path) -> None:
    write_sidecar(data, {"u": {**U, "shape": [15], "strides": [8]}})
    _, findings = check(run, data)
    assert kinds(findings) == [("note", "gap"), ("note", "trailing")]
    assert findings[0]["message"] == "56 bytes in 14 ranges between elements belong to no variable"


def test_a_record_that_is_incomplete(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "log.bin"
    path.write_bytes(bytes(35))
    options = "--dtype", "<f4", "--shape", "2", "--record-dim", "time"
    code, findings = check(run, path, *options)
    assert (code, kinds(findings)) == (0, [("note", "incomplete_record")])
    assert findings[0]["message"] == "the last record is incomplete: 3 of 8 bytes"
    assert findings[0]["range"] == [32, 35]


def test_a_file_that_was_written_to_after_its_sidecar(run: Run, data: Path) -> None:
    sidecar = write_sidecar(data, {"u": U, "v": V})
    os.utime(sidecar, (1_000_000_000, 1_000_000_000))
    os.utime(data, (1_000_000_060, 1_000_000_060))
    code, findings = check(run, data)
    assert (code, kinds(findings)) == (0, [("note", "changed")])
    assert "2001-09-09 01:47:40" in findings[0]["message"]
    # Those that grow are written to all the time.
    write_sidecar(data, {"u": {**U, "shape": [-1]}})
    os.utime(sidecar, (1_000_000_000, 1_000_000_000))
    assert check(run, data) == (0, [])


def test_a_replacement_that_did_not_end(run: Run, data: Path) -> None:
    entry = {"inode": 1, "size": 1, "mtime_ns": 1, "sidecar": {"rawmmap": 1, "variables": {}}}
    write_sidecar(data, {"u": U, "v": V}, next=entry)
    code, findings = check(run, data)
    assert (code, kinds(findings)) == (0, [("note", "replacing")])


def test_what_the_library_writes_is_right(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.bin"
    ds = xr.Dataset({"u": (("time", "x"), np.ones((2, 3)))}, {"time": [0, 1], "x": [1.0, 2, 3]})
    rawmmap.to_raw(ds, path, unlimited_dims="time")
    code, findings = check(run, path)
    assert code == 0
    assert {finding["kind"] for finding in findings} <= {"header", "gap"}
    assert all(f["message"].endswith("all of them are zero") for f in findings)


@pytest.mark.parametrize(
    "text", ["{", '{"rawmmap": 1, "variables": {"u": {"dtype": "<f33"}}}', '{"rawmmap": 99}']
)
def test_a_damaged_sidecar(run: Run, data: Path, text: str) -> None:
    Path(f"{data}.json").write_text('{"rawmmap": 1, "variables": 3' if text == "{" else text)
    code, findings = check(run, data)
    assert (code, kinds(findings)) == (1, [("error", "description")])


def test_a_sidecar_without_its_file(run: Run, data: Path) -> None:
    sidecar = write_sidecar(data, {"u": U})
    data.unlink()
    code, findings = check(run, sidecar)
    assert (code, kinds(findings)) == (1, [("error", "missing")])


def test_a_damaged_header(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(10))
    path.write_bytes(path.read_bytes().replace(b"'shape'", b"'shope'"))
    code, findings = check(run, path)
    assert (code, kinds(findings)) == (1, [("error", "description")])


def test_a_file_that_was_cut_below_its_header(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(10))
    path.write_bytes(path.read_bytes()[:-4])
    code, findings = check(run, path)
    assert (code, kinds(findings)) == (1, [("error", "short")])


def test_sidecar_and_header_are_both_checked(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(1, 11))
    name = next(iter(rawmmap.open(path)))
    offset = path.stat().st_size - 80
    write_sidecar(path, {name: {"dtype": "<i8", "dims": ["x"], "shape": [10], "offset": offset}})
    result = run("check", path, "--json")
    document = json.loads(result.stdout)
    assert document["described_by"] == ["sidecar", "npy"]
    assert [f["kind"] for f in document["findings"]] == ["header"]
    write_sidecar(path, {name: {"dtype": "<i4", "dims": ["x"], "shape": [20], "offset": offset}})
    assert ("note", "disagreement") in kinds(check(run, path)[1])


def test_series(run: Run, tmp_path: Path) -> None:
    for step in (0, 10):
        np.ones((3, 4), ">f4").tofile(tmp_path / f"ux-{step:04d}.bin")
    pattern = tmp_path / "ux-{step:04d}.bin"
    options = "--dtype", ">f4", "--shape", "3,4"
    assert check(run, pattern, *options) == (0, [])
    with (tmp_path / "ux-0010.bin").open("ab") as file:
        file.write(b"12345")
    code, findings = check(run, pattern, *options)
    assert (code, kinds(findings)) == (0, [("note", "longer")])
    assert "1 of 2 files are longer" in findings[0]["message"]
    assert findings[0]["message"].endswith("ux-0010.bin, by 5 bytes")
    (tmp_path / "ux-0010.bin").write_bytes(b"1234")
    code, findings = check(run, pattern, *options)
    assert (code, kinds(findings)) == (1, [("error", "short")])


def test_missing_files_of_a_series(run: Run, tmp_path: Path) -> None:
    for name in ("u-0", "u-1", "v-0"):
        np.ones(3).tofile(tmp_path / f"{name}.bin")
    pattern = tmp_path / "{name}-{step:d}.bin"
    code, findings = check(run, pattern, "--dtype", "<f8", "--shape", "3")
    assert (code, kinds(findings)) == (1, [("error", "missing")])
    assert "--missing fill" in findings[0]["message"]


@pytest.mark.parametrize(
    ("pattern", "names", "message"),
    [
        ("u-{step:d}.bin", [0, 1, 2, 4, 5], "1 step of 'step' without a file"),
        (
            "u-{step:d}.bin",
            [0, 10, 20, 50],
            "2 steps of 'step' without a file, where the others are equal; ",
        ),
        (
            "u-{day:%Y%m%d}.bin",
            [20240227, 20240228, 20240301, 20240302],
            "1 step of 'day' without a file",
        ),
        ("u-{day:%Y%m%d}.bin", [20240101, 20240201, 20240301, 20240401], None),
        ("u-{step:d}.bin", [0, 1, 2, 3], None),
        ("u-{step:d}.bin", [0, 1, 100, 1000], None),
        ("u-{step:d}.bin", [0, 1, 3], None),
    ],
)
def test_steps_that_a_series_leaves_out(
    run: Run, tmp_path: Path, pattern: str, names: list[int], message: str | None
) -> None:
    for name in names:
        np.ones(3).tofile(tmp_path / f"u-{name}.bin")
    code, findings = check(run, tmp_path / pattern, "--dtype", "<f8", "--shape", "3")
    assert code == 0
    assert kinds(findings) == ([("note", "missing_steps")] if message else [])
    assert all(message in finding["message"] for finding in findings if message)


@pytest.mark.parametrize("name", ["absent.bin", "absent-{step}.bin", "plain.bin"])
def test_without_anything_to_check(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "plain.bin").write_bytes(bytes(10))
    result = run("check", tmp_path / name)
    assert result.exit_code == 3
    assert name in result.stderr
    assert result.stdout == ""


def test_a_missing_file_with_options(run: Run, tmp_path: Path) -> None:
    assert run("check", tmp_path / "absent.bin", "--dtype", "<f4").exit_code == 3
