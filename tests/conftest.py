"""Settings every test runs under."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.tiers import VARIABLE

# A loaded machine must not turn a slow example into a failure.
settings.register_profile("accelgen", deadline=None, print_blob=True)
settings.load_profile("accelgen")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is imported: laws draw more examples when the slow tier runs as well."""
    slow = config.getoption("markexpr") != "not slow"
    os.environ[VARIABLE] = "all" if slow else "default"


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of compiled models that starts empty and belongs to this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "accelgen"
