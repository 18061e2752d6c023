"""Samples of a few bits each out of the bytes that hold them, many at a time.

Eight samples of up to 7 bits, or four of up to 14, are loaded as one word of 64 bits, and spread
over it half by half until each of them has a byte, or two, of its own. For samples of 4 bits, a to
h, the hexadecimal digits of a word are::

    00000000hgfedcba
    0000hgfe0000dcba    the upper half of the samples moves up
    00hg00fe00dc00ba    that of each half
    0h0g0f0e0d0c0b0a    that of each quarter
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["unpack_run"]

# Bytes of words that are spread at a time, so that intermediate results stay in the cache.
_BLOCK = 2**16

_WORD = np.dtype(np.uint64)


def unpack_run(
    rows: npt.NDArray[np.uint8], bits: int, order: str, first: int, count: int
) -> npt.NDArray[Any]:
    """Return samples that follow each other without gaps in each of some rows of bytes.

    Parameters
    ----------
    rows : numpy.ndarray
        Bytes; each row holds the samples.
    bits : int
        Bits of one sample, up to 14.
    order : {"msb", "lsb"}
        Whether the first sample is in the most or the least significant bits of a byte.
    first : int
        Bit of a row at which its first sample starts, 0 to 7.
    count : int
        Number of samples of a row.

    Returns
    -------
    numpy.ndarray
        One row of samples for each row of bytes, as the smallest unsigned type that holds them.
    """
    each = 8 if bits <= 8 else 4
    step = bits * each // 8
    words = -(-count // each)
    samples = np.empty((len(rows), words * each), np.uint8 if each == 8 else np.uint16)
    # A word is 8 bytes, of which `step` are its own.
    width = (words - 1) * step + _WORD.itemsize
    at_once = max(_BLOCK // (words * _WORD.itemsize), 1)
    for start in range(0, len(rows), at_once):
        block = rows[start : start + at_once]
        padded = np.zeros((len(block), width), np.uint8)
        padded[:, : block.shape[1]] = block[:, :width]
        overlapping = np.ndarray(
            (len(block), words), "<u8" if order == "lsb" else ">u8", padded, 0, (width, step)
        )
        for column in range(0, words, _BLOCK // _WORD.itemsize):
            some = slice(column, column + _BLOCK // _WORD.itemsize)
            loaded = overlapping[:, some].astype(_WORD)
            spread = _spread(_aligned(loaded, bits * each, order, first), bits, each)
            target = samples[start : start + at_once, some.start * each : some.stop * each]
            _store(spread, target, each, order)
    return samples[:, :count]


def _aligned(words: npt.NDArray[np.uint64], used: int, order: str, first: int) -> Any:
    """Return words with the samples in their lowest bits, and zeros above, in place."""
    if order == "lsb":
        words >>= np.uint64(first)
        words &= np.uint64((1 << used) - 1)
    else:
        words <<= np.uint64(first)
        words >>= np.uint64(64 - used)
    return words


def _spread(words: npt.NDArray[np.uint64], bits: int, each: int) -> npt.NDArray[np.uint64]:
    """Return words with each sample in a byte, or two, of its own, in place."""
    upper = np.empty_like(words)
    samples, lane = each, 64
    while samples > 1:
        samples, lane = samples // 2, lane // 2
        # Each lane keeps the lower half of its samples; the upper half goes into the next lane.
        mask = sum(((1 << samples * bits) - 1) << (2 * lane * i) for i in range(32 // lane))
        np.left_shift(words, np.uint64(lane - samples * bits), out=upper)
        upper &= np.uint64(mask << lane)
        words &= np.uint64(mask)
        words |= upper
    return words


def _store(words: npt.NDArray[np.uint64], target: Any, each: int, order: str) -> None:
    """Store the samples of words, which have the first one in the lowest bits for "lsb"."""
    little = words.astype("<u8", copy=False)
    lanes = little.view("u1" if each == 8 else "<u2").reshape(*words.shape, each)
    if order == "msb" and each == 8:
        lanes = words.astype(">u8").view("u1").reshape(*words.shape, each)
    elif order == "msb":
        lanes = lanes[..., ::-1]
    target[...] = lanes.reshape(target.shape)
