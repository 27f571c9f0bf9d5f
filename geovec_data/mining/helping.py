"""Several processes for one run: one mines, the others search blocks for it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from geovec_data.dataset import Dataset
from geovec_data.mining.choice import choose
from geovec_data.mining.config import MineConfig
from geovec_data.mining.items import Items
from geovec_data.mining.live import Live
from geovec_data.mining.plan import plans
from geovec_data.mining.search.pieces import Pieces
from geovec_data.mining.vectors import Vectors

_DECIDE = ("encoder", "dataset", "pool", "anchor", "box_codec", "coordinate_codec", "depth", "search")


def pieces_name(settings: dict[str, Any]) -> str:
    """Return the name of the folder of what is found under these settings: a changed policy finds the same."""
    text = json.dumps({name: settings.get(name) for name in _DECIDE}, sort_keys=True)
    return f"search-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def is_helper() -> bool:
    """Tell whether torchrun (or accelerate) started this process as another than the first."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and os.environ.get("RANK", "0") != "0"


def help_search(config: MineConfig, dataset: Dataset, folder: Path, mark: str, found: Path) -> dict[str, Any]:
    """Search blocks of the run that another process mines.

    Args:
        config: the run's options.
        dataset: the dataset.
        folder: the encoder's folder.
        mark: its fingerprint.
        found: folder of the run's pieces.

    Returns:
        How many blocks there are and how many were searched here; ``human`` is for a person.
    """
    items = Items(dataset)
    pieces = Pieces(found, helping=True)
    live = Live(config, Vectors(config, dataset, items, folder, mark), pieces)
    chosen, _ = choose(config, live.vectors.card, items, list(plans(dataset, items, config.pool)))
    live.vectors.fill(chosen)
    blocks = sum(live.help(plan) for plan in chosen)
    line = f"searched {pieces.searched:,} of {blocks:,} blocks for run '{config.run}'"
    return {"command": "mine", "run": config.run, "blocks": blocks, "searched": pieces.searched, "human": [line]}
