"""Embedding with a real interleaved encoder: once per item, ahead of the device, safe under kill -9."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer

from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault, UserError
from geovec_data.mining import embed as embedding
from geovec_data.mining.cache import EmbeddingStore, Key
from geovec_data.mining.encoder import Encoder
from geovec_data.mining.encoding import Effort
from geovec_data.mining.mine import MineConfig, run
from tests.fixtures.encoders import small_tiny
from tests.fixtures.handmade import painted


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_tiny(tmp_path_factory.mktemp("models") / "tiny (1)")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return painted(tmp_path / "data = set", scenes=9)


def mine(dataset: Path, encoder: Path, **options: Any) -> dict[str, Any]:
    given = {"dataset": dataset, "encoder": str(encoder), "device": "cpu", "batch": 8, **options}
    return run(MineConfig.model_validate(given))


def stored(dataset: Path, role: str) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for file in sorted((dataset / "embeddings").glob(f"*-{role}-*/*.arrow")):
        table = pa.ipc.open_file(str(file)).read_all()
        out |= dict(zip(table["id"].to_pylist(), np.array(table["vector"].to_pylist()), strict=True))
    return out


def test_every_task_is_mined_with_each_item_embedded_once(
    dataset: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    whole = Encoder.prepare

    def watched(self: Encoder, inputs: Any, role: Any) -> Any:
        assert all(isinstance(i, list) and i[-1]["role"] == "user" for i in inputs)  # messages
        for i in inputs:
            content = [p.get("text") or hash(p["image"].tobytes()) for turn in i for p in turn["content"]]
            seen[role, str(content)] += 1
        return whole(self, inputs, role)

    monkeypatch.setattr(Encoder, "prepare", watched)
    facts = mine(dataset, tiny)
    assert not facts["skipped"]
    assert set(facts["tasks"]) == set(Dataset(dataset).manifest.tasks)
    assert facts["encoder"]["codecs"] == "pixels+lat_lon"  # as the encoder was trained
    assert seen.total() == facts["embedding"]["encoded"] > 0
    assert set(seen.values()) == {1}
    before = seen.total()
    again = mine(dataset, tiny, run="more", k=2)
    assert seen.total() == before
    assert again["embedding"]["encoded"] == 0


def test_queries_carry_the_instruction_and_targets_do_not(
    dataset: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: dict[str, set[str]] = {"query": set(), "target": set()}
    whole = Encoder.prepare

    def watched(self: Encoder, inputs: Any, role: Any) -> Any:
        texts[role] |= {i[0]["content"][0].get("text", "") for i in inputs}
        return whole(self, inputs, role)

    monkeypatch.setattr(Encoder, "prepare", watched)
    mine(dataset, tiny, tasks=["region_to_text", "text_to_region"])
    manifest = Dataset(dataset).manifest
    assert texts["query"] == {manifest.tasks[t].instructions[0] for t in ("region_to_text", "text_to_region")}
    assert not texts["query"] & texts["target"]


def test_vectors_are_those_of_encode(dataset: Path, tiny: Path) -> None:
    mine(dataset, tiny, tasks=["expression_to_region"])
    data = Dataset(dataset)
    model = SentenceTransformer(str(tiny), device="cpu")
    for item, vector in list(stored(dataset, "target").items())[:6]:
        image, box = data.items.segments(item)
        assert image.image
        assert box.box
        picture = Image.open(io.BytesIO(data.images.get(image.image)))
        words = "[{}, {}, {}, {}]".format(*(f"{v:g}" for v in box.box))
        content = [{"type": "image", "image": picture}, {"type": "text", "text": words}]
        right = model.encode([[{"role": "user", "content": content}]], normalize_embeddings=True)[0]
        np.testing.assert_allclose(vector, right, atol=1e-5)


def test_another_codec_takes_over_what_has_no_numbers(
    dataset: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = mine(dataset, tiny)
    before = {role: stored(dataset, role) for role in ("query", "target")}
    again: list[str] = []
    whole = Encoder.prepare

    def watched(self: Encoder, inputs: Any, role: Any) -> Any:
        again.extend(i[-1]["content"][-1].get("text", "") for i in inputs)
        return whole(self, inputs, role)

    monkeypatch.setattr(Encoder, "prepare", watched)
    second = mine(dataset, tiny, run="other", box_codec="normalized")
    modality = dict(zip(*Dataset(dataset).read("items", ["id", "modality"]).to_pydict().values(), strict=True))
    numbers = {i for role in before for i in before[role] if {"box", "coordinate"} & set(modality[i].split("+"))}
    assert 0 < second["embedding"]["encoded"] == len(again) < first["embedding"]["encoded"]
    assert all(any(c.isdigit() for c in text) for text in again)
    assert second["encoder"]["codecs"] == "normalized+lat_lon"
    new = Key(first["encoder"]["fingerprint"], "target", None, "normalized+lat_lon")
    taken = EmbeddingStore(dataset, new)
    for item, vector in before["target"].items():
        same = np.array_equal(taken.take(taken.locate(pa.array([item])))[0], vector)
        assert same == (item not in numbers) or "box" not in modality[item]


def test_another_checkpoint_of_the_same_name_is_another_encoder(dataset: Path, tiny: Path, tmp_path: Path) -> None:
    trained = tmp_path / "model"
    shutil.copytree(tiny, trained)
    first = mine(dataset, trained, tasks=["image_to_text"])
    weights = load_file(trained / "model.safetensors")
    save_file({n: w * 1.01 for n, w in weights.items()}, trained / "model.safetensors", metadata={"format": "pt"})
    second = mine(dataset, trained, tasks=["image_to_text"], overwrite=True)
    assert second["encoder"]["fingerprint"] != first["encoder"]["fingerprint"]
    assert second["embedding"]["encoded"] == first["embedding"]["encoded"]


def test_vectors_that_are_not_numbers_fail_and_name_the_items(dataset: Path, tiny: Path, tmp_path: Path) -> None:
    diverged = tmp_path / "model"
    shutil.copytree(tiny, diverged)
    weights = load_file(diverged / "model.safetensors")
    save_file({n: w * np.nan for n, w in weights.items()}, diverged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataFault, match=r"gives NaN, infinite or zero vectors for \d+ of \d+ items") as fault:
        mine(dataset, diverged, tasks=["image_to_text"])
    named = str(fault.value).split(": ")[1].split(";")[0].split(", ")[0]
    assert named in pq.read_table(next((dataset / "items").iterdir()))["id"].to_pylist()
    assert not stored(dataset, "target")


def test_a_store_of_another_dimension_is_refused_before_anything_is_encoded(dataset: Path, tiny: Path) -> None:
    mine(dataset, tiny, tasks=["image_to_text"])
    (file, *_) = sorted((dataset / "embeddings").glob("*-target-*/*.arrow"))
    names = pa.ipc.open_file(str(file)).read_all()["id"].to_pylist()
    file.unlink()
    key = json.loads((file.parent / "key.json").read_text())
    store = EmbeddingStore(dataset, Key(*(key[name] for name in ("encoder", "role", "instruction", "codecs"))))
    store.add(names[:1], np.ones((1, 3), np.float32))
    with pytest.raises(UserError, match=r"gives vectors of 128 dimensions, but .* holds some of 3"):
        mine(dataset, tiny, tasks=["image_to_text"], run="again")


def test_an_image_that_does_not_decode_fails_and_is_named(
    dataset: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = next(iter(Dataset(dataset).read("image_splits").to_pylist()))["image"]
    from geovec_data.dataset import ImageStore

    whole = ImageStore.get

    def cut(self: ImageStore, image: str) -> bytes:
        data = whole(self, image)
        return data[: len(data) // 2] if image == broken else data

    monkeypatch.setattr(ImageStore, "get", cut)
    with pytest.raises(DataFault, match=f"image {broken} does not decode"):
        mine(dataset, tiny)


KILLED = """
import os, signal, sys
from geovec_data.mining import cache, embed
from geovec_data.mining.encoding import Effort
from geovec_data.mining.mine import MineConfig, run
embed.FLUSH_ITEMS = 1
whole, calls = cache.EmbeddingStore.add, [0]
def add(self, ids, vectors):
    whole(self, ids, vectors)
    calls[0] += 1
    if calls[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
cache.EmbeddingStore.add = add
run(MineConfig(dataset=sys.argv[1], encoder=sys.argv[2], batch=4, device="cpu"))
"""


def test_killed_and_run_again_it_embeds_the_rest_only(dataset: Path, tiny: Path, tmp_path: Path) -> None:
    untouched = tmp_path / "untouched"
    shutil.copytree(dataset, untouched)
    done = subprocess.run([sys.executable, "-c", KILLED, str(dataset), str(tiny)], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    kept = len(stored(dataset, "target"))
    assert kept == 12  # three batches of four
    assert not (dataset / "mining/default").exists()
    resumed, whole = mine(dataset, tiny, batch=4), mine(untouched, tiny, batch=4)
    assert resumed["embedding"]["encoded"] == whole["embedding"]["encoded"] - kept
    assert resumed["embedding"]["reused"] == whole["embedding"]["reused"] + kept
    assert resumed["tasks"] == whole["tasks"]
    for name in ("candidates", "negatives"):
        one, other = (pq.read_table(d / "mining/default" / f"{name}.parquet") for d in (dataset, untouched))
        assert one.drop(["score", *(["positive_score"] if name == "negatives" else [])]).equals(
            other.drop(["score", *(["positive_score"] if name == "negatives" else [])])
        )


def test_a_failure_of_the_encoder_reaches_the_caller_and_keeps_what_was_flushed(
    dataset: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = Encoder.run, [0]

    def failing(self: Encoder, features: Any, role: Any) -> Any:
        calls[0] += 1
        if calls[0] == 3:
            raise RuntimeError("CUDA out of memory")
        return whole(self, features, role)

    monkeypatch.setattr(Encoder, "run", failing)
    monkeypatch.setattr(embedding, "FLUSH_ITEMS", 1)
    with pytest.raises(RuntimeError, match="out of memory"):
        mine(dataset, tiny)
    assert len(stored(dataset, "target")) == 16


def test_batches_hold_items_of_like_size(dataset: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels: list[list[int]] = []
    whole = Encoder.prepare

    def watched(self: Encoder, inputs: Any, role: Any) -> Any:
        if role == "target":
            pictures = [[p["image"] for p in i[0]["content"] if "image" in p] for i in inputs]
            pixels.append([sum(p.size[0] * p.size[1] for p in some) for some in pictures])
        return whole(self, inputs, role)

    monkeypatch.setattr(Encoder, "prepare", watched)
    mine(dataset, tiny, workers=1)
    flat = [p for batch in pixels for p in batch]
    assert flat == sorted(flat, reverse=True)
    assert len(set(flat)) == 2  # with an image, and without


def test_batches_are_prepared_side_by_side_and_come_out_in_order(
    dataset: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(dataset, other)
    mine(other, tiny, workers=1)
    met = threading.Barrier(3)  # breaks, and fails the run, when fewer than three threads prepare at once
    whole, first = Encoder.prepare, [3]

    def watched(self: Encoder, inputs: Any, role: Any) -> Any:
        if first[0] > 0:
            first[0] -= 1
            met.wait(timeout=30)
        return whole(self, inputs, role)

    monkeypatch.setattr(Encoder, "prepare", watched)
    mine(dataset, tiny, workers=3)
    for role in ("query", "target"):
        one, many = stored(other, role), stored(dataset, role)
        assert list(one) == list(many)
        np.testing.assert_allclose(np.array([*one.values()]), np.array([*many.values()]), atol=1e-6)


def test_the_share_of_time_in_which_devices_were_idle_is_reported(dataset: Path, tiny: Path) -> None:
    both = Effort(encoded=5, seconds=6.0, device=6.0, busy=3.0, waited=2.0)
    both.add(Effort(encoded=5, seconds=4.0, device=4.0, busy=1.0, waited=1.0))
    assert both.facts() == {"encoded": 10, "reused": 0, "seconds": 10.0, "idle_share": 0.6, "wait_share": 0.3}
    facts = mine(dataset, tiny)
    work = facts["embedding"]
    assert 0 <= work["wait_share"] <= work["idle_share"] < 1
    assert any(f"idle {100 * work['idle_share']:.0f} % of it" in line for line in facts["human"])
