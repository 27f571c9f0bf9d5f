"""What a finished run says of itself: its summary and the model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from geovec_data.dataset import Dataset
from geovec_train.batches.data import TrainSet
from geovec_train.config import TrainConfig
from geovec_train.training.stopping import best_of

if TYPE_CHECKING:
    from geovec_train.batches.sampler import Schedule
    from geovec_train.training.curve import Curve


def summarise(
    config: TrainConfig,
    dataset: Dataset,
    train: TrainSet,
    schedule: Schedule,
    negatives: Path | None,
    curve: Curve,
    seconds: float,
) -> dict[str, Any]:
    """Return the facts of a run, as they stand in ``summary.json``; ``human`` is for a person."""
    tail = [p["loss"] for p in curve.points()[-5:]]
    last = sum(tail) / len(tail) if tail else None
    return {
        "steps": curve.points()[-1]["step"],
        "saved_step": _saved_step(config, curve),
        "batch": config.batch,
        "loss": last,
        "dataset": str(dataset.manifest.recipe.get("name", config.dataset.name)),
        "dataset_fingerprint": dataset.manifest.fingerprint,
        "model": config.model,
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


def card(summary: dict[str, Any]) -> str:
    """Return the model card: what it is, what it learnt from, how to use it."""
    sources = "\n".join(
        f"- {s['title']}: {s['licence']}. {s['attribution']}" + (f" ({s['note']})" if s["note"] else "")
        for s in summary["sources"]
    )
    shares = "\n".join(f"- {t}: {w:.0%} of the steps" for t, w in summary["tasks"].items())
    if len(summary["corpora"]) > 1:
        shares += "\n\nExamples drawn: " + ", ".join(f"{c} {w:.0%}" for c, w in summary["corpora"].items()) + "."
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [remote-sensing, geovec]
---
# An interleaved remote-sensing encoder trained with GeoVec

Trained for {summary["steps"]:,} steps of {summary["batch"]} on the dataset `{summary["dataset"]}`, from
`{Path(summary["model"]).name}`, {_negatives(summary)}.

{shares}

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/of/this/folder")
query = [{{"role": "user", "content": [{{"type": "image", "image": picture}}, {{"type": "text", "text": "a pier"}}]}}]
vectors = model.encode([query, "a pier beside a beach"])
```

A query has its task's instruction before it (`prompt_name="<task>"`); a target has none.

## Trained on

{sources}
"""


def _negatives(summary: dict[str, Any]) -> str:
    again = len(summary["refreshes"])
    begun = (
        f"with the mined negatives of run `{summary['negatives']}`"
        if summary["negatives"]
        else "without mined negatives"
    )
    if not again:
        return begun
    return f"{begun}, then with negatives mined anew {'once' if again == 1 else f'{again} times'} in training"
