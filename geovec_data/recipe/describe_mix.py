"""``describe recipe=<mix>``: the corpora of a mix, what it changes of each, and how to say where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geovec_data.aligned import columns
from geovec_data.recipe.chosen import Chosen, load_mix, recipe_list
from geovec_data.recipe.compose import compose_corpus
from geovec_data.recipe.recipe import CorpusConfig
from geovec_data.tasks import get_task


def describe_mix(name: str, chosen: Sequence[Chosen], head: dict[str, str] | None) -> dict[str, Any]:
    """Describe several corpora as one build would take them."""
    corpora = [compose_corpus(c, {}, "geovec-data build", many=True) for c in chosen]
    tasks = dict.fromkeys(t for c in corpora for t in c.tasks)
    meta = dict.fromkeys(get_task(t).meta_task for t in tasks)
    title = f"{head['name']}: {head['title']}" if head else " + ".join(c.name for c in corpora)
    human = [title, *([head["summary"]] if head else []), "", f"{len(corpora)} corpora:"]
    table = [("corpus", "weight", "cap", "split", "verified", "licence")]
    table += [(c.name, f"{c.weight:g}", _cap(c), c.split.method, c.verified, c.licence.name) for c in corpora]
    human += [f"  {line}" for line in columns(table)]
    changed = [(c.name, _said(c.mixed)) for c in chosen if _said(c.mixed)]
    if changed:
        human += ["", "the mix changes of their recipes:", *(f"  {n}: {said}" for n, said in changed)]
    left = _left_out(name)
    if left:
        human += ["", "left out:", *(f"  {n}: {why}" for n, why in left.items())]
    human += ["", f"tasks, of {', '.join(meta)}:", f"  {', '.join(tasks)}"]
    if lacking := [c.source_keys(f"sources.{c.name}") for c in corpora if not c.source.given()]:
        human += [
            "",
            "say where they are (geovec-data describe recipe=CORPUS shows each layout, and how to get it):",
            *(f"  {keys}" for keys in lacking),
        ]
    human += [
        "",
        "skip_missing=true builds those that are given; corpora.CORPUS.cap=… and any other option change one of them.",
        "weight: an example of a corpus of weight 2 is drawn twice as often in training as one of weight 1.",
        "cap: at most so many entries (images, or the big images that are cut; of large rasters, rows of windows), by a"
        " seeded hash of their origin.",
    ]
    return {
        "command": "describe",
        "recipe": head or {"name": name},
        "corpora": {c.name: c.model_dump(mode="json") for c in corpora},
        "leaves_out": left,
        "human": human,
    }


def _cap(corpus: CorpusConfig) -> str:
    return "–" if corpus.cap is None else f"{corpus.cap:,}"


def _said(mixed: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in mixed.items() if k not in ("weight", "cap"))


def _left_out(name: str) -> dict[str, str]:
    mixes = [m for n in recipe_list(name) if (m := load_mix(n)) is not None]
    return {corpus: why for m in mixes for corpus, why in m.leaves_out.items()}
