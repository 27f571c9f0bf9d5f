"""``docs/recipes.md``, written from the YAML files alone: what there is, on what terms, where to get it.

python -m geovec_data.recipe.docs docs/recipes.md       (make docs)
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from geovec_data.recipe.files import load_recipe, recipe_names
from geovec_data.recipe.recipe import Recipe
from geovec_data.tasks import get_task

HEAD = """\
# Recipes

Written by `make docs` from the files in [`recipes/`](../recipes/); change those, not this page. GeoVec ships no corpus:
each is fetched from its authors and keeps their terms. *Verified: files* means that real files of the corpus were read;
*documentation* means that only its authors' description, or code that reads it, was at hand.

    geovec-data describe recipe=NAME      # the layout expected on disk, and every option
    geovec-data build    recipe=NAME source.root=DIR out=DIR
"""
META_TASKS = {
    "classification": "Scene classification",
    "cross_modal": "Cross-modal search",
    "compositional": "Compositional retrieval",
    "vqa": "Visual question answering",
    "region": "Regions and grounding",
    "geo": "Geography",
}


def page() -> str:
    """Return the page: a table of all recipes by their first meta-task, then one section each."""
    recipes = [load_recipe(name) for name in recipe_names()]
    groups: dict[str, list[Recipe]] = defaultdict(list)
    for recipe in recipes:
        groups[get_task(recipe.tasks[0]).meta_task].append(recipe)
    lines = [HEAD]
    for meta, title in META_TASKS.items():
        if groups[meta]:
            lines += [f"## {title}", "", "| recipe | corpus | images | tasks | licence | verified |"]
            lines += ["|---|---|---|---|---|---|", *(_row(r) for r in groups[meta]), ""]
    lines += ["## Where to get each, and what it is", ""]
    for recipe in recipes:
        lines += _section(recipe)
    return "\n".join([*lines, *_readers(recipes)])


def _readers(recipes: list[Recipe]) -> list[str]:
    """Return a section on the layouts that readers know, for a recipe of one's own."""
    from geovec_data.readers import get_reader, reader_names

    lines = [
        "## Layouts that readers know",
        "",
        "For a corpus of your own: see [add-a-corpus.md](add-a-corpus.md).",
        "",
    ]
    for name in reader_names():
        using = ", ".join(r.name for r in recipes if r.reader.name == name)
        lines += [f"### Reader `{name}`", "", f"Used by: {using or 'no shipped recipe'}.", "", "```text"]
        lines += [*get_reader(name).layout.splitlines(), "```", ""]
    return lines


def _row(r: Recipe) -> str:
    images = "" if r.images is None else f"{r.images:,}"
    cells = [f"[`{r.name}`](#{r.name})", f"[{r.title}]({r.homepage})", images, ", ".join(r.tasks)]
    return "| " + " | ".join(_cell(c) for c in [*cells, r.licence.name, r.verified]) + " |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _section(r: Recipe) -> list[str]:
    said = [f"### {r.name}", "", f"**{r.title}.** {' '.join(r.summary.split())}", ""]
    if r.paper:
        said.append(f"- Paper: {r.paper}")
    licence = f"[{r.licence.name}]({r.licence.url})" if r.licence.url else r.licence.name
    said += [f"- Licence: {licence}. Credit: {r.licence.attribution}. {' '.join(r.licence.note.split())}".rstrip()]
    said += [f"- Get it: {' '.join(r.get.split())}", f"- Layout documented at: {r.layout_source}"]
    said += [f"- Split: `{r.split.method}`. Reader: `{r.reader.name}`. Verified: {r.verified}.", ""]
    return said


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
