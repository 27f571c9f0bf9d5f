from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path_factory.getbasetemp() / "raster-imagery-cache"))
