"""Every mix in `recipes/mixes/` builds from the fixtures of its corpora, and the big one leaves no recipe unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from geovec_data.recipe.chosen import load_mix
from geovec_data.recipe.files import mix_names, recipe_names
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from tests.fixtures import corpora
from tests.fixtures.dataset import build


@pytest.mark.parametrize("name", mix_names())
def test_the_mix_builds_from_the_fixtures_of_its_corpora(name: str, tmp_path: Path) -> None:
    mix = load_mix(name)
    assert mix is not None
    assert mix.name == name
    places = corpora.write_many(mix.mix, tmp_path / "corpora")
    common = (f"out={tmp_path / 'out'}", "units=2", "workers=1", "checks.max_reject_fraction=1")
    dataset = build(f"recipe={name}", *places, *common)
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []
    assert [s.corpus for s in dataset.manifest.sources] == sorted(mix.mix)
    assert dataset.manifest.recipe["name"] == name
    assert dataset.manifest.leaks["image"]["dropped"] > 0, "RSITMD's test images are RSICD's training images"
    assert {s.corpus: s.weight for s in dataset.manifest.sources} == {
        corpus: (said or {}).get("weight", 1.0) for corpus, said in mix.mix.items()
    }


@pytest.mark.parametrize("recipe", recipe_names())
def test_rsmeb_train_names_every_recipe_or_says_why_not(recipe: str) -> None:
    mix = load_mix("rsmeb_train")
    assert mix is not None
    assert (recipe in mix.mix) != (recipe in mix.leaves_out), (
        f"add `{recipe}: {{}}` to recipes/mixes/rsmeb_train.yaml, or name it there under leaves_out with the reason"
    )


@pytest.mark.parametrize("name", mix_names())
def test_what_a_mix_leaves_out_is_a_recipe_and_has_a_reason(name: str) -> None:
    mix = load_mix(name)
    assert mix is not None
    assert set(mix.leaves_out) <= set(recipe_names())
    assert all(len(why) > 10 for why in mix.leaves_out.values())
