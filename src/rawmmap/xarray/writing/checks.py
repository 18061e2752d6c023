"""What every change of an existing file asks of the data."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Any

from xarray import Variable

from rawmmap.xarray.writing.existing import Existing

__all__ = ["check_lengths", "check_record_axis_kept"]


def check_record_axis_kept(existing: Existing, growing: Collection[Hashable]) -> None:
    """Refuse to choose another record axis than the file has."""
    records = existing.description.records
    if set(growing) - {records.dim if records else None}:
        raise ValueError(
            f"{existing.description.path}: the record axis of a file is chosen when it is first "
            f"written, not when it is changed; unlimited_dims={sorted(map(str, growing))}"
        )


def check_lengths(
    existing: Existing, name: str, variable: Variable, expected: Mapping[Any, int]
) -> None:
    """Refuse a variable whose lengths are not those of the file, but for those expected."""
    wanted = {**existing.sizes, **expected}
    for dim, n in variable.sizes.items():
        if n != wanted[str(dim)]:
            raise ValueError(
                f"{existing.description.path}: variable {name!r} has length {n} along {dim!r}, but "
                f"{wanted[str(dim)]} is needed"
            )
