"""The golden statistics of every shipped recipe: what its fixture becomes, counted, with one example of each task.

python -m tests.recipes.statistics            # write tests/recipes/golden/*.json anew (make golden)
python -m tests.recipes.statistics rsvg       # of one recipe
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from geovec_data.dataset import Dataset
from geovec_data.leaks.options import RULES
from geovec_data.recipe.files import recipe_names
from tests.fixtures import corpora
from tests.fixtures.dataset import build

GOLDEN = Path(__file__).parent / "golden"
EXAMPLES_SHOWN = 2


def built(recipe: str, folder: Path) -> Dataset:
    """Build a recipe's fixture with the recipe's own settings; faulty rows are part of a fixture."""
    source = corpora.write(recipe, folder / "corpus")
    arguments = [f"recipe={recipe}", *source, f"out={folder / 'dataset'}", "workers=1", "units=4"]
    arguments += [f"leaks.{rule}=report" for rule in RULES]  # pictures drawn for a fixture may be alike
    return build(*arguments, "checks.max_reject_fraction=1")


def statistics(dataset: Dataset) -> dict[str, Any]:
    """Count a dataset and show its first examples in words."""
    # by corpus they say the same again
    counts = {k: v for k, v in dataset.manifest.counts.items() if k not in ("digest", "corpora")}
    return {"counts": counts, "leaks": _leaks(dataset), "examples": _examples(dataset)}


def _leaks(dataset: Dataset) -> dict[str, int]:
    return {rule: found["count"] for rule, found in dataset.manifest.leaks.items()}


def _examples(dataset: Dataset) -> dict[str, list[str]]:
    con = dataset.connect()
    shown: dict[str, list[str]] = {}
    for task in sorted(dataset.manifest.counts["tasks"]):
        rows = con.execute(
            "SELECT s.split, e.scope, coalesce(e.pool_key, ''), i.segments,"
            " (SELECT list(p.segments) FROM qrels q JOIN items p ON p.id = q.item WHERE q.example = e.id)"
            " FROM examples e JOIN items i ON i.id = e.query JOIN splits s ON s.example = e.id WHERE e.task = ?",
            [task],
        ).fetchall()
        # ordered by their words: ids hash the fixture's encoded pixels, which another encoder would change
        words = sorted(
            f"{split} {scope}{' ' + key if key else ''}: {_words(query)} → {' | '.join(sorted(map(_words, positives)))}"
            for split, scope, key, query, positives in rows
        )
        shown[task] = words[:EXAMPLES_SHOWN]
    return shown


def _words(segments: list[dict[str, Any]]) -> str:
    words = []
    for s in segments:
        match s["kind"]:
            case "text":
                words.append(repr(s["text"]))
            case "image":
                words.append("image")
            case "box":
                words.append("box({x0:g},{y0:g},{x1:g},{y1:g})".format(**s["box"]))
            case _:
                words.append(f"coordinate({s['lon']:.4f},{s['lat']:.4f})")
    return "[" + ", ".join(words) + "]"


def main(names: list[str]) -> None:
    """Write the golden files of the recipes named, or of all."""
    GOLDEN.mkdir(exist_ok=True)
    for name in names or recipe_names():
        with tempfile.TemporaryDirectory() as folder:
            found = statistics(built(name, Path(folder)))
        (GOLDEN / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(name, found["counts"]["tasks"])


if __name__ == "__main__":
    main(sys.argv[1:])
