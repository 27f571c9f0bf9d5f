"""Vision-language checkpoints as the hub has them: loaded, sized, rendered, saved, on miniatures of each family."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer

import geovec_train
from geovec_data.errors import UserError
from geovec_data.mining.encoder import load as load_encoder
from geovec_train.evaluation.evaluate import EvalConfig
from geovec_train.evaluation.evaluate import run as evaluate
from geovec_train.models.checkpoint import is_checkpoint, is_vision_language
from geovec_train.models.load import check_folder, codecs_of, load, save_model
from geovec_train.models.sizes import set_side, set_visual_tokens
from tests.fixtures.dataset import caption_dataset
from tests.fixtures.encoders import small_tiny
from tests.fixtures.vlm import FAMILIES, HIDDEN, write_vlm

Models = dict[str, tuple[Path, SentenceTransformer]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    home = tmp_path_factory.mktemp("hub (1) = ~")
    folders = {f: write_vlm(home / f, f) for f in FAMILIES}
    return {f: (folder, load(folder, device="cpu")) for f, folder in folders.items()}


def picture(seed: int = 0, width: int = 100, height: int = 70) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def message(*parts: Any) -> list[dict[str, Any]]:
    content = [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image", "image": p} for p in parts]
    return [{"role": "user", "content": content}]


def embed(model: SentenceTransformer, *inputs: Any) -> np.ndarray[Any, Any]:
    out: np.ndarray[Any, Any] = model.encode(list(inputs))
    return out


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_are_those_of_the_checkpoint(models: Models, family: str) -> None:
    from transformers import AutoModelForImageTextToText

    folder, model = models[family]
    published = AutoModelForImageTextToText.from_pretrained(folder).model.state_dict()
    own = model[0].model.state_dict()
    assert own.keys() == published.keys()
    assert all(torch.equal(own[k], published[k]) for k in own)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_vector_is_the_hidden_state_at_the_end_of_the_familys_own_template(models: Models, family: str) -> None:
    _, model = models[family]
    item = message("find", picture(), "a pier", picture(1, 60, 90))
    features = model.preprocess([item, message("short")])
    text = model.tokenizer.decode(features["input_ids"][0])
    system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n" if family != "qwen3_vl" else ""
    seen = text.replace("<|image_pad|>", "")
    assert seen.endswith(
        f"{system}<|im_start|>user\nfind<|vision_start|><|vision_end|>a pier<|vision_start|><|vision_end|><|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert features["image_grid_thw"].prod(dim=1).sum() // 4 == text.count("<|image_pad|>")
    alone = model.preprocess([item])
    with torch.no_grad():
        last = model[0].forward(dict(alone))["token_embeddings"][0, -1]
    vector = embed(model, item, message("short"))[0]  # in company, with padding
    assert np.abs(vector - (last / last.norm()).numpy()).max() < 1e-5
    assert len(vector) == HIDDEN


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_it_loads_without_this_package_and_gives_equal_vectors(
    models: Models, family: str, tmp_path: Path
) -> None:
    _, model = models[family]
    save_model(model, tmp_path / "saved")
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    inputs = [message(picture(), "a"), message("b"), message("c", picture(1), picture(2))]
    assert np.abs(embed(again, *inputs) - embed(model, *inputs)).max() < 1e-6
    types = [m["type"] for m in json.loads((tmp_path / "saved" / "modules.json").read_text())]
    assert all(t.startswith("sentence_transformers.") for t in types)
    assert is_vision_language(tmp_path / "saved")
    assert not is_checkpoint(tmp_path / "saved")


def test_boxes_are_written_as_the_family_writes_them(models: Models) -> None:
    assert codecs_of(models["qwen2_vl"][1]).box.name == "qwen2vl"
    assert codecs_of(models["qwen2_5_vl"][1]).box.name == "qwen2_5vl:3136-12845056"
    assert codecs_of(models["qwen3_vl"][1]).box.name == "qwen3vl"


@pytest.mark.parametrize("family", FAMILIES)
def test_no_image_has_more_visual_tokens_than_asked_and_its_aspect_stays(tmp_path: Path, family: str) -> None:
    model = load(write_vlm(tmp_path / family, family), device="cpu")
    set_visual_tokens(model, 12)
    for width, height in ((1000, 300), (300, 1000), (640, 640), (90, 40)):
        grid = model.preprocess([message(picture(0, width, height))])["image_grid_thw"][0].tolist()
        assert grid[1] * grid[2] // 4 <= 12
        assert (grid[2] > grid[1]) == (width > height)
    small, large = (model.preprocess([message(picture(0, s, s))])["image_grid_thw"].prod() for s in (64, 2000))
    assert small < large  # dynamic: a small image is not blown up to the most
    if family == "qwen2_5_vl":
        # the boxes follow the size: a whole image of 640 px is now 84 × 84
        assert codecs_of(model).box.encode((0, 0, 640, 640), 640, 640) == '{"bbox_2d": [0, 0, 84, 84]}'
    set_side(model, 224)
    assert (
        model.preprocess([message(picture(0, 99, 99))])["image_grid_thw"][0][1:]
        == 224 // (28 if family != "qwen3_vl" else 32) * 2
    ).all()


def test_a_size_that_cannot_be_is_the_users_mistake(models: Models) -> None:
    with pytest.raises(UserError, match="side=100: this model needs a multiple of 32"):
        set_side(models["qwen3_vl"][1], 100)

    class Other:
        processor = None

    for change in (set_side, set_visual_tokens):
        with pytest.raises(UserError, match="image size cannot be set"):
            change([Other()], 64)  # type: ignore[arg-type]


def test_a_checkpoint_without_a_chat_template_or_weights_is_told(tmp_path: Path) -> None:
    bare = write_vlm(tmp_path / "bare", "qwen2_vl")
    (bare / "chat_template.json").unlink()
    with pytest.raises(UserError, match="no chat template; take the family's instruction-tuned checkpoint"):
        load(bare)
    (bare / "model.safetensors").write_bytes(b"")
    (bare / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(UserError, match="does not load as an encoder"):
        load(bare)


def test_the_tiny_encoder_is_no_vision_language_model_of_the_hub(tmp_path: Path) -> None:
    assert not is_vision_language(small_tiny(tmp_path / "tiny"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match=r"no modules\.json"):
        check_folder(tmp_path / "other")


def test_untrained_it_is_evaluated_and_saved_for_mining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = caption_dataset(tmp_path / "captions", images=12)
    folder = write_vlm(tmp_path / "vlm", "qwen3_vl", most=64**2)
    monkeypatch.chdir(tmp_path)
    asked = EvalConfig(dataset=dataset.path, model=str(folder), tasks=["text_to_image"], bootstrap=0, device="cpu")
    before = evaluate(asked)
    assert before["codecs"] == "qwen3vl+lat_lon"
    with pytest.raises(UserError, match=r"encoder=x is a vision-language model, not an encoder yet.*save_pretrained"):
        load_encoder("x", folder, "0" * 64, tmp_path, "cpu")
    geovec_train.load(folder, device="cpu").save_pretrained(str(tmp_path / "saved"))
    saved = tmp_path / "saved"
    assert evaluate(asked.model_copy(update={"model": str(saved)}))["tasks"] == before["tasks"]
    assert load_encoder("saved", saved, "0" * 64, tmp_path, "cpu").card.box_codec == "qwen3vl"
    geovec_train.load(small_tiny(tmp_path / "tiny"), device="cpu").save_pretrained(str(tmp_path / "again"))
    assert "geovec" not in (tmp_path / "again" / "modules.json").read_text()
