"""A dataset of captions to train on, and a finished run over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from geovec_data.dataset import Dataset
from geovec_train.training.train import run
from tests.fixtures.dataset import caption_dataset
from tests.geovec_train.training.runs import config


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return caption_dataset(tmp_path_factory.mktemp("captions"), images=24)


@pytest.fixture(scope="module")
def warm(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "warm (1) = ~"
    run(config(dataset, out))
    return out
