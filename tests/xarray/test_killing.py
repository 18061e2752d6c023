"""Writers that are killed leave either the old dataset or the new one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

import rawmmap
from tests.xarray.killing import version

SCRIPT = Path(__file__).with_name("killing.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_killed_writer_leaves_the_old_or_the_new_dataset(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, "60"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "fine\n", done.stderr


def test_a_file_and_its_sidecar_are_opened_together(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    rawmmap.to_raw(version(0), path)
    with subprocess.Popen([sys.executable, SCRIPT, path, "for ever"]) as writer:
        try:
            seen: set[int] = set()
            limit = time.monotonic() + 100
            while len(seen) <= 20 and time.monotonic() < limit:
                ds = xr.open_dataset(path, engine="rawmmap")
                number = int(ds.attrs["number"])
                assert ds.sizes == version(number).sizes
                seen.add(number)
        finally:
            writer.kill()
    assert len(seen) > 20


def test_the_next_sidecar_counts_for_the_draft_alone(tmp_path: Path) -> None:
    path, own = tmp_path / "a.bin", tmp_path / "a.bin.json"
    rawmmap.to_raw(version(1), path)
    document = json.loads(own.read_text())
    coming = own.read_text().replace('"number": 1', '"number": 2')
    status = path.stat()
    state = {"inode": status.st_ino, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    for word, number in [(None, 2), ("inode", 1), ("size", 1), ("mtime_ns", 1)]:
        changed = state if word is None else state | {word: state[word] + 1}
        own.write_text(json.dumps(document | {"next": changed | {"sidecar": json.loads(coming)}}))
        assert xr.open_dataset(path, engine="rawmmap").attrs["number"] == number
        rawmmap.describe(path, format="sidecar")
        assert xr.open_dataset(path, engine="rawmmap").attrs["number"] == number
        assert "next" not in json.loads(own.read_text())


def test_what_a_killed_writer_has_replaced_may_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    rawmmap.to_raw(version(1), path)

    def kill(draft: str, target: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rawmmap.writing.sidecars.install_text", kill)
        patch.setattr("rawmmap.writing.sidecars._replace", replace_by_hand)
        with pytest.raises(KeyboardInterrupt):
            rawmmap.to_raw(version(2), path)
    document = json.loads(Path(f"{path}.json").read_text())
    if "generation" not in document["next"]:
        pytest.skip("this system does not tell the generations of inodes")
    assert document["attrs"]["number"] == 1
    ds = rawmmap.map_dataset(path, "r+")
    ds["u"][0] = 7
    rawmmap.flush(ds)
    with path.open("ab") as file:
        file.write(b"more")
    assert xr.open_dataset(path, engine="rawmmap")["u"].values.tolist() == ds["u"].values.tolist()
    assert ds.attrs["number"] == 2
    os.unlink(path)
    path.write_bytes(bytes(2**16))  # of another program, be it with the same inode
    assert xr.open_dataset(path, engine="rawmmap").attrs["number"] == 1


def replace_by_hand(target: str, text: bytes, like: str | None = None) -> None:
    Path(f"{target}.json").write_bytes(text)
