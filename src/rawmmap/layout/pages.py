"""Arithmetic on byte ranges: rounding to pages, and windows of a file.

Nothing here asks the system for its page size; the callers pass it in, so that systems with larger
pages than this one can be tested anywhere.
"""

from __future__ import annotations

__all__ = ["page_count", "round_down", "round_up", "window"]


def round_down(position: int, unit: int) -> int:
    """Return the largest multiple of `unit` that is not above `position`."""
    return position - position % unit


def round_up(position: int, unit: int) -> int:
    """Return the smallest multiple of `unit` that is not below `position`."""
    return position + -position % unit


def window(start: int, stop: int, granularity: int) -> tuple[int, int]:
    """Return the range of bytes to map so that ``[start, stop)`` lies in it.

    Only the start is rounded: a map may end anywhere, and the system fills its last page.
    """
    return round_down(start, granularity), stop


def page_count(start: int, stop: int, page: int) -> int:
    """Return how many pages hold any byte of ``[start, stop)``."""
    return 0 if stop <= start else (round_up(stop, page) - round_down(start, page)) // page
