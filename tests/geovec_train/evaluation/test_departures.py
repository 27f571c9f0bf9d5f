"""Other questions of the same encoder and dataset: each in a folder of its own, and told in the model's card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geovec_train.evaluation.departures import departs_of, folder_name, words
from geovec_train.evaluation.evaluate import EvalConfig, run
from tests.fixtures.handmade import painted


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted(tmp_path_factory.mktemp("departs") / "data", scenes=9, notes=("these are <smoke> figures",))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained encoder with the beginning of a card."""
    from geovec_train.models.load import save_model
    from geovec_train.models.tiny import build_tiny

    folder = tmp_path_factory.mktemp("model") / "tiny"
    saved = {"box_codec": "pixels", "coordinate_codec": "lat_lon"}
    save_model(build_tiny(["the red block"], seed=0, side=56, geovec=saved), folder)
    (folder / "README.md").write_text("# An encoder trained with GeoVec\n", encoding="utf-8")
    return folder


def scored(dataset: Path, model: Path, **options: Any) -> str:
    """Evaluate; returns the name of the folder."""
    return Path(run(EvalConfig(dataset=dataset, model=str(model), bootstrap=0, **options))["out"]).name


def test_every_question_has_its_folder_and_is_told_in_the_card(dataset: Path, model: Path) -> None:
    assert scored(dataset, model) == "data"
    plain = (model / "eval" / "data" / "scores.json").read_bytes()
    one = ["text_to_image"]
    assert scored(dataset, model, split="train", truth="own", tasks=one) == (
        "data.split_train.truth_own.only_text_to_image"
    )
    assert scored(dataset, model, split="train", tasks=one, blind="image") == (
        "data.split_train.no_image.only_text_to_image"
    )
    assert (
        scored(dataset, model, tasks=["scene_class"], box="qwen2vl") == "data.only_scene_class.codecs_qwen2vl+lat_lon"
    )
    assert (model / "eval" / "data" / "scores.json").read_bytes() == plain
    card = (model / "README.md").read_text()
    for heading in (
        "### data\n",
        "### data (split train; truth own (each example by its own positives alone); only text_to_image)\n",
        "### data (split train; blind: without image; only text_to_image)\n",
        "### data (only scene_class; codecs qwen2vl+lat_lon)\n",
    ):
        assert heading in card
    assert card.count("- these are &lt;smoke> figures\n") == 4
    assert "- Too few parent images to resample: intervals resample single images and are too narrow" in card
    assert "- Blind: scored with the image taken away" in card


def test_the_same_question_in_other_words_has_the_plain_ones_folder(dataset: Path, model: Path) -> None:
    tasks = list(json.loads((dataset / "manifest.json").read_text())["tasks"])
    assert scored(dataset, model, split="test", tasks=[*tasks, *tasks[:1]], truth="union", box="pixels") == "data"


def test_no_pool_of_an_earlier_call_stays(dataset: Path, model: Path, tmp_path: Path) -> None:
    scored(dataset, model, out=tmp_path)
    pools = tmp_path / "pools"
    assert len(list(pools.iterdir())) > 1
    (pools / "mine.tsv").write_text("of the user")
    scored(dataset, model, out=tmp_path, tasks=["text_to_image"])
    assert sorted(p.name for p in pools.iterdir()) == ["mine.tsv", "text_to_image.split.tsv"]


def test_many_tasks_have_a_name_that_file_systems_take() -> None:
    many = [f"some_task_of_a_long_name_{n}" for n in range(20)]
    name = folder_name("data", {"tasks": many})
    assert name.startswith("data.only_20_tasks_")
    assert len(name) < 40
    assert folder_name("data", {"tasks": many[:19]}) != name


def test_scores_of_an_older_version_say_what_can_be_told() -> None:
    old = {"split": "test", "split_note": "split test", "truth": "union", "blind": None}
    assert departs_of(old) == {}
    assert words(old) == ""
    assert words(old | {"split": "val", "split_note": "split val: this dataset has no test examples"}) == "split val"
    asked = {"split": "train", "split_note": "split train, as asked", "blind": "box"}
    assert departs_of(old | asked) == {"split": "train", "blind": "box"}
