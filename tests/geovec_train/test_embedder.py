"""`geovec_train.load(…).encode_items`: the store's own vectors, whatever form an item is given in; mistakes named."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sentence_transformers import SentenceTransformer

import geovec_train
from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.records import Segment
from geovec_train.evaluation.vectors import Vectorizer
from tests.fixtures.dataset import build
from tests.fixtures.encoders import small_tiny
from tests.fixtures.vlm import write_vlm
from tests.fixtures.voc import write_rsvg

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("regions")
    write_rsvg(folder / "corpus", images=4, expressions=10)
    return build("recipe=rsvg", f"source.root={folder / 'corpus'}", f"out={folder / 'dataset'}", "workers=1", "units=2")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_tiny(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def model(tiny: Path) -> geovec_train.Embedder:
    return geovec_train.load(tiny, device="cpu")


def by_hand(dataset: Dataset, item: str) -> dict[str, Any]:
    """An item of the dataset as a user would write it."""
    out: dict[str, Any] = {}
    for s in dataset.items.segments(item):
        match s.kind:
            case "image":
                assert s.image is not None
                out["image"] = dataset.images.get(s.image)
            case "coordinate":
                out["coordinate"] = (s.lon, s.lat)
            case _:
                out[s.kind] = s.text or s.box
    return out


def kinds(dataset: Dataset) -> list[str]:
    """Two items of each modality."""
    by_modality: dict[str, list[str]] = {}
    for item in dataset.items.table["id"].to_pylist():
        by_modality.setdefault(dataset.items.modality(item), []).append(item)
    assert {"text", "image+box", "image+text"} <= by_modality.keys()
    return [item for items in by_modality.values() for item in items[:2]]


@pytest.mark.parametrize("family", ["tiny", "qwen2_5_vl"])
def test_vectors_are_those_that_mining_and_evaluation_keep(
    dataset: Dataset, tiny: Path, tmp_path: Path, family: str
) -> None:
    from geovec_train.models.load import load, save_model

    folder = tiny
    if family != "tiny":  # its boxes are in pixels of the resized image
        folder = tmp_path / "saved"
        save_model(load(write_vlm(tmp_path / "hub", family, most=28**2 * 9), device="cpu"), folder)
    items = kinds(dataset)
    store = Vectorizer(str(folder), dataset, device="cpu", batch=4)
    embedder = geovec_train.load(folder, device="cpu")
    for instruction in (None, "Find what is described."):
        kept = store.vectors(items, instruction)
        records = embedder.encode_items(
            [dataset.items.segments(i) for i in items], instruction=instruction, dataset=dataset
        )
        plain = embedder.encode_items([by_hand(dataset, i) | {"instruction": instruction} for i in items], batch_size=3)
        assert records.dtype == np.float32
        assert np.abs(records - kept).max() < 1e-5
        assert np.abs(plain - kept).max() < 1e-5


def test_the_forms_of_one_item_give_one_vector(model: geovec_train.Embedder, tmp_path: Path) -> None:
    encoded = io.BytesIO()
    PICTURE.save(encoded, "PNG")
    (tmp_path / "scene (1) = ~.png").write_bytes(encoded.getvalue())
    path = tmp_path / "scene (1) = ~.png"
    message = [
        {"role": "user", "content": [{"type": "image", "image": PICTURE}, {"type": "text", "text": "<box> a pier"}]}
    ]
    message[0]["content"][1]["text"] = "[10, 20, 30, 40] a pier"  # type: ignore[index]
    box = (10, 20, 30, 40)
    forms = [
        {"image": PICTURE, "box": box, "text": "a pier"},
        {"text": "a pier", "box": list(box), "image": str(path)},
        {"image": encoded.getvalue(), "box": np.array(box), "text": "a pier"},
        [path, {"box": box}, "a pier"],
        [np.asarray(PICTURE), {"box": box, "text": "a pier"}],
        message,
        message[0],
    ]
    vectors = model.encode_items(forms)
    assert np.abs(vectors - vectors[0]).max() < 1e-5
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    others = model.encode_items([["a pier", PICTURE], [PICTURE, "a pier"], "a pier", PICTURE, [PICTURE, PICTURE]])
    assert len(np.unique(others.round(4), axis=0)) == 5


def test_an_instruction_may_be_a_tasks_name_and_its_own_comes_first(model: geovec_train.Embedder) -> None:
    model.prompts["text_to_image"] = "Find the image."
    named, words, own, none = model.encode_items(
        [
            {"text": "a pier", "instruction": "text_to_image"},
            {"text": "a pier", "instruction": "Find the image."},
            {"text": "Find the image. a pier"},
            "a pier",
        ]
    )
    assert np.abs(named - words).max() < 1e-6
    assert np.abs(named - own).max() < 1e-6
    assert np.abs(named - none).max() > 1e-3
    common = model.encode_items(["a pier", {"text": "a pier", "instruction": "Other:"}], instruction="text_to_image")
    assert np.abs(common[0] - named).max() < 1e-6
    assert np.abs(common[1] - named).max() > 1e-3


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({}, "nothing to embed"),
        ({"instruction": "Find it."}, "nothing to embed"),
        ([], "nothing to embed"),
        ({"txt": "a"}, "unknown key 'txt'. Did you mean 'text'"),
        ({"text": 5}, "the text is a int"),
        ({"text": "a", "box": (0, 0, 5, 5)}, "a box without an image before it"),
        ([{"box": (0, 0, 5, 5)}, PICTURE], "a box without an image before it"),
        ({"image": PICTURE, "box": (5, 5, 1, 9)}, "empty or inverted"),
        ({"image": PICTURE, "box": (1, 2, 3)}, "give 4 numbers, x0, y0, x1, y1"),
        ({"image": PICTURE, "box": "abcd"}, "give 4 numbers"),
        ({"image": PICTURE, "box": (200, 0, 300, 50)}, "has no part inside a 90 × 60 px image"),
        ({"coordinate": (27.7, 185.3)}, "not on the globe"),
        ({"coordinate": (27.7, 95.0)}, r"not on the globe; are they in the order lat, lon"),
        ({"coordinate": (1,)}, "give 2 numbers, lon, lat in degrees"),
        ({"image": "/nowhere/x.png"}, "cannot be read"),
        ({"image": b"no image"}, "does not decode"),
        ({"image": 7}, "a int is no image; give a path"),
        (np.zeros((3, 3)), "no picture; give uint8"),
        (None, "a NoneType is no image"),
        ([{"instruction": "a"}, {"instruction": "b", "text": "c"}], "2 instructions"),
        ({"text": "a", "instruction": 3}, "the instruction is a int"),
        ((Segment.of_image("0" * 16),), "one of a dataset: say which"),
    ],
)
def test_an_item_that_is_none_is_named(model: geovec_train.Embedder, item: Any, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        model.encode_items(["fine", item])
    assert "dataset" in said or "item 1" in str(caught.value)


def test_one_item_without_a_list_is_told_and_no_items_give_no_vectors(model: geovec_train.Embedder) -> None:
    with pytest.raises(UserError, match=r"encode_items\(\[item\]\)"):
        model.encode_items("a pier")
    assert model.encode_items([]).shape == (0, model.get_embedding_dimension())


def test_a_model_of_texts_says_what_it_takes(tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "pier": 1, "a": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=4)], device="cpu").save_pretrained(
        str(tmp_path / "words"), create_model_card=False
    )
    plain = geovec_train.load(tmp_path / "words", device="cpu")
    vectors = plain.encode_items(["a pier", {"text": "a pier", "instruction": "is not given to it"}])
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-6
    with pytest.raises(UserError, match=r"item 1 is image\+box; this model takes text"):
        plain.encode_items(["a pier", {"image": PICTURE, "box": (0, 0, 5, 5)}])
    with pytest.raises(UserError, match="item 0: this model takes no chat messages"):
        plain.encode_items([[{"role": "user", "content": "a pier"}]])


def test_importing_the_package_is_light() -> None:
    code = "import sys, geovec_train; assert 'torch' not in sys.modules; from geovec_train import load; print(load)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        geovec_train.lod  # noqa: B018


@pytest.mark.parametrize("family", ["tiny", "qwen2_vl", "qwen3_vl"])
def test_sentence_transformers_own_prompt_is_the_instruction(tiny: Path, tmp_path: Path, family: str) -> None:
    folder = tiny if family == "tiny" else write_vlm(tmp_path / family, family)
    embedder = geovec_train.load(folder, device="cpu")
    own = embedder.encode_items([{"text": "a pier", "instruction": "Find the image."}])
    assert np.abs(embedder.encode(["a pier"], prompt="Find the image.") - own).max() < 1e-6
    if family != "tiny":
        assert np.abs(embedder.encode(["a pier"]) - own).max() > 1e-3
