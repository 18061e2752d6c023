"""Types without a byte order, which take that of the file."""

from __future__ import annotations

from typing import Any

import numpy as np

from rawmmap.layout.samples import is_native

__all__ = ["with_byteorder"]


def with_byteorder(dtype: Any, byteorder: str) -> Any:
    """Return a type in a byte order, unless it names one itself.

    Parameters
    ----------
    dtype : str or dtype-like
        ``"f4"``, ``float`` and a dtype in native order name none; ``"<f4"``, and a dtype in the
        other order, do.
    byteorder : {"<", ">"}
        That of the file.
    """
    if isinstance(dtype, str) and dtype[:1] in "<>=|":
        return dtype
    try:
        plain = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        return byteorder + dtype if isinstance(dtype, str) else dtype
    return plain.newbyteorder(byteorder) if is_native(plain) else plain
