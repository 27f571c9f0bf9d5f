"""In what an evaluation's question departs from the plain one: all tasks of the usual split, nothing taken away.

What departs names the folder, so that another question does not overwrite the plain one's scores, and is told beside
the figures.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_train.evaluation.pools import split_of

if TYPE_CHECKING:
    import duckdb

    from geovec_train.evaluation.evaluate import EvalConfig
    from geovec_train.evaluation.vectors import Vectorizer

_LONGEST = 80  # of the tasks in a folder's name: file systems take 255 bytes
_TRUTH = "each example by its own positives alone"


def departures(
    config: EvalConfig, dataset: Dataset, split: str, usual: str | None, encoder: Vectorizer
) -> dict[str, Any]:
    """Return what departs from the plain question, by option; nothing: it is the plain one.

    Args:
        config: the options.
        dataset: the dataset.
        split: the split that is scored.
        usual: the one that is scored where none is asked for (`usual_split`).
        encoder: the encoder with the codecs that were asked for.
    """
    out: dict[str, Any] = {}
    if split != usual:
        out["split"] = split
    if config.truth != "union":
        out["truth"] = config.truth
    if config.blind:
        out["blind"] = config.blind
    if config.tasks and set(config.tasks) != set(dataset.manifest.tasks):
        out["tasks"] = sorted(set(config.tasks))
    if (config.box or config.coordinate) and encoder.codecs.name != encoder.card.codecs(None, None).name:
        out["codecs"] = encoder.codecs.name
    return out


def usual_split(dataset: Dataset, con: duckdb.DuckDBPyConnection) -> str | None:
    """Return the split that is scored where none is asked for; None: the dataset has neither test nor val."""
    try:
        return split_of(dataset, con, None)[0]
    except UserError:
        return None


def folder_name(dataset: str, departs: dict[str, Any]) -> str:
    """Return the name of an evaluation's folder: the dataset's, then what departs from the plain question."""
    parts = [dataset]
    for option, value in departs.items():
        match option:
            case "blind":
                parts.append(f"no_{value}")
            case "tasks":
                parts.append(_tasks(value))
            case _:
                parts.append(f"{option}_{re.sub(r'[^A-Za-z0-9_+-]', '_', value)}")
    return ".".join(parts)


def _tasks(names: list[str]) -> str:
    joined = "+".join(names)
    if len(joined) > _LONGEST:
        joined = f"{len(names)}_tasks_{hashlib.sha256(joined.encode()).hexdigest()[:8]}"
    return f"only_{joined}"


def departs_of(scores: dict[str, Any]) -> dict[str, Any]:
    """Return the departures that ``scores.json`` states; of an older version's, those that can be told."""
    if "departs" in scores:
        return dict(scores["departs"])
    named = scores["split"] if scores["split_note"].endswith("as asked") and scores["split"] != "test" else None
    truth = scores["truth"] if scores["truth"] != "union" else None
    found = {"split": named, "truth": truth, "blind": scores["blind"]}
    return {option: value for option, value in found.items() if value}


def words(scores: dict[str, Any]) -> str:
    """Say what was asked where it is not the plain question of the test split; empty where it is."""
    departs = departs_of(scores)
    parts = [f"split {scores['split']}"] if scores["split"] != "test" or "split" in departs else []
    if "truth" in departs:
        parts.append(f"truth {departs['truth']} ({_TRUTH})")
    if "blind" in departs:
        parts.append(f"blind: without {departs['blind']}")
    if "tasks" in departs:
        parts.append(f"only {', '.join(departs['tasks'])}")
    if "codecs" in departs:
        parts.append(f"codecs {departs['codecs']}")
    return "; ".join(parts)
