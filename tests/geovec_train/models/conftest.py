"""An encoder as it is trained (each module's own `fast`), saved, and loaded again by stock classes alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from geovec_train.models.load import save_model


@pytest.fixture(scope="module")
def folder(fast: SentenceTransformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "saved (1) = ~"
    save_model(fast, path)
    return path


@pytest.fixture(scope="module")
def stock(folder: Path) -> Iterator[SentenceTransformer]:
    yield SentenceTransformer(str(folder), device="cpu")
