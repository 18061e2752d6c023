"""Arrays as the bytes of samples that NumPy has no type for."""

from __future__ import annotations

import functools
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt

from rawmmap.dask.store import check_unmasked
from rawmmap.layout.samples import Samples

__all__ = ["encode_array"]


def encode_array(array: Any, samples: Samples, what: str) -> Any:
    """Return an array as the bytes that are stored; lazily, chunk by chunk, if it is Dask's.

    Parameters
    ----------
    array : numpy.ndarray or dask.array.Array
        Values; they are converted to the type of the samples.
    samples : Samples
        How they are stored.
    what : str
        What errors are about.

    Raises
    ------
    TypeError
        If the array is masked.
    ValueError
        If the samples cannot hold a value; for Dask arrays when they are computed.
    """
    encode: Any = functools.partial(_encode, samples=samples, what=what)
    if not isinstance(array, da.Array):
        return encode(array)
    meta = np.empty((0,) * array.ndim, samples.stored)
    return da.map_blocks(encode, array, dtype=samples.stored, meta=meta)


def _encode(block: Any, samples: Samples, what: str) -> npt.NDArray[Any]:
    check_unmasked(block)
    try:
        return samples.encode(np.asarray(block).astype(samples.dtype, copy=False))
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error
