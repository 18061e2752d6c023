"""Network file systems: which mounts are some, and that their files are read and not mapped."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap
from rawmmap import RawArray
from rawmmap.files import status
from rawmmap.files.status import has_lasting_inodes, is_network_device
from rawmmap.sources import Files
from rawmmap.sources.local import LocalFile

# More than is read rather than mapped anywhere.
LENGTH = 3 * 2**20
# Seconds that anything here may take.
LIMIT = 60

# Types of file systems as Linux names them: network, and whether all clients see the same inodes.
KINDS = {
    "nfs": (True, True),
    "nfs4": (True, True),
    "lustre": (True, True),
    "ceph": (True, True),
    "gpfs": (True, True),
    "beegfs": (True, True),
    "cifs": (True, False),
    "smb3": (True, False),
    "9p": (True, False),
    "virtiofs": (True, True),
    "fuse": (True, False),
    "fuse.sshfs": (True, False),
    "fuse.glusterfs": (True, False),
    "fuseblk": (True, False),
    "ext4": (False, True),
    "xfs": (False, True),
    "btrfs": (False, True),
    "tmpfs": (False, True),
    "overlay": (False, True),
    "zfs": (False, True),
    "fusectl": (False, True),
    "nfsd": (False, True),
    "configfs": (False, True),
}


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Forget which device numbers are mounts of which type, before and afterwards."""
    status._type_of_mount.cache_clear()
    yield
    status._type_of_mount.cache_clear()


@pytest.mark.usefixtures("forgetful")
@pytest.mark.skipif(not hasattr(os, "makedev"), reason="there are no device numbers")
@pytest.mark.parametrize("kind", KINDS)
def test_types_of_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 8:1 / / rw - ext4 /dev/sda rw\n"
        f"36 21 0:77 / /mnt/a\\040b rw,noatime shared:1 master:2 - {kind} server:/a - b rw,x=y\n"
    )
    monkeypatch.setattr("rawmmap.files.status._MOUNTS", str(mounts))
    network, lasting = KINDS[kind]
    assert is_network_device(os.makedev(0, 77)) is network
    assert has_lasting_inodes(os.makedev(0, 77)) is lasting
    assert not is_network_device(os.makedev(8, 1))
    assert not is_network_device(os.makedev(0, 78))


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("text", [None, "", "36 21\n", "nonsense - nfs\n"])
def test_systems_that_do_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    mounts = tmp_path / "mountinfo"
    if text is not None:
        mounts.write_text(text)
    monkeypatch.setattr("rawmmap.files.status._MOUNTS", str(mounts))
    assert not is_network_device(5)
    assert has_lasting_inodes(5)


class Noting:
    """A local file that notes how it is accessed."""

    def __init__(self, source: LocalFile) -> None:
        self.source = source
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in ("read", "map", "prefetch"):
            self.calls.append(name)
        return getattr(self.source, name)


def ways_to_read(path: Path) -> tuple[Any, list[str]]:
    """Return the bytes of a file, read with ``access="auto"``, and how they were."""
    source: Any = Noting(LocalFile.open(str(path)))
    array = RawArray.of(Files.single(source), rawmmap.Layout.dense("u1", LENGTH))
    values = np.asarray(array[1:])
    return values, source.calls


@contextmanager
def mounted(folder: Path, point: Path) -> Iterator[None]:
    """Show `folder` at `point` through FUSE; skip where that is impossible."""
    pytest.importorskip("mfusepy", reason="it makes the mount", exc_type=ImportError)
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse may not be used here")
    script = Path(__file__).with_name("passthrough.py")
    point.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(point)], stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + LIMIT
        while not point.is_mount():
            if process.poll() is not None:
                assert process.stderr is not None
                pytest.skip(f"no FUSE mounts here: {process.stderr.read().strip()[-200:]}")
            assert time.monotonic() < until
            time.sleep(0.01)
        yield
    finally:
        # Whatever still refers to its files: the mount is gone, and its process ends.
        subprocess.run(["fusermount3", "-u", "-z", str(point)], check=False, capture_output=True)
        try:
            process.wait(LIMIT)
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    values = np.random.default_rng(0).integers(0, 256, LENGTH, "u1")
    for name in "abc":
        (folder / name).write_bytes(bytes([ord(name)]) + values[1:].tobytes())
    return folder


@pytest.mark.usefixtures("forgetful")
def test_files_of_a_fuse_mount_are_read(folder: Path, tmp_path: Path) -> None:
    expected = np.fromfile(folder / "a", "u1")
    values, calls = ways_to_read(folder / "a")
    assert calls == ["map"]
    with mounted(folder, tmp_path / "mount"):
        path = tmp_path / "mount" / "a"
        values, calls = ways_to_read(path)
        np.testing.assert_array_equal(values, expected[1:])
        assert calls == ["read"]
        every = RawArray(path, "u1", LENGTH, access="map")
        np.testing.assert_array_equal(every[::4096], expected[::4096])
        ds = rawmmap.open(path, dtype="u1", shape=-1)
        np.testing.assert_array_equal(ds["data"].data[5:9], expected[5:9])


@pytest.mark.usefixtures("forgetful")
def test_other_clients_number_the_files_of_a_fuse_mount_otherwise(
    folder: Path, tmp_path: Path
) -> None:
    point = tmp_path / "mount"
    with mounted(folder, point):
        raw = RawArray(point / "a", "u1", LENGTH)
        inode = (point / "a").stat().st_ino
        series = rawmmap.open(str(point / "{name}"), dtype="u1", shape=(LENGTH,))
        sent = pickle.dumps((raw, series["data"].data))
    with mounted(folder, point):
        # They are numbered as they are asked for.
        for name in "cba":
            (point / name).stat()
        assert (point / "a").stat().st_ino != inode
        raw, members = pickle.loads(sent)
        assert raw[0] == ord("a")
        assert bytes(members[:, 0]) == b"abc"
        os.utime(folder / "a", ns=(1, 1))
        with pytest.raises(OSError, match="another file has replaced"):
            raw[0]
