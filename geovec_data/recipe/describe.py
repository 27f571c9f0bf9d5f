"""``list`` and ``describe``: what recipes there are, and all that one of them says."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geovec_data.aligned import columns
from geovec_data.compositions.options import ComposeOptions
from geovec_data.options import help_lines
from geovec_data.recipe.chosen import choose, load_mix, recipe_list
from geovec_data.recipe.files import load_recipe, mix_names, recipe_names
from geovec_data.splits.options import SPLITS, SplitOptions
from geovec_data.tasks import get_task


class DescribeConfig(BaseModel):
    """Options of `geovec-data describe`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    recipe: str | None = Field(None, description="recipe or mix, or the path of your own .yaml; or [a,b,…]")
    reader: str | None = Field(
        None, description="reader: the layout it reads and its options, for a recipe of your own"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> DescribeConfig:
        if (self.recipe is None) == (self.reader is None):
            raise ValueError("give recipe=NAME, or reader=NAME")
        return self


def list_recipes() -> dict[str, Any]:
    """List the shipped recipes, mixes and readers."""
    from geovec_data.readers import reader_names

    rows = []
    for name in recipe_names():
        r = load_recipe(name)
        meta = ", ".join(dict.fromkeys(get_task(t).meta_task for t in r.tasks))
        rows.append((name, r.title, meta, r.licence.name, r.verified, "yes" if r.sample else ""))
    head = ("recipe", "corpus", "meta-tasks", "licence", "verified", "sample")
    human = columns([head, *rows])
    mixes = [(n, m.title, len(m.mix)) for n in mix_names() if (m := load_mix(n)) is not None]
    if mixes:
        human += ["", *columns([("mix", "of recipes", "title"), *((n, str(count), t) for n, t, count in mixes)])]
    human += ["", "verified: read against real files, or against the authors' documentation only."]
    human += ["geovec-data describe recipe=NAME tells where to get a corpus and the layout expected;"]
    human += [f"describe reader=NAME what a recipe of your own can read: {', '.join(reader_names())}."]
    return {
        "command": "list",
        "recipes": [dict(zip(head, row, strict=True)) for row in rows],
        "mixes": [{"mix": n, "title": t, "recipes": count} for n, t, count in mixes],
        "human": human,
    }


def describe(config: DescribeConfig) -> dict[str, Any]:
    """Describe one recipe, or a mix, or what several recipes give together; or a reader."""
    if config.recipe is None:
        return _reader(config.reader or "")
    chosen, head = choose(recipe_list(config.recipe))
    if len(chosen) > 1 or head is not None:
        from geovec_data.recipe.describe_mix import describe_mix

        return describe_mix(config.recipe, chosen, head)
    return _one(config.recipe)


def _reader(name: str) -> dict[str, Any]:
    from geovec_data.readers import get_reader

    reader = get_reader(name)
    using = [n for n in recipe_names() if load_recipe(n).reader.name == name]
    human = [
        f"reader {name}: {next(iter((reader.__doc__ or '').splitlines()), '')}",
        f"recipes   {', '.join(using) or 'none yet'}",
        "",
        "layout:",
        *_indent(reader.layout),
        "",
        "options:",
        *help_lines(reader.Options, "reader."),
    ]
    return {"command": "describe", "reader": name, "recipes": using, "human": human}


def _one(name: str) -> dict[str, Any]:
    from geovec_data.build.checks import CheckOptions
    from geovec_data.readers import get_reader

    r = load_recipe(name)
    reader = get_reader(r.reader.name)
    human = [
        f"{r.name}: {r.title}",
        " ".join(r.summary.split()),
        "",
        f"homepage  {r.homepage}",
        *([f"paper     {r.paper}"] if r.paper else []),
        f"licence   {r.licence.name} {r.licence.url}".rstrip(),
        f"credit    {r.licence.attribution}",
        *([f"note      {' '.join(r.licence.note.split())}"] if r.licence.note else []),
        f"verified  {r.verified}",
        *([f"layout    {r.layout_source}"] if r.layout_source else []),
        "",
        "get it:",
        *_indent(r.get),
        "",
        "layout expected on disk:",
        *_indent(r.layout or reader.layout),
        "",
        "tasks:",
    ]
    for task in map(get_task, r.tasks):
        human.append(
            f"  {task.name:<22} {task.meta_task:<15} {task.query_kind} → {task.target_kind}; needs {task.needs}"
        )
    if r.sample:
        human += ["", "source=sample:", *_indent(" ".join(str(r.sample.get("note", "")).split()))]
    human += ["", "split, and how to change it:", f"  {_split_words(r.split)}", *help_lines(SplitOptions, "split.")]
    human += ["", f"options of the reader `{r.reader.name}` (this recipe sets {r.reader.options or 'none'}):"]
    human += help_lines(reader.Options, "reader.")
    human += ["", "options of the checks:", *help_lines(CheckOptions, "checks.")]
    if r.chip is not None or r.sample:
        from geovec_data.build.chips import ChipOptions

        human += ["", "options of the chips:", *help_lines(ChipOptions, "chip.")]
    if any(get_task(t).composed for t in r.tasks):
        said = r.compose.model_dump(exclude_defaults=True) or "none"
        human += ["", f"options of the compositions (this recipe sets {said}):"]
        human += help_lines(ComposeOptions, "compose.")
    human += ["", "all other options: geovec-data build --help"]
    return {"command": "describe", "recipe": r.model_dump(mode="json"), "human": human}


def _split_words(split: SplitOptions) -> str:
    """Write the split as the arguments that would choose it."""
    words = [f"split={split.method}"]
    if split.method not in ("official", "time"):
        words += [f"split.{s}={getattr(split, s):g}" for s in SPLITS]
    own = {"blocks": ("block", "buffer", "overhang"), "place": ("place_level",), "time": ("before",)}
    for name in own.get(split.method, ()):
        value = getattr(split, name)
        if value not in (None, "", ()):
            words.append(f"split.{name}=" + (",".join(value) if isinstance(value, tuple) else f"{value}"))
    return " ".join(words)


def _indent(text: str) -> list[str]:
    return [f"  {line}".rstrip() for line in text.strip("\n").splitlines()]
