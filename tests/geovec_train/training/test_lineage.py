"""What a trained model says it was trained on and made from, over several stages whose folders may be gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geovec_data.dataset import Dataset
from geovec_train.models.lineage import lineage_of
from geovec_train.training.train import run
from tests.fixtures.handmade import painted
from tests.fixtures.vlm import write_vlm
from tests.geovec_train.training.runs import config

SCRATCH = "No pretrained weights: trained from scratch."


def named(folder: Path, name: str, licence: str) -> Dataset:
    """A painted dataset with a name, a content and a licence of its own."""
    path = painted(folder / name, recipe={"name": name})
    file = path / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["fingerprint"] = f"content-of-{name}"
    manifest["sources"][0] |= {
        "title": f"Paintings of {name}",
        "revision": None,
        "licence": licence,
        "attribution": f"{name} et al.",
    }
    file.write_text(json.dumps(manifest))
    return Dataset(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    folder = tmp_path_factory.mktemp("lineage")
    licences = {"x": "Research-Only-X", "y": "Free-Y", "z": "Free-Z"}
    return {name: named(folder, name, licence) for name, licence in licences.items()}


def trained(dataset: Dataset, out: Path, model: str | Path = "tiny", **options: Any) -> str:
    """Train two steps; returns the card."""
    run(config(dataset, out, **{"model": str(model), "steps": 2, "tasks": ["text_to_image"]} | options))
    return (out / "README.md").read_text(encoding="utf-8")


def test_a_later_stage_keeps_the_data_and_licences_of_the_earlier_ones(
    data: dict[str, Dataset], tmp_path: Path
) -> None:
    first = trained(data["x"], tmp_path / "a")
    assert SCRATCH in first
    assert "datasets, in the order of training" not in first
    second = trained(data["y"], tmp_path / "b", tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "gone")
    third = trained(data["z"], tmp_path / "c", tmp_path / "b")
    for card, names in ((second, "xy"), (third, "xyz")):
        said = [f"Paintings of {n}: {data[n].manifest.sources[0].licence}. {n} et al." for n in names]
        places = [card.index(line) for line in said]
        assert places == sorted(places)
        assert all(f"`content-of-{n}`" in card for n in names)
        assert SCRATCH not in card
    assert "Continues from `a`, a model trained with GeoVec that in the beginning had no pretrained weights" in second
    assert "Continues from `b`" in third
    summary = json.loads((tmp_path / "c" / "summary.json").read_text())
    assert [s["dataset"] for s in summary["stages"]] == ["x", "y", "z"]


def test_a_dataset_that_was_trained_on_twice_is_listed_once(data: dict[str, Dataset], tmp_path: Path) -> None:
    trained(data["x"], tmp_path / "a")
    trained(data["y"], tmp_path / "b", tmp_path / "a")
    card = trained(data["x"], tmp_path / "c", tmp_path / "b")
    assert card.count("Research-Only-X") == card.count("Free-Y") == 1
    assert card.index("Research-Only-X") < card.index("Free-Y")


def test_a_base_of_others_is_named_through_the_stages(data: dict[str, Dataset], tmp_path: Path) -> None:
    base = write_vlm(tmp_path / "theirs", "qwen2_vl")
    (base / "README.md").write_text("---\nlicense: strict-9\n---\n")
    options: dict[str, Any] = {"batch": 4, "max_visual_tokens": 4}
    first = trained(data["x"], tmp_path / "a", base, **options)
    assert "theirs, licence: strict-9. What is made" in first
    assert "Continues from" not in first
    second = trained(data["y"], tmp_path / "b", tmp_path / "a", **options)
    assert (
        "Continues from `a`, a model trained with GeoVec that in the beginning was made from theirs, licence: stri"
        in (second)
    )
    assert "Research-Only-X" in second


def test_of_a_folder_without_the_record_nothing_is_made_up(data: dict[str, Dataset], tmp_path: Path) -> None:
    trained(data["x"], tmp_path / "old")
    file = tmp_path / "old" / "config.json"
    settings = json.loads(file.read_text())
    for key in ("base", "stages", "continues", "unrecorded"):
        del settings["geovec"][key]
    file.write_text(json.dumps(settings))
    second = trained(data["y"], tmp_path / "b", tmp_path / "old")
    third = trained(data["z"], tmp_path / "c", tmp_path / "b")
    for card in (second, third):
        assert "What it was trained on before is not recorded" in card
        assert "What that was made from is not recorded." in card
        assert "from scratch" not in card


def test_of_a_module_without_settings_the_runs_summary_has_the_record(data: dict[str, Dataset], tmp_path: Path) -> None:
    trained(data["x"], tmp_path / "a")
    (tmp_path / "a" / "config.json").unlink()
    found = lineage_of(str(tmp_path / "a"), data["y"])
    assert ([s["dataset"] for s in found.stages], found.continues, found.unrecorded) == (["x", "y"], "a", False)
