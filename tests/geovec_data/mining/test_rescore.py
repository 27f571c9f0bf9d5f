"""A second model drops what it finds nearer than the positive, and orders the rest; texts alone for a cross-encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geovec_data.errors import UserError
from geovec_data.mining.mine import MineConfig, run
from geovec_data.mining.rescore import is_cross_encoder
from geovec_data.records import Segment
from tests.fixtures.vectors import decided
from tests.fixtures.world import World, fan, text

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "alpha", "beta", "gamma", "delta", "epsilon", "zeta")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One caption, its image, and six further images at 10, 20, … degrees from it."""
    world = World(tmp_path)
    right = world.image("right.png")
    shown = world.at(5, (Segment.of_image(right),), "right")
    world.book.example("text_to_image", world.at(0, text("asked")), [shown], image=right)
    for n in range(1, 7):
        image = world.image(f"{n}.png")
        world.book.distractor("text_to_image", image, world.at(10.0 * n, (Segment.of_image(image),), str(n)))
    world.mine(k=3)
    return world


def second(world: World, degrees: dict[str, float]) -> str:
    """Another encoder of the dataset, to which these names lie at other angles."""
    folder = world.folder / "second"
    folder.mkdir()
    (folder / "vocab.txt").write_text("second")
    vectors = {item: fan(degrees.get(name, 45.0)) for item, name in world.names.items()}
    return decided(world.folder / "dataset", folder, vectors)


def rescored(world: World, model: str, **options: Any) -> tuple[list[str], dict[str, Any]]:
    import pyarrow.parquet as pq

    policy = {"rescore": model, **options}
    dataset = world.folder / "dataset"
    facts = run(
        MineConfig.model_validate(
            {"dataset": dataset, "reuse": "default", "run": "second", "k": 3, "policy": policy, "overwrite": True}
        )
    )
    rows = pq.read_table(dataset / "mining/second/negatives.parquet").to_pylist()
    return [world.names[r["item"]] for r in sorted(rows, key=lambda r: r["rank"])], facts


OTHERWISE = {"asked": 0.0, "right": 30.0, "1": 20.0, "2": 60.0, "3": 50.0, "4": 10.0, "5": 40.0, "6": 70.0}


def test_what_the_second_finds_nearer_goes_and_the_rest_is_in_its_order(world: World) -> None:
    chosen, facts = rescored(world, second(world, OTHERWISE))
    assert chosen == ["5", "3", "2"]
    assert facts["drops"]["rescore"] == 2
    assert facts["rescored_by"]["pairs_of_texts"] is False
    assert facts["settings"]["policy"]["rescore"] == facts["rescored_by"]["fingerprint"]


def test_only_the_first_are_asked_about_and_the_others_come_after(world: World) -> None:
    chosen, facts = rescored(world, second(world, OTHERWISE), rescore_depth=3)
    assert chosen == ["3", "2", "4"]  # 1 is dropped; 4, 5 and 6 are not asked about
    assert facts["drops"]["rescore"] == 1


def test_a_margin_drops_more_and_none_only_reorders(world: World) -> None:
    model = second(world, OTHERWISE)
    chosen, _ = rescored(world, model, rescore_margin=0.2)  # limit 0.69: 50 degrees and more stay
    assert chosen == ["3", "2", "6"]
    chosen, facts = rescored(world, model, rescore_margin=None)
    assert chosen == ["4", "1", "5"]
    assert facts["drops"]["rescore"] == 0


def cross_encoder(folder: Path) -> str:
    """A tiny one, from scratch."""
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    torch.manual_seed(0)
    raw = folder / "raw"
    raw.mkdir(parents=True)
    (raw / "vocab.txt").write_text("\n".join(WORDS))
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        num_labels=1,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(raw)
    BertTokenizerFast(str(raw / "vocab.txt")).save_pretrained(raw)
    CrossEncoder(str(raw), device="cpu").save_pretrained(str(folder / "cross"))
    return str(folder / "cross")


def test_a_cross_encoder_reads_texts_for_the_positives(tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    world = World(tmp_path)
    image = world.image("a.png")
    names = [" ".join((WORDS[5 + n], WORDS[5 + (n + 1) % 6])) for n in range(6)]
    asked = world.at(0, (Segment.of_image(image),), "asked")
    first = world.book.example("image_to_text", asked, [world.at(0, text(names[0]))], image=image)
    for n, words in enumerate(names[1:], 1):
        other = world.image(f"{n}.png")
        world.book.distractor("image_to_text", other, world.at(10.0 * n, text(words)))
    model = cross_encoder(tmp_path / "models")
    facts = world.mine(k=5, anchor="positive", policy={"rescore": model, "rescore_margin": None})
    assert facts["rescored_by"]["pairs_of_texts"] is True
    said = CrossEncoder(model, device="cpu").predict([(names[0], words) for words in names[1:]])
    expected = [words for _, words in sorted(zip(said.tolist(), names[1:], strict=True), reverse=True)]
    assert [n["name"] for n in world.negatives(first)] == expected
    with pytest.raises(UserError, match=r"reads pairs of texts; image_to_text has image.*anchor=positive"):
        world.mine(k=5, run="b", policy={"rescore": model})
    with pytest.raises(UserError, match=r"policy\.rescore=.*nothing: no such folder"):
        world.mine(k=5, run="b", policy={"rescore": str(tmp_path / "nothing")})


def test_a_cross_encoder_is_known_by_its_own_words(tmp_path: Path) -> None:
    assert not is_cross_encoder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertForSequenceClassification"]}))
    assert is_cross_encoder(tmp_path)
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"model_type": "SentenceTransformer"}))
    assert not is_cross_encoder(tmp_path)
