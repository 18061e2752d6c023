"""Whether the sidecar of a file stays true when other bytes are written into it."""

from __future__ import annotations

import os

from rawmmap.errors import DescriptionError
from rawmmap.formats import sidecar
from rawmmap.layout import Layout

__all__ = ["check_description_kept"]


def check_description_kept(target: str, layout: Layout) -> None:
    """Refuse to overwrite described variables by elements that are not theirs.

    Elements of the type of a variable at the places of its elements are corrections, and what lies
    outside of all variables is not described.
    """
    path = sidecar.sidecar_path_of(target)
    if not sidecar.is_sidecar(path):
        return
    size = os.stat(target).st_size
    described = sidecar.read(path).resolve(size).variables
    for name, variable in described.items():
        data = variable.data
        if isinstance(data, Layout) and _meet(data, layout) and not _agree(data, layout):
            raise DescriptionError(
                f"{target}: {path} says that variable {name!r}, of {data.dtype} and shape "
                f"{data.shape}, lies at byte {data.offset}, which {layout.dtype} of shape "
                f"{layout.shape} at byte {layout.offset} would overwrite; write through the "
                "dataset (region=), remove the sidecar first, or write to another path"
            )


def _meet(one: Layout, other: Layout) -> bool:
    return (
        bool(one.nbytes and other.nbytes)
        and one.extent[0] < other.extent[1]
        and other.extent[0] < one.extent[1]
    )


def _agree(variable: Layout, layout: Layout) -> bool:
    """Return whether a dense layout holds nothing but elements of a variable without gaps."""
    start, stop = variable.extent
    first, last = layout.extent
    return (
        variable.dtype == layout.dtype
        and stop - start == variable.nbytes
        and start <= first
        and last <= stop
        and (first - start) % layout.dtype.itemsize == 0
    )
