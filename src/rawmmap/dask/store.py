"""Execute write plans, now or by a `Delayed`."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.core import flatten
from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph

from rawmmap.dask.reading import Slices
from rawmmap.errors import name_file
from rawmmap.files.interrupts import deferring_interrupts, raising_on_sigterm
from rawmmap.layout import Layout
from rawmmap.writing import OpenTransaction, SharedTransaction, Transaction, WritePlan

__all__ = ["check_unmasked", "refuse_masked", "store"]


class DelayedWrite(Delayed):
    """A delayed write that rolls back if its own `compute` fails."""

    __slots__ = ("_shared",)

    def __init__(self, committed: Delayed, shared: SharedTransaction) -> None:
        super().__init__(committed.key, committed.dask)  # type: ignore[no-untyped-call]
        self._shared = shared

    def compute(self, **keywords: Any) -> None:
        """Write the file; `keywords` as for ``dask.compute``."""
        self._shared.transaction.check()
        self._shared.reset()
        with _rolling_back(self._shared):
            super().compute(**keywords)  # type: ignore[no-untyped-call]


def store(plan: WritePlan, compute: bool) -> Delayed | None:
    """Write the arrays of a plan to their layouts, and commit them.

    Parameters
    ----------
    plan : WritePlan
        The arrays with their layouts, which must not overlap, and the transaction.
    compute : bool
        Whether to write now.

    Returns
    -------
    dask.delayed.Delayed or None
        With ``compute=False``, an object that writes the file when it is computed.
    """
    if not compute:
        return _store_later(plan)
    plan.transaction.check()
    with _rolling_back(plan.transaction):
        _store_now(plan)
    return None


def _store_now(plan: WritePlan) -> None:
    transaction, batches = plan
    # One object for all tasks, which a scheduler sends to each worker once.
    shared = delayed(transaction, pure=False, traverse=False)
    with transaction.begin():
        written: list[Any] = []
        lazy = []
        for array, layout in batches:
            if isinstance(array, da.Array):
                lazy.append(_write_chunks(shared, array, layout))
            else:
                written.append(_write(array, transaction, None, layout))
        if lazy:
            written += dask.compute(lazy)[0]
        transaction.commit(_drafts_of(written))


def _store_later(plan: WritePlan) -> DelayedWrite:
    transaction, batches = plan
    shared = SharedTransaction(transaction)
    begun = delayed(_begin, pure=False)(delayed(shared, pure=False, traverse=False))
    written: list[Any] = [
        _write_chunks(begun, array, layout)
        if isinstance(array, da.Array)
        else delayed(_write, pure=False)(array, begun, None, layout)
        for array, layout in batches
    ]
    # Not by `delayed`, which would optimize the arrays first, and begin once for each of them.
    name = f"rawmmap-commit-{secrets.token_hex()}"
    chunks = list(flatten([array.__dask_keys__() for array in written]))
    graph = HighLevelGraph.from_collections(
        name, {name: (_commit, begun.key, chunks)}, dependencies=[begun, *written]
    )
    return DelayedWrite(Delayed(name, graph), shared)


@contextlib.contextmanager
def _rolling_back(transaction: Transaction | SharedTransaction) -> Iterator[None]:
    """Roll back the transaction after a failure, an interrupt or a SIGTERM.

    Tasks that are still running write to a draft whose name has been removed.
    """
    try:
        with raising_on_sigterm():
            yield
    except BaseException:
        with deferring_interrupts():
            transaction.rollback()
        raise


def _begin(shared: SharedTransaction) -> OpenTransaction:
    return shared.begin()


def _commit(begun: OpenTransaction, written: list[Any]) -> None:
    try:
        begun.commit(_drafts_of(written))
    except BaseException:
        begun.rollback()
        raise


def _drafts_of(written: list[Any]) -> set[int]:
    """Return which files took the chunks, as `_write` has returned it."""
    return {int(draft) for drafts in written for draft in np.unique(drafts)}


def _write_chunks(transaction: Delayed, array: da.Array, layout: Layout) -> da.Array:
    """Return a Dask array that writes `array` when it is computed."""
    written: da.Array = da.map_blocks(
        _write,
        array,
        transaction,
        Slices(array.chunks),
        layout=layout,
        chunks=tuple((1,) * n for n in array.numblocks),
        dtype=np.int64,
        meta=np.empty((0,) * array.ndim, np.int64),
        name=f"rawmmap-write-{dask.base.tokenize(array.name, layout, secrets.token_hex())}",
    )
    return written


def _write(
    block: Any,
    transaction: Transaction | OpenTransaction,
    where: tuple[slice, ...] | None,
    layout: Layout,
) -> npt.NDArray[np.int64]:
    """Write one chunk; return, as a block that Dask can assemble, which file took it."""
    part = layout if where is None else layout[where]
    with name_file(transaction.target):
        values = _check_block(block, part)
    draft = transaction.write(part, values)
    return np.full((1,) * part.ndim, draft, np.int64)


def _check_block(block: Any, part: Layout) -> npt.NDArray[Any]:
    """Refuse a chunk of another shape or wider text, which NumPy would silently repeat or cut."""
    check_unmasked(block)
    values = np.asarray(block)
    if values.shape != part.shape:
        raise ValueError(f"a chunk of shape {part.shape} came out as {values.shape}")
    wanted = part.dtype
    if values.dtype.kind == wanted.kind and wanted.kind in "SU" and values.dtype != wanted:
        width = np.strings.str_len(values).max(initial=0)
        if width > wanted.itemsize // np.dtype(f"{wanted.kind}1").itemsize:
            raise ValueError(f"text of {width} characters does not fit into {wanted}")
    return values


def refuse_masked(block: Any) -> Any:
    """Return a chunk as it is; refuse a masked one."""
    check_unmasked(block)
    return block


def check_unmasked(array: Any) -> None:
    """Refuse a masked array, or a Dask array of such chunks as far as it says so."""
    if isinstance(array._meta if isinstance(array, da.Array) else array, np.ma.MaskedArray):
        raise TypeError(
            "a masked array cannot be written, since a flat file cannot keep its mask: fill it "
            "first, by x.filled(value), or by da.ma.filled(x, value) if it is a Dask array"
        )
