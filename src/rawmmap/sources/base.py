"""What every source of bytes can do."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from rawmmap.layout import Layout

__all__ = ["Access", "Identity", "Points", "Source"]

Access = Literal["auto", "map", "read"]
Points = tuple[npt.NDArray[np.intp], ...]


class Identity(NamedTuple):
    """What tells one state of a file from another, without reading it."""

    name: str
    size: int
    modified: int | str | None
    node: int | str | None


class Source(Protocol):
    """A file, wherever it is; picklable, and without anything open between two calls.

    Every method that takes a `Layout` touches only the bytes that it needs. All of them may be
    called from several threads at once.
    """

    @property
    def url(self) -> str:
        """Where the file is."""

    @property
    def identity(self) -> Identity:
        """The state of the file when this source was opened."""

    def read(self, layout: Layout, access: Access) -> npt.NDArray[Any]:
        """Return the elements of `layout`: writable, without any effect on the file."""

    def take(self, layout: Layout, points: Points, access: Access) -> npt.NDArray[Any]:
        """Return ``array[points]``, a copy, where `points` pick along the leading axes."""

    def reopened(self) -> Source:
        """Return the same file in its present state."""

    def write(self, layout: Layout, values: npt.NDArray[Any], access: Access) -> None:
        """Store `values`, of the shape of `layout`, and touch no other byte."""

    def put(self, layout: Layout, points: Points, values: npt.NDArray[Any], access: Access) -> None:
        """Store ``array[points] = values``, where `points` pick along the leading axes."""
