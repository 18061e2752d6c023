"""Small pictures of values: as an array, as text, and as an image for notebooks."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["COLUMNS", "ROWS", "draw_blocks", "embed_png", "make_thumbnail"]

Image = npt.NDArray[np.uint8]

#: Most rows and columns of a picture.
ROWS, COLUMNS = 32, 64
_SHADES = " ░▒▓█"
# Quantiles that are black and white, so that single extreme values do not hide the others.
_DARK, _LIGHT = 0.02, 0.98


def make_thumbnail(lines: Sequence[npt.NDArray[Any]], row: int | None = None) -> Image | None:
    """Return a picture of some values, or None if there are none.

    Parameters
    ----------
    lines : sequence of one-dimensional array
        Quantities that are shown one below the other, each in its own range.
    row : int, optional
        Of a single quantity: how many values make a row. Without it, rows follow each other as the
        lines of a text.
    """
    if not lines or not lines[0].size:
        return None
    if len(lines) > 1:
        height = max(ROWS // len(lines), 1)
        strips = [_shade(line[:COLUMNS])[None] for line in lines[:ROWS]]
        return np.repeat(np.concatenate(strips), height, axis=0)
    values = lines[0]
    if row is None or values.size < 2 * row:
        return _wrap(_shade(values[: ROWS * COLUMNS]))
    plane = values[: values.size // row * row].reshape(-1, row)
    rows, columns = (_choose(n, most) for n, most in zip(plane.shape, (ROWS, COLUMNS), strict=True))
    return _shade(plane[np.ix_(rows, columns)])


def _choose(length: int, count: int) -> npt.NDArray[np.int64]:
    """Return evenly spread positions: single values, since means would hide noise."""
    return np.linspace(0, length - 1, min(length, count)).round().astype(np.int64)


def _wrap(line: Image) -> Image:
    """Return values as rows, the last one filled with 0."""
    width = min(line.size, COLUMNS)
    return np.pad(line, (0, -line.size % width)).reshape(-1, width)


def _shade(values: npt.NDArray[Any]) -> Image:
    """Return values as shades of their range; 0 for those that are not finite."""
    with np.errstate(all="ignore"):
        plain = np.abs(values) if values.dtype.kind == "c" else values
        plain = plain.astype(np.float64)
        finite = np.isfinite(plain)
        if not finite.any():
            return np.zeros(plain.shape, np.uint8)
        low, high = np.quantile(plain[finite], [_DARK, _LIGHT])
        # Halved, since the difference of two large numbers may overflow.
        shades = (plain / 2 - low / 2) / (high / 2 - low / 2) if high > low else plain * 0
        return np.where(finite, np.clip(np.nan_to_num(shades) * 255, 0, 255), 0).astype(np.uint8)


def draw_blocks(image: Image) -> str:
    """Return a picture as text, two rows in each line: letters are twice as high as wide."""
    padded = np.pad(image, ((0, image.shape[0] % 2), (0, 0)), mode="edge").astype(np.uint16)
    levels = (padded[::2] + padded[1::2]) // 2 * len(_SHADES) // 256
    return "\n".join("|" + "".join(_SHADES[level] for level in row) + "|" for row in levels)


def embed_png(image: Image) -> str:
    """Return a picture as an HTML image that carries its own data."""
    data = base64.b64encode(_encode_png(image)).decode()
    style = f"width:{4 * image.shape[1]}px;max-width:100%;image-rendering:pixelated"
    return f'<img alt="the first values" style="{style}" src="data:image/png;base64,{data}"/>'


def _encode_png(image: Image) -> bytes:
    """Return a picture as a PNG file (ISO/IEC 15948), with 8 bits of grey."""
    head = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 8, 0, 0, 0, 0)
    # The byte before each row says that it is not filtered.
    rows = np.pad(image, ((0, 0), (1, 0))).tobytes()
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(name, data) for name, data in chunks)


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
