"""Integers of 24 bits, and pairs of integers as complex numbers.

Bytes come and go as rows, one per sample, the most significant byte first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["decode_24", "decode_pairs", "encode_24", "encode_pairs"]

Bytes = npt.NDArray[np.uint8]


def decode_24(kind: str, rows: Bytes) -> npt.NDArray[Any]:
    """Return integers of three bytes as `kind`, ``"i4"`` or ``"u4"``."""
    wide = np.zeros((len(rows), 4), np.uint8)
    wide[:, :3] = rows
    # The shift fills up with the sign.
    numbers: npt.NDArray[Any] = wide.view(f">{kind}")[:, 0] >> 8
    return numbers


def encode_24(kind: str, values: npt.NDArray[Any]) -> Bytes:
    """Return the three bytes of each of some integers.

    Raises
    ------
    ValueError
        If one of them needs more.
    """
    low, high = (0, 2**24 - 1) if kind == "u4" else (-(2**23), 2**23 - 1)
    _check_range(values, low, high)
    return values.astype(f">{kind}").view(np.uint8).reshape(-1, 4)[:, 1:]


def decode_pairs(nbytes: int, rows: Bytes) -> npt.NDArray[Any]:
    """Return pairs of integers of `nbytes` each as complex numbers."""
    pairs = np.ascontiguousarray(rows).view(f">i{nbytes}")
    # Integers of 16 bits are exact in single precision.
    parts = pairs.astype(np.float32 if nbytes < 4 else np.float64)
    numbers: npt.NDArray[Any] = parts.view(f"c{2 * parts.itemsize}")[:, 0]
    return numbers


def encode_pairs(nbytes: int, values: npt.NDArray[Any]) -> Bytes:
    """Return the bytes of complex numbers whose parts are integers.

    Raises
    ------
    ValueError
        If a part is not whole or needs more bytes.
    """
    parts = values.view(values.real.dtype)
    broken = parts != np.rint(parts)
    if broken.any():
        raise ValueError(f"{parts[broken][0]} is not a whole number; round the values first")
    _check_range(parts, -(2 ** (8 * nbytes - 1)), 2 ** (8 * nbytes - 1) - 1)
    return parts.astype(f">i{nbytes}").view(np.uint8).reshape(-1, 2 * nbytes)


def _check_range(values: npt.NDArray[Any], low: int, high: int) -> None:
    outside = (values < low) | (values > high)
    if outside.any():
        raise ValueError(f"{values[outside][0]} is out of their range, {low} to {high}")
