"""What led to a model: what it was made from and every dataset it learnt from, kept in what is saved with it.

The record lies among our settings in the model's ``config.json``, so that it goes wherever the weights go; of a module
without such a file (static embeddings) it is that of the run's ``summary.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geovec_data.dataset import Dataset
from geovec_train.models.hub import base_of, locate
from geovec_train.models.presets import MINI, PRESETS

_OF_A_SOURCE = {"title", "revision", "licence", "attribution", "note"}


@dataclass(frozen=True, slots=True)
class Lineage:
    """What led to a model.

    Attributes:
        base: what the first stage began from, ``{"model", "licence"}``; nothing: from scratch.
        stages: the datasets it learnt from, earliest first, each once: ``dataset`` (name of its recipe),
            ``fingerprint``, ``tool`` and ``sources``.
        continues: name of the GeoVec model that the last stage began from; None: it was the first.
        unrecorded: whether there were stages before these of which nothing was kept.
    """

    base: dict[str, str]
    stages: tuple[dict[str, Any], ...]
    continues: str | None = None
    unrecorded: bool = False

    def saved(self) -> dict[str, Any]:
        """Return it as it is kept in ``config.json`` and ``summary.json``."""
        return {
            "base": self.base,
            "stages": list(self.stages),
            "continues": self.continues,
            "unrecorded": self.unrecorded,
        }


def lineage_of(name: str, dataset: Dataset) -> Lineage:
    """Return what leads to the model that begins as `name` and learns from `dataset`.

    Args:
        name: of the model, as the user gave it.
        dataset: of this stage.
    """
    stage = _stage(dataset)
    if name in PRESETS:
        return Lineage(_base_of_preset(name), (stage,))
    folder = locate(name)
    kept = _kept(folder)
    if kept is None:
        return Lineage(base_of(name), (stage,))
    return Lineage(
        base=dict(kept.get("base") or {}),
        stages=tuple({s["fingerprint"]: s for s in [*kept.get("stages", ()), stage]}.values()),
        continues=folder.resolve().name if Path(name).expanduser().is_dir() else name,
        unrecorded=bool(kept.get("unrecorded", "stages" not in kept)),
    )


def _stage(dataset: Dataset) -> dict[str, Any]:
    manifest = dataset.manifest
    return {
        "dataset": str(manifest.recipe.get("name", dataset.path.name)),
        "fingerprint": manifest.fingerprint,
        "tool": manifest.tool,
        "sources": [s.model_dump(mode="json", include=_OF_A_SOURCE) for s in manifest.sources],
    }


def _base_of_preset(name: str) -> dict[str, str]:
    if name != MINI:
        return {}
    from geovec_train.models.pretrained import TEXT, VISION

    return {"model": f"{TEXT.source} and {VISION.source}", "licence": TEXT.licence}


def _kept(folder: Path) -> dict[str, Any] | None:
    """Return what a model's folder keeps of its lineage (an older version: no ``stages``); None: no GeoVec's."""
    modules = _read(folder / "modules.json")
    first = str(modules[0]["path"]) if modules else ""
    settings = _read(folder / first / "config.json") or {}
    if "geovec" in settings:
        return dict(settings["geovec"] or {})
    summary = _read(folder / "summary.json") or {}
    return summary if "dataset_fingerprint" in summary else None


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
