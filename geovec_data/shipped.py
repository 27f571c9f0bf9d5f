"""Where the files that come with the package lie; imports nothing, so that a table can be read at no cost."""

from __future__ import annotations

from pathlib import Path


def recipe_dir() -> Path:
    """Return the folder of the shipped recipes: inside the installed package, else in the checkout."""
    inside = Path(__file__).parent / "_recipes"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "recipes"
