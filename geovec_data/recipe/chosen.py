"""Which recipes a build names, mixes taken apart: ``recipe=[rsmeb_train,my_own.yaml]`` → one entry a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from geovec_data.errors import UserError, suggest
from geovec_data.leaks.options import LeakOptions
from geovec_data.options import validate
from geovec_data.paths import expanded
from geovec_data.recipe.files import find_recipe, load_tree, recipe_names


class MixRecipe(BaseModel):
    """A recipe of recipes: ``recipes/mixes/*.yaml``, or a user's own file with a key ``mix``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="name of the mix")
    title: str = Field(description="for people")
    summary: str = Field(description="one sentence")
    mix: dict[str, dict[str, Any] | None] = Field(
        description="recipe → cap, weight and any other override; `recipe:` names a file of your own"
    )
    leaks: LeakOptions = LeakOptions()
    leaves_out: dict[str, str] = Field({}, description="recipe → why it is not in this mix")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A corpus that a build names.

    Attributes:
        name: of the corpus.
        tree: its recipe as it stands in the file.
        file: the recipe as it was named: a shipped one, or a YAML of the user's own.
        mixed: what a mix changes of it.
    """

    name: str
    tree: dict[str, Any]
    file: str
    mixed: dict[str, Any] = field(default_factory=dict)


def recipe_list(text: str) -> list[str]:
    """Read ``a``, ``a,b`` or ``[a,b]``; the path of an existing file is one name, commas and all."""
    if expanded(text).is_file():
        return [text]
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return [n for part in inner.split(",") if (n := part.strip().strip("'\""))]


def load_mix(name: str) -> MixRecipe | None:
    """Load a mix; None when the name is a corpus's recipe."""
    tree = load_tree(name)
    return (
        validate(MixRecipe, tree, "geovec-data describe recipe=rsmeb_train, a mix to take as a model", f"{name}: ")
        if "mix" in tree
        else None
    )


def choose(names: Sequence[str]) -> tuple[list[Chosen], dict[str, Any] | None]:
    """Load the recipes named, by corpus name.

    Returns:
        The corpora sorted by name; and name, title, summary and leak policies of the mix when one mix is all that
        is named.

    Raises:
        UserError: for an unknown recipe, a mix within a mix, or a corpus that is named twice.
    """
    found: list[tuple[str, Chosen]] = []
    head: dict[str, Any] | None = None
    for name in names:
        mix = load_mix(name)
        if mix is None:
            found.append((name, _one(name)))
        else:
            found += [(f"{corpus} of {name}", c) for corpus, c in _mixed(name, mix).items()]
            if len(names) == 1:
                head = mix.model_dump(include={"name", "title", "summary", "leaks"}, exclude_unset=True)
    by_name: dict[str, str] = {}
    for said, chosen in found:
        if chosen.name in by_name:
            first = by_name[chosen.name]
            raise UserError(
                f"two recipes are of the corpus '{chosen.name}' ({first}, {said}); a corpus stands once in a build:"
                " leave one out, or give one another `name:` in a YAML of your own"
            )
        by_name[chosen.name] = said
    return sorted((c for _, c in found), key=lambda c: c.name), head


def _one(name: str) -> Chosen:
    tree = load_tree(name)
    if not isinstance(tree.get("name"), str):
        raise UserError(f"recipe file {find_recipe(name)}: name=… is needed")
    return Chosen(tree["name"], tree, name)


def _mixed(name: str, mix: MixRecipe) -> dict[str, Chosen]:
    folder = find_recipe(name).parent
    out: dict[str, Chosen] = {}
    for corpus, said in mix.mix.items():
        overrides = dict(said or {})
        file = str(overrides.pop("recipe", corpus))
        if file.endswith((".yaml", ".yml")):
            file = str(expanded(file) if file.startswith("~/") else folder / file)
        elif file not in recipe_names():
            raise UserError(f"recipe {name}: it mixes '{file}', which is no recipe.{suggest(file, recipe_names())}")
        one = _one(file)
        if "mix" in one.tree or one.name != corpus:
            what = "is a mix itself" if "mix" in one.tree else f"is of the corpus '{one.name}'"
            raise UserError(f"recipe {name}: its entry '{corpus}' names {file}, which {what}; name corpora by recipe")
        out[corpus] = Chosen(corpus, one.tree, file, overrides)
    return out
