"""A changed policy over stored candidates gives what mining anew gives, without an encoder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from geovec_data.errors import UserError
from geovec_data.mining.mine import MineConfig, run
from geovec_data.mining.presets import load_mine, names
from geovec_data.records import Segment
from tests.fixtures.vectors import decided
from tests.fixtures.world import World, text


@pytest.fixture
def mined(tmp_path: Path) -> tuple[Path, str]:
    world = World(tmp_path)
    rng = np.random.default_rng(5)
    for n in range(30):
        image = world.image(f"{n}.png", scene_class=("airport", "harbour", "forest")[n % 3])
        seen = world.at(float(rng.uniform(0, 90)), (Segment.of_image(image),))
        said = [world.at(float(rng.uniform(0, 90)), text(f"caption {n} {m}")) for m in range(2)]
        world.book.example("image_to_text", seen, said, image=image)
        for words in said:
            world.book.example("text_to_image", words, [seen], image=image)
    world.mine(quota={"hard": 2, "random": 1})
    return world.folder / "dataset", str(world.folder / "encoder")


def negatives(dataset: Path, name: str) -> list[dict[str, Any]]:
    rows = pq.read_table(dataset / "mining" / name / "negatives.parquet").drop_columns(["run"]).to_pylist()
    return sorted(rows, key=lambda r: (r["example"], r["rank"]))


CHANGED: dict[str, Any] = {"policy": {"relative_margin": 0.05, "same_class": "off"}, "k": 5}


def test_a_changed_policy_gives_what_mining_anew_gives(mined: tuple[Path, str]) -> None:
    dataset, encoder = mined
    run(MineConfig(dataset=dataset, encoder=encoder, device="cpu", run="anew", **CHANGED))
    shutil.rmtree(dataset / "embeddings")  # nothing is encoded, so nothing is missed
    facts = run(MineConfig(dataset=dataset, reuse="default", run="again", **CHANGED))
    assert negatives(dataset, "again") == negatives(dataset, "anew") != negatives(dataset, "default")
    assert facts["encoder"]["name"] == encoder
    drawn = run(MineConfig.model_validate({"dataset": dataset, "reuse": "default", "run": "c", "quota": {"random": 1}}))
    assert drawn["tasks"]["text_to_image"]["negatives"]["random"] > 50  # of 60: what was drawn and stored then
    assert facts["embedding"]["encoded"] == 0
    assert any("candidates are those of run 'default'" in line for line in facts["human"])


def test_tasks_can_be_chosen(mined: tuple[Path, str]) -> None:
    dataset, _ = mined
    assert list(run(MineConfig(dataset=dataset, reuse="default", run="b", tasks=["text_to_image"]))["tasks"]) == [
        "text_to_image"
    ]
    with pytest.raises(UserError, match=r"has no 'txt_to_image'. Did you mean 'text_to_image'"):
        run(MineConfig(dataset=dataset, reuse="default", run="c", tasks=["txt_to_image"]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reuse": "defualt"}, "no such finished run. Did you mean 'default'"),
        ({"run": "default"}, "give the new run another name"),
        ({"pool": {"split": "val"}}, "has another pool, so its candidates are not"),
        ({"anchor": "positive"}, "another anchor"),
        ({"depth": 200}, "stored 100 candidates an example"),
    ],
)
def test_other_candidates_are_refused(mined: tuple[Path, str], options: dict[str, Any], said: str) -> None:
    dataset, _ = mined
    with pytest.raises(UserError, match=said):
        run(MineConfig.model_validate({"dataset": dataset, "reuse": "default", "run": "again"} | options))


def test_what_decides_the_candidates_is_taken_over_unless_given(mined: tuple[Path, str]) -> None:
    dataset, encoder = mined
    base = {"dataset": dataset, "encoder": encoder, "device": "cpu", "k": 2}
    run(MineConfig.model_validate(base | {"run": "near", "anchor": "positive", "depth": 7}))
    run(MineConfig.model_validate({"dataset": dataset, "reuse": "near", "run": "again", "k": 2}))
    assert negatives(dataset, "again") == negatives(dataset, "near") != negatives(dataset, "default")
    with pytest.raises(UserError, match="another anchor"):
        run(MineConfig.model_validate({"dataset": dataset, "reuse": "near", "run": "c", "k": 2, "anchor": "query"}))


def test_another_encoder_or_build_is_refused(mined: tuple[Path, str], tmp_path: Path) -> None:
    dataset, _ = mined
    ids = pq.read_table(next((dataset / "items").iterdir()))["id"].to_pylist()
    other = tmp_path / "other"
    other.mkdir()
    (other / "vocab.txt").write_text("1")
    decided(dataset, other, dict.fromkeys(ids, (1.0, 0.0)))
    with pytest.raises(UserError, match="another encoder"):
        run(MineConfig(dataset=dataset, encoder=str(other), reuse="default", run="again"))
    manifest = dataset / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"revision": "r1"', '"revision": "r2"'))
    with pytest.raises(UserError, match="another dataset"):
        run(MineConfig(dataset=dataset, reuse="default", run="again"))


def test_a_policy_that_leaves_nothing_says_what_took_the_candidates(mined: tuple[Path, str]) -> None:
    dataset, _ = mined
    with pytest.raises(UserError, match=r"dropped by max_score 2,\d+, same_class 1,\d+, known_positive 120"):
        run(MineConfig.model_validate({"dataset": dataset, "reuse": "default", "run": "none-left"} | {
            "policy": {"max_score": -1.0}
        }))  # fmt: skip
    assert not (dataset / "mining/none-left").exists()


def test_pool_by_corpus_and_modality(mined: tuple[Path, str]) -> None:
    dataset, encoder = mined
    base = {"dataset": dataset, "encoder": encoder, "device": "cpu"}
    facts = run(MineConfig.model_validate(base | {"run": "texts", "pool": {"modality": ["text"]}}))
    assert list(facts["tasks"]) == ["image_to_text"]
    assert run(MineConfig.model_validate(base | {"run": "one", "pool": {"corpus": ["painted"]}}))["examples"] == 90
    with pytest.raises(UserError, match=r"pool.corpus=pained: the train split has none. Did you mean 'painted'"):
        run(MineConfig.model_validate(base | {"run": "two", "pool": {"corpus": ["pained"]}}))


@pytest.mark.parametrize("name", names())
def test_presets_are_options(name: str) -> None:
    config = load_mine(["dataset=d", "encoder=e", f"preset={name}", "policy.caption_jaccard=0.9"])
    assert config.preset == name
    assert config.policy.caption_jaccard == 0.9
    assert config.policy != MineConfig(dataset=Path("d"), encoder="e").policy


def test_what_is_given_wins_over_the_preset(tmp_path: Path) -> None:
    assert names() == ["anything", "geo", "nv_retriever", "region"]
    assert load_mine(["dataset=d", "encoder=e", "preset=nv_retriever"]).policy.percentage == 0.95
    assert (
        load_mine(["dataset=d", "encoder=e", "preset=nv_retriever", "policy.percentage=0.9"]).policy.percentage == 0.9
    )
    own = tmp_path / "own.yaml"
    own.write_text("k: 7\n")
    assert load_mine(["dataset=d", "encoder=e", f"preset={own}"]).k == 7
    own.write_text("kk: 7\n")
    with pytest.raises(UserError, match=r"unknown option 'kk'"):
        load_mine(["dataset=d", "encoder=e", f"preset={own}"])
    own.write_text("[1]\n")
    with pytest.raises(UserError, match="expected options"):
        load_mine(["dataset=d", "encoder=e", f"preset={own}"])
    for name in ("nv_retreiver", "synonyms"):
        with pytest.raises(UserError, match="no such preset"):
            load_mine(["dataset=d", "encoder=e", f"preset={name}"])
