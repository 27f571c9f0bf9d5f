"""The model card (``README.md``) of a trained model's folder: what it is, what it learnt from, what it scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from geovec_train.evaluation.departures import words
from geovec_train.evaluation.scoreboard import escape, table

FILE = "README.md"
SCORES = "## Scores"


def card(summary: dict[str, Any]) -> str:
    """Return the card of a finished run, before any evaluation."""
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
target = [{{"role": "user", "content": [{{"type": "text", "text": "a pier beside a beach"}}]}}]
vectors = model.encode([query, target])
```

A query has its task's instruction before it (`prompt_name="<task>"`); a target has none. With GeoVec installed,
`geovec_train.load("path/of/this/folder").encode_items([...])` takes images, texts, boxes and coordinates as they are.

## Trained on

{_data(summary)}

What is trained on data keeps to its terms.

## Made from

{_origin(summary)}{_dev(summary)}
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


def _data(summary: dict[str, Any]) -> str:
    """List the datasets of every stage with what their sources oblige to."""
    stages = [
        f"`{stage['dataset']}`; dataset and recipe, by content: `{stage['fingerprint']}` ({stage['tool']})\n\n"
        + "\n".join(_source(s) for s in stage["sources"])
        for stage in summary["stages"]
    ]
    before = ["What it was trained on before is not recorded: an earlier version of GeoVec kept no note of it."]
    order = [f"{len(stages)} datasets, in the order of training:"]
    return "\n\n".join([*(before if summary["unrecorded"] else []), *(order if len(stages) > 1 else []), *stages])


def _source(source: dict[str, Any]) -> str:
    revision = f", revision `{source['revision']}`" if source["revision"] else ""
    note = f" ({source['note']})" if source["note"] else ""
    return f"- {source['title']}{revision}: {source['licence']}. {source['attribution']}{note}"


def _origin(summary: dict[str, Any]) -> str:
    """Say what the weights began as: of a model that was trained before, its own beginning too."""
    base = summary["base"]
    terms = (
        f"{base['model']}, licence: {base['licence']}. What is made from a model keeps to its terms." if base else ""
    )
    if summary["continues"] is None:
        return terms or "No pretrained weights: trained from scratch."
    begun = f"Continues from `{summary['continues']}`, a model trained with GeoVec"
    if terms:
        return f"{begun} that in the beginning was made from {terms}"
    if summary["unrecorded"]:  # whoever kept no stages kept no base either, in the oldest versions
        return f"{begun}. What that was made from is not recorded."
    return f"{begun} that in the beginning had no pretrained weights: it was trained from scratch."


def _dev(summary: dict[str, Any]) -> str:
    if not summary["dev"]:
        return ""
    last = summary["dev"][-1]
    figures = ", ".join(f"{name} {last[name]:.1%}" for name in ("P@1", "R@10"))
    return f"\n\nVal split at step {last['step']:,}: {figures}."


def _scored(scores: dict[str, Any]) -> str:
    """Return one evaluation's part of the card: what was asked, the table, and what the figures do not say."""
    departs = words(scores)
    notes = "".join(f"- {escape(note)}\n" for note in scores["notes"])
    return f"### {scores['dataset']}{f' ({departs})' if departs else ''}\n\n{table(scores)}" + (
        f"\n{notes}" if notes else ""
    )


def note_scores(folder: Path) -> None:
    """Write the scores of all evaluations that lie in a trained model's folder into its card; other folders stay.

    Args:
        folder: of the model; its evaluations are ``eval/*/scores.json``.
    """
    file = folder / FILE
    if not file.is_file() or "trained with GeoVec" not in (text := file.read_text(encoding="utf-8")):
        return
    found = sorted((folder / "eval").glob("*/scores.json"))
    scores = [json.loads(f.read_text(encoding="utf-8")) for f in found]
    sections = [_scored(s) for s in scores]
    own = text.partition(f"\n{SCORES}\n")[0].rstrip("\n")
    words = "RSMEB-style (`geovec-eval`), percent; 95 % bootstrap interval in brackets; chance in parentheses."
    part = file.with_suffix(".tmp")
    part.write_text("\n".join([own, "", SCORES, "", words, "", *sections, ""]), encoding="utf-8")
    part.replace(file)
