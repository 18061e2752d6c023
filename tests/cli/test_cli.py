"""The command: what it prints, what it refuses, and with which exit code."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner, Result

from rawmmap import demo
from rawmmap.cli import main
from rawmmap.cli.group import COMMANDS

MIB = 2**20


def run(*words: str | os.PathLike[str]) -> Result:
    result = CliRunner().invoke(main, [os.fspath(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A header of 20 bytes, then big-endian float32 of shape (2, 3, 4)."""
    path = tmp_path / "u.bin"
    values = np.arange(24, dtype=">f4")
    path.write_bytes(bytes(20) + values.tobytes())
    return path


KEYWORDS = "--dtype", ">f4", "--shape", "-1,3,4", "--dims", "time,y,x", "--offset", "20"


def test_info_shows_layout_dataset_and_chunks(raw: Path) -> None:
    result = run("info", raw, *KEYWORDS, "--name", "u")
    assert result.exit_code == 0, result.output
    assert "116 bytes" in result.output
    assert "u: >f4 (time: 2, y: 3, x: 4), offset 20, strides (48, 16, 4)" in result.output
    assert "bytes 20 to 116" in result.output
    assert "<xarray.Dataset>" in result.output
    assert "u: 1 chunk (time: 2, y: 3, x: 4) of 96 B" in result.output


def test_samples_that_numpy_lacks(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes((70_000).to_bytes(3, "little") * 4)
    result = run("describe", path, "--dtype", "<i3", "--shape", "4", "--dims", "x")
    assert result.exit_code == 0, result.output
    result = run("info", path)
    assert result.exit_code == 0, result.output
    assert "data: <i3 (x: 4), offset 0, strides (3,), in bytes 0 to 12" in result.output
    assert "int32" in result.output


def test_info_in_column_major_order(raw: Path) -> None:
    result = run(
        "info", raw, "--dtype", ">f4", "--shape", "4,3,-1", "--offset", "20", "--order", "F"
    )
    assert result.exit_code == 0, result.output
    assert "data: >f4 (dim_0: 4, dim_1: 3, dim_2: 2), offset 20, strides (4, 16, 48)" in (
        result.output
    )


def test_info_takes_records_with_fields(tmp_path: Path) -> None:
    path = tmp_path / "log.bin"
    np.zeros(5, [("t", "<f8"), ("n", "u1")]).tofile(path)
    result = run("info", path, "--dtype", "[('t', '<f8'), ('n', 'u1')]")
    assert result.exit_code == 0, result.output
    assert "t: <f8 (dim_0: 5), offset 0, strides (9,)" in result.output
    assert "n: |u1 (dim_0: 5), offset 8, strides (9,)" in result.output


def test_info_counts_chunks(tmp_path: Path) -> None:
    path = tmp_path / "sparse.bin"
    with path.open("wb") as file:
        file.truncate(1024 * MIB)
    result = run("info", path, "--dtype", "u1", "--shape", f"-1,{MIB}")
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if "chunks (" in line)
    count, length = int(line.split()[1]), int(line.split("dim_0: ")[1].split(",")[0])
    assert (count - 1) * length < 1024 <= count * length
    assert f"of {length} MiB" in line


def test_describe_then_info_needs_no_keywords(raw: Path) -> None:
    result = run("describe", raw, *KEYWORDS)
    assert result.exit_code == 0, result.output
    sidecar = Path(result.output.strip())
    assert sidecar == Path(f"{raw}.json")
    assert json.loads(sidecar.read_text())
    shown = run("info", raw)
    assert shown.exit_code == 0, shown.output
    assert "data: >f4 (time: 2, y: 3, x: 4), offset 20" in shown.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dtype", "float33"), "'float33' is not a NumPy dtype"),
        (("--dtype", "[('a', 1]"), "is not a NumPy dtype"),
        (("--shape", "2,x"), "'2,x' is not a list of counts"),
        (("--dims", "a,,b"), "'a,,b' is not a list of names"),
        (("--order", "K"), "'K'"),
        (("--offset", "ten"), "'ten'"),
    ],
)
def test_malformed_words_are_usage_errors(raw: Path, words: tuple[str, ...], message: str) -> None:
    for command in ("info", "describe"):
        result = run(command, raw, *words)
        assert result.exit_code == 2
        assert message in result.output


@pytest.mark.parametrize("command", ["info", "describe"])
def test_what_the_library_refuses_is_one_line(raw: Path, command: str) -> None:
    result = run(command, raw, "--dtype", ">f4", "--shape", "3,3,4", "--offset", "20")
    assert result.exit_code == 3
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1
    assert "116" in result.output
    assert "u.bin" in result.output


def test_info_without_any_description_lists_the_ways(raw: Path) -> None:
    result = run("info", raw)
    assert result.exit_code == 3
    assert "dtype" in result.output
    assert "sidecar" in result.output


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    result = run("info", tmp_path / "absent.bin", "--dtype", "u1")
    assert result.exit_code == 3
    assert "absent.bin" in result.output


def test_a_traceback_on_request(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAWMMAP_TRACEBACK", "1")
    with pytest.raises(ValueError, match=r"u\.bin"):
        run("info", raw)


def test_demo_passes_and_prints_code_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("demo", "--size", "8MiB")
    assert result.exit_code == 0, result.output
    assert "PASS" in result.output
    assert "(time: 16, y: 256, x: 512)" in result.output
    assert re.search(
        r"without the progress bar, best of 3 runs:\n.*Dask.* s\n.*numpy.* s\n", result.output
    )
    path = tmp_path / "rawmmap-demo.bin"
    assert path.stat().st_size == 20 + 16 * 4 * 256 * 512
    code = result.output.split("started in this folder:\n\n")[1].split("\nDelete")[0]
    names: dict[str, Any] = {}
    exec(code, names)
    frames = np.fromfile(path, ">f4", offset=20).reshape(16, 256, 512)
    np.testing.assert_allclose(names["mean"], frames.mean(0, dtype="f8"), atol=1e-5)


def test_demo_draws_the_result(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot = tmp_path / "out.png"
    result = run("demo", "--size", "2MiB", "--file", tmp_path / "d.bin", "--plot", plot)
    assert result.exit_code == 0, result.output
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert f"savefig({str(plot)!r}" in result.output


def test_demo_without_matplotlib_says_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def absent(name: str, package: str | None = None) -> Any:
        return None if name == "matplotlib" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    result = run("demo", "--file", tmp_path / "d.bin", "--plot", tmp_path / "out.png")
    assert result.exit_code == 3
    assert "rawmmap[plot]" in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--size", "1MB"), 3, "1000000 bytes holds 1 time steps of 524288 bytes"),
        (("--size", "-5"), 3, "at least 2 are needed"),
        (("--size", "10 furlongs"), 2, "'10 furlongs' is not a size"),
        (("--size", "999PB"), 3, "are free"),
        (("--file", "."), 3, "is a directory"),
        (("--file", "absent/d.bin"), 3, "there is no folder absent"),
        (("--file", "precious.bin"), 3, "precious.bin already exists"),
        (("--plot", "absent/out.png"), 2, "there is no folder absent"),
        (("--plot", "out.docx"), 2, "does not end in .png"),
    ],
)
def test_demo_refuses(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    Path("precious.bin").write_bytes(b"data")
    result = run("demo", *words)
    assert result.exit_code == code
    assert message in result.output
    assert os.listdir() == ["precious.bin"]
    assert Path("precious.bin").read_bytes() == b"data"


def test_demo_replaces_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "d.bin"
    demo.write_file(path, 3)
    result = run("demo", "--size", "2MiB", "--file", path)
    assert result.exit_code == 0, result.output
    assert path.stat().st_size == 20 + 4 * 524288


def test_a_wrong_result_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "mean_by_numpy", lambda path: np.zeros((256, 512)))
    result = run("demo", "--size", "2MiB", "--file", tmp_path / "d.bin")
    assert result.exit_code == 1
    assert "FAIL" in result.output


def test_a_failed_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(steps: int) -> Any:
        yield np.float32(0)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "_waves", broken)
    result = run("demo", "--size", "2MiB", "--file", tmp_path / "d.bin")
    assert result.exit_code == 3
    assert "No space left" in result.output
    assert not list(tmp_path.iterdir())


def test_the_demo_file_is_what_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "d.bin"
    demo.write_file(path, 40)
    magic, *numbers = np.fromfile(path, [("magic", "S4"), ("n", ">i4", 4)], 1)[0].tolist()
    assert magic == b"WAVE"
    assert np.array(numbers[0]).tolist() == [4, 40, 256, 512]
    frames = np.fromfile(path, ">f4", offset=20).reshape(40, 256, 512)
    expected = frames.mean(0, dtype="f8")
    np.testing.assert_allclose(demo.mean_by_numpy(path), expected, rtol=0, atol=1e-12)
    # One step drowns the landscape in waves and noise; the mean brings it out.
    assert np.abs(frames[0]).max() > 2 * np.abs(expected).max()


def test_python_m_rawmmap_is_the_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "rawmmap", "--help"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("Usage: rawmmap ")
    for command in ("demo", "describe", "info"):
        assert command in shown.stdout


def test_the_script_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (script,) = entry_points(group="console_scripts", name="rawmmap")
    monkeypatch.setattr(sys, "argv", ["rawmmap", "--help"])
    with pytest.raises(SystemExit) as ended:
        script.load()()
    assert ended.value.code == 0
    assert "[OPTIONS] COMMAND [ARGS]" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_neither_dask_nor_xarray(command: str) -> None:
    code = (
        "import sys, click.testing, rawmmap.cli\n"
        f"words = {[command, '--help'] if command else ['--help']}\n"
        "assert click.testing.CliRunner().invoke(rawmmap.cli.main, words).exit_code == 0\n"
        "heavy = {'dask', 'xarray', 'pandas', 'fsspec', 'matplotlib', 'zarr', 'netCDF4'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_errors_are_in_the_words_of_the_command(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(240))
    result = run("info", path)
    assert result.exit_code == 3
    assert "--dtype, --shape and --dims" in result.output
    assert "dtype=," not in result.output
    result = run("info", path, "--dtype", "f4", "--shape", "2,3", "--dims", "x")
    assert result.exit_code == 3
    assert "2 axes of shape (2, 3)" in result.output


def test_info_shows_what_no_variable_covers(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(240))
    result = run("info", path, "--dtype", "<f4", "--shape", "10", "--offset", "8")
    assert "covered: 40 of 240 bytes (16.7 %)" in result.output
    assert "not covered: bytes 0 to 8 (8 bytes)" in result.output
    assert "not covered: bytes 48 to 240 (192 bytes)" in result.output


def test_describe_takes_all_that_keywords_can_say(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    records = np.zeros(5, [("u", "<f4", (2, 3)), ("v", "<i2", 4)])
    records["v"] = np.arange(20).reshape(5, 4)
    path.write_bytes(b"12345678" + records.tobytes())
    variables = {
        "u": {"dtype": "<f4", "shape": [2, 3], "dims": ["y", "x"]},
        "v": {"dtype": "<i2", "shape": 4, "dims": "n", "attrs": {"units": "V"}},
    }
    text = json.dumps(variables)
    result = run("describe", path, "--variables", text, "--record-dim", "time", "--offset", "8")
    assert result.exit_code == 0, result.output
    with xr.open_dataset(path, engine="rawmmap") as ds:
        np.testing.assert_array_equal(ds["v"].values, records["v"])
        assert ds["v"].attrs["units"] == "V"
        assert ds["u"].dims == ("time", "y", "x")


def test_coordinates_are_options(raw: Path) -> None:
    coords = {
        "x": [10.5, 20.5, 30.5, 40.5],
        "time": {"data": [0, 6], "attrs": {"units": "hours since 2024-01-01"}},
        "station": {"dims": ["y"], "data": ["p", "q", "r"]},
        "height": {"dims": [], "data": 2},
    }
    words = (*KEYWORDS, "--coords", json.dumps(coords))
    assert "station: <U1 (y: 3), values in the description" in run("info", raw, *words).output
    assert run("check", raw, *words).exit_code == 0
    assert run("show", raw, *words).exit_code == 0
    assert run("describe", raw, *words).exit_code == 0
    ds = xr.open_dataset(raw, engine="rawmmap")
    assert set(ds.coords) == set(coords)
    assert ds["x"].values.tolist() == [10.5, 20.5, 30.5, 40.5]
    assert ds["time"].values[1] == np.datetime64("2024-01-01T06:00")
    assert ds["station"].dims == ("y",)
    assert ds["height"] == 2


@pytest.mark.parametrize(
    ("coords", "code", "text"),
    [
        ("[1, 2]", 2, "not a JSON object"),
        ('{"x": {"values": [1, 2]}}', 2, "'x' must be a list of values, or an object"),
        ('{"x": [1, 2]}', 3, "--coords has 'x' of length 2"),
        ('{"q": [1, 2]}', 3, "--coords has 'q' along 'q', which is not a dimension"),
    ],
)
def test_coordinates_that_do_not_fit(raw: Path, coords: str, code: int, text: str) -> None:
    result = run("describe", raw, *KEYWORDS, "--coords", coords)
    assert result.exit_code == code
    assert text in result.output
    assert not raw.with_name("u.bin.json").exists()


def test_variables_can_be_left_out(raw: Path) -> None:
    variables = {name: {"dtype": ">f4", "shape": 24, "dims": "x"} for name in ("u", "v", "w")}
    words = ("--variables", json.dumps(variables), "--offset", "20", "--drop-variables", "v,w")
    assert "  v:" not in run("info", raw, *words).output
    assert run("describe", raw, *words).exit_code == 0
    assert list(xr.open_dataset(raw, engine="rawmmap")) == ["u"]
    assert "covered: 96 of 116 bytes" in run("info", raw).output
