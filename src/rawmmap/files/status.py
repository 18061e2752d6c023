"""What the system tells of a file beyond `os.stat`: which use of an inode it is, and its mount."""

from __future__ import annotations

import functools
import os
import re
import struct
import sys

from rawmmap.files import libc
from rawmmap.files.io import open_for_reading

__all__ = [
    "generation_of",
    "has_lasting_inodes",
    "is_network_device",
    "real_path_of",
    "status_and_generation",
]

if sys.platform != "win32":
    import fcntl

# FS_IOC_GETVERSION of <linux/fs.h>: _IOR('v', 1, long).
_GET_GENERATION = 0x80007601 | struct.calcsize("l") << 16
_MOUNTS = "/proc/self/mountinfo"
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|lustre|gpfs|beegfs|ceph|glusterfs|afs|9p|virtiofs|panfs|orangefs"
    r"|pvfs2|ncpfs|fuse(\..*)?|fuseblk"
)
# Their clients number the files as they come across them, unless the server or daemon does.
_NUMBERED_BY_CLIENTS = re.compile(r"cifs|smb\d?|smbfs|9p|fuse(\..*)?|fuseblk")


def generation_of(fd: int) -> int | None:
    """Return the number that tells one use of an inode from the next, or None.

    File systems use the inode number of a removed file again, ext4 at once, and give each use
    another generation. Those that do not tell it, such as tmpfs, tell when the file was created.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        answer = fcntl.ioctl(fd, _GET_GENERATION, bytes(8))
    except OSError:  # not all file systems have it; some refuse it to other users
        return libc.birth_time(fd)
    return int.from_bytes(answer[:4], sys.byteorder)


def status_and_generation(path: str) -> tuple[os.stat_result, int | None]:
    """Return what the system tells of the file at `path`, which may be replaced meanwhile."""
    fd = open_for_reading(path)
    try:
        return os.fstat(fd), generation_of(fd)
    finally:
        os.close(fd)


def real_path_of(fd: int) -> str | None:
    """Return the path of an open file without links, or None where the system does not tell."""
    try:
        path = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return None
    # Of a file that was removed since, or lies outside of this root, the text is not a path.
    return path if path.startswith("/") and not path.endswith(" (deleted)") else None


def is_network_device(device: int) -> bool:
    """Return whether the mount of a device number is a network or FUSE file system.

    Maps of such files can fail long after they were made, and a failure kills the process.
    """
    return _NETWORK.fullmatch(_type_of_mount(device)) is not None


def has_lasting_inodes(device: int) -> bool:
    """Return whether a file of a device keeps its inode number, and has it on every machine."""
    return _NUMBERED_BY_CLIENTS.fullmatch(_type_of_mount(device)) is None


@functools.lru_cache(maxsize=256)
def _type_of_mount(device: int) -> str:
    """Return the type of the file system of a device number; "" where the system does not tell."""
    name = f"{os.major(device)}:{os.minor(device)}" if hasattr(os, "major") else ""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                mount, _, rest = line.partition(" - ")
                if mount.split(" ", 3)[2] == name:
                    return rest.split(" ", 1)[0]
    except (OSError, IndexError):
        pass
    return ""
