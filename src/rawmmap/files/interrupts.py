"""Signals that would interrupt a write where it cannot be undone."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["deferring_interrupts", "raising_on_sigterm"]


@contextlib.contextmanager
def raising_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise `SystemExit` where it would end the process without a rollback.

    Python calls handlers of signals in the main thread; in others this does nothing.
    """
    if not _in_main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def deferring_interrupts() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the end of the block.

    In threads other than the main one this does nothing, and nothing is raised there.
    """
    if not _in_main_thread():
        yield
        return
    caught: set[int] = set()
    before: dict[int, Any] = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        if callable(handler := signal.getsignal(number)) or handler is signal.SIG_DFL
    }
    try:
        for number in before:
            signal.signal(number, lambda number, _: caught.add(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        # SIGTERM first: what the first one raises is all that the caller sees.
        for number in sorted(caught, reverse=True):
            signal.raise_signal(number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
