"""Files that change as a whole or not at all.

Everything that is written goes into a draft first. A transaction changes the target in `commit`
alone, a short step under the lock of the file's name, in which it also looks whether the target is
still what it was when the write was planned. Writers therefore come one after the other, in the
order of their commits, or fail with a `ChangedFileError` that says that another write came
between; one that is killed leaves its draft at the most.
"""

from __future__ import annotations

from rawmmap.writing.append import Append
from rawmmap.writing.draft import Draft
from rawmmap.writing.in_place import InPlace
from rawmmap.writing.in_place_parts import InPlaceParts
from rawmmap.writing.into_sidecar import IntoSidecar
from rawmmap.writing.plan import Transaction, WritePlan
from rawmmap.writing.replace import Replace
from rawmmap.writing.series import ReplaceSeries
from rawmmap.writing.shared import OpenTransaction, SharedTransaction
from rawmmap.writing.sidecars import settle, write_sidecar
from rawmmap.writing.state import ChangedFileError, State

__all__ = [
    "Append",
    "ChangedFileError",
    "Draft",
    "InPlace",
    "InPlaceParts",
    "IntoSidecar",
    "OpenTransaction",
    "Replace",
    "ReplaceSeries",
    "SharedTransaction",
    "State",
    "Transaction",
    "WritePlan",
    "settle",
    "write_sidecar",
]
