"""Files of other places, through fsspec: just the byte ranges that a selection needs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, cast

import fsspec
import numpy as np
import numpy.typing as npt

from rawmmap.errors import ShrunkFileError
from rawmmap.layout import Layout
from rawmmap.sources.base import Access, Identity, Points, Source
from rawmmap.sources.local import LocalFile

__all__ = ["RemoteFile", "open_remote"]

# Ranges closer than this are fetched as one: a request costs more than so many bytes.
_GAP = 2**18

# What file systems call the state of a file, the most telling first.
_STATES = ("ETag", "etag", "LastModified", "last_modified", "mtime", "updated", "created")


def open_remote(url: str, storage_options: Mapping[str, Any]) -> Source:
    """Return the source of a URL; a cached copy on this system is an ordinary local file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If fsspec does not know the protocol.
    """
    if url.startswith(("simplecache::", "filecache::")):
        return LocalFile.open(fsspec.open_local(url, **storage_options))
    return RemoteFile.open(url, storage_options)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that fsspec reaches; every access fetches what it needs.

    Parameters
    ----------
    url : str
        Where it is.
    identity : Identity
        Its name, its size, and what the place tells of its state.
    options : dict
        Options for fsspec.
    """

    url: str
    identity: Identity
    options: dict[str, Any] = field(hash=False)

    @classmethod
    def open(cls, url: str, storage_options: Mapping[str, Any]) -> Self:
        """Ask for a file's size and state.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        OSError
            If the place does not tell the file's size.
        """
        fs, path = fsspec.url_to_fs(url, **storage_options)
        try:
            info = fs.info(path)
        except FileNotFoundError:
            raise FileNotFoundError(2, "there is no such file; check the URL", url) from None
        if info.get("type") == "directory":
            raise IsADirectoryError(21, "this is a directory; name a file in it", url)
        if info.get("size") is None:
            raise OSError(5, "the server does not tell the size; use simplecache::", url)
        state = next((str(info[key]) for key in _STATES if info.get(key) is not None), None)
        return cls(url, Identity(url, int(info["size"]), state, None), dict(storage_options))

    def read(self, layout: Layout, access: Access) -> npt.NDArray[Any]:
        """Return the elements of `layout`; `access` means nothing here."""
        if not layout.size:
            return np.empty(layout.shape, layout.dtype)
        runs = layout.runs(_GAP)
        return runs.packed.view(self._fetched(runs.starts(), runs.length))

    def take(self, layout: Layout, points: Points, access: Access) -> npt.NDArray[Any]:
        """Return ``array[points]``, a copy, where `points` pick along the leading axes."""
        picked, rest = points[0].shape, layout.shape[len(points) :]
        if 0 in picked or 0 in rest:
            return np.empty(picked + rest, layout.dtype)
        runs, starts = layout.point_runs(points, _GAP)
        return runs.points(picked).view(self._fetched(starts, runs.length))

    def reopened(self) -> Self:
        """Return the same file in its present state."""
        return self.open(self.url, self.options)

    def write(self, layout: Layout, values: npt.NDArray[Any], access: Access) -> None:
        """Refuse: places of other kinds replace files whole."""
        raise io.UnsupportedOperation(f"{self.url}: only local files can be written to")

    def put(self, layout: Layout, points: Points, values: npt.NDArray[Any], access: Access) -> None:
        """Refuse, as `write` does."""
        self.write(layout, values, access)

    def _fetched(self, starts: npt.NDArray[np.int64], length: int) -> bytearray:
        """Return the bytes of runs of equal length, end to end."""
        fs, path = fsspec.url_to_fs(self.url, **self.options)
        unique, where = np.unique(starts, return_inverse=True)
        firsts, lasts, joined = _joined(unique, length)
        blocks = fs.cat_ranges(
            [path] * len(firsts), firsts.tolist(), lasts.tolist(), on_error="raise"
        )
        for first, last, block in zip(firsts.tolist(), lasts.tolist(), blocks, strict=True):
            if len(block) != last - first:
                raise ShrunkFileError(self.url, last, first + len(block))
        result = bytearray(starts.size * length)
        at = 0
        for number, first in zip(joined[where].tolist(), starts.tolist(), strict=True):
            begin = first - int(firsts[number])
            result[at : at + length] = blocks[number][begin : begin + length]
            at += length
        return result


def _joined(
    starts: npt.NDArray[np.int64], length: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.intp]]:
    """Join ascending runs that lie close together; also return which range each went into."""
    apart = np.diff(starts) > length + _GAP
    group = np.concatenate([[0], np.cumsum(apart)])
    firsts = starts[np.concatenate([[True], apart])]
    lasts = starts[np.concatenate([apart, [True]])] + length
    return firsts, lasts, cast("npt.NDArray[np.intp]", group)
