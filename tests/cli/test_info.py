"""`rawmmap info`, `show` and `describe`: where things lie, as text and as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawmmap.cli.facts import variable_facts
from rawmmap.cli.show import fit_bar
from rawmmap.description import Variable
from rawmmap.drawing import Bar, Drawing, Row
from rawmmap.layout import Layout
from rawmmap.mapping import PAGE
from tests.cli.conftest import Run

KEYWORDS = "--dtype", ">f4", "--shape", "-1,3,4", "--dims", "time,y,x", "--offset", "20"


def read_json(run: Run, *words: str | os.PathLike[str]) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


@pytest.fixture
def pieces(tmp_path: Path) -> Path:
    """Two files whose sidecar puts one array together, with a piece that is missing."""
    np.arange(16, dtype="<f4").tofile(tmp_path / "a.bin")
    np.arange(4, dtype="<f4").tofile(tmp_path / "b.bin")
    u = {
        "dtype": "<f4",
        "dims": ["y", "x"],
        "shape": [2, 6],
        "pieces": [
            {"start": [0, 0], "shape": [2, 4], "offset": 18},
            {"start": [1, 4], "shape": [1, 2], "file": 1, "offset": 0},
        ],
    }
    x = {"dtype": "<f8", "dims": ["x"], "values": [0, 1, 2, 3, 4, 5]}
    document = {"rawmmap": 1, "files": ["a.bin", "b.bin"], "variables": {"u": u, "x": x}}
    (tmp_path / "a.bin.json").write_text(json.dumps(document))
    return tmp_path / "a.bin"


def test_info_as_json(run: Run, raw: Path) -> None:
    facts = read_json(run, "info", raw, *KEYWORDS, "--attrs", '{"units": "m"}')
    assert list(facts) == ["path", "files", "variables", "coverage", "resident", "xarray"]
    assert facts["path"] == str(raw)
    assert facts["files"] == {
        "count": 1,
        "first": str(raw),
        "nbytes": 116,
        "smallest": 116,
        "largest": 116,
    }
    assert facts["variables"] == {
        "data": {
            "dtype": ">f4",
            "dims": ["time", "y", "x"],
            "shape": [2, 3, 4],
            "nbytes": 96,
            "attrs": {"units": "m"},
            "stored": "layout",
            "offset": 20,
            "strides": [48, 16, 4],
            "extent": [20, 116],
            "alignment": {"element": 4, "elements": True, "page": PAGE, "start": False},
            "chunks": {"shape": [2, 3, 4], "count": 1, "nbytes": 96},
        }
    }
    assert facts["coverage"] == {"nbytes": 116, "covered": 96, "uncovered": [[0, 20]]}
    assert facts["xarray"] == {
        "dims": {"time": 2, "y": 3, "x": 4},
        "coords": [],
        "data_vars": ["data"],
        "dtypes": {"data": "float32"},
    }


def test_pieces_are_not_taken_for_values(run: Run, pieces: Path) -> None:
    result = run("info", pieces)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"{pieces}: 80 bytes (80 B) in 2 files of 16 to 64 bytes"
    line = next(line for line in lines if line.startswith("  u:"))
    assert "in 4 pieces, 1 of them missing; the first one, 1 x 4 elements: offset 18" in line
    assert "values" not in line
    line = next(line for line in lines if line.startswith("  x:"))
    assert line.endswith("values in the description")
    facts = read_json(run, "info", pieces)["variables"]
    assert facts["u"]["stored"] == "pieces"
    assert facts["u"]["first_piece"]["extent"] == [18, 34]
    assert (facts["u"]["pieces"], facts["u"]["missing_pieces"]) == (4, 1)
    assert facts["u"]["alignment"]["elements"] is False
    assert facts["x"]["stored"] == "description"


def test_records_of_unequal_length_are_pieces(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "f.unf"
    with path.open("wb") as file:
        for n in (3, 5, 3):
            marker = np.int32(4 * n).tobytes()
            file.write(marker + np.arange(n, dtype="<f4").tobytes() + marker)
    facts = read_json(run, "info", path, "--format", "fortran", "--dtype", "<f4", "--shape", "-1")
    (variable,) = [v for v in facts["variables"].values() if v["stored"] == "pieces"]
    assert (variable["pieces"], variable["shape"]) == (3, [11])


def test_a_series_and_the_labels_of_its_records(run: Run, tmp_path: Path) -> None:
    for year, count in ((2001, 10), (2002, 5)):
        np.zeros((count, 2)).tofile(tmp_path / f"{year}.dat")
    pattern = tmp_path / "{time:%Y}.dat"
    options = "--dtype", "<f8", "--shape", "2", "--record-dim", "time"
    facts = read_json(run, "info", pattern, *options)
    assert facts["files"]["count"] == 2
    assert facts["variables"]["data"]["pieces"] == 2
    assert facts["variables"]["file_time"]["stored"] == "description"
    # The first file is the longer one.
    assert facts["coverage"] == {"nbytes": 160, "covered": 160, "uncovered": []}


def test_packed_samples(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bits.bin"
    path.write_bytes(bytes(30))
    options = "--dtype", "<u2", "--bits", "12", "--shape", "20"
    assert (
        "12 bits each, offset 0, strides (1,), in bytes 0 to 30"
        in run("info", path, *options).output
    )
    variable = read_json(run, "info", path, *options)["variables"]["data"]
    assert (variable["stored"], variable["bits"], variable["extent"]) == ("bits", 12, [0, 30])


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (0, f"elements aligned to 8 bytes, start on a page of {PAGE} bytes"),
        (4096, f"elements aligned to 8 bytes, start on a page of {PAGE} bytes"),
        (8, f"elements aligned to 8 bytes, start not on a page of {PAGE} bytes"),
        (4, f"elements not aligned to 8 bytes, start not on a page of {PAGE} bytes"),
    ],
)
@pytest.mark.skipif(PAGE != 4096, reason="offsets for pages of 4096 bytes")
def test_alignment(run: Run, tmp_path: Path, offset: int, text: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(offset + 80))
    result = run("info", path, "--dtype", "<f8", "--offset", str(offset))
    assert text in result.output


def test_the_share_in_memory(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(10 * PAGE))
    share = read_json(run, "info", path, "--dtype", "u1")["resident"]
    assert 0 <= share <= 1
    assert f"in memory: {100 * share:.3g} %" in run("info", path, "--dtype", "u1").output


def test_an_empty_file_has_no_share(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.touch()
    assert read_json(run, "info", path, "--dtype", "u1")["resident"] is None


def test_attributes_that_json_lacks_are_text() -> None:
    attrs = {"units": "m", "range": np.array([1, 2], "<i2"), "odd": {1}}
    variable = Variable(("x",), Layout.dense("<f4", (3,)), attrs)
    assert variable_facts(variable)["attrs"] == {
        "units": "m",
        "range": {"dtype": "<i2", "values": [1, 2]},
        "odd": "{1}",
    }


def test_show_as_json(run: Run, raw: Path) -> None:
    document = read_json(run, "show", raw, *KEYWORDS, "--name", "u")
    assert list(document) == ["files", "note"]
    (bar,) = document["files"]
    assert (bar["path"], bar["nbytes"]) == ("u.bin", 116)
    rows = {row["label"]: row["shares"] for row in bar["rows"]}
    assert list(rows)[:2] == ["header", "u"]
    nbytes = {label: sum(shares) / len(shares) * 116 for label, shares in rows.items()}
    assert nbytes["header"] == pytest.approx(20, abs=0.1)
    assert nbytes["u"] == pytest.approx(96, abs=0.1)


@given(st.integers(1, 120), st.integers(20, 160), st.data())
def test_a_bar_fits_the_terminal(columns: int, width: int, data: Any) -> None:
    shares = data.draw(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=1, max_size=columns))
    bar = Bar("a.bin", 1000, (Row("u", tuple(shares), "12 B", (0.5,)),))
    (row,) = fit_bar(bar, width).rows
    room = max(width - len("u ||  12 B") + 1, 16)
    assert len(row.shares) == min(len(shares), room)
    assert np.mean(row.shares) == pytest.approx(np.mean(shares), abs=1e-6)
    assert set(row.shares) <= {0.0} or any(shares)
    text = str(Drawing((fit_bar(bar, width),))).splitlines()
    assert width < 26 or max(map(len, text)) <= width


def test_describe_as_json(run: Run, raw: Path) -> None:
    document = read_json(run, "describe", raw, *KEYWORDS)
    assert document["sidecar"] == f"{raw}.json"
    assert document["path"] == str(raw)
    assert document["variables"]["data"]["extent"] == [20, 116]
    assert (raw.parent / "u.bin.json").exists()


def test_errors_leave_no_json(run: Run, raw: Path) -> None:
    result = run("info", raw, "--json")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")


def test_very_many_gaps_are_counted(run: Run, tmp_path: Path) -> None:
    count = 10**8
    path = tmp_path / "log.bin"
    with path.open("wb") as file:
        file.truncate(12 * count)
    u = {"dtype": "<f4", "dims": ["time"], "shape": [count], "offset": 0, "strides": [12]}
    (tmp_path / "log.bin.json").write_text(json.dumps({"rawmmap": 1, "variables": {"u": u}}))
    coverage = read_json(run, "info", path)["coverage"]
    assert coverage["uncovered"][:2] == [[4, 12], [16, 24]]
    assert (coverage["covered"], coverage["uncovered_ranges"]) == (4 * count, count)
    assert f"{count - 10} more ranges" in run("info", path).output
    assert f"in {count - 1} ranges between elements" in run("check", path).output
