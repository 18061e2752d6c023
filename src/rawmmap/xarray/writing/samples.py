"""Variables that are stored as samples of types that NumPy lacks: ``{"u": {"dtype": ">i3"}}``.

xarray's encoder sees the type of their values. What it leaves is encoded once more, into bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from xarray import Dataset, Variable

from rawmmap.dask.encoding import encode_array
from rawmmap.layout.samples import NAMES, Samples, parse_dtype

__all__ = ["decode_samples", "encode_samples", "mark_samples", "samples_of", "take_samples"]

# The part of an encoded variable's encoding that says what its bytes are.
_KEY = "samples"


def take_samples(
    ds: Dataset, encoding: Mapping[Any, Mapping[str, Any]]
) -> tuple[Dataset, dict[Any, dict[str, Any]], dict[str, Samples]]:
    """Return data and encodings with the types of values in place of those of samples.

    Parameters
    ----------
    ds : Dataset
        It is not changed.
    encoding : mapping
        Encodings by variable, instead of their own.

    Returns
    -------
    ds : Dataset
        A shallow copy.
    encoding : dict
        The same encodings.
    samples : dict
        How the values of some variables are stored, by name.

    Raises
    ------
    TypeError
        If the name of a type lacks its byte order.
    """
    prepared = ds.copy(deep=False)
    # What is not a mapping is for xarray to refuse.
    passed: dict[Any, Any] = {
        name: dict(words) if isinstance(words, Mapping) else words
        for name, words in encoding.items()
    }
    stored: dict[str, Samples] = {}
    for name, variable in prepared.variables.items():
        if name in passed and _names_samples(variable.encoding):
            del variable.encoding["dtype"]
        words = passed.get(name, variable.encoding)
        if _names_samples(words):
            dtype = words["dtype"]
            samples = parse_dtype(dtype)[1]
            assert samples is not None
            stored[str(name)] = samples
            words["dtype"] = samples.dtype
    return prepared, passed, stored


def _names_samples(encoding: Any) -> bool:
    dtype = encoding.get("dtype") if isinstance(encoding, Mapping) else None
    return isinstance(dtype, str) and dtype.lstrip("<>") in NAMES


def encode_samples(variable: Variable, samples: Samples, what: str) -> Variable:
    """Return a variable as the bytes that are stored; lazily if it is chunked.

    Parameters
    ----------
    variable : Variable
        Values of the type of the samples.
    samples : Samples
        How they are stored.
    what : str
        What errors are about.
    """
    data = encode_array(variable.data, samples, what)
    return mark_samples(Variable(variable.dims, data, variable.attrs), samples)


def mark_samples(variable: Variable, samples: Samples) -> Variable:
    """Return a variable of bytes that says how they become values."""
    return Variable(variable.dims, variable.data, variable.attrs, {_KEY: samples})


def samples_of(variable: Variable) -> Samples | None:
    """Return what the bytes of an encoded variable are; None for plain values."""
    samples: Samples | None = variable.encoding.get(_KEY)
    return samples


def decode_samples(variable: Variable) -> Variable:
    """Return an encoded variable with its values, for where no bytes are stored."""
    samples = samples_of(variable)
    if samples is None:
        return variable
    return Variable(variable.dims, samples.decode(np.asarray(variable.data)), variable.attrs)
