"""A FUSE file system that shows another folder: ``python passthrough.py FOLDER MOUNTPOINT``."""

from __future__ import annotations

import os
import sys
from typing import Any

import mfusepy

TIMES = {"st_atime": 0, "st_mtime": 0, "st_ctime": 0}


class Passthrough(mfusepy.Operations):  # type: ignore[misc]
    """Shows the files of one folder, for reading."""

    use_ns = True

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        """Return what is known of a file."""
        status = os.lstat(self.folder + path)
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid")
        times = {name: getattr(status, f"{name}_ns") for name in TIMES}
        return {name: getattr(status, name) for name in names} | times

    def readdir(self, path: str, fh: int) -> list[str]:
        """Return the names in a folder."""
        return [".", "..", *os.listdir(self.folder + path)]

    def open(self, path: str, flags: int) -> int:
        """Open a file."""
        return os.open(self.folder + path, flags)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Return bytes of an open file."""
        return os.pread(fh, size, offset)

    def release(self, path: str, fh: int) -> int:
        """Close a file."""
        os.close(fh)
        return 0


if __name__ == "__main__":
    # Nothing is cached: what is changed beneath shows at once.
    fresh = {"attr_timeout": 0, "entry_timeout": 0}
    mfusepy.FUSE(Passthrough(sys.argv[1]), sys.argv[2], foreground=True, nothreads=True, **fresh)
