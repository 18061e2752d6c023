"""How a conversion runs: in threads, with a progress bar, and ending without leftovers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rawmmap.files.interrupts import raising_on_sigterm

__all__ = ["running"]


@contextlib.contextmanager
def running(show_progress: bool | None = None) -> Iterator[None]:
    """Let Dask compute in threads that have ended when this context does, whatever happens.

    Parameters
    ----------
    show_progress : bool, optional
        Whether to draw a bar on the standard error; by default where that is a terminal.
    """
    import dask
    from dask.diagnostics import ProgressBar
    from dask.system import CPU_COUNT

    shown = sys.stderr.isatty() if show_progress is None else show_progress
    bar: Any = ProgressBar(out=sys.stderr) if shown else contextlib.nullcontext()
    pool = ThreadPoolExecutor(CPU_COUNT)
    try:
        with dask.config.set(scheduler="threads", pool=pool), raising_on_sigterm(), bar:
            yield
    finally:
        # Tasks that still write to a draft would bring it back after its removal.
        pool.shutdown(wait=True, cancel_futures=True)
