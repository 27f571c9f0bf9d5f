"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# how long an example takes says more about the machine than about the code
settings.register_profile("geovec", deadline=None)
settings.load_profile("geovec")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real corpora, or a skip that says what to set."""
    value = os.environ.get("GEOVEC_REAL_DATA")
    if not value:
        pytest.skip("GEOVEC_REAL_DATA is not set: no real corpora on this machine")
    return Path(value)
