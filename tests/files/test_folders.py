"""Folders that come into being whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rawmmap.files.folders import replacing_folder


def fill(draft: str, name: str) -> None:
    os.makedirs(draft)
    Path(draft, name).write_text(name)


def fill_and_fail(target: Path, error: BaseException) -> None:
    with replacing_folder(str(target)) as draft:
        fill(draft, "new")
        raise error


def test_a_new_folder_and_another_in_its_place(tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    for name in ("one", "two"):
        with replacing_folder(str(target)) as draft:
            fill(draft, name)
            assert name == "one" or os.listdir(target) == ["one"]
        assert os.listdir(target) == [name]
        assert os.listdir(tmp_path) == ["a.zarr"]


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_leaves_everything_as_it_was(
    tmp_path: Path, error: BaseException, exists: bool
) -> None:
    target = tmp_path / "a.zarr"
    if exists:
        fill(str(target), "old")
    with pytest.raises(type(error)):
        fill_and_fail(target, error)
    assert os.listdir(tmp_path) == (["a.zarr"] if exists else [])
    assert not exists or os.listdir(target) == ["old"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failure_between_two_names_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    target = tmp_path / "a.zarr"
    fill(str(target), "old")
    rename, calls = os.rename, []

    def fail(*names: Any) -> None:
        calls.append(names)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        rename(*names)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="No space left"), replacing_folder(str(target)) as draft:
        fill(draft, "new")
    assert os.listdir(tmp_path) == ["a.zarr"]
    assert os.listdir(target) == ["old"]


def test_a_link_keeps_pointing_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with replacing_folder(str(tmp_path / "link")) as draft:
        fill(draft, "new")
    assert (tmp_path / "link").is_symlink()
    assert os.listdir(tmp_path / "real") == ["new"]
