"""The fast module against sentence-transformers' own, and what is saved."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.transformer import Transformer

from geovec_data.errors import UserError
from geovec_train.models.encoder import InterleavedEncoder
from geovec_train.models.load import codecs_of, load
from geovec_train.models.sizes import check_room
from geovec_train.models.tiny import build_tiny

TEXTS = ["a pier beside a beach", "many planes on the apron", "two storage tanks near a road", "find it:"]
TOLERANCE = 3e-6


def picture(seed: int, width: int = 150, height: int = 150) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def message(*parts: Any) -> list[dict[str, Any]]:
    content = [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image", "image": p} for p in parts]
    return [{"role": "user", "content": content}]


@pytest.fixture(scope="module")
def fast() -> SentenceTransformer:
    settings = {"box_codec": "pixels", "coordinate_codec": "lon_lat:4"}
    return build_tiny(TEXTS * 3, seed=1, geovec=settings, prompts={"text_to_image": "Find the image."})


def embed(model: SentenceTransformer, inputs: list[Any], **options: Any) -> np.ndarray[Any, Any]:
    out: np.ndarray[Any, Any] = model.encode(inputs, **options)
    return out


CASES: dict[str, list[Any]] = {
    "texts": TEXTS,
    "pictures": [picture(0), picture(1), picture(2)],
    "pictures of different sizes": [picture(0), picture(1, 300, 90), picture(2, 80, 240), picture(3, 300, 90)],
    "picture then text": [message(picture(0), t) for t in TEXTS],
    "text, picture, texts, picture, text": [
        message("look", picture(1), "left of", t, picture(2, 200, 80), "<|box_start|>(12,345),(66,7)<|box_end|>")
        for t in TEXTS
    ],
    "with and without a picture": [message(picture(0), "a"), message("b"), message(picture(1), picture(2), picture(3))],
    "text that spells special tokens": ["a <|image_pad|> b <|endoftext|>", "<|vision_start|>", "c"],
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("prompt", [None, "Find the image."])
def test_fast_module_equals_the_stock_one(
    fast: SentenceTransformer, stock: SentenceTransformer, name: str, prompt: str | None
) -> None:
    assert type(stock[0]) is Transformer
    assert type(fast[0]) is InterleavedEncoder
    a, b = (embed(m, CASES[name], prompt=prompt) for m in (fast, stock))
    assert np.abs(a - b).max() < TOLERANCE
    assert np.allclose(np.linalg.norm(a, axis=1), 1, atol=1e-5)
    assert len(np.unique(a.round(5), axis=0)) == len(a)


def test_gradients_equal_the_stock_ones(fast: SentenceTransformer, stock: SentenceTransformer) -> None:
    inputs = CASES["text, picture, texts, picture, text"]
    grads = []
    for model in (fast, stock):
        model.zero_grad()
        out = model(model.preprocess(inputs))["sentence_embedding"]
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        grads.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
        model.zero_grad()
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        assert torch.allclose(grad, grads[1][name], atol=2e-5, rtol=1e-4), name


def test_plain_inputs_equal_their_messages(fast: SentenceTransformer) -> None:
    one = picture(5)
    encoded = io.BytesIO()
    one.save(encoded, "PNG")
    same = [one, message(one), message(np.asarray(one)), message(encoded.getvalue())]
    vectors = np.stack([embed(fast, [i])[0] for i in same])
    assert np.abs(vectors - vectors[0]).max() < 1e-6
    texts = [
        "find it: a pier",
        message("find it: a pier"),
        message("find it:", "a pier"),
        message(" find it:  ", "a pier"),
    ]
    vectors = np.stack([embed(fast, [i])[0] for i in texts])
    assert np.abs(vectors - vectors[0]).max() < 1e-6
    assert {"text", "image", "message"} <= set(fast.modalities)


def test_order_of_the_parts_matters(fast: SentenceTransformer) -> None:
    a, b = picture(0), picture(1)
    items = [[a, "pier"], ["pier", a], [a, "pier", b], [b, "pier", a], [a, b, "pier"]]
    vectors = embed(fast, [message(*item) for item in items])
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    assert distance[~np.eye(5, dtype=bool)].min() > 1e-2


def test_padding_and_company_in_the_batch_change_nothing(fast: SentenceTransformer) -> None:
    inputs = [message(picture(0), "a"), message("b"), message(picture(1, 300, 90), *TEXTS)]
    together = embed(fast, inputs)
    alone = np.stack([embed(fast, [i])[0] for i in inputs])
    assert np.abs(together - alone).max() < 1e-6


def test_too_long_a_text_is_cut_as_the_stock_module_cuts_it(
    fast: SentenceTransformer, stock: SentenceTransformer
) -> None:
    inputs = ["pier beach " * 400, "pier"]
    assert fast.preprocess(inputs)["input_ids"].shape[1] == 512
    assert np.abs(embed(fast, inputs) - embed(stock, inputs)).max() < TOLERANCE


@pytest.mark.parametrize("shapes", [[(64, 64)], [(30, 70), (64, 64)], [(900, 100), (90, 40)]])
def test_the_largest_side_is_the_last_of_which_every_picture_fits(shapes: list[tuple[int, int]]) -> None:
    model = build_tiny(TEXTS * 3, seed=1)
    with pytest.raises(UserError, match=r"largest side that fits is \d+") as caught:
        check_room(model, 1400, TEXTS, shapes)
    fits = int(str(caught.value).rpartition(" ")[2])
    inputs = [message(text, picture(0, *shape)) for text in TEXTS for shape in shapes]
    check_room(model, fits, TEXTS, shapes)
    model[0].side = fits
    model.preprocess(inputs)
    model[0].side = fits + 28
    with pytest.raises(ValueError, match="Mismatch"):
        model.preprocess(inputs)


def test_saved_folder_is_stock_and_free_of_pickle(folder: Path, fast: SentenceTransformer) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    assert [m["type"].split(".")[0] for m in modules] == ["sentence_transformers"] * 3
    suffixes = {p.suffix for p in folder.rglob("*") if p.is_file()}
    assert suffixes <= {".json", ".safetensors", ".jinja"}
    again = load(folder, device="cpu")
    assert isinstance(again[0], InterleavedEncoder)
    assert np.array_equal(embed(again, TEXTS), embed(fast, TEXTS))
    assert again.prompts["text_to_image"] == "Find the image."
    codecs = codecs_of(again)
    assert (codecs.box.name, codecs.coordinate.name) == ("pixels", "lon_lat:4")


def test_plain_sentence_transformers_loads_it_where_this_package_is_absent(
    folder: Path, fast: SentenceTransformer, tmp_path: Path
) -> None:
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("geovec"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Block())
import numpy as np
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
np.save(sys.argv[2], model.encode(["a pier beside a beach"], prompt_name="text_to_image"))
assert not any(m.startswith("geovec") for m in sys.modules)
"""
    out = tmp_path / "v.npy"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(out)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    expected = embed(fast, [message("Find the image.", "a pier beside a beach")])
    assert np.abs(np.load(out) - expected).max() < TOLERANCE


def test_saving_again_from_the_stock_class_keeps_our_settings(stock: SentenceTransformer, tmp_path: Path) -> None:
    stock.save_pretrained(str(tmp_path / "again"), create_model_card=False)
    assert codecs_of(load(tmp_path / "again", device="cpu")).box.name == "pixels"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p / "absent", "no such folder"),
        (lambda p: p, "no modules.json"),
        (lambda p: (p / "modules.json").write_text("[]") and p, "does not load"),
        (
            lambda p: (
                (p / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "evil.module.Class"}]')
                and p
            ),
            "trust_remote_code|third-party",
        ),
    ],
)
def test_what_is_no_model_is_told(tmp_path: Path, make: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load(make(tmp_path))


def test_tiny_is_a_function_of_texts_and_seed() -> None:
    one, two, other = (build_tiny(TEXTS, seed=s) for s in (3, 3, 4))
    assert one.tokenizer.get_vocab() == two.tokenizer.get_vocab()
    a, b, c = (m.state_dict() for m in (one, two, other))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not all(torch.equal(a[k], c[k]) for k in a)


def test_tiny_reads_numbers_digit_by_digit_and_boxes_by_their_tokens() -> None:
    tokens = build_tiny(["tank 123 " * 50, "<|box_start|>(123,45)<|box_end|>"], seed=0).tokenizer
    ids = tokens("<|box_start|>(123,4),(5,6)<|box_end|>")["input_ids"]
    words = tokens.convert_ids_to_tokens(ids)
    assert words[0] == "<|box_start|>"
    assert words[-1] == "<|box_end|>"
    assert [w for w in words if any(ch.isdigit() for ch in w)] == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize("side", [0, 100])
def test_side_must_fit_the_patches(side: int) -> None:
    with pytest.raises(ValueError, match="multiple of 28"):
        build_tiny(TEXTS, seed=0, side=side)


def test_one_picture_in_many_items_is_seen_once(
    fast: SentenceTransformer, stock: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from geovec_train.models import vision

    ran: list[int] = []
    real = vision._tower

    def count(visual: Any, patches: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        ran.append(len(patches))
        return real(visual, patches, shape)

    monkeypatch.setattr(vision, "_tower", count)
    one, two, wide = picture(0), picture(1), picture(2, 300, 90)
    inputs = [message(one, f"region {n}") for n in range(5)] + [message(two, one), message("none"), message(wide, one)]
    assert np.abs(embed(fast, inputs) - embed(stock, inputs)).max() < TOLERANCE
    assert sorted(ran) == [1, 2]
    features = fast.preprocess(inputs)
    from sentence_transformers.base.losses.gradcache import _create_minibatch

    part = fast(_create_minibatch(features, 3, 8))["sentence_embedding"].detach().numpy()
    assert np.abs(part - embed(fast, inputs)[3:]).max() < TOLERANCE
