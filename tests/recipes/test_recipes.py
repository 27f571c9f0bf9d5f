"""Every YAML in `recipes/` has a fixture in its true layout, builds, and becomes what its golden file says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geovec_data.recipe.files import find_recipe, load_recipe, load_tree, recipe_names
from geovec_data.tasks import get_task
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from tests.recipes.statistics import GOLDEN, built, statistics

MOST_LINES = 30  # of a recipe whose layout a reader knows; a sample of another corpus comes on top
META_TASKS = {"classification", "cross_modal", "compositional", "vqa", "region", "geo"}


@pytest.mark.parametrize("name", recipe_names())
def test_the_fixture_becomes_what_the_golden_statistics_say(name: str, tmp_path: Path) -> None:
    golden = GOLDEN / f"{name}.json"
    assert golden.is_file(), f"{golden.name}: write tests/fixtures/corpora/{name}.py, then make golden"
    dataset = built(name, tmp_path)
    assert statistics(dataset) == json.loads(golden.read_text(encoding="utf-8"))
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []


@pytest.mark.parametrize("name", recipe_names())
def test_the_recipe_says_what_a_user_must_know(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.tasks, "a recipe makes examples"
    assert {get_task(t).meta_task for t in recipe.tasks} <= META_TASKS
    for said in (recipe.title, recipe.summary, recipe.get, recipe.licence.name, recipe.licence.attribution):
        assert said.strip()
    assert recipe.homepage.startswith("http")
    assert recipe.layout_source.startswith("http"), "say where the layout is documented"
    lines = find_recipe(name).read_text(encoding="utf-8").splitlines()
    own = lines[: lines.index("sample:")] if load_tree(name).get("sample") else lines
    assert len(own) <= MOST_LINES, f"{len(own)} lines"


def test_no_golden_file_or_fixture_is_left_over() -> None:
    fixtures = {p.stem for p in (Path(__file__).parent.parent / "fixtures" / "corpora").glob("[a-z]*.py")}
    assert fixtures == {p.stem for p in GOLDEN.glob("*.json")} == set(recipe_names())
