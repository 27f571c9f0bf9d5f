"""The mini encoder of generated small parts: the fast module against the stock one, its sequence, its freezing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses.gradcache import _create_minibatch
from sentence_transformers.base.modules.transformer import Transformer

from geovec_train.models import mini_encoder
from geovec_train.models.lite0 import lite0_config, open_gates, renamed, see
from geovec_train.models.load import codecs_of, load
from geovec_train.models.mini import adapt_tokenizer, build_mini
from geovec_train.models.mini_encoder import MiniEncoder
from tests.fixtures.mini_parts import VISION, small_mini, vision_part, write_text_part

TOLERANCE = 1e-5
TEXTS = ["a pier beside a beach", "many planes on the apron", "two storage tanks near a road", "find it:"]


def picture(seed: int, width: int = 150, height: int = 150) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def message(*parts: Any) -> list[dict[str, Any]]:
    content = [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image", "image": p} for p in parts]
    return [{"role": "user", "content": content}]


BOX = "<|box_start|>(12,345),(66,7)<|box_end|>"
CASES: dict[str, list[Any]] = {
    "texts": TEXTS,
    "pictures": [picture(0), picture(1), picture(2, 300, 90)],
    "text, picture, texts, picture, text": [
        message("look", picture(1), "left of", t, picture(2, 200, 80), BOX) for t in TEXTS
    ],
    "with and without a picture": [message(picture(0), "a"), message("b"), message(picture(1), picture(2), picture(3))],
    "text that spells special tokens": ["a <|image_pad|> b [SEP]", "<|picture_1|> [CLS]", "[MASK] c [PAD]"],
    "too long": ["pier beach " * 400, "pier"],
}


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> SentenceTransformer:
    settings = {"box_codec": "pixels", "coordinate_codec": "lon_lat:4"}
    folder = tmp_path_factory.mktemp("text")
    return small_mini(folder, geovec=settings, prompts={"text_to_image": "Find the image."})


def embed(model: SentenceTransformer, inputs: list[Any], **options: Any) -> np.ndarray[Any, Any]:
    out: np.ndarray[Any, Any] = model.encode(inputs, **options)
    return out


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("prompt", [None, "Find the image."])
def test_fast_module_equals_the_stock_one(
    fast: SentenceTransformer, stock: SentenceTransformer, name: str, prompt: str | None
) -> None:
    assert type(stock[0]) is Transformer
    assert type(fast[0]) is MiniEncoder
    a, b = (embed(m, CASES[name], prompt=prompt) for m in (fast, stock))
    assert np.abs(a - b).max() < TOLERANCE
    assert np.allclose(np.linalg.norm(a, axis=1), 1, atol=1e-5)
    assert len(np.unique(a.round(5), axis=0)) == len(a)


def test_saved_folder_is_stock_and_free_of_pickle(folder: Path, fast: SentenceTransformer) -> None:
    assert {p.suffix for p in folder.rglob("*") if p.is_file()} <= {".json", ".safetensors", ".jinja"}
    again = load(folder, device="cpu")
    assert isinstance(again[0], MiniEncoder)
    assert np.array_equal(embed(again, TEXTS), embed(fast, TEXTS))
    assert again.prompts["text_to_image"] == "Find the image."
    assert codecs_of(again).box.name == "pixels"


def test_gradients_equal_the_stock_ones_but_for_fixed_batch_statistics(
    fast: SentenceTransformer, stock: SentenceTransformer
) -> None:
    inputs = CASES["text, picture, texts, picture, text"]
    fast[0].freeze(0, pretrained=False)
    stock.eval()  # batch statistics stay, as they do in the fast module always
    fast.train()
    grads = []
    for model in (fast, stock):
        model.zero_grad()
        out = model(model.preprocess(inputs))["sentence_embedding"]
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        grads.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
        model.zero_grad()
    fast.eval()
    assert {n for n in grads[1] if n not in grads[0]} == {n for n in grads[1] if "squeeze_excite" in n}
    assert all(not grads[1][n].abs().max() for n in grads[1] if n not in grads[0])  # the gates are wide open
    for name, grad in grads[0].items():
        assert torch.allclose(grad, grads[1][name], atol=1e-4, rtol=1e-3), name


def test_order_and_number_of_the_parts_matter(fast: SentenceTransformer) -> None:
    a, b = picture(0), picture(1)
    items: list[list[Any]] = [[a, "pier"], ["pier", a], [a, "pier", b], [b, "pier", a], [a, b, "pier"], [a], [a, a]]
    vectors = embed(fast, [message(*item) for item in items])
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    assert distance[~np.eye(len(items), dtype=bool)].min() > 1e-3


def test_a_cell_has_one_position_whatever_text_is_before_it(fast: SentenceTransformer) -> None:
    pad = fast[0].config.image_token_id
    rows = [message(picture(0)), message("find it: a pier", picture(0), BOX), message(picture(0), picture(1), "b")]
    ids = fast.preprocess(rows)["input_ids"]
    assert (ids[:, 1:5] == pad).all()  # 64 px: 2 × 2 cells
    assert [int((row == pad).sum()) for row in ids] == [4, 4, 8]
    words = fast.tokenizer.convert_ids_to_tokens(ids[1].tolist())
    assert words[5:] == [
        "find", "it", ":", "a", "pier", "<|picture_1|>", "<|box_start|>", "(", "1", "2", ",", "3", "4", "5", ")", ",",
        "(", "6", "6", ",", "7", ")", "<|box_end|>", "[SEP]",
    ]  # fmt: skip


def test_too_long_a_text_is_cut_and_told_once(fast: SentenceTransformer, caplog: pytest.LogCaptureFixture) -> None:
    fast[0].cut = 0
    with caplog.at_level(logging.WARNING):
        ids = fast.preprocess([message("pier " * 600, picture(0)), message("pier " * 600), message("pier")])[
            "input_ids"
        ]
    assert ids.shape[1] == 512
    assert fast[0].cut == 2
    assert len([r for r in caplog.records if "left out" in r.message]) == 1
    assert (ids[:2, -1] == fast.tokenizer.eos_token_id).all()


def test_too_many_pictures_are_refused(tmp_path: Path) -> None:
    model = small_mini(tmp_path, side=224)
    model.preprocess([message(*[picture(0)] * 10)])
    with pytest.raises(ValueError, match="10 fit into 512"):
        model.preprocess([message(*[picture(0)] * 11)])


def test_one_picture_in_many_items_is_seen_once(
    fast: SentenceTransformer, stock: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []

    def count(tower: Any, pixels: torch.Tensor, frozen: int) -> torch.Tensor:
        ran.append(len(pixels))
        return see(tower, pixels, frozen)

    monkeypatch.setattr(mini_encoder, "see", count)
    one, two = picture(0), picture(1)
    inputs = [message(one, f"region {n}") for n in range(5)] + [message(two, one), message("none"), message(two, two)]
    assert np.abs(embed(fast, inputs) - embed(stock, inputs)).max() < TOLERANCE
    assert ran == [2]
    part = fast(_create_minibatch(fast.preprocess(inputs), 3, 8))["sentence_embedding"].detach().numpy()
    assert np.abs(part - embed(fast, inputs)[3:]).max() < TOLERANCE


@pytest.mark.parametrize(("blocks", "pretrained"), [(0, False), (13, False), (16, False), (0, True)])
def test_what_is_frozen_gets_no_gradient(fast: SentenceTransformer, blocks: int, pretrained: bool) -> None:
    fast[0].freeze(blocks, pretrained)
    fast.zero_grad()
    fast(fast.preprocess([message(picture(0), "pier")]))["sentence_embedding"].square().sum().backward()
    trained = {n for n, p in fast.named_parameters() if p.grad is not None}
    tower = {n.split("blocks.")[1].split(".")[0] for n in trained if "vision_tower.encoder.blocks" in n}
    assert tower == (set() if pretrained else {str(n) for n in range(blocks, 16)})
    assert any("embeddings.convolution" in n for n in trained) == (blocks == 0 and not pretrained)
    assert any("language_model" in n for n in trained) != pretrained
    assert any("multi_modal_projector" in n for n in trained)
    assert not any("squeeze_excite" in n or "pooler" in n for n in trained)
    fast.zero_grad()
    fast[0].freeze(0, pretrained=False)


def test_the_tower_is_transformers_own_with_open_gates() -> None:
    from transformers import EfficientNetModel

    tower = EfficientNetModel(lite0_config(**VISION)).eval()
    tower.load_state_dict(renamed(vision_part()), strict=False)
    open_gates(tower)
    pixels = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = tower(pixels).last_hidden_state.flatten(2).transpose(1, 2)
        assert torch.allclose(see(tower, pixels), expected, atol=1e-3)
    assert expected.shape == (2, 6, 128)
    assert expected.std() > 0.01


def test_weights_that_are_not_of_the_parts_are_refused(tmp_path: Path) -> None:
    text, vision = write_text_part(tmp_path), vision_part()
    with pytest.raises(ValueError, match="no weight of EfficientNet-Lite"):
        build_mini(text, vision | {"_blocks.0._se_reduce.weight": torch.zeros(1)}, seed=0, vision_options=VISION)
    vision.pop("_bn1.bias")
    with pytest.raises(ValueError, match=r"top_bn\.bias"):
        build_mini(text, vision, seed=0, vision_options=VISION)
    with pytest.raises(ValueError, match="multiple of 32"):
        small_mini(tmp_path, side=100)


def test_a_vocabulary_without_unused_tokens_is_refused(tmp_path: Path) -> None:
    file = write_text_part(tmp_path) / "tokenizer.json"
    file.write_text(file.read_text().replace("[unused", "[used"))
    with pytest.raises(ValueError, match="0 unused tokens"):
        adapt_tokenizer(file)


def test_mini_is_a_function_of_its_parts_and_seed(tmp_path: Path) -> None:
    a, b, c = (small_mini(tmp_path, seed=s).state_dict() for s in (3, 3, 4))
    assert all(torch.equal(a[k], b[k]) for k in a)
    other = {k for k in a if not torch.equal(a[k], c[k])}
    assert other
    assert all("projector" in k or "pooler" in k for k in other)
