"""What a finished run says of itself: its summary; the model card is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from geovec_data.dataset import Dataset
from geovec_train.batches.data import TrainSet
from geovec_train.config import TrainConfig
from geovec_train.training.stopping import best_of

if TYPE_CHECKING:
    from geovec_train.batches.sampler import Schedule
    from geovec_train.models.lineage import Lineage
    from geovec_train.training.curve import Curve


def summarise(
    config: TrainConfig,
    dataset: Dataset,
    train: TrainSet,
    schedule: Schedule,
    negatives: Path | None,
    curve: Curve,
    lineage: Lineage,
    seconds: float,
) -> dict[str, Any]:
    """Return the facts of a run, as they stand in ``summary.json``; ``human`` is for a person.

    `lineage` is what led to the model, this run included.
    """
    tail = [p["loss"] for p in curve.points()[-5:]]
    last = sum(tail) / len(tail) if tail else None
    return {
        "steps": curve.points()[-1]["step"],
        "saved_step": _saved_step(config, curve),
        "batch": config.batch,
        "loss": last,
        "dataset": str(dataset.manifest.recipe.get("name", config.dataset.name)),
        "dataset_fingerprint": dataset.manifest.fingerprint,
        "tool": dataset.manifest.tool,
        "model": config.model,
        **lineage.saved(),
        "tasks": schedule.weights,
        "corpora": schedule.corpora,
        "examples": len(train),
        "negatives": None if negatives is None else negatives.name,
        "mined_negatives": len(train.negatives.values),
        "refreshes": curve.events("refresh"),
        "dev": curve.events("dev"),
        "sources": [s.model_dump(mode="json") for s in dataset.manifest.sources],
        "seconds": round(seconds, 1),
        "config": config.model_dump(mode="json"),
        "human": [
            f"{config.out}: {curve.points()[-1]['step']:,} steps of {config.batch} in {seconds:,.0f} s,"
            f" loss {'–' if last is None else f'{last:.3f}'}",
            f"next: geovec-eval dataset={config.dataset} model={config.out}",
        ],
    }


def _saved_step(config: TrainConfig, curve: Curve) -> int:
    """Return the step whose weights are saved: the best by the val split if training can end early, else the last."""
    scorings = curve.events("dev")
    step: int = scorings[best_of(scorings)]["step"] if config.patience and scorings else curve.points()[-1]["step"]
    return step
