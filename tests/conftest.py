"""What all tests share: the Hypothesis profiles.

``quick`` is the default, ``ci`` is for continuous integration, ``thorough`` for an evening; choose
by ``--hypothesis-profile`` or the variable HYPOTHESIS_PROFILE.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.recording.plugin import start_recording

# Mapping a file or starting a process takes as long as it takes: no deadlines. Fixtures such as
# tmp_path are shared by the examples of one test, which then has to use a new name for each file.
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

settings.register_profile("quick", max_examples=50, deadline=None, suppress_health_check=_SHARED)
settings.register_profile(
    "ci",
    max_examples=200,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=_SHARED,
)
settings.register_profile(
    "thorough", max_examples=5000, deadline=None, suppress_health_check=_SHARED
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_configure(config: pytest.Config) -> None:
    """Record what is tried, for the documentation, if that is asked for."""
    start_recording(config)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the bytes of each selection that is read from a file."""
    # Not at the top: the tests of the mapping core have NumPy alone.
    from rawmmap import access

    sizes: list[int] = []
    read = access.read_layout

    def record(source: Any, layout: Any, way: Any) -> Any:
        sizes.append(layout.nbytes)
        return read(source, layout, way)

    monkeypatch.setattr(access, "read_layout", record)
    return sizes
