"""`rawmmap guess`: ranks, as text and as JSON, and an exit code for scripts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests.cli.conftest import Run


@pytest.fixture
def field(tmp_path: Path) -> Path:
    """Little-endian float64 of shape (70, 90)."""
    y, x = np.mgrid[:70, :90]
    noise = np.random.default_rng(1).normal(0, 0.01, x.shape)
    path = tmp_path / "a.bin"
    (10 * np.sin(x / 23) + y / 9 + noise).astype("<f8").tofile(path)
    return path


def test_text(run: Run, field: Path) -> None:
    result = run("guess", field, "--limit", "2")
    assert result.exit_code == 0, result.output
    assert '  dtype="<f8", shape=(-1, 90), dims=("y", "x"), offset=0' in result.output
    assert "1. 0." in result.output
    assert "2. 0." in result.output
    assert "3. 0." not in result.output
    assert "█" in result.output
    names: dict[str, Any] = {}
    exec(result.output[result.output.index("import xarray") :], names)
    assert names["ds"]["data"].shape == (70, 90)
    names["ds"].close()


def test_json(run: Run, field: Path) -> None:
    result = run("guess", field, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["path"] == str(field)
    best = document["guesses"][0]
    assert best["keywords"]["shape"] == [-1, 90]
    assert 0 < best["score"] <= 1
    assert np.shape(best["thumbnail"]) == (32, 64)
    assert any("float64" in sentence for sentence in best["evidence"])
    with xr.open_dataset(field, engine="rawmmap", **best["keywords"]) as ds:
        assert ds["data"].shape == (70, 90)


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_what_is_not_raw_has_exit_code_1(run: Run, tmp_path: Path, option: Any) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"abc" * 1000))
    result = run("guess", path, *option)
    assert result.exit_code == 1
    assert "compressed with gzip" in result.output


def test_errors(run: Run, tmp_path: Path) -> None:
    assert run("guess", tmp_path / "missing.bin").exit_code == 3
    assert run("guess", tmp_path).exit_code == 3
    assert run("guess", tmp_path, "--limit", "0").exit_code == 2
