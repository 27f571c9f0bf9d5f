"""`docs/recipes.md` is what the YAML files say."""

from __future__ import annotations

from pathlib import Path

from geovec_data.recipe.docs import page
from geovec_data.recipe.files import load_recipe, recipe_names

PAGE = Path(__file__).parent.parent.parent / "docs" / "recipes.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make docs"


def test_every_recipe_has_a_row_and_a_section() -> None:
    text = page()
    for name in recipe_names():
        recipe = load_recipe(name)
        assert text.count(f"| [`{name}`](#{name}) |") == 1
        assert text.count(f"\n### {name}\n") == 1
        assert recipe.licence.name in text
