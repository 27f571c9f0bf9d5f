"""A dataset seen from a folder of one's own: the same tables, other vectors and other mining runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from geovec_data.dataset import Dataset
from geovec_data.schema import BUILD_TABLES
from geovec_data.store.manifest import MANIFEST


def overlay(dataset: Dataset, home: Path) -> Dataset:
    """Make `home` a dataset directory with links to another's manifest and tables; what it held before is gone.

    Mining and evaluation keep vectors and runs in the dataset's directory. Those of weights that exist for a few
    hundred steps have no business there: they go to `home` and with it.
    """
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    source = dataset.path.resolve()
    for name in (MANIFEST, *BUILD_TABLES):
        if (source / name).exists():
            (home / name).symlink_to(source / name)
    return Dataset(home)
