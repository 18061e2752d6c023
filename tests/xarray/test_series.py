"""Series of files: one dataset, compared with NumPy on what was written."""

from __future__ import annotations

import gzip
import os
import pickle
import re
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

import rawmmap
from rawmmap.errors import DescriptionError, ShortFileError

MEMBER: dict[str, Any] = {"dtype": ">f4", "shape": (3, 4), "dims": ("y", "x"), "offset": 8}


def write_members(folder: Path, pattern: str, count: int = 5) -> npt.NDArray[Any]:
    """Write files with a header of 8 bytes, and return what they hold."""
    values = np.arange(count * 12, dtype=">f4").reshape(count, 3, 4)
    for step, member in enumerate(values):
        path = folder / pattern.format(step=step)
        path.write_bytes(bytes(8) + member.tobytes())
    return values


def open_series(pattern: Any, **keywords: Any) -> xr.Dataset:
    return xr.open_dataset(pattern, engine="rawmmap", **keywords)


@pytest.mark.parametrize("chunks", [None, {}])
def test_the_field_is_a_leading_dimension(tmp_path: Path, chunks: Any) -> None:
    values = write_members(tmp_path, "ux-{step:04d}.bin")
    ds = open_series(tmp_path / "ux-{step:04d}.bin", name="ux", chunks=chunks, **MEMBER)
    assert ds["ux"].dims == ("step", "y", "x")
    assert ds["step"].values.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(ds["ux"].values, values)
    np.testing.assert_array_equal(ds["ux"].sel(step=[3, 1])[:, ::-1].values, values[[3, 1], ::-1])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ds))["ux"].values, values)


def test_variables_and_times_in_names_and_folders(tmp_path: Path) -> None:
    for month in (1, 2):
        folder = tmp_path / f"{month:02d}"
        folder.mkdir()
        for name, base in (("u", 0), ("v", 100)):
            np.array([base + month], "<i2").tofile(folder / f"{name}-2024{month:02d}01.dat")
    pattern = f"{tmp_path}/{{time:%m}}/{{variable}}-{{time:%Y%m%d}}.dat"
    ds = open_series(pattern, dtype="<i2", shape=(1,), dims=("x",))
    assert set(ds.data_vars) == {"u", "v"}
    assert ds["u"].dims == ("time", "x")
    assert ds["v"].values.tolist() == [[101], [102]]
    assert ds["time"].values[1] == np.datetime64("2024-02-01")


def test_a_path_that_exists_is_literal(tmp_path: Path) -> None:
    write_members(tmp_path, "{{step}}.bin", 1)
    ds = open_series(tmp_path / "{step}.bin", **MEMBER)
    assert ds["data"].dims == ("y", "x")


def test_missing_files(tmp_path: Path) -> None:
    pattern = tmp_path / "{a}-{b:02d}.bin"
    for a, b in (("p", 1), ("p", 2), ("q", 2)):
        np.array([b], "<f8").tofile(tmp_path / f"{a}-{b:02d}.bin")
        np.array([b], "<i2").tofile(tmp_path / f"{a}-{b:02d}.int")
    keywords: dict[str, Any] = {"dtype": "<f8", "shape": (1,), "dims": "x"}
    with pytest.raises(DescriptionError, match=r"1 of 4 files are missing: .*q-01\.bin"):
        open_series(pattern, **keywords)
    ds = open_series(pattern, missing="fill", **keywords)
    np.testing.assert_array_equal(ds["data"][..., 0], [[1, 2], [np.nan, 2]])
    pattern, keywords["dtype"] = pattern.with_suffix(".int"), "<i2"
    with pytest.raises(DescriptionError, match="pass fill_value="):
        open_series(pattern, missing="fill", **keywords)
    ds = open_series(pattern, missing="fill", fill_value=-1, **keywords)
    np.testing.assert_array_equal(ds["data"][..., 0], [[1, 2], [-1, 2]])


def test_a_pattern_without_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file has a name of this pattern"):
        open_series(tmp_path / "{step}.bin", **MEMBER)


def test_a_short_member_is_named(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    os.truncate(tmp_path / "3.bin", 55)
    with pytest.raises(ShortFileError, match=r"3\.bin"):
        open_series(tmp_path / "{step}.bin", **MEMBER)


def test_lengths_from_sizes_must_agree(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    os.truncate(tmp_path / "3.bin", 48)
    with pytest.raises(DescriptionError, match=r"56 bytes of .*0\.bin, 48 bytes of .*3\.bin"):
        open_series(tmp_path / "{step}.bin", dtype="<f4", shape=-1, dims="x")


def test_records_of_unequal_files_are_joined(tmp_path: Path) -> None:
    days = [np.arange(6).reshape(3, 2), np.arange(2).reshape(1, 2), np.arange(8).reshape(4, 2)]
    for day, values in enumerate(days):
        values.astype("<i4").tofile(tmp_path / f"2024010{day + 1}.dat")
    pattern = tmp_path / "{time:%Y%m%d}.dat"
    ds = open_series(pattern, dtype="<i4", shape=(2,), dims="x", record_dim="time")
    assert ds["data"].dims == ("time", "x")
    np.testing.assert_array_equal(ds["data"], np.concatenate(days))


def test_a_field_that_a_file_has_as_dimension(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    with pytest.raises(DescriptionError, match="'step' is a dimension or variable"):
        open_series(tmp_path / "{step}.bin", dtype="<f4", shape=(3,), dims="step")


def test_the_first_files_sidecar_describes_all(tmp_path: Path) -> None:
    values = write_members(tmp_path, "{step:02d}.bin")
    rawmmap.describe(tmp_path / "00.bin", name="u", **MEMBER)
    raw = rawmmap.open(tmp_path / "{step:02d}.bin")
    assert len(raw.files) == 5
    np.testing.assert_array_equal(raw["u"].data[1:, 0], values[1:, 0])
    with pytest.raises(ValueError, match="not on a series of 5 files"):
        _ = raw.source


def test_what_needs_one_file_refuses_a_series(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    with pytest.raises(ValueError, match=r"series|several pieces"):
        rawmmap.map_dataset(tmp_path / "{step}.bin", **MEMBER)


def test_from_raw(tmp_path: Path) -> None:
    values = write_members(tmp_path, "{step}.bin")
    array = rawmmap.from_raw(tmp_path / "{step}.bin", ">f4", (3, 4), offset=8)
    assert array.numblocks[0] == 5
    np.testing.assert_array_equal(array.compute(), values)


def test_samples_of_a_few_bits(tmp_path: Path) -> None:
    stored = np.arange(18, dtype="u1").reshape(3, 6)
    for step, member in enumerate(stored):
        member.tofile(tmp_path / f"{step}.bin")
    expected = np.stack([stored >> 4, stored & 15], -1).reshape(3, 12)
    array = rawmmap.from_raw(tmp_path / "{step}.bin", "u1", 12, bits=4)
    np.testing.assert_array_equal(array.compute(), expected)


def test_refresh_sees_new_files_and_records(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin", 2)
    ds = open_series(tmp_path / "{step}.bin", chunks={}, **MEMBER)
    values = write_members(tmp_path, "{step}.bin", 3)
    again = rawmmap.refresh(ds)
    assert ds.sizes["step"] == 2
    np.testing.assert_array_equal(again["data"], values)
    assert again["data"].chunks is not None
    assert again["data"].data.name != ds["data"].data.name
    with pytest.raises(ValueError, match="how it was opened"):
        rawmmap.refresh(xr.Dataset())


def test_files_that_vanish_or_are_replaced(tmp_path: Path) -> None:
    write_members(tmp_path, "{step}.bin")
    ds = open_series(tmp_path / "{step}.bin", **MEMBER)
    (tmp_path / "1.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"1\.bin"):
        ds["data"][1].load()
    (tmp_path / "new").write_bytes(bytes(56))
    (tmp_path / "new").rename(tmp_path / "2.bin")
    with pytest.raises(OSError, match=r"2\.bin"):
        ds["data"][2].load()


def test_remote_files_and_hidden_options() -> None:
    fs = fsspec.filesystem("memory")
    values = np.arange(6, dtype="<i4").reshape(3, 2)
    for step, member in enumerate(values):
        fs.pipe(f"/series/run/{step:02d}.bin", member.tobytes())
    keywords: dict[str, Any] = {"dtype": "<i4", "shape": (2,), "dims": "x"}
    options = {"secret": "not-shown-anywhere"}
    ds = open_series("memory://series/{k}/{n:02d}.bin", storage_options=options, **keywords)
    np.testing.assert_array_equal(ds["data"][0], values)
    assert "not-shown-anywhere" not in repr(ds.encoding)
    fs.rm("/series", recursive=True)


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "docs" / "series.md"
    monkeypatch.chdir(tmp_path)
    code = "\n".join(
        re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
    exec(compile(code, str(page), "exec"), {})


def test_a_compressed_series_is_refused_by_name(tmp_path: Path) -> None:
    for step in range(2):
        (tmp_path / f"{step}.gz").write_bytes(gzip.compress(bytes(100)))
    with pytest.raises(ValueError, match=r"0\.gz"):
        open_series(tmp_path / "{step}.gz", dtype="u1", shape=(4,), dims="x")
