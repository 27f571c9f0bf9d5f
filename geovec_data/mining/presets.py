"""Presets: options of a mining run in a YAML file, shipped in ``recipes/mining/`` or the user's own."""

from __future__ import annotations

from typing import Any

from geovec_data.errors import UserError, suggest
from geovec_data.mining.config import MineConfig
from geovec_data.options import merge, read_arguments, validate
from geovec_data.paths import expanded
from geovec_data.shipped import recipe_dir

_COMMAND = "geovec-data mine"
_NO_PRESET = ("synonyms",)


def names() -> list[str]:
    """Return the names of the shipped presets."""
    return sorted(p.stem for p in (recipe_dir() / "mining").glob("*.yaml") if p.stem not in _NO_PRESET)


def load_mine(arguments: list[str]) -> MineConfig:
    """Read ``geovec-data mine``'s arguments over those of the preset that they name.

    Raises:
        UserError: for an unknown preset or option.
    """
    given = read_arguments(MineConfig, arguments, _COMMAND)
    name = given.get("preset")
    if name is None:
        return validate(MineConfig, given, _COMMAND)
    return validate(MineConfig, merge(read_preset(name), given), f"preset={name}: {_COMMAND}")


def read_preset(name: str) -> dict[str, Any]:
    """Read a preset's options.

    Raises:
        UserError: when there is none of that name, or the file is no mapping.
    """
    import yaml

    own = name.endswith((".yaml", ".yml"))
    path = expanded(name) if own else recipe_dir() / "mining" / f"{name}.yaml"
    if not path.is_file() or name in _NO_PRESET:
        raise UserError(f"preset={name}: no such {'file' if own else 'preset'}.{'' if own else suggest(name, names())}")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"preset={name} cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise UserError(f"preset={name}: expected options (key: value), found {type(tree).__name__}")
    return tree
