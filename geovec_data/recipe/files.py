"""Where the shipped recipes and mixes lie, and how one file is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from geovec_data.errors import UserError, suggest
from geovec_data.options import merge, validate
from geovec_data.paths import expanded
from geovec_data.recipe.recipe import Recipe
from geovec_data.shipped import recipe_dir


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes."""
    return sorted(p.stem for p in recipe_dir().glob("*.yaml"))


def mix_names() -> list[str]:
    """Return the names of the shipped mixes: recipes of recipes, in a folder of their own."""
    return sorted(p.stem for p in (recipe_dir() / "mixes").glob("*.yaml"))


def find_recipe(name: str) -> Path:
    """Return the YAML file of a recipe name, or of a path to a user's own.

    Raises:
        UserError: for an unknown name, with the nearest one.
    """
    if name.endswith((".yaml", ".yml")):
        path = expanded(name)
        if not path.is_file():
            raise UserError(f"recipe={name}: no such file")
        return path
    if name in recipe_names():
        return recipe_dir() / f"{name}.yaml"
    if name in mix_names():
        return recipe_dir() / "mixes" / f"{name}.yaml"
    known = recipe_names() + mix_names()
    raise UserError(f"unknown recipe '{name}'.{suggest(name, known)} See: geovec-data list")


def _compose(path: Path) -> Any:
    """Compose a recipe that builds on others with Hydra; the import alone costs a quarter of a second."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException

    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(path.parent.resolve())):
            return compose(config_name=path.stem)
    except HydraException as error:
        raise UserError(f"recipe file {path} cannot be composed: {error}") from error


def load_tree(name: str) -> dict[str, Any]:
    """Compose one recipe file by itself; ``defaults:`` and ``${oc.env:…}`` work in it as in any Hydra config."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    path = find_recipe(name)
    try:
        composed = OmegaConf.load(path)
        if "defaults" in composed:
            composed = _compose(path)
        tree = OmegaConf.to_container(composed, resolve=True)
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"recipe file {path} cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise UserError(f"recipe file {path} must be a mapping of keys, found {type(tree).__name__}")
    return {str(k): v for k, v in tree.items()}


def load_recipe(name: str) -> Recipe:
    """Load a recipe without overrides."""
    return check_recipe(load_tree(name), name)


def check_recipe(tree: dict[str, Any], name: str) -> Recipe:
    """Validate what a recipe file says by itself.

    Raises:
        UserError: names the file, what is wrong in it, and a recipe to take as a model.
    """
    return validate(Recipe, tree, "geovec-data describe recipe=rsicd, a recipe to take as a model", f"{name}: ")


SAMPLE_OWN = ("package", "version", "sha256", "members", "note")


def apply_sample(tree: dict[str, Any], key: str = "source") -> dict[str, Any]:
    """Lay the sample's own settings over the recipe's; the sample's identity stays under ``sample``.

    Args:
        tree: the recipe.
        key: how the user writes its options: ``source``, or ``sources.<corpus>`` where there are several.

    Raises:
        UserError: when the recipe has no sample.
    """
    sample = tree.get("sample")
    if not sample:
        having = [n for n in recipe_names() if load_tree(n).get("sample")]
        raise UserError(
            f"recipe {tree.get('name')} has no sample; give {key}.root=<folder>. With a sample: {', '.join(having)}"
        )
    out = dict(tree)
    for name, value in sample.items():
        if name in SAMPLE_OWN:
            continue
        out[name] = merge(out.get(name) or {}, value) if name in ("checks", "split", "synthesise", "source") else value
    return out
