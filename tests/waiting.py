"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable

# A generous limit, not a measure of anything.
_SECONDS = 100


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail after a time that no working test needs."""
    limit = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)
