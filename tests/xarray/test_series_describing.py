"""One sidecar for a series of files: written by `describe`, found by the pattern, distrusted."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import fsspec
import jsonschema
import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from click.testing import CliRunner

import rawmmap
from rawmmap.cli import main
from rawmmap.errors import DescriptionError
from rawmmap.xarray.engine import RawmmapEntrypoint
from tests.releases import CHUNKED_PATTERNS

SCHEMA = json.loads((files("rawmmap.formats.sidecar") / "sidecar.schema.json").read_text("utf-8"))
MEMBER: dict[str, Any] = {"dtype": ">f4", "shape": (3, 4), "dims": ("y", "x"), "name": "ux"}


def write_members(folder: Path, steps: Any = (0, 10, 20)) -> npt.NDArray[Any]:
    """Write one file per step, and return what they hold."""
    values = np.arange(len(steps) * 12, dtype=">f4").reshape(-1, 3, 4)
    for step, member in zip(steps, values, strict=True):
        member.tofile(folder / f"ux-{step:04d}.bin")
    return values


def open_series(path: Any, **keywords: Any) -> xr.Dataset:
    return xr.open_dataset(path, engine="rawmmap", **keywords)


def write_sidecar(folder: Path, series: dict[str, Any], **entries: Any) -> Path:
    """Write the sidecar of a series by hand."""
    variable = {"dtype": ">f4", "dims": ["y", "x"], "shape": [3, 4]}
    document = {"rawmmap": 1, "series": series, "variables": {"ux": variable}, **entries}
    path = folder / "ux-{step}.bin.json"
    path.write_text(json.dumps(document))
    return path


def test_all_ways_to_open_need_no_keywords(tmp_path: Path) -> None:
    values = write_members(tmp_path)
    pattern = tmp_path / "ux-{step:04d}.bin"
    sidecar = rawmmap.describe(pattern, attrs={"units": "m"}, **MEMBER)
    assert sidecar == tmp_path / "ux-{step}.bin.json"
    jsonschema.validate(json.loads(sidecar.read_text()), SCHEMA)
    for path in (pattern, os.fspath(pattern), sidecar):
        ds = open_series(path)
        assert ds["ux"].dims == ("step", "y", "x")
        assert ds["ux"].attrs == {"units": "m"}
        assert ds["step"].values.tolist() == [0, 10, 20]
        np.testing.assert_array_equal(ds["ux"], values)
        np.testing.assert_array_equal(rawmmap.open(path)["ux"].data[1], values[1])
        np.testing.assert_array_equal(rawmmap.from_raw(path).compute(), values)


def test_files_that_are_added_belong_to_it(tmp_path: Path) -> None:
    write_members(tmp_path)
    pattern = tmp_path / "ux-{step:04d}.bin"
    rawmmap.describe(pattern, **MEMBER)
    ds = open_series(pattern)
    values = write_members(tmp_path, range(5))
    again = rawmmap.refresh(ds)
    assert again["step"].values.tolist() == [0, 1, 2, 3, 4, 10, 20]
    np.testing.assert_array_equal(again["ux"][:5], values)


def test_keywords_and_the_files_own_headers_come_first_where_asked_for(tmp_path: Path) -> None:
    values = write_members(tmp_path)
    pattern = tmp_path / "ux-{step:04d}.bin"
    rawmmap.describe(pattern, **MEMBER)
    ds = open_series(pattern, dtype=">f4", shape=12, dims="i")
    np.testing.assert_array_equal(ds["data"], values.reshape(3, 12))
    with pytest.raises(DescriptionError, match=r"describes .*step:04d.*, and not .*step:06d"):
        open_series(tmp_path / "ux-{step:06d}.bin")


def test_missing_files_and_coordinates_are_kept(tmp_path: Path) -> None:
    values = write_members(tmp_path)
    for step in (0, 10):
        values[0].tofile(tmp_path / f"b-{step}.dat")
    values[0].tofile(tmp_path / "a-0.dat")
    pattern = tmp_path / "{name:s}-{step}.dat"
    keywords = {**MEMBER, "coords": {"x": ("x", [1, 2, 3, 4], {"units": "km"})}}
    with pytest.raises(DescriptionError, match=r"1 of 4 files are missing: .*a-10\.dat"):
        rawmmap.describe(pattern, **keywords)
    sidecar = rawmmap.describe(pattern, missing="fill", fill_value=-1.5, **keywords)
    assert sidecar.name == "{name}-{step}.dat.json"
    for path in (pattern, sidecar):
        ds = open_series(path)
        assert ds["ux"].sel(name="a", step=10).values.tolist() == [[-1.5] * 4] * 3
        assert ds["x"].attrs == {"units": "km"}
        np.testing.assert_array_equal(ds["ux"].sel(name="b", step=10), values[0])
    # What the caller says of them goes before.
    assert (
        open_series(pattern, missing="fill", fill_value=3)["ux"].sel(name="a", step=10)[0, 0] == 3
    )
    assert rawmmap.describe(pattern) == sidecar
    assert open_series(sidecar)["ux"].sel(name="a", step=10)[0, 0] == -1.5


def test_variables_in_names(tmp_path: Path) -> None:
    values = write_members(tmp_path)
    for name, member in zip("uv", values, strict=False):
        member.tofile(tmp_path / f"{name}.raw")
    sidecar = rawmmap.describe(tmp_path / "{variable}.raw", **MEMBER)
    for path in (tmp_path / "{variable}.raw", sidecar):
        ds = open_series(path)
        assert ds["u"].dims == ("y", "x")
        np.testing.assert_array_equal(ds["v"], values[1])


def test_a_field_of_any_text_does_not_take_the_sidecar_for_a_file(tmp_path: Path) -> None:
    for step in range(3):
        np.array([step], "<i4").tofile(tmp_path / f"{step}")
    pattern = tmp_path / "{step}"
    rawmmap.describe(pattern, dtype="<i4", shape=(1,), dims="x")
    ds = open_series(pattern)
    assert ds["step"].dtype == "i8"
    assert ds["data"].values.tolist() == [[0], [1], [2]]


def test_values_in_the_sidecar_choose_and_order_the_files(tmp_path: Path) -> None:
    values = write_members(tmp_path)
    labels = {"dtype": "<i8", "values": [20, 0]}
    series = {"pattern": "ux-{step:04d}.bin", "values": {"step": labels}}
    sidecar = write_sidecar(tmp_path, series)
    ds = open_series(tmp_path / "ux-{step:04d}.bin")
    assert "step" not in ds.coords
    np.testing.assert_array_equal(ds["ux"], values[[2, 0]])
    jsonschema.validate(json.loads(sidecar.read_text()), SCHEMA)
    labels["values"] = [20, 30, 0]
    write_sidecar(tmp_path, series)
    with pytest.raises(DescriptionError, match=r"1 of 3 files are missing: .*ux-0030\.bin"):
        open_series(sidecar)
    labels["values"] = [7, 8]
    write_sidecar(tmp_path, {**series, "missing": "fill"})
    with pytest.raises(FileNotFoundError, match="none of the files"):
        open_series(sidecar)


def test_a_coordinate_in_the_sidecar_takes_the_place_of_the_names(tmp_path: Path) -> None:
    write_members(tmp_path)
    variables = {
        "ux": {"dtype": ">f4", "dims": ["y", "x"], "shape": [3, 4]},
        "step": {
            "dtype": "<f8",
            "dims": ["step"],
            "values": [0.5, 1.5, 2.5],
            "attrs": {"units": "s"},
        },
    }
    sidecar = write_sidecar(tmp_path, {"pattern": "ux-{step:04d}.bin"}, variables=variables)
    assert open_series(sidecar, decode_times=False)["step"].values.tolist() == [0.5, 1.5, 2.5]
    write_members(tmp_path, [30])
    with pytest.raises(DescriptionError, match="'step' has length"):
        open_series(sidecar)


HOSTILE: dict[str, dict[str, Any]] = {
    "another folder": {"pattern": "../ux-{step:04d}.bin"},
    "an absolute path": {"pattern": "/etc/{name}"},
    "a folder below": {"pattern": "{a}/{b}.bin"},
    "no field": {"pattern": "ux-0000.bin"},
    "not a text": {"pattern": 3},
    "a conversion": {"pattern": "ux-{step!r}.bin"},
    "an attribute": {"pattern": "ux-{step.__class__}.bin"},
    "a wide field": {"pattern": "ux-{step:0999999999d}.bin"},
    "a precise field": {"pattern": "ux-{step:.99999999f}.bin"},
    "a nested field": {"pattern": "ux-{step:{width}d}.bin"},
    "many fields": {"pattern": "{a}{b}{c}{d}{e}{f}{g}.bin"},
    "an unknown name": {"pattern": "ux-{step:04d}.bin", "folder": "/etc"},
    "values of no field": {
        "pattern": "ux-{step:04d}.bin",
        "values": {"n": {"dtype": "<i8", "values": [1]}},
    },
    "repeated values": {
        "pattern": "ux-{step:04d}.bin",
        "values": {"step": {"dtype": "<i8", "values": [1, 1]}},
    },
    "nested values": {
        "pattern": "ux-{step:04d}.bin",
        "values": {"step": {"dtype": "<i8", "values": [[1]]}},
    },
    "values without a type": {"pattern": "ux-{step:04d}.bin", "values": {"step": [1]}},
    "an unknown way": {"pattern": "ux-{step:04d}.bin", "missing": "ignore"},
}


@pytest.mark.parametrize("series", HOSTILE.values(), ids=HOSTILE)
def test_hostile_sidecars_are_errors_that_name_them(tmp_path: Path, series: Any) -> None:
    write_members(tmp_path)
    sidecar = write_sidecar(tmp_path, series)
    for path in (sidecar, tmp_path / "ux-{step:04d}.bin"):
        with pytest.raises(DescriptionError, match=r"ux-\{step\}\.bin\.json"):
            open_series(path)


def test_a_grid_of_a_few_files_with_many_cells_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0-0-0.bin").write_bytes(bytes(48))
    labels = {"dtype": "<i8", "values": list(range(2000))}
    series = {"pattern": "{a}-{b}-{c}.bin", "values": {"a": labels, "b": labels, "c": labels}}
    sidecar = write_sidecar(tmp_path, {**series, "missing": "fill"})
    with pytest.raises(DescriptionError, match="1 files make hardly a grid"):
        open_series(sidecar)


def test_links_out_of_the_folder_are_followed_only_for_the_pattern(tmp_path: Path) -> None:
    inside, outside = tmp_path / "run", tmp_path / "secret"
    inside.mkdir()
    outside.mkdir()
    values = write_members(inside)
    os.rename(inside / "ux-0010.bin", outside / "x")
    os.symlink(outside / "x", inside / "ux-0010.bin")
    pattern = inside / "ux-{step:04d}.bin"
    sidecar = rawmmap.describe(pattern, **MEMBER)
    with pytest.raises(DescriptionError, match=r"ux-0010\.bin is a link out of its folder"):
        open_series(sidecar)
    np.testing.assert_array_equal(open_series(pattern)["ux"], values)


def test_file_and_series_exclude_each_other(tmp_path: Path) -> None:
    write_members(tmp_path)
    sidecar = write_sidecar(tmp_path, {"pattern": "ux-{step:04d}.bin"}, file="ux-0000.bin")
    with pytest.raises(DescriptionError, match='"file" and "series" exclude'):
        open_series(sidecar)


def test_folders_with_fields_have_no_sidecar(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "1.bin").write_bytes(bytes(48))
    with pytest.raises(DescriptionError, match="in its own folder only"):
        rawmmap.describe(tmp_path / "{month}" / "{day}.bin", **MEMBER)


def test_braces_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "{run}"
    folder.mkdir()
    values = write_members(folder)
    pattern = f"{tmp_path}/{{{{run}}}}/ux-{{step:04d}}.bin"
    sidecar = rawmmap.describe(pattern, **MEMBER)
    assert json.loads(sidecar.read_text())["series"] == {"pattern": "ux-{step:04d}.bin"}
    for path in (pattern, sidecar):
        np.testing.assert_array_equal(open_series(path)["ux"], values)


def test_remote_series_are_described_by_their_sidecar() -> None:
    fs = fsspec.filesystem("memory")
    values = np.arange(6, dtype="<i4").reshape(3, 2)
    for step, member in enumerate(values):
        fs.pipe(f"/described/{step:02d}.bin", member.tobytes())
    document = {
        "rawmmap": 1,
        "series": {"pattern": "{n:02d}.bin"},
        "variables": {"u": {"dtype": "<i4", "dims": ["x"], "shape": [2]}},
    }
    fs.pipe("/described/{n}.bin.json", json.dumps(document).encode())
    for url in ("memory://described/{n:02d}.bin", "memory://described/{n}.bin.json"):
        ds = open_series(url)
        assert ds["n"].values.tolist() == [0, 1, 2]
        np.testing.assert_array_equal(ds["u"], values)
        np.testing.assert_array_equal(rawmmap.from_raw(url).compute(), values)
    fs.rm("/described", recursive=True)


def test_a_described_series_needs_no_engine(tmp_path: Path) -> None:
    write_members(tmp_path)
    pattern = tmp_path / "ux-{step:04d}.bin"
    assert not RawmmapEntrypoint().guess_can_open(pattern)
    rawmmap.describe(pattern, **MEMBER)
    assert xr.open_dataset(pattern)["ux"].sizes["step"] == 3


@CHUNKED_PATTERNS
def test_a_series_that_was_written_and_copied_elsewhere(tmp_path: Path) -> None:
    ds = xr.Dataset(
        {"u": (("k", "x"), np.arange(4.0).reshape(2, 2)), "v": ("k", [1, 2])},
        {"k": ["b", "a"], "x": [0.5, 1.5]},
    )
    ds.rawmmap.to_raw(tmp_path / "{variable}-{k}.bin")
    fs = fsspec.filesystem("memory")
    for path in tmp_path.iterdir():
        fs.pipe(f"/copied/{path.name}", path.read_bytes())
    for name in ("{variable}-{k}.bin", "{variable}-{k}.bin.json"):
        for scheme in ("memory://", "simplecache::memory://"):
            xr.testing.assert_identical(open_series(f"{scheme}copied/{name}"), ds)
    fs.rm("/copied", recursive=True)


@pytest.mark.slow
def test_a_series_is_opened_as_one_of_its_versions_while_it_is_rewritten(tmp_path: Path) -> None:
    pattern = tmp_path / "{k}.bin"
    first = xr.Dataset({"u": (("k", "x"), np.full((20, 1), 0.0))}, attrs={"number": 0})
    first.rawmmap.to_raw(pattern)
    stop = threading.Event()

    def rewrite() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            values = np.full((20, number % 3 + 1), float(number))
            ds = xr.Dataset({"u": (("k", "x"), values)}, attrs={"number": number})
            ds.rawmmap.to_raw(pattern)

    sidecar = tmp_path / "{k}.bin.json"
    seen: set[int] = set()
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(rewrite)
        try:
            while len(seen) < 3 and not writer.done():
                try:
                    before = sidecar.read_bytes()
                    ds = open_series(pattern).load()
                    replaced = sidecar.read_bytes() != before
                except (OSError, ValueError):
                    continue  # in the middle of a commit
                if replaced:
                    continue
                number = int(ds.attrs["number"])
                assert ds.sizes["x"] == number % 3 + 1
                assert (ds["u"] == number).all()
                seen.add(number)
        finally:
            stop.set()
        writer.result()
    assert len(seen) == 3


def run(*words: Any) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_takes_series(tmp_path: Path) -> None:
    for name in ("a-0", "a-1", "b-1"):
        np.arange(6, dtype="<i2").tofile(tmp_path / f"{name}.bin")
    pattern = tmp_path / "{k}-{n}.bin"
    options = ("--dtype", "<i2", "--shape", "2,3", "--missing", "fill", "--fill-value", "-9")
    shown = run("info", pattern, *options)
    assert "36 bytes (36 B) in 3 files of 12 bytes" in shown
    assert "data: <i2 (k: 2, n: 2, dim_0: 2, dim_1: 3), in 4 pieces, 1 of them missing" in shown
    assert "the first one, 1 x 1 x 2 x 3 elements: offset 0" in shown
    assert "covered: 12 of 12 bytes of the first file" in shown
    assert run("describe", pattern, *options).strip() == str(tmp_path / "{k}-{n}.bin.json")
    assert "k: 2, n: 2" in run("info", pattern)
    ds = open_series(pattern)
    assert ds["data"].sel(k="b", n=0).values.tolist() == [[-9] * 3] * 2
