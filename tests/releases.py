"""What tests need of releases of xarray that are newer than the oldest supported one."""

from __future__ import annotations

import pytest
import xarray as xr
import xarray.testing.strategies as xrst
from packaging.version import Version

__all__ = ["CHUNKED_PATTERNS", "INDEXER_STRATEGIES", "MASKED_CHUNKS"]

_RECENT = Version(xr.__version__) >= Version("2026.7")

CHUNKED_PATTERNS = pytest.mark.skipif(
    not _RECENT, reason="xarray before 2026.7 asks for the modification time of a pattern"
)
MASKED_CHUNKS = pytest.mark.skipif(
    not _RECENT, reason="xarray before 2026.7 leaves chunks of Dask masked"
)
INDEXER_STRATEGIES = pytest.mark.skipif(
    not hasattr(xrst, "basic_indexers"), reason="this xarray has no strategies for indexers"
)
