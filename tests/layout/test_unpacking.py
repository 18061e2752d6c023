"""Samples of a few bits: whatever their size and order, they are the bits that NumPy unpacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawmmap.layout.bits import SIZES
from rawmmap.layout.unpacking import unpack_run


def unpack(rows: npt.NDArray[np.uint8], bits: int, order: Any, first: int, count: int) -> Any:
    """Return samples by way of their single bits."""
    single = np.unpackbits(rows, axis=1, bitorder="big" if order == "msb" else "little")
    grouped = single[:, first : first + count * bits].reshape(len(rows), count, bits)
    places = np.arange(bits)[:: -1 if order == "msb" else 1]
    return (grouped.astype(np.int64) << places).sum(axis=-1)


@pytest.mark.parametrize("order", ["msb", "lsb"])
@pytest.mark.parametrize("bits", SIZES)
@given(
    count=st.integers(1, 70),
    first=st.integers(0, 7),
    height=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_any_run(bits: int, order: str, count: int, first: int, height: int, seed: int) -> None:
    nbytes = (first + count * bits + 7) // 8
    rows = np.random.default_rng(seed).integers(0, 256, (height, nbytes), np.uint8)
    samples = unpack_run(rows, bits, order, first, count)
    assert samples.dtype == (np.uint8 if bits < 8 else np.uint16)
    np.testing.assert_array_equal(samples, unpack(rows, bits, order, first, count))


@pytest.mark.parametrize("order", ["msb", "lsb"])
@pytest.mark.parametrize("shape", [(1, 150_001), (3, 70_001), (5000, 23)])
def test_long_runs_and_many(order: str, shape: tuple[int, int]) -> None:
    for bits in (3, 12):
        count = (shape[1] * 8 - 5) // bits
        rows = np.random.default_rng(bits).integers(0, 256, shape, np.uint8)
        samples = unpack_run(rows, bits, order, 5, count)
        np.testing.assert_array_equal(samples, unpack(rows, bits, order, 5, count))
