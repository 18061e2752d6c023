"""Fixtures of the export tests: arrays that lie in files in any order of their axes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]
#: Puts an array into a file; returns the words that describe it.
Store = Callable[..., dict[str, Any]]


@pytest.fixture
def store() -> Store:
    """Write `array` into `path` with its axes in `order`, slowest first, from byte `offset`."""

    def write(
        path: Path, array: Array, order: tuple[int, ...] | None = None, offset: int = 0
    ) -> dict[str, Any]:
        axes = tuple(range(array.ndim)) if order is None else order
        packed = np.ascontiguousarray(array.transpose(axes))
        path.write_bytes(b"\xa5" * offset + packed.tobytes() + b"\x5a" * 7)
        back = packed.transpose(np.argsort(axes))
        return {
            "dtype": array.dtype,
            "shape": array.shape,
            "strides": back.strides,
            "offset": offset,
        }

    return write


@pytest.fixture
def values() -> Callable[[str, tuple[int, ...]], Array]:
    """Return an array of any bytes of a type, but NaN."""

    def make(dtype: str, shape: tuple[int, ...]) -> Array:
        rng = np.random.default_rng(20)
        kind = np.dtype(dtype).kind
        if kind == "b":
            return rng.integers(0, 2, shape).astype(dtype)
        if kind in "iu":
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            return np.frombuffer(rng.bytes(size), dtype).reshape(shape)
        if kind == "c":
            return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
        return rng.normal(size=shape).astype(dtype)

    return make
