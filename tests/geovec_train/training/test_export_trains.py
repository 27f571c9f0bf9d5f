"""What `format=sentence-transformers` writes is what the library's own trainer and `encode` take."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from geovec_data.dataset import Dataset
from geovec_data.export.config import ExportConfig
from geovec_data.export.export import run
from geovec_data.render import Codecs, parts, to_message
from geovec_train.models.load import save_model
from geovec_train.models.tiny import build_tiny
from tests.fixtures.dataset import build
from tests.fixtures.jobs import mined
from tests.fixtures.voc import write_rsvg


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("trains")
    write_rsvg(folder / "corpus", images=10, expressions=20, size=96, seed=0)
    made = build("recipe=rsvg", f"source.root={folder / 'corpus'}", f"out={folder / 'data'}", "workers=1", "units=2")
    mined(made.path, per_example=2)
    return made


@pytest.fixture(scope="module")
def stock(home: Dataset, tmp_path_factory: pytest.TempPathFactory) -> SentenceTransformer:
    folder = tmp_path_factory.mktemp("stock") / "tiny"
    save_model(
        build_tiny(["a red ship of 10 by 20", "find the region that", "which text describes this"], seed=0), folder
    )
    return SentenceTransformer(str(folder), device="cpu")


def rows_of(home: Dataset, out: Path, task: str, **options: Any) -> Any:
    run(ExportConfig(dataset=home.path, out=out, format="sentence-transformers", negatives_per_example=2, **options))
    return datasets.load_dataset(str(out), task, split="train", cache_dir=str(out.with_name("cache")))


def test_exported_sides_embed_as_the_items_themselves(
    home: Dataset, stock: SentenceTransformer, tmp_path: Path
) -> None:
    rows = rows_of(home, tmp_path / "o", "text_to_region", form="pair")
    codecs = Codecs.named()

    def own(item: str, instruction: str | None) -> list[dict[str, Any]]:
        rendered = parts(home.items.segments(item), instruction=instruction, codecs=codecs, size=home.images.size)
        return to_message(rendered, lambda i: Image.open(io.BytesIO(home.images.get(i))).convert("RGB"))

    pairs = (
        home.connect()
        .execute(
            "SELECT e.query, q.item FROM example_splits e JOIN qrels q ON q.example = e.id"
            " WHERE e.task = 'text_to_region' AND e.split = 'train' ORDER BY e.image, e.id, q.item"
        )
        .fetchall()
    )
    said = home.instruction("text_to_region/0")
    # a rendered query is two turns, the exported one is their texts in one string
    queries = [" ".join(p["text"] for turn in own(q, said) for p in turn["content"]) for q, _ in pairs]
    assert list(rows["anchor"]) == queries
    ours = stock.encode([own(p, None) for _, p in pairs])
    theirs = stock.encode(list(rows["positive"]))
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


@pytest.mark.parametrize("form", ["pair", "n-tuple"])
def test_the_librarys_trainer_takes_a_step(
    home: Dataset, stock: SentenceTransformer, tmp_path: Path, form: Any
) -> None:
    rows = rows_of(home, tmp_path / "o", "text_to_region", form=form)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "run"), max_steps=1, per_device_train_batch_size=4, report_to="none", use_cpu=True,
        save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = SentenceTransformerTrainer(
        model=stock, args=arguments, train_dataset=rows, loss=MultipleNegativesRankingLoss(stock)
    )
    assert np.isfinite(trainer.train().training_loss)
